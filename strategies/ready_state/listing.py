"""One listing: its state, its orders, and what became of it. Pure: time comes in with each call."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from engine.core.order import Order
from strategies.ready_state.exits import ExitPlan
from strategies.ready_state.states import FINAL, HOLDING, TRANSITIONS, WAITING, State

RECORDS_KEPT = 8  # of orders that executed nothing; all others are kept


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

    @property
    def is_idle(self) -> bool:
        """Ended without having executed anything."""
        return not self.is_open and not self.filled_lots


def pruned(records: list[OrderRecord]) -> list[OrderRecord]:
    """The records without the oldest of those that executed nothing. What is gone so can be told anew from zero."""
    idle = sum(record.is_idle for record in records)
    kept = []
    for record in records:
        if record.is_idle and idle > RECORDS_KEPT:
            idle -= 1
        else:
            kept.append(record)
    return kept


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
    cancel_ms: int = 0  # no cancel of an entry before this
    cancel_step_ms: int = 0
    waited: tuple[str, ...] = ()  # what kept the price of an entry out, each told once
    switched: bool = False  # MARKET was refused, and IOC took its place
    repriced: bool = False  # the band refused the limit, and the ask took its place
    last_no: int = 0  # of its newest order: what the core has beyond it was placed after the newest memo
    entry: OrderRecord | None = None
    earlier: list[OrderRecord] = field(default_factory=list)  # entries before that one
    exits: list[OrderRecord] = field(default_factory=list)
    exit_plan: ExitPlan | None = None
    saved_high_ticks: int = 0  # the plan's highest bid that the memo has
    sold_lots: int = 0  # by exits that ended
    proceeds: int = 0  # of those, money
    exit_retry_ms: int = 0
    exit_step_ms: int = 0
    exit_why: str = ""  # whose back-off that is: another reason to sell begins with none
    halted_ms: int = 0  # when the venue refused a sale because it takes none; 0: it does, as far as is known
    halted_bid_ticks: int = 0  # the best bid then: another one is a sign that it trades again
    exit_at_bid: bool = False  # the venue's band refused the limit: the next one is the best bid
    exit_told: set[str] = field(default_factory=set)  # why it cannot be sold, as people were told
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
    def entries(self) -> list[OrderRecord]:
        """All entries that are remembered, the newest last."""
        return self.earlier if self.entry is None else [*self.earlier, self.entry]

    @property
    def live_entry(self) -> OrderRecord | None:
        """The entry that is open or UNKNOWN: while there is one, there is no other."""
        if self.entry is not None and self.entry.is_open:
            return self.entry
        return next((record for record in self.earlier if record.is_open), None) if self.earlier else None

    @property
    def live_exit(self) -> OrderRecord | None:
        """The exit that is open or UNKNOWN."""
        return self.exits[-1] if self.exits and self.exits[-1].is_open else None

    @property
    def filled_lots(self) -> int:
        """What the entries executed."""
        return sum(record.filled_lots for record in self.entries)

    @property
    def filled_money(self) -> int:
        """What was paid for it."""
        return sum(record.filled_money for record in self.entries)

    @property
    def bought_lots(self) -> int:
        """What the entries brought, the fee taken off where it was paid in the base asset: what can be sold."""
        return sum(record.filled_lots - record.fee_lots for record in self.entries)

    @property
    def exited_lots(self) -> int:
        """What the exits sold, those under way included."""
        live = self.live_exit
        return self.sold_lots + (live.filled_lots if live is not None else 0)

    @property
    def held_lots(self) -> int:
        """What is left of the entries."""
        return self.bought_lots - self.exited_lots

    def enter_with(self, record: OrderRecord) -> None:
        """A new entry; those before it are kept track of."""
        if self.entry is not None:
            self.earlier = pruned([*self.earlier, self.entry])
        self.entry = record

    def exit_with(self, record: OrderRecord) -> None:
        """A new exit; those before it are kept track of."""
        self.exits = pruned([*self.exits, record])

    def find(self, order_no: int) -> OrderRecord | None:
        """The record of an order."""
        for records in (self.entries, self.exits):
            for record in records:
                if record.no == order_no:
                    return record
        return None

    def recall(self, order: Order) -> OrderRecord:
        """The record of an order of this listing, begun anew where it was dropped: then it had executed nothing."""
        record = self.find(order.order_no)
        if record is None:
            record = OrderRecord(
                order.order_no, order.size_lots, order.price_ticks, why="recalled", is_open=False
            )
            records = self.earlier if order.is_buy else self.exits
            records.insert(0, record)
        return record

    def attempt_key(self) -> int:
        """The idempotency key of the next attempt: the same listing and attempt never give two orders."""
        name = f"{self.listing_id or self.symbol}:{self.symbol}:{self.generation}:{self.attempts + 1}"
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
