"""What can go wrong with a log."""

from __future__ import annotations


class LogError(Exception):
    """The log cannot be opened, or takes no more records."""


class LogFull(LogError):
    """No room for the next segment: nothing was appended, a later try may succeed; a reserve is left for cancels."""


class LogDamaged(LogError):
    """Records that were there are missing, changed or out of order; says which."""

    def __init__(self, message: str, index: int, segment: int, offset: int) -> None:
        super().__init__(message)
        self.index = index
        self.segment = segment
        self.offset = offset
