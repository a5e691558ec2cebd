"""Orders, executions and balances between the engine's integers and MEXC's records.

Record shapes: recorded answers of 2024-02 and the spot v3 documentation. Two traps: a market order's `price` is not what
it traded at (cummulativeQuoteQty is what counts), and the answer to a new order has neither status nor client id.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.mexc.error_codes import NOT_YET_CODES
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.numbers import integer, money, scaled
from engine.adapter import AssetBalance, Evidence, OrderRef, VenueFill
from engine.core.enums import OrderReport, OrderType, Side
from engine.core.instrument import InstrumentSpec

_NS_PER_MS = 1_000_000
_LAST_MS = (2**63 - 1) // _NS_PER_MS
# What an event has room for (engine/core/event.pxd).
_MOST_ORDER_ID, _MOST_TRADE_ID, _MOST_ASSET = 47, 55, 15
_OPENING = 2  # InstrumentSpec.tradable: listed, and not confirmed to be open
SIDE_NAMES: dict[int, str] = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPE_NAMES: dict[int, str] = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT_MAKER: "LIMIT_MAKER",
    OrderType.IOC: "IMMEDIATE_OR_CANCEL",
    OrderType.FOK: "FILL_OR_KILL",
}
_REPORTS = {
    "NEW": OrderReport.WORKING,
    "PARTIALLY_FILLED": OrderReport.WORKING,
    "FILLED": OrderReport.FILLED,
    "CANCELED": OrderReport.CANCELED,
    "PARTIALLY_CANCELED": OrderReport.CANCELED,
}


def order_params(order: OrderRef, spec: InstrumentSpec) -> dict[str, str | int]:
    """What names an order that exists: the venue's id where it is known, else ours."""
    if order.venue_order_id:
        return {"symbol": spec.symbol, "orderId": order.venue_order_id}
    return {"symbol": spec.symbol, "origClientOrderId": order.client_order_id}


def evidence_of(record: Mapping[str, object], spec: InstrumentSpec) -> Evidence:
    """What an order record says; raises VenueError where it cannot be read."""
    report = _REPORTS.get(str(record.get("status")))
    if report is None:
        raise VenueError(ErrorClass.BAD_BODY, f"order status {str(record.get('status'))[:24]!r} is not known")
    try:
        return Evidence(
            report=report,
            venue_order_id=order_id_of(record),
            cumulative_lots=scaled(record.get("executedQty"), spec.size_decimals, "executedQty"),
            cumulative_money=money(record.get("cummulativeQuoteQty"), "cummulativeQuoteQty"),
            ts_event_ns=_time_ns(record.get("updateTime") or record.get("time") or 0),
        )
    except ValueError as error:
        raise VenueError(ErrorClass.BAD_BODY, f"order record: {error}") from None


def refused_report(error: VenueError, spec: InstrumentSpec) -> int:
    """How a refused order is told: as not open yet, where its symbol is expected to open."""
    is_opening = (int(spec.tradable) == _OPENING or spec.opens_ns) and error.code in NOT_YET_CODES
    return OrderReport.NOT_YET if is_opening else OrderReport.REJECTED


def evidence_of_error(error: VenueError, when_refused: int) -> Evidence:
    """What a failed request says of its order."""
    report = when_refused if error.refused else OrderReport.AMBIGUOUS
    if error.error_class is ErrorClass.NOT_SENT and when_refused != OrderReport.CANCEL_REJECTED:
        report = OrderReport.NEVER_ACCEPTED
    return Evidence(report=report, venue_code=error.code, text=f"{error.error_class}: {error.text}")


def fill_of(record: Mapping[str, object], instrument: int, spec: InstrumentSpec) -> VenueFill:
    """One record of myTrades; raises VenueError where it cannot be read."""
    try:
        return VenueFill(
            instrument=instrument,
            venue_order_id=order_id_of(record),
            client_order_id=str(record.get("clientOrderId") or ""),
            trade_id=_short(text_of(record, "id"), "id", _MOST_TRADE_ID),
            side=Side.BUY if _flag(record, "isBuyer") else Side.SELL,
            price_ticks=scaled(record.get("price"), spec.price_decimals, "price"),
            size_lots=scaled(record.get("qty"), spec.size_decimals, "qty"),
            money=money(record.get("quoteQty"), "quoteQty"),
            fee=money(record.get("commission"), "commission"),
            fee_asset=_short(str(record.get("commissionAsset") or ""), "commissionAsset", _MOST_ASSET),
            is_maker=_flag(record, "isMaker"),
            ts_event_ns=_time_ns(record.get("time")),
        )
    except ValueError as error:
        raise VenueError(ErrorClass.BAD_BODY, f"trade record: {error}") from None


def balance_of(record: Mapping[str, object]) -> AssetBalance:
    """One balance of the account; raises VenueError where it cannot be read."""
    try:
        return AssetBalance(
            text_of(record, "asset"), money(record.get("free"), "free"), money(record.get("locked"), "locked")
        )
    except ValueError as error:
        raise VenueError(ErrorClass.BAD_BODY, f"balance: {error}") from None


def text_of(record: Mapping[str, object], name: str) -> str:
    """A text field that must be there; a number is taken as its digits. Raises ValueError."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing")
    return value


def order_id_of(record: Mapping[str, object]) -> str:
    """The venue's id of an order, of a length that the core can keep. Raises ValueError."""
    return _short(text_of(record, "orderId"), "orderId", _MOST_ORDER_ID)


def _short(text: str, what: str, most: int) -> str:
    """The text, where it is printable ASCII of at most this many characters; else ValueError."""
    if len(text) > most or not text.isascii() or (text and not text.isprintable()):
        raise ValueError(f"{what}: {text[:60]!r} is no name of at most {most} ASCII characters")
    return text


def _flag(record: Mapping[str, object], name: str) -> bool:
    value = record.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is no boolean")
    return value


def _time_ns(value: object) -> int:
    time_ms = integer(value, "time")
    if not 0 <= time_ms <= _LAST_MS:
        raise ValueError(f"time: {time_ms} is none in milliseconds")
    return time_ms * _NS_PER_MS
