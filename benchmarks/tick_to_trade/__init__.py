"""From wire to wire: the daemon beside a floor in C, under one load generator."""
