"""Answers of the sources of listings. Input: a byte for the source, then the body."""

from __future__ import annotations

from collections.abc import Callable

from adapters.mexc.listings.announcements import Announcements
from adapters.mexc.listings.calendar import Calendar
from adapters.mexc.listings.contracts import Contracts
from adapters.mexc.listings.exchange_info import ExchangeInfo
from adapters.mexc.listings.facts import Reading, ShapeError
from adapters.mexc.listings.offline import Offline
from adapters.mexc.listings.self_symbols import SelfSymbols
from adapters.mexc.listings.symbols_v2 import SymbolsV2
from engine.core import event
from engine.core.describe import describe

QUOTES = ("USDT", "USDC")
Parse = Callable[[bytes], Reading]


def sources() -> tuple[Parse, ...]:
    """A fresh reader of each source, in the order of the choosing byte."""
    return (
        Announcements("USDT").parse,
        Calendar("USDT").parse,
        Contracts(QUOTES).parse,
        ExchangeInfo(QUOTES).parse,
        Offline(QUOTES).parse,
        SelfSymbols(QUOTES).parse,
        SymbolsV2(QUOTES).parse,
    )


def seeds() -> list[bytes]:
    """One answer of each source."""
    coin = b"0123456789abcdef0123456789abcdef"
    return [
        b'\0{"code":0,"data":[{"details":[{"title":"MEXC Will List Abc (ABC)","url":"https://x/1","postTime":1736411506000}],'
        b'"totalPage":"1"}],"msg":""}',
        b'\1{"data":{"newCoins":[{"vcoinId":"%s","vcoinName":"ABC","firstOpenTime":1736411506000}]}}' % coin,
        b'\2{"data":[{"symbol":"ABC_USDT","baseCoinId":"%s","openingTime":1736411506000,"state":0,"apiAllowed":true,'
        b'"priceScale":4,"volScale":0}]}' % coin,
        b'\3{"symbols":[{"symbol":"ABCUSDT","quoteAsset":"USDT","status":"2","isSpotTradingAllowed":false,'
        b'"quotePrecision":4,"baseAssetPrecision":2,"tradeSideType":"1","firstOpenTime":1736411506000,"orderTypes":["LIMIT"],'
        b'"filters":[{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"0.1","askMultiplierDown":"0.1"}]}]}',
        b'\4{"data":[{"symbol":"ABCUSDT","state":3,"offlineTime":1736411506000},{"symbol":"DEFUSDT","state":"3"}]}',
        b'\5{"code":200,"data":["ABCUSDT","DEFUSDC","GHI"],"msg":null}',
        b'\6{"data":{"symbols":{"USDT":[{"vn":"ABC","cd":"%s","sts":1,"st":"2","tt":3,"ot":1736411506000,"ps":4,"qs":2}]}}}'
        % coin,
        b"\3<html>403 Forbidden</html>",
        b'\3{"symbols":' + b"[" * 3000,
    ]


def check(data: bytes) -> None:
    """ShapeError, or facts that the core can be told; the same body twice reads the same."""
    if not data:
        return
    parse = sources()[data[0] % 7]
    try:
        reading = parse(data[1:])
    except ShapeError:
        return
    assert parse(data[1:]).facts == reading.facts
    for facts in reading.facts.values():
        fields = {name: getattr(facts, name) for name in facts.__struct_fields__ if name != "symbol"}
        told = describe(event.listing(1, 1, facts.symbol, **fields))
        assert told["symbol"] == facts.symbol
