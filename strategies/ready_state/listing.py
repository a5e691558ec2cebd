"""One listing: its state, its orders, and what became of it. Pure: time comes in with each call."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from strategies.ready_state.exits import ExitPlan
from strategies.ready_state.states import FINAL, HOLDING, TRANSITIONS, WAITING, State


class IllegalTransition(RuntimeError):
    """A way that the table does not have: a mistake of ours, never of a venue."""


@dataclass(slots=True)
class OrderRecord:
    """An order of this listing. Prices in ticks, sizes in lots, money in 10^-20 quote units."""

    no: int
    lots: int
    price_ticks: int
    filled_lots: int = 0
    filled_money: int = 0
    fee_lots: int = 0  # of the filled lots, what the venue kept as its fee
    why: str = ""
    is_open: bool = True


@dataclass(slots=True)
class EntryPlan:
    """What is computed before the opening, so that the first book needs a few integer operations only.

    `cap_scaled`: the most money in units of one tick times one lot; divided by a price in ticks it is lots.
    """

    instrument: int
    cap_scaled: int
    tick_step: int
    lot_step: int
    min_lots: int
    max_lots: int
    min_scaled: int
    band_up_ppm: int
    order_type: int
    tradable: int
    opens_ms: int = 0  # when the exchange opens it, by its own word; 0: it is open, or does not say
    premium_ticks: int = 0  # over the futures' price; 0: no such bound
    key: int = 0  # of the next attempt


@dataclass(slots=True)
class Listing:
    """A symbol on its way to trading. `slot` numbers its timer; `generation` grows when a symbol is listed anew."""

    symbol: str
    slot: int
    state: State = State.ANNOUNCED
    since_ms: int = 0
    listing_id: str = ""
    generation: int = 0
    open_ms: int = -1  # the time that it is prepared for
    rearmed: int = 0  # how often that time moved
    watched: bool = False
    instrument: int = -1
    ready_ms: int = 0  # since when it is ready without a break, 0: it is not
    opened_ms: int = 0  # the first sign of an open market
    traded: bool = False  # a public trade of it was seen in this session
    plan: EntryPlan | None = None
    cap_ticks: int = 0  # the highest limit of an entry, fixed by the first ask; 0 until then
    attempts: int = 0  # orders sent to enter
    spent: int = 0  # of them, those before its time: the budget begins anew then
    refusal: str = ""  # the newest answer that kept us from entering
    retry_ms: int = 0  # no attempt before this
    retry_step_ms: int = 0
    switched: bool = False  # MARKET was refused, and IOC took its place
    repriced: bool = False  # the band refused the limit, and the ask took its place
    last_no: int = 0  # of its newest order: what the core has beyond it was placed after the newest memo
    entry: OrderRecord | None = None
    exits: list[OrderRecord] = field(default_factory=list)
    exit_plan: ExitPlan | None = None
    saved_high_ticks: int = 0  # the plan's highest bid that the memo has
    sold_lots: int = 0  # by exits that ended
    proceeds: int = 0  # of those, money
    exit_retry_ms: int = 0
    exit_step_ms: int = 0
    exit_blocked: str = ""  # why no exit is possible now; told once
    unknown_from: State = State.OPENING
    result: str = ""
    note: str = ""
    unsaved: bool = False  # its memo is to be written after the event that sent an order
    told: tuple[Any, ...] = ()  # the gist of its memo
    saved_ms: int = 0  # when that was written
    refresh_ms: int = 0  # when it is to be written anew, 0: it says all there is to say
    timers_ms: list[int] = field(default_factory=list)  # when a timer of ours fires

    def move(self, state: State, now_ms: int, note: str = "") -> None:
        """Go from one state to the next; IllegalTransition where the table has no such way."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self.symbol}: {self.state} to {state}")
        self.state = state
        self.since_ms = now_ms
        if note:
            self.note = note

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def is_waiting(self) -> bool:
        return self.state in WAITING

    @property
    def holds_slot(self) -> bool:
        return self.state in HOLDING

    @property
    def live_entry(self) -> OrderRecord | None:
        """The entry that is open or UNKNOWN: while there is one, there is no other."""
        return self.entry if self.entry is not None and self.entry.is_open else None

    @property
    def live_exit(self) -> OrderRecord | None:
        """The exit that is open or UNKNOWN."""
        return self.exits[-1] if self.exits and self.exits[-1].is_open else None

    @property
    def filled_lots(self) -> int:
        """What the entry executed."""
        return self.entry.filled_lots if self.entry is not None else 0

    @property
    def bought_lots(self) -> int:
        """What the entry brought, its fee taken off where it was paid in the base asset: what can be sold."""
        return self.entry.filled_lots - self.entry.fee_lots if self.entry is not None else 0

    @property
    def exited_lots(self) -> int:
        """What the exits sold, those under way included."""
        live = self.live_exit
        return self.sold_lots + (live.filled_lots if live is not None else 0)

    @property
    def held_lots(self) -> int:
        """What is left of the entry."""
        return self.bought_lots - self.exited_lots

    def attempt_key(self) -> int:
        """The idempotency key of the next attempt: the same listing and attempt never give two orders."""
        name = f"{self.listing_id or self.symbol}:{self.symbol}:{self.generation}:{self.attempts + 1}"
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
