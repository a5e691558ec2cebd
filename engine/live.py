"""What stands between a config and real orders: both switches, limits of the user's own, and where orders would go.

Live needs `mode = "live"` in the file and `--live` on the command line. A paper run never reaches a real market: its
orders are matched here, or by a venue on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.adapter import Destination
    from engine.config import Config


class LiveRefused(UserError):
    """The run may not start; the text says what to do."""


def check_switches(config: Config, live: bool) -> None:
    """Both switches or neither; raises LiveRefused."""
    if config.mode == "live" and not live:
        raise LiveRefused(
            'the config says mode = "live", the command line does not: real orders need both. Add --live to send real '
            'orders, or set mode = "paper"'
        )
    if live and config.mode != "live":
        raise LiveRefused(
            f'--live was given, but the config says mode = "{config.mode}": real orders need both. Set mode = "live" in '
            "the file (docs/going-live.md), or leave --live away"
        )


def check_destination(config: Config, destination: Destination) -> None:
    """A paper run's orders stay on this machine, a live run's leave it; raises LiveRefused."""
    if config.mode == "paper" and destination == "away":
        raise LiveRefused(
            f'mode = "paper", but the adapter {config.adapter.name} would send orders to a venue on another machine with '
            "the key it is given. Use an adapter that fills orders here (configs/mexc-paper.toml), name no key, or go live: "
            "docs/going-live.md"
        )
    if config.mode == "live" and destination == "nowhere":
        raise LiveRefused(
            f'mode = "live", but no order would leave: the adapter {config.adapter.name} fills orders by itself, or is '
            'given no key. Name the places of the key in [adapter], or set mode = "paper"'
        )
