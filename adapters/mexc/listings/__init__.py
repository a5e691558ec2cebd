"""Evidence of new listings: one source per file, each told as EVENT_LISTING when it changes."""
