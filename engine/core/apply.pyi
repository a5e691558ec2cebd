"""For compiled callers only: see apply.pxd."""
