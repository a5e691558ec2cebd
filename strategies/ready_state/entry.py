"""The price and size of an entry: integers only, and nothing that the first book does not need."""

from __future__ import annotations

from engine import InstrumentSpec, OrderType
from engine.core.enums import Side
from engine.core.state.books import Book
from strategies.ready_state.listing import EntryPlan
from strategies.ready_state.presets import PPM
from strategies.ready_state.settings import Settings

WALKED_LEVELS = 100  # of our own book, for what a market order would pay


def plan_entry(
    instrument: int, spec: InstrumentSpec, settings: Settings, futures_price: int = 0
) -> EntryPlan:
    """Everything about an entry that is known before there is a book. `futures_price`: money, 0 where not told."""
    unit = spec.notional(1, 1)
    cap_scaled = int(settings.position.scaleb(spec.price_decimals + spec.size_decimals))
    order_type = settings.entry_type
    if not spec.order_types >> order_type & 1:
        order_type = OrderType.IOC if spec.order_types >> OrderType.IOC & 1 else OrderType.LIMIT
    premium = 0
    if futures_price and settings.max_premium_ppm:
        # Money of one whole unit of base is price x 10^20; a tick is 10^-price_decimals of it.
        ticks = futures_price * 10**spec.price_decimals // 10**20
        premium = ticks * (PPM + settings.max_premium_ppm) // PPM
    return EntryPlan(
        instrument,
        min(cap_scaled, spec.max_notional // unit),
        spec.tick_step,
        spec.lot_step,
        spec.min_lots,
        spec.max_lots,
        -(-spec.min_notional // unit),
        spec.band_up_ppm,
        order_type,
        spec.tradable,
        spec.opens_ns // 1_000_000,
        premium,
    )


def entry_cap(plan: EntryPlan, ask_ticks: int, settings: Settings) -> int:
    """The highest limit of all attempts, from the first ask that was seen."""
    cap = ask_ticks * (PPM + settings.entry_slippage_ppm) // PPM
    return min(cap, plan.premium_ticks) if plan.premium_ticks else cap


def entry_price(
    plan: EntryPlan, bid_ticks: int, ask_ticks: int, cap_ticks: int, settings: Settings, *, at_ask: bool
) -> int:
    """The limit of a purchase that takes; 0 where the book, the band or the cap exclude the best ask.

    The band is measured from the mid of our own book, as the gate does; the venue's "fair price" is not known better.
    """
    if (ask_ticks - bid_ticks) * PPM > bid_ticks * settings.max_spread_ppm:
        return 0
    limit = ask_ticks
    if not at_ask:
        limit = min(cap_ticks, ask_ticks * (PPM + settings.entry_slippage_ppm) // PPM)
    if limit > cap_ticks:
        return 0
    if plan.band_up_ppm:
        ppm = PPM + max(plan.band_up_ppm - settings.band_margin_ppm, 0)
        limit = min(limit, (bid_ticks + ask_ticks) * ppm // (2 * PPM))
    limit -= limit % plan.tick_step
    return limit if limit >= ask_ticks else 0


def why_no_price(plan: EntryPlan, bid_ticks: int, ask_ticks: int, cap_ticks: int, settings: Settings) -> str:
    """Which bound it was that left `entry_price` without one, for people."""
    if (ask_ticks - bid_ticks) * PPM > bid_ticks * settings.max_spread_ppm:
        return "the spread is over max_spread_ppm"
    if ask_ticks > cap_ticks:
        is_premium = cap_ticks == plan.premium_ticks
        return f"the ask is over the cap of {'max_premium_ppm' if is_premium else 'entry_slippage_ppm'}"
    return "the ask is outside of the venue's price band"


def reaches(book: Book, limit_ticks: int, lots: int) -> bool:
    """Whether our own book sells so many lots at no more than the limit."""
    return sum(size for price, size in book.levels(Side.SELL, WALKED_LEVELS) if price <= limit_ticks) >= lots


def entry_lots(plan: EntryPlan, limit_ticks: int) -> int:
    """As many lots as the money buys at the limit; 0 where that is under the venue's minimum."""
    lots = min(plan.cap_scaled // limit_ticks, plan.max_lots)
    lots -= lots % plan.lot_step
    return lots if lots >= plan.min_lots and lots * limit_ticks >= plan.min_scaled else 0
