"""What can go wrong with the local chain, told to people."""

from __future__ import annotations

from engine.errors import UserError


class DevchainError(UserError):
    """The local chain cannot be had; the text says what happened, why, and what to do."""
