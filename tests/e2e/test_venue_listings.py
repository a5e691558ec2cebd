"""Symbols that appear, open and go while the local venue runs: by their schedule and by hand."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.mexc.schema import PushDataV3ApiWrapper
from adapters.mexc.venue.config import VenueConfig
from tests.e2e.venue_client import Client, FollowedBook, frames_of, play

START_MS = 1_700_000_000_000
NEW = "NEWUSDT"
MINI_TICKERS = "spot@public.miniTickers.v3.api.pb@UTC+8"
DEPTH = f"spot@public.aggre.depth.v3.api.pb@10ms@{NEW}"
TICKER = f"spot@public.aggre.bookTicker.v3.api.pb@10ms@{NEW}"
DEALS = f"spot@public.aggre.deals.v3.api.pb@10ms@{NEW}"
CALENDAR = "/api/operation/new_coin_calendar?timestamp=1"
SYMBOLS_V2 = "/api/platform/spot/market-v2/web/symbolsV2"


def listing(**changes: Any) -> dict[str, Any]:
    """NEWUSDT, to open after ten seconds: 1 s announced, 2 s on the web, 4 s listed, 8 s ready, 9 s open to the API."""
    return {
        "symbol": NEW, "base": "NEW", "full_name": "New Coin", "price_decimals": 5, "size_decimals": 1,
        "start_price": "0.05", "typical_size": "2000", "half_spread_ticks": 10, "level_gap_ticks": 5,
        "volatility_ticks": 20, "band": "0.2", "announce_s": 1, "web_s": 2, "list_s": 4, "ready_s": 8,
        "api_s": 9, "open_s": 10,
    } | changes  # fmt: skip


async def calendar(client: Client) -> list[dict[str, Any]]:
    _, page = await client.get(CALENDAR)
    coins: list[dict[str, Any]] = page["data"]["newCoins"]
    return coins


async def web_row(client: Client) -> dict[str, Any] | None:
    _, page = await client.get(SYMBOLS_V2)
    return next((row for row in page["data"]["symbols"]["USDT"] if row["vn"] == "NEW"), None)


async def info(client: Client) -> dict[str, Any] | None:
    _, page = await client.get(f"/api/v3/exchangeInfo?symbol={NEW}")
    return page["symbols"][0] if page["symbols"] else None


async def buy(client: Client, kind: str = "LIMIT", **params: object) -> int:
    """0 where the order was taken, else the code."""
    values = {"quantity": "1000", "price": "0.05"} if kind != "MARKET" else {"quoteOrderQty": "10"}
    _, answer = await client.order("BUY", kind, symbol=NEW, **(values | params))
    return int(answer.get("code", 0))


async def best_ask(client: Client) -> str:
    _, depth = await client.get(f"/api/v3/depth?symbol={NEW}&limit=5")
    return str(depth["asks"][0][0])


def test_a_listing_goes_through_its_states() -> None:
    async def scenario(client: Client) -> None:
        assert (await calendar(client), await web_row(client), await info(client)) == ([], None, None)
        assert await buy(client) == -1121
        await client.step(1000)
        coin = (await calendar(client))[0]
        assert (coin["vcoinName"], coin["vcoinNameFull"]) == ("NEW", "New Coin")
        assert coin["firstOpenTime"] == START_MS + 10_000
        assert len(coin["vcoinId"]) == 32 and set(coin["vcoinId"]) <= set("0123456789abcdef")
        _, news = await client.get("/api/v3/announcements")
        assert "New Coin (NEW)" in news["data"][0]["details"][0]["title"]
        seen = []
        for _ in range(4):
            await client.step(1000 if not seen else 2000)
            row = await web_row(client)
            assert row is not None and row["cd"] == coin["vcoinId"] and row["ot"] == coin["firstOpenTime"]
            seen.append((row["sts"], row["st"], row["tt"]))
        assert seen == [(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 4)]
        assert (row["ps"], row["qs"], row["mcd"]) == (5, 1, "128f589271cb4951b03e71e6323eb7be")
        listed = await info(client)
        assert listed is not None
        assert (listed["status"], listed["isSpotTradingAllowed"]) == ("2", False)
        assert listed["firstOpenTime"] == coin["firstOpenTime"]
        assert await buy(client) == 30000
        await client.step(1000)  # second 9
        listed = await info(client)
        assert listed is not None and (listed["status"], listed["isSpotTradingAllowed"]) == ("2", True)
        assert await buy(client) == 30000
        await client.step(990)
        assert await buy(client) == 30000
        await client.step(10)
        listed = await info(client)
        assert listed is not None and (listed["status"], listed["isSpotTradingAllowed"]) == ("1", True)
        assert NEW in (await client.get("/api/v3/defaultSymbols"))[1]["data"]
        await client.step(2000)
        assert await buy(client, price=await best_ask(client)) == 0

    play(scenario, listings=[listing()])


def test_the_first_moments_of_a_market() -> None:
    """Empty with a version, then one side alone with an empty best price, then both; the deltas have no hole."""

    async def scenario(client: Client) -> None:
        await client.step(4000)
        _, snapshot = await client.get(f"/api/v3/depth?symbol={NEW}&limit=5000")
        assert (snapshot["bids"], snapshot["asks"]) == ([], []) and snapshot["lastUpdateId"] > 0
        assert (await client.get(f"/api/v3/trades?symbol={NEW}"))[1] == []
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH, TICKER, DEALS, MINI_TICKERS])
            before = [PushDataV3ApiWrapper.FromString(f) for f in await frames_of(client, socket, 5990)]
            assert NEW not in {message.symbol for message in before}
            assert all(NEW not in _mini(message) for message in before)
            messages = [PushDataV3ApiWrapper.FromString(f) for f in await frames_of(client, socket, 6000)]
        book = FollowedBook(snapshot)
        tickers, deals, seen_ms = [], [], 0
        for message in messages:
            if message.channel == DEPTH:
                assert book.apply(message.publicAggreDepths)
            elif message.channel == TICKER:
                tickers.append(message.publicAggreBookTicker)
            elif message.channel == DEALS:
                deals += list(message.publicAggreDeals.deals)
            elif NEW in _mini(message) and not seen_ms:
                seen_ms = message.sendTime
        assert int(messages[0].publicAggreDepths.fromVersion) == snapshot["lastUpdateId"] + 1
        _, truth = await client.get(f"/api/v3/depth?symbol={NEW}&limit=5000")
        assert book.version == truth["lastUpdateId"] and book.sides["asks"] == dict(truth["asks"])
        first = tickers[0]
        assert (first.bidPrice == "") is not (first.askPrice == "")
        one_sided = sum(t.bidPrice == "" or t.askPrice == "" for t in tickers)
        assert 1 <= one_sided < len(tickers) and tickers[-1].bidPrice and tickers[-1].askPrice
        assert deals and deals[0].time > START_MS + 10_000
        # the mini tickers are pushed every three seconds: that is how long a first trade may go unseen
        assert 0 <= seen_ms - deals[0].time <= 3000

    play(scenario, listings=[listing()])


def _mini(message: Any) -> set[str]:
    return {item.symbol for item in message.publicMiniTickers.items}


def test_the_market_of_a_new_symbol_is_wide_and_runs() -> None:
    async def scenario(client: Client) -> None:
        spreads = []
        for _ in range(6):
            await client.step(10_500)
            _, depth = await client.get(f"/api/v3/depth?symbol={NEW}&limit=5")
            spreads.append(Decimal(depth["asks"][0][0]) - Decimal(depth["bids"][0][0]))
        assert spreads[0] > 2 * spreads[-1] > 0
        price = Decimal(depth["bids"][0][0])
        assert Decimal("0.08") < price < Decimal("0.12")  # twice 0.05, and what the walk added
        _, trades = await client.get(f"/api/v3/trades?symbol={NEW}&limit=1000")
        assert len(trades) > 100

    opening = {"run_ppm": 1_000_000, "calm_s": 50}
    play(scenario, listings=[listing(opening=opening)], symbols=["BTCUSDT"])


def test_one_more_symbol_does_not_change_the_others() -> None:
    books = []

    async def scenario(client: Client) -> None:
        await client.step(12_000)
        books.append((await client.get("/api/v3/depth?symbol=BTCUSDT&limit=100"))[1])

    play(scenario, symbols=["BTCUSDT"])
    play(scenario, symbols=["BTCUSDT"], listings=[listing()])
    assert books[0] == books[1]


def test_the_same_seed_opens_the_same_market() -> None:
    books = []

    async def scenario(client: Client) -> None:
        await client.step(15_000)
        books.append((await client.get(f"/api/v3/depth?symbol={NEW}&limit=100"))[1])

    for seed in (1, 1, 2):
        play(scenario, symbols=["BTCUSDT"], listings=[listing()], seed=seed)
    assert books[0] == books[1] != books[2]


def test_a_stale_snapshot_of_a_new_symbol_is_its_empty_book() -> None:
    async def scenario(client: Client) -> None:
        await client.step(11_000)
        await client.fault("stale_snapshot", match=NEW)
        _, stale = await client.get(f"/api/v3/depth?symbol={NEW}")
        assert (stale["bids"], stale["asks"]) == ([], []) and stale["lastUpdateId"] == 82_000_000_000

    play(scenario, symbols=["BTCUSDT"], listings=[listing()])


async def codes_at(client: Client, seconds: list[float]) -> list[int]:
    codes, now = [], 0.0
    for second in seconds:
        await client.step(round((second - now) * 1000))
        now = second
        codes.append(await buy(client, "IMMEDIATE_OR_CANCEL"))
    return codes


@pytest.mark.parametrize(
    ("changes", "seconds", "codes"),
    [
        ({"outcome": "on_time"}, [3, 5, 9.99, 10.5], [-1121, 30000, 30000, 0]),
        ({"outcome": "on_time", "closed_code": 30016}, [5, 9.99, 10.5], [30016, 30016, 0]),
        ({"outcome": "on_time", "api_s": 12}, [9, 10.5, 11.99, 12], [30000, 10007, 10007, 0]),
        ({"outcome": "early", "shift_s": 0.5}, [9.4, 9.6], [30000, 0]),
        ({"outcome": "late", "shift_s": 2}, [10.5, 11.9, 12.1], [30000, 30000, 0]),
        ({"outcome": "postponed", "shift_s": 3, "notice_s": 8}, [10.5, 12.9, 13.1], [30000, 30000, 0]),
        ({"outcome": "cancelled", "notice_s": 8}, [7, 8, 11], [30000, -1121, -1121]),
        ({"outcome": "not_api_tradable"}, [9.5, 10.5, 40], [30000, 10007, 10007]),
        ({"outcome": "paused", "shift_s": 2}, [10.5, 11.9, 12.1], [0, 0, 30000]),
        ({"outcome": "band_moved", "band": "2", "moved_band": "0.000001"}, [9.5, 10.5], [30000, 30087]),
        ({"outcome": "buy_suspended", "shift_s": 1}, [10.5, 11.5], [0, 30027]),
    ],
)
def test_outcomes(changes: dict[str, Any], seconds: list[float], codes: list[int]) -> None:
    # the price is far under the market, so that an order that is taken fills nothing; only the tight band minds it
    far_up = {"start_price": "0.08", "band": "0.9", "opening": {"run_ppm": 0}}
    if changes["outcome"] == "band_moved":
        far_up = {"start_price": "0.02", "opening": {"run_ppm": 0}}

    async def scenario(client: Client) -> None:
        assert await codes_at(client, seconds) == codes

    play(scenario, listings=[listing(**(far_up | changes))], symbols=["BTCUSDT"])


@pytest.mark.parametrize("code", [30018, 30019])
def test_outcome_no_market_orders(code: int) -> None:
    async def scenario(client: Client) -> None:
        await client.step(12_000)
        row = await info(client)
        assert row is not None and row["orderTypes"] == ["LIMIT", "LIMIT_MAKER"]
        assert await buy(client, "MARKET") == code
        assert await buy(client, price=await best_ask(client)) == 0

    play(scenario, listings=[listing(outcome="no_market_orders", market_order_code=code)])


def test_outcome_sell_suspended_holds_who_has_bought() -> None:
    async def scenario(client: Client) -> None:
        await client.step(11_000)
        assert await buy(client, "MARKET") == 0
        await client.step(2_000)
        _, answer = await client.order("SELL", "MARKET", symbol=NEW, quantity="100")
        assert answer["code"] == 30028 and "selling suspended" in answer["msg"]

    play(scenario, listings=[listing(outcome="sell_suspended", shift_s=2)])


def test_market_orders_into_an_empty_book() -> None:
    async def scenario(client: Client) -> None:
        by_hand = listing(announce_s=0, web_s=0, list_s=0, open_s=3600, opening={"one_sided_ms": 100})
        await control(client, "POST", "", by_hand)
        await control(client, "PATCH", f"/{NEW}", {"status": "trading", "tradable": True})
        assert await buy(client, "MARKET") == 30010  # nobody has quoted yet
        await client.step(10)
        _, sold = await client.order("SELL", "MARKET", symbol=NEW, quantity="1000")
        codes = await buy(client, "MARKET"), sold["code"]
        assert codes in ((30025, 30004), (0, 30025))  # one side stands alone; we own nothing yet

    play(scenario, symbols=["BTCUSDT"])


def test_a_postponed_opening_is_told_everywhere() -> None:
    async def scenario(client: Client) -> None:
        await client.step(7_990)
        assert (await calendar(client))[0]["firstOpenTime"] == START_MS + 10_000
        await client.step(10)
        row, listed = await web_row(client), await info(client)
        assert row is not None and listed is not None
        times = {(await calendar(client))[0]["firstOpenTime"], row["ot"], listed["firstOpenTime"]}
        assert times == {START_MS + 13_000}
        _, news = await client.get("/api/v3/announcements")
        assert "postponed" in news["data"][0]["details"][0]["title"]

    play(scenario, listings=[listing(outcome="postponed", shift_s=3, notice_s=8)])


def test_a_cancelled_listing_vanishes_everywhere() -> None:
    async def scenario(client: Client) -> None:
        await client.step(8_000)
        assert (await calendar(client), await web_row(client), await info(client)) == ([], None, None)
        assert (await client.get(f"/api/v3/depth?symbol={NEW}"))[1]["code"] == -1121
        async with client.socket() as socket:
            assert "Blocked" in (await socket.ask("SUBSCRIPTION", [DEPTH]))["msg"]
        assert (await client.get("/api/v3/symbol/offline"))[1]["data"] == []

    play(scenario, listings=[listing(outcome="cancelled", notice_s=8)])


def test_a_delisted_symbol_ends_its_orders_and_is_told() -> None:
    async def scenario(client: Client) -> None:
        await client.step(11_000)
        async with client.socket(private=True) as socket:
            await socket.ask("SUBSCRIPTION", ["spot@private.orders.v3.api.pb"])
            assert await buy(client, "LIMIT_MAKER", price="0.002") == 0
            await client.step(3_000)
            statuses = [(await socket.message()).privateOrders.status for _ in range(2)]
            assert statuses == [1, 4]
        assert await info(client) is None
        _, offline = await client.get("/api/v3/symbol/offline")
        assert offline["data"] == [{"symbol": NEW, "state": 3, "offlineTime": START_MS + 13_000}]
        _, account = await client.signed("GET", "/api/v3/account")
        assert all(Decimal(balance["locked"]) == 0 for balance in account["balances"])

    play(scenario, listings=[listing(delist_s=13, band="0.99", opening={"run_ppm": 0})])


# by hand


async def control(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with client.session.request(
        method, f"{client.venue.rest_url}/control/symbols{path}", json=body
    ) as answer:
        return answer.status, await answer.json()


def test_symbols_by_hand() -> None:
    async def scenario(client: Client) -> None:
        status, shown = await control(
            client, "POST", "", listing(announce_s=0, web_s=0, list_s=0, open_s=3600)
        )
        assert status == 200 and shown["listings"][NEW]["state"] == "listed"
        assert (await calendar(client))[0]["vcoinName"] == "NEW"
        assert await buy(client) == 30000
        changes = {"status": "trading", "tradable": True, "band": "5"}
        status, shown = await control(client, "PATCH", f"/{NEW}", changes)
        assert status == 200 and shown["symbols"][NEW]["status"] == "trading"
        await client.step(2000)
        assert await buy(client, price=await best_ask(client)) == 0
        await control(client, "PATCH", f"/{NEW}", {"status": "paused"})
        assert await buy(client) == 30000
        version = (await client.get(f"/api/v3/depth?symbol={NEW}"))[1]["lastUpdateId"]
        await client.step(1000)
        assert (await client.get(f"/api/v3/depth?symbol={NEW}"))[1]["lastUpdateId"] == version
        await control(client, "PATCH", f"/{NEW}", {"status": "trading", "suspended": "buy"})
        assert await buy(client) == 30027
        assert (await control(client, "DELETE", f"/{NEW}"))[0] == 200
        assert await info(client) is None and await buy(client) == -1121
        assert NEW in {row["symbol"] for row in (await client.get("/api/v3/symbol/offline"))[1]["data"]}
        await control(client, "POST", "", listing(open_s=100))
        await client.step(3_700)  # what was left of the first schedule is gone with it
        assert (await calendar(client))[0]["firstOpenTime"] == client.now_ms() - 3_700 + 100_000
        assert await info(client) is None

    play(scenario)


def test_an_opening_moved_by_hand_is_told_everywhere() -> None:
    async def scenario(client: Client) -> None:
        await control(client, "POST", "", listing(announce_s=0, web_s=0, list_s=0, open_s=3600))
        later = client.now_ms() + 7_200_000
        assert (await control(client, "PATCH", f"/{NEW}", {"first_open_ms": later}))[0] == 200
        row, listed = await web_row(client), await info(client)
        assert row is not None and listed is not None
        assert {(await calendar(client))[0]["firstOpenTime"], row["ot"], listed["firstOpenTime"]} == {later}

    play(scenario)


def test_symbols_come_and_go_by_the_systems_clock() -> None:
    async def scenario(client: Client) -> None:
        seen: set[str] = set()
        for _ in range(400):
            seen |= {row["symbol"] for row in (await client.get("/api/v3/exchangeInfo"))[1]["symbols"]}
            _, offline = await client.get("/api/v3/symbol/offline")
            if len(offline["data"]) == 6:
                break
            await asyncio.sleep(0.02)
        gone = {row["symbol"] for row in offline["data"]}
        assert len(gone) == 6 and gone <= seen
        assert {row["symbol"] for row in (await client.get("/api/v3/exchangeInfo"))[1]["symbols"]} == {
            "BTCUSDT"
        }

    generated = {"count": 6, "first_open_s": 0.3, "every_s": 0.1, "notice_s": 0.2, "life_s": 0.3}
    generated["outcomes"] = ["on_time", "late", "paused"]
    limits = {"rest_weight_per_10s": 100_000}
    play(scenario, clock="system", symbols=["BTCUSDT"], generated_listings=generated, limits=limits)


@pytest.mark.parametrize("code", [-1121, 10007])
def test_what_an_unlisted_symbol_gets(code: int) -> None:
    async def scenario(client: Client) -> None:
        assert await buy(client) == code
        assert (await client.get(f"/api/v3/depth?symbol={NEW}"))[1]["code"] == code

    play(scenario, unknown_symbol_code=code)


def test_what_makes_no_sense_by_hand_is_refused() -> None:
    async def scenario(client: Client) -> None:
        for method, path, body in (
            ("POST", "", {"symbol": NEW}),
            ("POST", "", listing(symbol="BTCUSDT", base="BTC")),
            ("POST", "", listing(start_price="0")),
            ("POST", "", listing(list_s=11)),
            ("POST", "", listing(start_price="0.0000001")),
            ("PATCH", "/NOPEUSDT", {"status": "paused"}),
            ("PATCH", "/BTCUSDT", {"price_decimals": 3}),
            ("PATCH", "/BTCUSDT", {"colour": "red"}),
            ("PATCH", "/BTCUSDT", []),
            ("DELETE", "/NOPEUSDT", None),
        ):
            status, answer = await control(client, method, path, body)
            assert (status, answer["code"]) == (400, 33333), (method, path, body)

    play(scenario)


def test_configurations_of_listings_are_checked() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        VenueConfig.model_validate({"listings": [listing(), listing()]})
    with pytest.raises(ValueError, match="listed twice"):
        VenueConfig.model_validate({"listings": [listing(symbol="BTCUSDT")]})
    with pytest.raises(ValueError, match="recording"):
        VenueConfig.model_validate({"listings": [listing()], "market": "recorded"})
    with pytest.raises(ValueError, match="start_price"):
        VenueConfig.model_validate({"listings": [listing(start_price="0")]})
