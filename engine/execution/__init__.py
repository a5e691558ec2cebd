"""Sending what was approved, and finding out what became of it."""
