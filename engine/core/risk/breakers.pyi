"""For compiled callers only: see breakers.pxd."""
