"""The sources of listing evidence: documented and recorded answers are read, hostile ones raise nothing but ShapeError."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.mexc.listings.announcements import Announcements, symbols_of
from adapters.mexc.listings.calendar import Calendar
from adapters.mexc.listings.contracts import Contracts
from adapters.mexc.listings.exchange_info import ExchangeInfo
from adapters.mexc.listings.facts import ListingFacts, Reading, ShapeError
from adapters.mexc.listings.offline import Offline
from adapters.mexc.listings.self_symbols import SelfSymbols
from adapters.mexc.listings.symbols_v2 import SymbolsV2
from engine.core import event
from engine.core.enums import ListingChange, ListingSource, OrderType

QUOTES = ("USDT", "USDC")
COIN_ID = "1c2cf4f5331b404d9bb5622f3881f32c"
OPENS_MS = 1_750_000_000_000
COIN = {
    "vcoinId": COIN_ID,
    "vcoinName": "ABC",
    "vcoinNameFull": "Abc Token",
    "firstOpenTime": OPENS_MS,
    "zone": "x",
}
WEB = {
    "mcd": "128f589271cb4951b03e71e6323eb7be", "cd": COIN_ID, "vn": "ABC", "fn": "Abc Token", "sts": 2, "st": 2, "tt": 4,
    "ot": OPENS_MS, "ps": 6, "qs": "2", "ca": "0x6982508145454ce325ddbe47a25d4ec3d2311933",
}  # fmt: skip
INFO = {
    "symbol": "ABCUSDT", "status": "2", "baseAsset": "ABC", "baseAssetPrecision": 2, "quoteAsset": "USDT", "quotePrecision": 5,
    "orderTypes": ["LIMIT", "LIMIT_MAKER"], "isSpotTradingAllowed": True, "tradeSideType": "1", "firstOpenTime": OPENS_MS,
    "filters": [{"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "0.2", "askMultiplierDown": "0.1"}],
}  # fmt: skip
CONTRACT = {
    "symbol": "ABC_USDT",
    "state": 0,
    "openingTime": OPENS_MS,
    "apiAllowed": False,
    "priceScale": 4,
    "volScale": 0,
}
PARSERS: dict[str, tuple[Callable[[], Any], Callable[[list[Any]], Any], dict[str, Any]]] = {
    "calendar": (lambda: Calendar("USDT"), lambda rows: {"data": {"newCoins": rows}}, COIN),
    "web": (lambda: SymbolsV2(QUOTES), lambda rows: {"data": {"symbols": {"USDT": rows, "EUR": 5}}}, WEB),
    "exchange_info": (lambda: ExchangeInfo(QUOTES), lambda rows: {"symbols": rows}, INFO),
    "offline": (lambda: Offline(QUOTES), lambda rows: {"data": rows}, {"symbol": "ABCUSDT", "state": 3, "offlineTime": OPENS_MS}),
    "announcements": (
        lambda: Announcements("USDT"),
        lambda rows: {"code": 0, "data": [{"details": rows, "totalPage": "9"}]},
        {"title": "MEXC Will List Abc (ABC)", "url": "https://x/1", "postTime": OPENS_MS},
    ),
    "self": (lambda: SelfSymbols(QUOTES), lambda rows: {"code": 200, "data": rows, "msg": None}, {}),
    "contracts": (lambda: Contracts(QUOTES), lambda rows: {"success": True, "code": 0, "data": rows}, CONTRACT),
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from([OPENS_MS, str(OPENS_MS), 10**13 - 1, 2**63 // 10**6 + 1, "1", "ENABLED", "1E400", "-0", "１"])
    | st.sampled_from([COIN_ID, "USDT", "ABC_USDT"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def parse(name: str, rows: list[Any]) -> Reading:
    make, wrap, _ = PARSERS[name]
    reading: Reading = make().parse(json.dumps(wrap(rows)).encode())
    return reading


def only(reading: Reading) -> ListingFacts:
    assert reading.skipped == 0
    (facts,) = reading.facts.values()
    return facts


def assert_sound(reading: Reading) -> None:
    """Whatever is told fits the event, and is what its name says."""
    for facts in reading.facts.values():
        event.listing(
            ListingSource.WEB, ListingChange.SEEN, **{f: getattr(facts, f) for f in facts.__struct_fields__}
        )
        assert re.fullmatch(r"[0-9a-f]{32}|", facts.listing_id)
        assert -1 <= facts.price_decimals <= 18
        assert -1 <= facts.size_decimals <= 18
        assert facts.open_time_ms == -1 or 10**12 <= facts.open_time_ms <= 9 * 10**12
        assert facts.symbol.isascii()
        assert len(facts.symbol) <= 31


@pytest.mark.parametrize("name", PARSERS)
@given(body=VALUES)
@example(body=[])
@example(body={"data": {"symbols": [WEB]}})
def test_any_json_is_read_or_refused(name: str, body: Any) -> None:
    for text in (json.dumps(body), f'{{"data":{json.dumps(body)}}}', f'{{"symbols":{json.dumps(body)}}}'):
        try:
            reading = PARSERS[name][0]().parse(text.encode())
        except ShapeError:
            continue
        assert_sound(reading)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_a_hostile_row_spoils_no_other(name: str, data: st.DataObject) -> None:
    row = PARSERS[name][2]
    broken = {**row, **data.draw(st.dictionaries(st.sampled_from([*row, "x"]), VALUES, max_size=3))}
    others = ["ABCUSDT", "DEFUSDT"] if name == "self" else [row]
    try:
        reading = parse(name, [*others, broken, *others])
    except ShapeError:
        pytest.fail("one row of several is no change of shape")
    assert_sound(reading)
    assert reading.facts


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary(max_size=80))
@example(body=b"<html><head><title>Access Denied</title></head></html>")
@example(body=b'{"symbols":[{"a":Infinity}]}')
@example(body=b"[" * 100_000)
@example(body=b'{"data":' * 5000)
@example(body=b'{"symbols":[{"a":"\\ud800"}]}')
def test_any_bytes_are_read_or_refused(name: str, body: bytes) -> None:
    try:
        assert_sound(PARSERS[name][0]().parse(body))
    except ShapeError as error:
        assert len(str(error)) < 130


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in ("announcements", "self")])
def test_rows_that_mostly_cannot_be_read_are_a_change_of_shape(name: str) -> None:
    row = PARSERS[name][2]
    renamed = {key + "X": value for key, value in row.items()}
    if name == "exchange_info":
        renamed["quoteAsset"] = "USDT"
    with pytest.raises(ShapeError, match="2 of 3 rows"):
        parse(name, [row, renamed, {**renamed, "y": 1}])


def test_a_calendar_row_is_a_coin_and_the_first_quote() -> None:
    facts = only(parse("calendar", [COIN]))
    assert facts == ListingFacts(symbol="ABCUSDT", listing_id=COIN_ID, open_time_ms=OPENS_MS, fields=1)
    assert only(parse("calendar", [{**COIN, "firstOpenTime": str(OPENS_MS)}])) == facts
    # Fields that other bots took for granted do not exist; a time in seconds is no time in milliseconds.
    with pytest.raises(ShapeError):
        parse("calendar", [{"symbol": "ABCUSDT", "projectName": "Abc", "firstOpenTime": OPENS_MS}])
    with pytest.raises(ShapeError):
        parse("calendar", [{**COIN, "firstOpenTime": OPENS_MS // 1000}])


def test_a_web_row_keeps_its_codes_and_never_takes_the_address_for_a_symbol() -> None:
    facts = only(parse("web", [WEB]))
    assert facts == ListingFacts(
        symbol="ABCUSDT", listing_id=COIN_ID, open_time_ms=OPENS_MS, venue_codes=(2, 2, 4), price_decimals=6,
        size_decimals=2, fields=15,
    )  # fmt: skip
    odd = only(parse("web", [{**WEB, "cd": "ABC123", "ps": 85, "qs": None, "ca": "", "ot": 0, "sts": "1"}]))
    assert odd == ListingFacts(symbol="ABCUSDT", venue_codes=(1, 2, 4))
    with pytest.raises(ShapeError):
        SymbolsV2(QUOTES).parse(json.dumps({"data": {"symbols": [WEB]}}).encode())
    with pytest.raises(ShapeError, match="no list for USDT, USDC"):
        SymbolsV2(QUOTES).parse(json.dumps({"data": {"symbols": {"EUR": [WEB]}}}).encode())


def test_an_exchange_info_row_in_every_form_seen() -> None:
    facts = only(parse("exchange_info", [INFO]))
    limit = 1 << OrderType.LIMIT | 1 << OrderType.IOC | 1 << OrderType.FOK
    assert facts == ListingFacts(
        symbol="ABCUSDT", open_time_ms=OPENS_MS, status=2, api_allowed=1, trade_side_type=1,
        order_types=limit | 1 << OrderType.LIMIT_MAKER, price_decimals=5, size_decimals=2, band_up_ppm=200_000,
        band_down_ppm=100_000, fields=12,
    )  # fmt: skip
    for status, said in (("1", 1), (1, 1), ("ENABLED", 1), (2, 2), ("3", 3), ("NEW", -1), (None, -1)):
        changed = only(parse("exchange_info", [{**INFO, "status": status}]))
        assert changed.status == said
    odd = only(
        parse(
            "exchange_info",
            [{**INFO, "isSpotTradingAllowed": "false", "orderTypes": None, "filters": 3, "tradeSideType": 2}],
        )
    )
    assert (odd.api_allowed, odd.order_types, odd.band_up_ppm, odd.trade_side_type) == (0, -1, -1, 2)
    assert parse("exchange_info", [{**INFO, "quoteAsset": "EUR"}]).facts == {}


def test_offline_self_and_contracts() -> None:
    gone = only(
        parse("offline", [{"symbol": "LVNUSDT", "state": 3, "offlineTime": OPENS_MS}, {"symbol": "XEUR"}])
    )
    assert (gone.status, gone.ts_event_ns, gone.open_time_ms) == (3, OPENS_MS * 10**6, -1)
    mine = parse("self", ["ABCUSDT", "XEUR", 5, "币USDT"])
    assert (mine.facts, mine.skipped) == ({"ABCUSDT": ListingFacts(symbol="ABCUSDT", api_allowed=1)}, 2)
    contract = only(parse("contracts", [CONTRACT, {**CONTRACT, "symbol": "ABC_USD"}]))
    assert (contract.symbol, contract.status, contract.api_allowed) == ("ABCUSDT", 1, 0)
    assert contract.open_time_ms == OPENS_MS


@pytest.mark.parametrize(
    ("title", "symbols"),
    [
        ("MEXC Will List Pudgy Penguins (PENGU) in Innovation Zone", ["PENGUUSDT"]),
        ("Initial Listing: Abc (ABC) and Def ($DEF)", ["ABCUSDT", "DEFUSDT"]),
        ("MEXC to Delist Abc (ABC)", []),
        ("MEXC Futures Will List ABC (ABC) USDT-M Perpetual", []),
        ("Trading competition with (ABC)", []),
        ("Listing Postponed: Abc (ABC)", []),
    ],
)
def test_titles_of_spot_listings_name_their_tickers(title: str, symbols: list[str]) -> None:
    assert symbols_of(title, "USDT") == symbols
    reading = parse("announcements", [{"title": title, "url": "https://x/1", "postTime": str(OPENS_MS)}])
    assert [facts.symbol for facts in reading.facts.values()] == symbols or [""]
    assert all(
        facts.text == title and facts.ts_event_ns == OPENS_MS * 10**6 for facts in reading.facts.values()
    )


def test_a_row_that_did_not_change_is_not_read_again() -> None:
    info = ExchangeInfo(QUOTES)
    body = json.dumps({"symbols": [INFO]}).encode()
    assert info.parse(body).facts["ABCUSDT"] is info.parse(b" " + body).facts["ABCUSDT"]
    changed = info.parse(json.dumps({"symbols": [{**INFO, "status": "1"}]}).encode())
    assert changed.facts["ABCUSDT"].status == 1


def test_recorded_answers_are_read(data_dir: Path) -> None:
    routes = json.loads((data_dir / "mexc/rest_fixtures/gct_pr1897_http.json").read_text())["routes"]
    info = ExchangeInfo(("USDT",)).parse(
        json.dumps(routes["/api/v3/exchangeInfo"]["GET"][0]["data"]).encode()
    )
    assert info.skipped == 0
    btc, metal = info.facts["BTCUSDT"], info.facts["METALUSDT"]
    assert (btc.api_allowed, btc.band_up_ppm, btc.status, metal.api_allowed) == (0, 5000, 1, 1)
    names = SelfSymbols(("USDT",)).parse(
        json.dumps(routes["/api/v3/defaultSymbols"]["GET"][0]["data"]).encode()
    )
    assert len(names.facts) > 1000
    # Chinese names, which no order takes.
    assert names.skipped == 3
    contracts = Contracts(("USDT",)).parse(
        json.dumps(routes["/api/v1/contract/detail"]["GET"][1]["data"]).encode()
    )
    light = contracts.facts["LIGHTUSDT"]
    assert (light.open_time_ms, light.status, light.api_allowed) == (1_758_971_400_000, 1, 0)
    assert set(contracts.facts) == {"BTCUSDT", "ETHUSDT", "LIGHTUSDT", "SOLUSDT", "SILVERUSDT"}
