"""Benchmarks of whole programs, each in processes of its own, for `penstock bench NAME`."""
