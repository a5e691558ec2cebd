"""The compiled frame decoder against its plain-Python twin, on any bytes. Input: the frame."""

from __future__ import annotations

from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.schema import PushDataV3ApiWrapper
from engine.core.describe import describe
from native.mexc_protobuf import Decoder, FrameError
from native.order_book import OrderBook
from tests.oracles.mexc_protobuf import PlainDecoder, Refused

SYMBOLS = [("BTCUSDT", 2, 8), ("MXUSDT", 4, 2), ("A", 0, 18)]
RUN_ID = "abcdef012345"
EVENT_HEAD = 40
MALFORMED = 2

_native, _plain = Decoder(SYMBOLS, max_levels=64), PlainDecoder(SYMBOLS, max_levels=64)
_events = MexcDecoder(RUN_ID)
for _index, (_name, _price_decimals, _size_decimals) in enumerate(SYMBOLS):
    _events.add_instrument(_index, _name, _price_decimals, _size_decimals)


def seeds() -> list[bytes]:
    """A frame of every kind."""
    frames = []
    depth = PushDataV3ApiWrapper(
        channel="spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT", symbol="BTCUSDT", sendTime=1
    )
    for i in range(3):
        depth.publicAggreDepths.asks.add(price=f"6000{i}.01", quantity="0.5")
        depth.publicAggreDepths.bids.add(price=f"5999{i}", quantity="0")
    depth.publicAggreDepths.fromVersion, depth.publicAggreDepths.toVersion = "100", "105"
    frames.append(depth)
    deals = PushDataV3ApiWrapper(
        channel="spot@public.aggre.deals.v3.api.pb@10ms@MXUSDT", symbol="MXUSDT", sendTime=2
    )
    deals.publicAggreDeals.deals.add(price="3.5", quantity="12.34", tradeType=2, time=1736411506000)
    frames.append(deals)
    quote = PushDataV3ApiWrapper(symbol="BTCUSDT", sendTime=3)
    ticker = quote.publicAggreBookTicker
    ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity = "1.5", "2", "1.6", "0.00000001"
    frames.append(quote)
    order = PushDataV3ApiWrapper(channel="spot@private.orders.v3.api.pb", symbol="MXUSDT", sendTime=4)
    private = order.privateOrders
    private.id, private.clientId, private.status = "C02__1", f"{RUN_ID}-42", 3
    private.cumulativeQuantity, private.cumulativeAmount, private.price = "1.5", "5.54124", "-0.1"
    frames.append(order)
    deal = PushDataV3ApiWrapper(channel="spot@private.deals.v3.api.pb", symbol="MXUSDT", sendTime=5)
    own = deal.privateDeals
    own.price, own.quantity, own.amount, own.tradeType, own.tradeId = "3.6962", "1", "3.6962", 2, "505X1"
    own.clientOrderId, own.orderId, own.feeAmount, own.feeCurrency = f"{RUN_ID}-7", "C02__1", "0.0004", "MX"
    frames.append(deal)
    account = PushDataV3ApiWrapper(channel="spot@private.account.v3.api.pb", sendTime=6)
    account.privateAccount.vcoinName, account.privateAccount.balanceAmount = (
        "USDT",
        "99999999999999999.0000000001",
    )
    account.privateAccount.frozenAmount = "0"
    frames.append(account)
    return [frame.SerializeToString() for frame in frames] + [b"\x0a\x02a"]


def check(frame: bytes) -> None:
    """Equal results, equal refusals, no change to a book by a frame that is refused, and always a whole event."""
    found = _native.decode(frame)
    try:
        expected = _plain.decode(frame)
    except Refused as refusal:
        assert found["error"] == refusal.error, (found, refusal.error)
        book = OrderBook()
        assert _native.decode_into_book(frame, book) == refusal.error
        assert book.canonical_bytes() == OrderBook().canonical_bytes()
    else:
        assert found == expected
    event = _events.decode_event(frame, 4096)
    assert len(event) == EVENT_HEAD + int.from_bytes(event[32:36], "little")
    kind = describe(event)["kind"]
    if found["error"] != FrameError.OK and kind != "HEARTBEAT":
        assert kind == "MALFORMED"
    if kind == "FILL":
        assert describe(event)["size_lots"] > 0 and describe(event)["price_ticks"] >= 0
