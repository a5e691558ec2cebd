"""For compiled callers only: see orders.pxd."""
