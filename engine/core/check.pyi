"""For compiled callers only: see check.pxd."""
