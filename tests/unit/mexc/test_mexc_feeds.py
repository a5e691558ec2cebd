"""Feeds over real sockets against the local venue, one fault at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.mexc.connection import FeedState
from engine.adapter import FeedStatus

Run = Callable[..., None]


def feed(rig: Any, name: str) -> FeedStatus:
    return next(each for each in rig.adapter.status().feeds if each.name == name)


async def up(rig: Any) -> None:
    await rig.start()
    await rig.until(lambda: all(each.state == FeedState.UP for each in rig.adapter.status().feeds))


def test_feeds_come_up_and_bring_every_kind(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await up(rig)
        decode = rig.recorder.decoder.decode_event
        kinds: set[int] = set()

        def all_there() -> bool:
            kinds.update(decode(frame)[24] for source, frame in rig.recorder.frames if source == 1)
            return {3, 5, 6} <= kinds

        await rig.until(all_there)
        assert 2 not in kinds
        feeds = rig.recorder.of("FEED")
        assert {(each["source"], each["up"], each["private"]) for each in feeds} == {
            (0, True, True),
            (1, True, False),
        }
        status = rig.adapter.status()
        assert [each.name for each in status.feeds] == ["market-1", "private"]
        assert status.feeds[0].symbols == ["BTCUSDT", "MXUSDT"]
        assert status.feeds[0].frames > 0
        assert 0 <= status.rest_rtt_ms < 1000
        assert abs(status.clock_offset_ms) <= status.clock_error_ms + 1
        assert rig.recorder.of("HEALTH")

    rig_run(body)


def test_the_up_event_goes_before_the_first_frame(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        order: list[str] = []
        ingest, frame = rig.recorder.ingest, rig.recorder.ingest_frame_bytes

        def note_event(event: bytes) -> None:
            ingest(event)
            if rig.recorder.events[-1]["kind"] == "FEED" and rig.recorder.events[-1]["source"] == 1:
                order.append("up")

        def note_frame(source: int, data: bytes) -> None:
            frame(source, data)
            if source == 1:
                order.append("frame")

        rig.recorder.ingest, rig.recorder.ingest_frame_bytes = note_event, note_frame
        await rig.start("MXUSDT")
        await rig.until(lambda: "up" in order and order.count("frame") > 3)
        confirmed = order.index("up")
        # Frames of channels that were confirmed before the last one may come earlier.
        assert "frame" in order[confirmed:]

    rig_run(body)


def test_a_disconnect_is_told_and_mended(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await up(rig)
        rig.adapter.private_restored.clear()
        rig.fault("disconnect", count=1)
        await rig.until(lambda: rig.recorder.feed_states(1) == [True, False, True])
        await rig.until(lambda: rig.recorder.feed_states(0) == [True, False, True])
        assert rig.adapter.private_restored.is_set()
        assert rig.recorder.counts["mexc.disconnects"] >= 2
        assert feed(rig, "market-1").reconnects >= 1

    rig_run(body)


def test_silence_without_a_close_is_noticed(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await up(rig)
        rig.fault("silent", for_s=2.0)
        await rig.until(lambda: rig.recorder.feed_states(1)[:2] == [True, False])
        await rig.until(
            lambda: rig.recorder.feed_states(1)[-1] is True and len(rig.recorder.feed_states(1)) > 2
        )
        assert rig.recorder.counts["mexc.silences"] + rig.recorder.counts["mexc.pong_timeouts"] > 0

    rig_run(body)


def test_a_private_feed_that_answers_no_ping_is_given_up(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await up(rig)
        rig.fault("silent", for_s=2.5)
        await rig.until(lambda: rig.recorder.feed_states(0)[:2] == [True, False])
        # The core hears at once; why is told when the connection is closed.
        await rig.until(lambda: rig.recorder.counts["mexc.pong_timeouts"] > 0)
        await rig.until(lambda: rig.recorder.feed_states(0)[-1] is True)

    rig_run(body, silent_timeout_s=60.0)


def test_no_first_frame_is_noticed(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await rig.start()
        await rig.until(lambda: rig.recorder.counts["mexc.first_frame_timeouts"] >= 2)
        # Where a connection did have a frame, it was told up, and down again: none counts as up without one.
        states = rig.recorder.feed_states(1)
        assert states == [True, False] * (len(states) // 2)
        assert feed(rig, "market-1").state in (FeedState.SILENT, FeedState.CONNECTING, FeedState.SUBSCRIBING)
        assert "no frame within" in feed(rig, "market-1").last_error

    quiet = {"maker_rate_hz": 0, "taker_rate_hz": 0}
    rig_run(body, {"seeded_rates": quiet})


def test_a_refused_subscription_is_an_error_and_asked_again(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        rig.fault("refuse_subscription", match="MXUSDT", count=9)
        await rig.start()
        await rig.until(lambda: feed(rig, "market-1").state == FeedState.REFUSED)
        assert rig.recorder.feed_states(1) == []
        assert (
            "Blocked" in feed(rig, "market-1").last_error
            or "Not Subscribed" in feed(rig, "market-1").last_error
        )
        await rig.until(lambda: rig.recorder.feed_states(1) == [True])
        assert feed(rig, "market-1").state == FeedState.UP
        assert rig.recorder.counts["mexc.refused_subscription"] == 9
        assert feed(rig, "market-1").refused == 9

    rig_run(body)


def test_garbage_is_handed_on_and_decodes_to_malformed(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        rig.fault("garbage_frame", probability=0.5)
        await up(rig)
        decode = rig.recorder.decoder.decode_event
        await rig.until(lambda: any(decode(frame)[24] == 2 for _, frame in rig.recorder.frames))
        assert rig.recorder.feed_states(1) == [True]

    rig_run(body)


@pytest.mark.parametrize("name", ["bodyless", "one_sided", "unknown_field", "duplicate", "gap"])
def test_odd_frames_decode_to_no_malformed(rig_run: Run, name: str) -> None:
    async def body(rig: Any) -> None:
        rig.fault(name, probability=0.5)
        await up(rig)
        await rig.until(lambda: len(rig.recorder.frames) > 60)
        kinds = {rig.recorder.decoder.decode_event(frame)[24] for _, frame in rig.recorder.frames}
        assert 2 not in kinds

    rig_run(body)


def test_many_symbols_take_several_connections(rig_run: Run) -> None:
    names = [f"{letter}XUSDT" for letter in "ABCDEFGHIJKL"]
    listed = [
        {"symbol": name, "base": f"{name[0]}X", "price_decimals": 2, "size_decimals": 2, "start_price": "10"}
        for name in names
    ]

    async def body(rig: Any) -> None:
        await rig.start(*names)
        await rig.until(
            lambda: rig.recorder.feed_states(1) == [True] and rig.recorder.feed_states(2) == [True]
        )
        assert [len(each.symbols) for each in rig.adapter.status().feeds] == [10, 2, 0]
        assert [each.source for each in rig.adapter.status().feeds] == [1, 2, 0]

    rig_run(body, {"listed": listed})


def test_an_unreachable_venue_is_tried_again(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await up(rig)
        await rig.venue.stop()
        await rig.until(lambda: rig.recorder.counts["mexc.connect_failures"] >= 4)
        assert rig.recorder.feed_states(1) == [True, False]

    rig_run(body)


def test_a_lost_listen_key_is_replaced(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await rig.start("MXUSDT")
        await rig.until(lambda: rig.recorder.feed_states(0)[:3] == [True, False, True])
        assert rig.recorder.counts["mexc.invalid_listen_key"] + rig.recorder.counts["mexc.restarts"] > 0

    rig_run(body, {"limits": {"listen_key_life_s": 0.3}}, listen_key_refresh_s=0.5)


def test_the_listen_key_is_renewed_and_released(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await rig.start("MXUSDT")
        await rig.until(lambda: rig.recorder.feed_states(0) == [True])
        await asyncio.sleep(1.5)
        assert rig.recorder.feed_states(0) == [True]
        now_s = asyncio.get_running_loop().time()
        assert len(rig.venue.state.listen_keys.of("mx0-test", now_s)) == 1
        await rig.adapter.close()
        assert rig.venue.state.listen_keys.of("mx0-test", now_s) == []

    rig_run(body, {"limits": {"listen_key_life_s": 1.2}}, listen_key_refresh_s=0.15)


def test_books_are_fetched_until_there_is_one(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        await rig.start()
        rig.fault("html_403", count=2, match="depth")
        await asyncio.wait_for(rig.adapter.fetch_book(1, 0), 5)
        source, instrument, document = rig.recorder.documents[-1]
        assert (source, instrument) == (1, 1)
        assert document.startswith(b"{")
        assert rig.adapter.status().counters["book_fetch_failures"] == 2
        await asyncio.gather(rig.adapter.fetch_book(0, 1), rig.adapter.fetch_book(0, 2))
        assert len(rig.recorder.documents) == 3

    rig_run(body)
