"""ccxt, as it comes from its authors, trades and watches the local venue: its own parsing decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest
import uvloop

from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.server import Venue
from tests.e2e.venue_client import KEY, SECRET

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
WITHIN_S = 60


def pointed_at(venue: Venue, secret: str = SECRET) -> Any:
    """A ccxt client whose addresses are the venue's, with TLS as it does it itself."""
    client = ccxt.pro.mexc(
        {"apiKey": KEY, "secret": secret, "enableRateLimit": False, "cafile": str(venue.ca_pem_path)}
    )
    base = venue.rest_url
    client.urls["api"] = {
        "spot": {"public": base, "private": base},
        "spot2": {"public": f"{base}/open/api/v2", "private": f"{base}/open/api/v2"},
        "contract": {"public": f"{base}/api/v1/contract", "private": f"{base}/api/v1/private"},
        "broker": {"private": f"{base}/api/v3/broker"},
        "ws": {"spot": venue.ws_url, "swap": venue.futures_ws_url},
    }
    return client


def trade(scenario: Callable[[Any, Venue], Awaitable[None]], **config: Any) -> None:
    async def main() -> None:
        values = {"tls": True, "symbols": ["BTCUSDT", "ETHUSDT"]} | config
        async with Venue(VenueConfig.model_validate(values)) as venue:
            client = pointed_at(venue)
            try:
                await client.load_markets()
                await asyncio.wait_for(scenario(client, venue), WITHIN_S)
            finally:
                await client.close()

    uvloop.run(main())


def test_ccxt_knows_the_markets() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        assert set(client.markets) == {SPOT, SWAP, "ETH/USDT", "ETH/USDT:USDT"}
        spot = client.markets[SPOT]
        assert (spot["active"], spot["precision"]) == (True, {"amount": 1e-08, "price": 0.01})
        assert spot["limits"]["cost"] == {"min": 1.0, "max": 4000000.0} and spot["taker"] == 0.0005
        assert client.markets[SWAP]["contractSize"] == 0.0001
        assert set(client.currencies) == {"BTC", "ETH", "USDT"}
        assert abs(await client.fetch_time() - venue.state.clock.now_ms()) < 1000

    trade(scenario)


def test_ccxt_places_fetches_and_cancels() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        before = await client.fetch_balance()
        placed = await client.create_order(SPOT, "limit", "buy", 0.01, 59_000.5, {"clientOrderId": "cc1"})
        order = await client.fetch_order(placed["id"], SPOT)
        assert (order["status"], order["price"], order["amount"]) == ("open", 59_000.5, 0.01)
        assert order["clientOrderId"] == "cc1" and order["remaining"] == 0.01
        assert [each["id"] for each in await client.fetch_open_orders(SPOT)] == [placed["id"]]
        held = await client.fetch_balance()
        assert held["USDT"]["used"] == pytest.approx(590.005 * 1.0005)
        canceled = await client.cancel_order(placed["id"], SPOT)
        assert canceled["status"] == "canceled"
        assert (await client.fetch_order(placed["id"], SPOT))["status"] == "canceled"
        with pytest.raises(ccxt.BadRequest, match="-2011"):
            await client.cancel_order(placed["id"], SPOT)
        assert (await client.fetch_balance())["USDT"] == before["USDT"]

    trade(scenario)


