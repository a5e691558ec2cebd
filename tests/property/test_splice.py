"""Two connections of one feed, each at its own pace, make one stream: all of it, once, in order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.schema import PushDataV3ApiWrapper
from adapters.mexc.splice import Splice
from adapters.mexc.venue.frames import Deal, DepthUpdate, deals_frame, depth_frame, wrapper

DEALS = "spot@public.aggre.deals.v3.api.pb@10ms@MXUSDT"
DEPTH = "spot@public.aggre.depth.v3.api.pb@10ms@MXUSDT"
ORDERS = "spot@private.orders.v3.api.pb"


def deal(number: int) -> Deal:
    return Deal("3.5", str(1 + number % 3), 1 + number % 2, 1_700_000_000_000 + number // 2, f"t{number}")


def order(number: int, send_ms: int) -> bytes:
    message = wrapper(ORDERS, "MXUSDT", send_ms)
    message.privateOrders.id = f"C02__{number}"
    message.privateOrders.status = 1
    return bytes(message.SerializeToString())


def cut(
    events: list[tuple[str, int]], rng: random.Random, start: int, send_ms: int
) -> list[tuple[int, bytes]]:
    """A connection's frames from an event on, each with the place of its first event; deals in frames of 1 to 3."""
    frames: list[tuple[int, bytes]] = []
    waiting: list[int] = []  # deals, whose number is their place
    version = {number: at for at, (_, number) in enumerate(e for e in events if e[0] == DEPTH)}

    def flush() -> None:
        if waiting:
            frames.append(
                (waiting[0], deals_frame(DEALS, "MXUSDT", send_ms, [deal(each) for each in waiting]))
            )
            waiting.clear()

    for at, (channel, number) in enumerate(events):
        if at < start:
            continue
        if channel == DEALS:
            waiting.append(number)
            if len(waiting) >= rng.randint(1, 3):
                flush()
        elif channel == DEPTH:
            update = DepthUpdate(100 + version[number], 100 + version[number], [("3.5", "1")], [])
            frames.append((at, depth_frame(DEPTH, "MXUSDT", send_ms, update)))
        else:
            frames.append((at, order(number, send_ms)))
    flush()
    return frames


def read(raw: bytes) -> list[tuple[str, str]]:
    message = PushDataV3ApiWrapper()
    message.ParseFromString(raw)
    found: list[tuple[str, str]] = []
    if message.HasField("publicAggreDeals"):  # type: ignore[attr-defined]
        found += [(DEALS, each.tradeId) for each in message.publicAggreDeals.deals]  # type: ignore[attr-defined]
        assert message.publicAggreDeals.eventType  # type: ignore[attr-defined]
        assert message.symbol == "MXUSDT"  # type: ignore[attr-defined]
    elif message.HasField("publicAggreDepths"):  # type: ignore[attr-defined]
        found.append((DEPTH, message.publicAggreDepths.toVersion))  # type: ignore[attr-defined]
    else:
        found.append((ORDERS, message.privateOrders.id))  # type: ignore[attr-defined]
    assert message.channel == found[0][0]  # type: ignore[attr-defined]
    return found


def told_by(events: list[tuple[str, int]], channel: str) -> list[str]:
    numbers = [number for each, number in events if each == channel]
    if channel == DEPTH:
        return [str(100 + at) for at in range(len(numbers))]
    return [f"{'t' if channel == DEALS else 'C02__'}{number}" for number in numbers]


@given(
    st.lists(st.sampled_from([DEALS, DEPTH, ORDERS]), min_size=1, max_size=60),
    st.integers(0, 60),
    st.integers(0, 200),
    st.randoms(use_true_random=False),
)
def test_everything_is_told_once_and_in_order(
    channels: list[str], start: int, steps_before_end: int, rng: random.Random
) -> None:
    events = [(channel, number) for number, channel in enumerate(channels)]
    start = min(start, len(events))
    old = cut(events, rng, 0, 1000)
    new = cut(events, rng, start, 1007)
    delivered: list[bytes] = []
    splice = Splice(delivered.append)
    old_at = new_at = 0
    for _ in range(steps_before_end):
        if rng.random() < 0.5 and old_at < len(old):
            splice.take_old(old[old_at][1])
            old_at += 1
        elif new_at < len(new):
            splice.take_new(new[new_at][1])
            new_at += 1
    # The overlap lasts until the old one has told what came before the new one was subscribed.
    while old_at < len(old) and not all(at >= start for at, _ in old[old_at:]):
        splice.take_old(old[old_at][1])
        old_at += 1
    splice.finish()
    late = old[old_at:]
    for _, frame in new[new_at:]:
        if late and rng.random() < 0.5:
            splice.take_old(late.pop(0)[1])
        splice.take_new(frame)
    found = [each for raw in delivered for each in read(raw)]
    for channel in (DEALS, DEPTH, ORDERS):
        assert [text for each, text in found if each == channel] == told_by(events, channel)


@given(st.binary(max_size=60), st.booleans())
def test_bytes_that_are_no_message_are_handed_on(raw: bytes, from_old: bool) -> None:
    delivered: list[bytes] = []
    splice = Splice(delivered.append)
    if from_old:
        splice.take_old(raw)
        assert delivered == [raw]
    else:
        splice.take_new(raw)
        splice.finish()
        assert len(delivered) <= 1


def test_the_old_connection_is_not_heard_after_the_end() -> None:
    delivered: list[bytes] = []
    splice = Splice(delivered.append)
    splice.finish()
    splice.take_old(order(1, 5))
    assert delivered == []
    assert splice.dropped == 1
    splice.take_new(order(1, 6))
    assert len(delivered) == 1
