"""`python -m adapters.mexc.venue`."""

from __future__ import annotations

from adapters.mexc.venue.cli import command

command(prog_name="penstock venue")