def test_ccxt_trades_and_its_books_agree_with_ours() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        before = await client.fetch_balance()
        sold = await client.create_order(SPOT, "market", "sell", 0.25)
        cost = await client.create_market_buy_order_with_cost(SPOT, 1000)
        limited = await client.create_order(SPOT, "limit", "buy", 0.02, 60_200, {"timeInForce": "IOC"})
        total = {"BTC": Decimal(0), "USDT": Decimal(0)}
        fills = await client.fetch_my_trades(SPOT)
        for placed in (sold, cost, limited):
            order = await client.fetch_order(placed["id"], SPOT)
            own = [fill for fill in fills if fill["order"] == placed["id"]]
            assert order["status"] == "closed" and own
            assert order["filled"] == pytest.approx(sum(fill["amount"] for fill in own))
            assert order["cost"] == pytest.approx(sum(fill["cost"] for fill in own))
            # the price field of a market order is none; ccxt works its average out from the cost
            assert order["average"] == pytest.approx(order["cost"] / order["filled"], rel=1e-6)
        for fill in fills:
            sign = 1 if fill["side"] == "buy" else -1
            total["BTC"] += sign * Decimal(fill["info"]["qty"])
            total["USDT"] -= sign * Decimal(fill["info"]["quoteQty"]) + Decimal(fill["info"]["commission"])
            assert fill["takerOrMaker"] == "taker" and fill["fee"]["currency"] == "USDT"
        after = await client.fetch_balance()
        for asset, change in total.items():
            assert after[asset]["total"] - before[asset]["total"] == pytest.approx(float(change), abs=1e-6)
        ids = {order["id"] for order in await client.fetch_orders(SPOT)}
        assert ids == {sold["id"], cost["id"], limited["id"]}
        fee = await client.fetch_trading_fee(SPOT)
        assert (fee["maker"], fee["taker"]) == (0.0, 0.0005)

    trade(scenario)


def test_ccxt_understands_refusals() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order(SPOT, "limit", "buy", 2, 59_900)
        with pytest.raises(ccxt.InvalidOrder):
            await client.create_order(SPOT, "limit", "buy", 0.00001, 59_900)
        stranger = pointed_at(venue, "not the secret")
        try:
            with pytest.raises(ccxt.AuthenticationError):
                await stranger.spot_private_get_account()
        finally:
            await stranger.close()
        venue.listings.change_symbol("BTCUSDT", tradable=False)
        with pytest.raises(ccxt.BadSymbol):
            await client.create_order(SPOT, "market", "sell", 0.01)

    trade(scenario)


def test_ccxt_sends_batches() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        order = {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 0.001}
        placed = await client.create_orders([order | {"price": 59_000}, order | {"price": 59_001}])
        assert {each["id"] for each in await client.fetch_open_orders(SPOT)} == {
            each["id"] for each in placed
        }
        assert {each["status"] for each in await client.cancel_all_orders(SPOT)} == {"canceled"}
        assert await client.fetch_open_orders(SPOT) == []

    trade(scenario)


def test_ccxt_fetches_market_data() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        await asyncio.sleep(1)  # for a few trades
        for symbol in (SPOT, SWAP):
            book = await client.fetch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
            trades = await client.fetch_trades(symbol)
            assert trades and all(each["side"] in ("buy", "sell") and each["price"] > 0 for each in trades)
            ticker = await client.fetch_ticker(symbol)
            assert ticker["bid"] < ticker["ask"] and ticker["last"] > 0
        (bar,) = (await client.fetch_ohlcv(SPOT, "1m"))[-1:]
        assert bar[3] <= bar[1] <= bar[2] and bar[5] > 0
        assert set(await client.fetch_tickers([SPOT, "ETH/USDT"])) == {SPOT, "ETH/USDT"}
        assert set(await client.fetch_bids_asks()) == {SPOT, "ETH/USDT"}
        assert (await client.fetch_funding_rate(SWAP))["fundingRate"] == 0.0001

    trade(scenario)


def test_ccxt_watches_over_the_websockets() -> None:
    async def scenario(client: Any, venue: Venue) -> None:
        client.options["watchOrderBook"]["snapshotDelay"] = 3  # deltas; 25 of 100 ms would take their time
        for _ in range(10):
            book = await client.watch_order_book(SPOT)
            assert book["bids"][0][0] < book["asks"][0][0]
        assert (await client.watch_trades(SPOT))[0]["price"] > 0
        assert (await client.watch_ticker(SPOT))["bid"] > 0
        assert (await client.watch_ohlcv(SPOT, "1m"))[-1][4] > 0
        swap = await client.watch_order_book(SWAP)
        assert swap["bids"][0][0] < swap["asks"][0][0]
        assert (await client.watch_trades(SWAP))[0]["price"] > 0
        watching = asyncio.create_task(client.watch_orders(SPOT))
        for _ in range(500):
            if any(each.account and each.subscriptions for each in venue.state.hub.connections):
                break
            await asyncio.sleep(0.01)
        placed = await client.create_order(SPOT, "market", "buy", 0.01)
        orders = await watching
        assert orders[-1]["id"] == placed["id"]

    trade(scenario)
