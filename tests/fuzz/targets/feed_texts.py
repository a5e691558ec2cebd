"""Text frames of both websockets. Input: a byte (spot or futures), then the text."""

from __future__ import annotations

from decimal import Decimal

from adapters.mexc.futures.messages import (
    commits_of,
    deals_of,
    depth_of,
    funding_of,
    parse_answer,
    parse_push,
    price_of,
)
from adapters.mexc.listings.facts import ShapeError
from adapters.mexc.subscriptions import Reply, Subscriptions

CHANNELS = ("spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT", "b")
READERS = (depth_of, commits_of, deals_of, funding_of, price_of)


def seeds() -> list[bytes]:
    """Replies and pushes as they come."""
    return [
        b'\0{"id":1,"code":0,"msg":"%s"}' % CHANNELS[0].encode(),
        b'\0{"id":2,"code":0,"msg":"Not Subscribed successfully! [b].  Reason: Blocked!"}',
        b'\0{"id":0,"code":0,"msg":"PONG"}',
        b"\0Invalid listen key",
        b'\0{"code":{},"msg":[],"id":null}',
        b'\1{"channel":"push.depth","symbol":"BTC_USDT","data":{"asks":[[6859.5,3251,1]],"bids":[[1e-7,0,0]],"version":968}}',
        b'\1{"channel":"push.deal","data":[{"p":6866.5,"v":2096,"T":1,"O":3,"M":1,"t":1736411506000}]}',
        b'\1{"success":true,"code":0,"data":{"fundingRate":-2.5E-7,"nextSettleTime":1736411506000}}',
        b'\1{"data":{"fairPrice":"1.5","lastPrice":2,"timestamp":1736411506000}}',
        b'\1{"data":[{"begin":1,"end":2,"asks":[],"bids":[]},{"begin":3,"end":4,"asks":[],"bids":[]}]}',
        b"\0" + b"[" * 3000,
        b"\1" + b'{"a":' * 700,
    ]


def check_reply(text: bytes) -> None:
    """Whatever comes, a channel is confirmed only by its own name, and the others stay as they were."""
    asked = Subscriptions(CHANNELS, lambda refusals: float(refusals))
    asked.requests_due(0.0)
    shown = text.decode("utf-8", "replace")
    reply = asked.take(shown, 1.0)
    assert isinstance(reply, Reply)
    assert not asked.confirmed
    assert len(asked.last_refusal) <= 200
    if reply is Reply.CONFIRMED:
        assert any(name in shown or "\\" in shown for name in CHANNELS)
    asked.requests_due(1e9)


def check_message(text: bytes) -> None:
    """ValueError (ShapeError of the envelope), or records whose numbers are numbers."""
    for envelope in (parse_push, parse_answer):
        try:
            found = envelope(text)
        except ShapeError:
            continue
        data = found.data if envelope is parse_push else found  # type: ignore[attr-defined]
        for read in READERS:
            try:
                record = read(data)
            except ValueError:
                continue
            if read is depth_of:
                levels = [*record.asks, *record.bids]  # type: ignore[union-attr]
                assert all(
                    isinstance(price, Decimal) and price > 0 and 0 <= size < 2**63 for price, size in levels
                )
                assert 0 < record.begin <= record.end < 2**63  # type: ignore[union-attr]


def check(data: bytes) -> None:
    """See the two checks."""
    if data:
        (check_message if data[0] & 1 else check_reply)(data[1:])
