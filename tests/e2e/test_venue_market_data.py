"""Market data that the local venue sums up from its trades: klines, tickers, aggregated trades, mini tickers."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.mexc.schema import PushDataV3ApiWrapper
from adapters.mexc.venue.candles import DAY_S, Candles, window
from adapters.mexc.venue.channels import parse_channel
from tests.e2e.test_venue_rest import recorded, same_shape
from tests.e2e.venue_client import Client, frames_of, play

START_MS = 1_700_000_000_000


def test_answers_have_the_recorded_keys_and_types(data_dir: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.step(3000)
        for route, query in (
            ("/api/v3/aggTrades", "?symbol=BTCUSDT"),
            ("/api/v3/klines", "?symbol=BTCUSDT&interval=5m"),
            ("/api/v3/avgPrice", "?symbol=BTCUSDT"),
            ("/api/v3/ticker/24hr", ""),
            ("/api/v3/ticker/price", "?symbol=BTCUSDT"),
        ):
            status, ours = await client.get(route + query)
            assert status == 200 and ours
            same_shape(recorded(data_dir, route), ours, route)

    play(scenario)


async def all_trades(client: Client, symbol: str = "BTCUSDT") -> list[dict[str, Any]]:
    return list(reversed((await client.get(f"/api/v3/trades?symbol={symbol}&limit=1000"))[1]))


def test_klines_and_tickers_say_what_the_trades_said() -> None:
    async def scenario(client: Client) -> None:
        await client.step(130_000)
        trades = await all_trades(client)
        _, klines = await client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m")
        assert 3 <= len(klines) <= 4 and all(len(bar) == 8 for bar in klines)
        for start, opened, high, low, closed, volume, end, amount in klines:
            within = [trade for trade in trades if start <= trade["time"] < end]
            prices = [Decimal(trade["price"]) for trade in within]
            assert end == start + 60_000 and start % 60_000 == 0
            assert [Decimal(text) for text in (opened, high, low, closed)] == [
                prices[0], max(prices), min(prices), prices[-1],
            ]  # fmt: skip
            assert Decimal(volume) == sum(Decimal(trade["qty"]) for trade in within)
            assert Decimal(amount) == sum(Decimal(trade["quoteQty"]) for trade in within)
        _, two = await client.get(
            f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={klines[1][0]}&limit=1"
        )
        assert two == [klines[1]]
        _, day = await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")
        assert day["count"] is None and Decimal(day["lastPrice"]) == Decimal(trades[-1]["price"])
        change = Decimal(day["lastPrice"]) - Decimal(day["openPrice"])
        assert Decimal(day["priceChange"]) == change
        assert abs(Decimal(day["priceChangePercent"]) - change / Decimal(day["openPrice"])) < Decimal(
            "0.0001"
        )
        _, price = await client.get("/api/v3/ticker/price?symbol=BTCUSDT")
        assert price["price"] == day["lastPrice"]
        _, average = await client.get("/api/v3/avgPrice?symbol=BTCUSDT")
        lots = sum(Decimal(trade["qty"]) for trade in trades)
        money = sum(Decimal(trade["quoteQty"]) for trade in trades)
        assert abs(Decimal(average["price"]) - money / lots) < Decimal("0.01")
        assert len((await client.get("/api/v3/ticker/24hr"))[1]) == 2
        _, refused = await client.get("/api/v3/klines?symbol=BTCUSDT&interval=2m")
        assert refused["code"] == 33333

    # a minute bar starts a few seconds after the start: nothing happens before it in this run
    play(scenario, seeded={"taker_rate_hz": 3, "maker_rate_hz": 10, "warm_up_steps": 0})


def test_aggregated_trades_have_whole_seconds_and_at_most_an_hour() -> None:
    async def scenario(client: Client) -> None:
        await client.step(5000)
        trades = await all_trades(client)
        _, found = await client.get("/api/v3/aggTrades?symbol=BTCUSDT&limit=1000")
        assert [trade["p"] for trade in reversed(found)] == [trade["price"] for trade in trades]
        assert all(trade["T"] % 1000 == 0 and trade["a"] is None for trade in found)
        span = f"startTime={START_MS}&endTime={START_MS + 2000}"
        _, some = await client.get(f"/api/v3/aggTrades?symbol=BTCUSDT&{span}")
        assert 0 < len(some) < len(found)
        wide = f"startTime={START_MS}&endTime={START_MS + 3_600_001}"
        _, refused = await client.get(f"/api/v3/aggTrades?symbol=BTCUSDT&{wide}")
        assert refused == {"code": -1127, "msg": "More than 1 hours between startTime and endTime."}
        _, refused = await client.get(f"/api/v3/aggTrades?symbol=BTCUSDT&startTime={START_MS}")
        assert refused["code"] == -1128

    play(scenario)


KLINE = "spot@public.kline.v3.api.pb@BTCUSDT@Min1"
MINI = "spot@public.miniTicker.v3.api.pb@BTCUSDT@UTC+8"
MINIS = "spot@public.miniTickers.v3.api.pb@24H"
BATCH = "spot@public.bookTicker.batch.v3.api.pb@BTCUSDT"
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"


def test_streams_of_klines_mini_tickers_and_batches() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            names = [KLINE, MINI, MINIS, BATCH, TICKER]
            assert (await socket.ask("SUBSCRIPTION", names))["msg"] == ",".join(names)
            messages = [
                PushDataV3ApiWrapper.FromString(frame) for frame in await frames_of(client, socket, 6000)
            ]
        by_channel = {name: [m for m in messages if m.channel == name] for name in names}
        _, day = await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")
        bar = by_channel[KLINE][-1].publicSpotKline
        assert (bar.interval, bar.windowEnd - bar.windowStart) == ("Min1", 60)
        assert bar.closingPrice == day["lastPrice"]
        assert [m.sendTime for m in by_channel[MINI]] == [m.sendTime for m in by_channel[MINIS]]
        sent = [m.sendTime for m in by_channel[MINIS]]
        assert len(sent) in (2, 3) and all(b - a == 3000 for a, b in itertools.pairwise(sent[1:]))
        items = {item.symbol: item for item in by_channel[MINIS][-1].publicMiniTickers.items}
        assert set(items) == {"BTCUSDT", "ETHUSDT"}
        one = by_channel[MINI][-1].publicMiniTicker
        assert one.price == items["BTCUSDT"].price and one.zonedRate == items["BTCUSDT"].rate
        assert Decimal(one.volume) > Decimal(one.quantity) > 0  # quote turnover, then base
        batches = [m.publicBookTickerBatch for m in by_channel[BATCH]]
        tickers = [m.publicAggreBookTicker for m in by_channel[TICKER]]
        assert [(b.items[0].bidPrice, b.version) for b in batches] == [
            (t.bidPrice, t.version) for t in tickers
        ]

    play(scenario)


@pytest.mark.parametrize(
    "name",
    [
        "spot@public.miniTickers.v3.api.pb",
        "spot@public.miniTickers.v3.api.pb@UTC",
        "spot@public.miniTicker.v3.api.pb@BTCUSDT",
        "spot@public.kline.v3.api.pb@BTCUSDT@Min2",
        "spot@public.increase.depth.v3.api.pb@BTCUSDT",
    ],
)
def test_channels_that_there_are_not(name: str) -> None:
    assert parse_channel(name) is None


@pytest.mark.parametrize("zone", ["24H", "UTC+0", "UTC-10", "UTC+5:30", "UTC+12:45", "UTC+13"])
def test_zones_of_mini_tickers(zone: str) -> None:
    assert parse_channel(f"spot@public.miniTickers.v3.api.pb@{zone}") is not None


def test_intervals_begin_where_they_should() -> None:
    assert window(1_700_000_000, 60) == (1_699_999_980, 1_700_000_040)
    start_s, end_s = window(1_700_000_000, 7 * DAY_S)  # a Tuesday
    assert (start_s, end_s) == (1_699_833_600, 1_700_438_400)  # Monday to Monday
    assert window(1_709_200_000, 0) == (1_706_745_600, 1_709_251_200)  # February 2024 has 29 days


def test_a_day_forgets_what_is_older() -> None:
    candles = Candles()
    candles.add(0, 100, 1)
    candles.add(DAY_S * 1000, 300, 2)
    candles.add(DAY_S * 1000 + 61_000, 200, 3)
    day = candles.since(DAY_S)
    assert day is not None and (day.open, day.high, day.low, day.close, day.lots) == (300, 300, 200, 200, 5)
    assert candles.last_ticks == 200 and candles.since(2 * DAY_S) is None
    assert [(bar.open, bar.close) for bar in candles.bars(DAY_S)] == [(100, 100), (300, 200)]
