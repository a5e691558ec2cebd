"""REST answers about orders, executions, balances and symbols. Input: a byte for the reader, then the body."""

from __future__ import annotations

from adapters.mexc.errors import VenueError
from adapters.mexc.instruments import rows_of, spec_of, specs_of
from adapters.mexc.orders import balance_of, evidence_of, fill_of, text_of
from adapters.mexc.rest import checked_integer, parse_list, parse_object, refusal_of
from engine.core import event
from engine.core.describe import describe
from engine.core.instrument import InstrumentSpec
from engine.execution.ports import fill_event, update_event

SPEC = InstrumentSpec("BTCUSDT", "BTC", "USDT", price_decimals=2, size_decimals=8)
SYMBOLS = {"BTCUSDT": 1, "METALUSDT": 2}


def seeds() -> list[bytes]:
    """What MEXC answers, and what its firewall does."""
    order = (
        b'{"symbol":"BTCUSDT","orderId":"C02__1","clientOrderId":"abcdef012345-7","price":"60000.01",'
        b'"executedQty":"0.5","cummulativeQuoteQty":"30000.005","status":"PARTIALLY_FILLED","time":1736411506000}'
    )
    trade = (
        b'[{"id":"505X1","orderId":"C02__1","price":"60000.01","qty":"0.5","quoteQty":"30000.005","time":1736411506000,'
        b'"commission":"0.0004","commissionAsset":"USDT","isBuyer":true,"isMaker":false,"clientOrderId":null}]'
    )
    symbol = (
        b'{"symbols":[{"symbol":"BTCUSDT","status":"1","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT",'
        b'"quotePrecision":2,"isSpotTradingAllowed":true,"orderTypes":["LIMIT","MARKET"],"baseSizePrecision":"0.000001",'
        b'"quoteAmountPrecision":"1","maxQuoteAmount":"4000000","makerCommission":"0","takerCommission":"0.0005",'
        b'"tradeSideType":1,"firstOpenTime":1736411506000,'
        b'"filters":[{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"0.1","askMultiplierDown":"0.1"}]}]}'
    )
    return [
        b"\0" + order,
        b"\1" + trade,
        b'\2{"balances":[{"asset":"USDT","free":"1.5","locked":"0"},{"asset":"MX","free":"-0.1","locked":"1e3"}]}',
        b"\3" + symbol,
        b"\3" + symbol.replace(b'"baseAssetPrecision":8', b'"baseAssetPrecision":21'),
        b'\4{"code":30004,"msg":"Insufficient position"}',
        b'\4{"code":' + b"[" * 3000,
        b"\4<html>403</html>",
        b'\5{"serverTime":1736411506000}',
        b"\1" + b'[{"id":' * 580,
        b'\4{"code":' + b"9" * 30 + b"}",
        b"\0" + order.replace(b"C02__1", b"C02__1" * 9),
        b"\0" + order.replace(b"1736411506000", b"-9223372036854775808"),
    ]


def check_order(body: bytes) -> None:
    """An order's record: evidence that the core can be told."""
    record = parse_object(body, "order")
    found = evidence_of(record, SPEC)
    told = describe(update_event(7, 0, found))
    assert told["venue_order_id"] == found.venue_order_id == text_of(record, "orderId")
    assert found.cumulative_lots >= 0 and found.ts_event_ns >= 0


def check_trades(body: bytes) -> None:
    """Executions that the core can be told."""
    for record in parse_list(body, "myTrades"):
        fill = fill_of(record, 0, SPEC)
        told = describe(fill_event(7, fill))
        assert (told["trade_id"], told["fee_asset"]) == (fill.trade_id, fill.fee_asset)
        assert (told["size_lots"], told["ts_event_ns"]) == (fill.size_lots, fill.ts_event_ns)


def check_balances(body: bytes) -> None:
    """Balances that the core can be told."""
    for record in parse_list(parse_object(body, "account").get("balances"), "balances"):
        balance = balance_of(record)
        if (
            balance.asset.isascii() and balance.asset.isprintable() and len(balance.asset) <= 15
        ):  # as reconciliation asks
            told = describe(event.balance(balance.asset, balance.free, balance.locked, True))
            assert told["asset"] == balance.asset


def check_symbols(body: bytes) -> None:
    """Instruments that the core can be told; each row by itself may be refused with ValueError."""
    for row in rows_of(body).values():
        try:
            spec = spec_of(row, 1)
        except ValueError:
            continue
        assert describe(event.instrument(spec))["symbol"] == spec.symbol
    specs_of(body, SYMBOLS, 1736411506000)


def check_refusal(body: bytes) -> None:
    """Any body with any status is a refusal or none, never anything else."""
    for status in (200, 400, 403, 429, 503):
        refusal = refusal_of(status, "7", body, 30.0)
        assert refusal is not None or status == 200
        if refusal is not None:
            assert len(str(refusal)) < 400 and refusal.retry_after_s >= 0


def check_time(body: bytes) -> None:
    """The venue's clock."""
    checked_integer(parse_object(body, "time"), "serverTime")


READERS = (check_order, check_trades, check_balances, check_symbols, check_refusal, check_time)


def check(data: bytes) -> None:
    """VenueError, or what the core takes; nothing else is raised."""
    if data:
        try:
            READERS[data[0] % len(READERS)](data[1:])
        except VenueError:
            return
