"""Errors that are the user's to mend: shown as a sentence, never as a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right; the text says what happened, why, and what to do."""
