"""For compiled callers only: see portfolio.pxd."""
