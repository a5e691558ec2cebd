"""One listing on a stage of its own: a world with one script, run up to moments around the announced opening."""

from __future__ import annotations

import json
from typing import Any

from backtest.exchange_types import SymbolStatus
from engine.core.enums import Side
from engine.core.order import Order
from strategies.ready_state.listing import Listing
from strategies.ready_state.states import State
from tests.core_session import START_NS
from tests.simulation.listings_script import MINUTE, Play, Script
from tests.simulation.listings_world import World

OPENS = START_NS + 60 * MINUTE
ASKS, BIDS = {50_100: 10_000}, {49_900: 10_000}


class Stage:
    """One world with one script."""

    def __init__(
        self, outcome: str = "on_time", *, path: str = "flat", delay_ns: int = 0, is_live: bool = False,
        limits: dict[str, Any] | None = None, **params: Any,
    ) -> None:  # fmt: skip
        self.world = World(7, params, is_live=is_live, limits=limits)
        self.script = Script(
            1, outcome, OPENS, 0 if outcome == "never" else OPENS + delay_ns, 50_000, path, is_thin=False, has_flag=False
        )  # fmt: skip
        self.symbol = self.script.symbol
        self.play = Play(self.world, self.script)

    def until(self, offset_ns: int) -> Stage:
        """Let it be so long before (negative) or after the announced opening."""
        self.world.run(OPENS + offset_ns)
        return self

    def open_before_its_time(self) -> Stage:
        """The exchange opens it; its row still says that it opens later."""
        self.world.exchange.change_symbol(self.symbol, status=SymbolStatus.TRADING)
        return self

    def trade(self) -> Stage:
        """A public trade."""
        self.world.trade(self.symbol, 50_000, 10, Side.BUY)
        return self

    @property
    def listing(self) -> Listing:
        return self.world.strategy.listings[self.symbol]

    @property
    def state(self) -> State:
        return self.listing.state

    @property
    def memo(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.world.strategy.memos()[self.symbol])
        return told

    @property
    def orders(self) -> list[Order]:
        instrument = self.world.engine.instrument_of(self.symbol)
        return self.world.engine.known_orders(instrument) if instrument >= 0 else []

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [order for order in self.world.place_log if order["side"] == Side.BUY]

    @property
    def position(self) -> int:
        return self.world.engine.position_lots(self.listing.instrument)


def kinds_of(records: list[bytes]) -> list[int]:
    return [int.from_bytes(record[24:26], "little") for record in records]
