"""The native decoder of MEXC's frames: exact on what is right, refusing the rest, unharmed by anything."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mexc.schema import PushDataV3ApiWrapper
from native.mexc_protobuf import Decoder, FrameError, FrameKind
from native.order_book import ASK, BID, OrderBook
from tests.oracles.mexc_protobuf import BYTES, FIXED32, FIXED64, VARINT, PlainDecoder, Refused, fields

SYMBOLS = [("BTCUSDT", 2, 8), ("MXUSDT", 4, 2), ("HYPEUSDT", 4, 6), ("XENUSDT", 10, 0)]
NATIVE, PLAIN = Decoder(SYMBOLS), PlainDecoder(SYMBOLS)
CHANNEL = "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"
Field = tuple[int, int, Any]


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode(items: list[Field]) -> bytes:
    """Fields (number, wire type, value) as protobuf writes them."""
    out = b""
    for number, wire_type, value in items:
        out += varint(number << 3 | wire_type)
        out += varint(value) if wire_type == VARINT else b""
        out += varint(len(value)) if wire_type == BYTES else b""
        out += value if wire_type != VARINT else b""
    return out


def frame_of(body: int, items: list[Field], channel: str = CHANNEL, symbol: str = "BTCUSDT") -> bytes:
    wrapper: list[Field] = [(1, BYTES, channel.encode()), (3, BYTES, symbol.encode()), (6, VARINT, 5)]
    return encode([*wrapper, (body, BYTES, encode(items))])


def level(price: str, quantity: str) -> bytes:
    return encode([(1, BYTES, price.encode()), (2, BYTES, quantity.encode())])


VERSIONS: list[Field] = [(4, BYTES, b"7"), (5, BYTES, b"9")]


def assert_agrees(frame: bytes) -> FrameError:
    """Native and plain decoder say the same of the frame."""
    native = NATIVE.decode(frame)
    try:
        plain = PLAIN.decode(frame)
    except Refused as refused:
        assert native["error"] == refused.error, frame.hex()
        return refused.error
    assert native == plain, frame.hex()
    return FrameError.OK


def recorded(data_dir: Path) -> list[dict[str, Any]]:
    files = ("ws_frames.json", "ws_golden_synthetic.json")
    return [case for name in files for case in json.loads((data_dir / "mexc" / name).read_text())]


def units(text: str, decimals: int) -> int:
    scaled = Decimal(text or "0").scaleb(decimals)
    assert scaled == int(scaled)
    return int(scaled)


def expected_of(decoded: dict[str, Any]) -> dict[str, Any]:
    """What a recorded frame's fields come to in the decoder's own terms."""
    names = [name for name, _, _ in SYMBOLS]
    symbol = names.index(decoded["symbol"]) if "symbol" in decoded else -1
    _, price_decimals, size_decimals = SYMBOLS[symbol]
    found: dict[str, Any] = {
        "channel": decoded["channel"].encode(),
        "symbol": symbol,
        "send_time_ms": int(decoded.get("sendTime", 0)),
        "create_time_ms": int(decoded.get("createTime", 0)),
    }

    def pair(item: dict[str, str], price: str = "price", quantity: str = "quantity") -> tuple[int, int]:
        return units(item[price], price_decimals), units(item[quantity], size_decimals)

    body = decoded.get("publicAggreDepths") or decoded.get("publicLimitDepths")
    if body:
        found["asks"] = [pair(item) for item in body.get("asks", [])]
        found["bids"] = [pair(item) for item in body.get("bids", [])]
        found["from_version"] = int(body.get("fromVersion") or body["version"])
        found["to_version"] = int(body.get("toVersion") or body["version"])
        found["last_order_time_ms"] = int(body.get("lastOrderCreateTime", 0))
    elif body := decoded.get("publicAggreDeals"):
        found["trades"] = [
            (*pair(deal), deal["tradeType"], int(deal["time"]) * 1_000_000) for deal in body["deals"]
        ]
    elif body := decoded.get("publicAggreBookTicker"):
        found["bid"] = pair(body, "bidPrice", "bidQuantity")
        found["ask"] = pair(body, "askPrice", "askQuantity")
        found["from_version"] = found["to_version"] = int(body.get("version", 0))
        found["last_order_time_ms"] = int(body.get("lastOrderCreateTime", 0))
    return found


TEXTS = {
    "id": "id", "clientId": "client_id", "tradeId": "trade_id", "clientOrderId": "client_order_id",
    "orderId": "order_id", "feeCurrency": "fee_currency", "vcoinName": "asset", "coinId": "coin_id", "type": "type",
}  # fmt: skip
MONEY = {
    "price": "price", "quantity": "quantity", "amount": "amount", "avgPrice": "avg_price",
    "remainAmount": "remain_amount", "remainQuantity": "remain_quantity",
    "lastDealQuantity": "last_deal_quantity", "cumulativeQuantity": "cumulative_quantity",
    "cumulativeAmount": "cumulative_amount", "feeAmount": "fee_amount", "balanceAmount": "balance",
    "balanceAmountChange": "balance_change", "frozenAmount": "frozen", "frozenAmountChange": "frozen_change",
}  # fmt: skip
NUMBERS = {
    "orderType": "order_type", "tradeType": "trade_type", "isMaker": "is_maker", "isSelfTrade": "is_self_trade",
    "status": "status", "createTime": "create_time_ms", "time": "time_ms",
}  # fmt: skip


def expected_private(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {TEXTS[name]: body[name].encode() for name in TEXTS if name in body}
    found |= {MONEY[name]: units(body[name], 20) for name in MONEY if name in body}
    return found | {NUMBERS[name]: int(body[name]) for name in NUMBERS if name in body}


def test_recorded_frames_decode_to_their_recorded_fields(data_dir: Path) -> None:
    cases = recorded(data_dir)
    assert len(cases) >= 15
    for case in cases:
        frame, decoded = bytes.fromhex(case["hex"]), case["decoded"]
        assert assert_agrees(frame) == FrameError.OK, case["name"]
        found = NATIVE.decode(frame)
        expected = expected_of(decoded)
        assert {name: found[name] for name in expected} == expected, case["name"]
        for name in ("privateOrders", "privateDeals", "privateAccount"):
            if name in decoded:
                expected = expected_private(decoded[name])
                assert {name: found["body"][name] for name in expected} == expected, case["name"]
                assert not [n for n, v in found["body"].items() if v and n not in expected and n != "present"]


def test_every_truncation_is_told_as_the_twin_tells_it(data_dir: Path) -> None:
    for case in recorded(data_dir):
        frame = bytes.fromhex(case["hex"])
        for length in range(len(frame)):
            assert_agrees(frame[:length])


PRICE = st.integers(1, 10**9).map(lambda ticks: f"{ticks // 100}.{ticks % 100:02d}")
QUANTITY = st.integers(0, 10**12).map(lambda lots: f"{lots // 10**8}.{lots % 10**8:08d}")
TRIMMED = QUANTITY.map(lambda text: text.rstrip("0").rstrip("."))
LEVELS = st.lists(st.tuples(PRICE, st.one_of(QUANTITY, TRIMMED)), max_size=12)
TIMES = st.integers(0, 2**43)
VERSION = st.integers(1, 2**63 - 1)


def pairs_of(levels: list[tuple[str, str]]) -> list[tuple[int, int]]:
    return [(units(price, 2), units(quantity, 8)) for price, quantity in levels]


LEVELS_INSIDE: dict[int, Any] = {1: {}, 2: {}}
MESSAGES: dict[int, Any] = {303: LEVELS_INSIDE, 313: LEVELS_INSIDE, 314: {1: {}}, 315: {}}


def scrambled(frame: bytes, rng: random.Random, messages: dict[int, Any] = MESSAGES) -> bytes:
    """The same content: fields shuffled, old values of singular fields and unknown fields strewn in."""
    items: list[Field] = [
        (number, wire_type, scrambled(value, rng, messages[number]) if number in messages else value)
        for number, wire_type, value in fields(frame)
    ]
    groups = {item[0]: [other for other in items if other[0] == item[0]] for item in items}
    decoys: list[Field] = [(1, BYTES, b"9.99"), (2, BYTES, b""), (3, BYTES, b"XENUSDT"), (6, VARINT, 3)]
    for number, wire_type, value in decoys:
        if (
            number in groups
            and number not in messages
            and groups[number][0][1] == wire_type
            and rng.random() < 0.5
        ):
            groups[number].insert(0, (number, wire_type, value))
    unknown: list[Field] = [
        (rng.randint(40, 300), VARINT, rng.getrandbits(64)),
        (rng.randint(400, 2**29 - 1), BYTES, rng.randbytes(rng.randint(0, 300))),
        (rng.randint(40, 300), FIXED64, rng.randbytes(8)),
        (rng.randint(40, 300), FIXED32, rng.randbytes(4)),
    ]
    order = [number for number, group in groups.items() for _ in group] + [0] * len(unknown)
    rng.shuffle(order)
    return encode([groups[number].pop(0) if number else unknown.pop() for number in order])


@given(LEVELS, LEVELS, VERSION, VERSION, TIMES, st.booleans(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_depth_round_trip(
    asks: list[tuple[str, str]],
    bids: list[tuple[str, str]],
    first: int,
    last: int,
    time: int,
    deltas: bool,
    seed: int,
) -> None:
    wrapper = PushDataV3ApiWrapper(channel=CHANNEL, symbol="BTCUSDT", sendTime=time)
    body = wrapper.publicAggreDepths if deltas else wrapper.publicLimitDepths
    for levels, side in ((asks, body.asks), (bids, body.bids)):
        for price, quantity in levels:
            side.add(price=price, quantity=quantity)
    body.eventType, body.lastOrderCreateTime = "spot@public.aggre.depth.v3.api.pb@10ms", time
    if deltas:
        body.fromVersion, body.toVersion = str(first), str(last)
    else:
        body.version, last = str(first), first
    frame = wrapper.SerializeToString()
    for sent in (frame, scrambled(frame, random.Random(seed))):
        assert assert_agrees(sent) == FrameError.OK
        found = NATIVE.decode(sent)
        assert found["kind"] == (FrameKind.DEPTH if deltas else FrameKind.LIMIT_DEPTH)
        assert (found["asks"], found["bids"]) == (pairs_of(asks), pairs_of(bids))
        assert (found["from_version"], found["to_version"]) == (first, last)
        assert (found["send_time_ms"], found["last_order_time_ms"]) == (time, time)


@given(st.lists(st.tuples(PRICE, TRIMMED, st.sampled_from([1, 2]), TIMES), max_size=8), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_deals_round_trip(deals: list[tuple[str, str, int, int]], seed: int) -> None:
    wrapper = PushDataV3ApiWrapper(channel=CHANNEL, symbol="BTCUSDT")
    wrapper.publicAggreDeals.eventType = "e"
    for price, quantity, side, time in deals:
        wrapper.publicAggreDeals.deals.add(
            price=price, quantity=quantity, tradeType=side, time=time, tradeId="1X0"
        )
    frame = wrapper.SerializeToString()
    expected = [(units(p, 2), units(q, 8), side, time * 1_000_000) for p, q, side, time in deals]
    for sent in (frame, scrambled(frame, random.Random(seed))):
        assert assert_agrees(sent) == FrameError.OK
        assert NATIVE.decode(sent)["trades"] == expected


@given(st.one_of(st.just(""), PRICE), st.one_of(st.just(""), PRICE), TRIMMED, VERSION)
@settings(max_examples=100, deadline=None)
def test_book_ticker_round_trip(bid: str, ask: str, quantity: str, version: int) -> None:
    wrapper = PushDataV3ApiWrapper(channel=CHANNEL, symbol="BTCUSDT")
    body = wrapper.publicAggreBookTicker
    body.bidPrice, body.askPrice, body.version = bid, ask, str(version)
    body.bidQuantity, body.askQuantity = quantity if bid else "", quantity if ask else ""
    frame = wrapper.SerializeToString()
    assert assert_agrees(frame) == FrameError.OK
    found, lots = NATIVE.decode(frame), units(quantity, 8)
    assert found["bid"] == ((units(bid, 2), lots) if bid else (0, 0))
    assert found["ask"] == ((units(ask, 2), lots) if ask else (0, 0))
    assert found["from_version"] == found["to_version"] == version


AMOUNT = st.one_of(st.just(""), st.integers(-(10**30), 10**30).map(lambda v: f"{Decimal(v).scaleb(-20):f}"))


@given(
    st.lists(AMOUNT, min_size=9, max_size=9), st.text(max_size=40), st.integers(-5, 200), TIMES, st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_private_round_trip(amounts: list[str], text: str, number: int, time: int, flag: bool) -> None:
    names = list(MONEY)[:9]
    wrapper = PushDataV3ApiWrapper(channel="spot@private.orders.v3.api.pb", symbol="MXUSDT")
    order: dict[str, Any] = dict(zip(names, amounts, strict=True))
    order |= {
        "id": text,
        "clientId": text,
        "orderType": number,
        "status": 5,
    }
    order |= {"tradeType": 2, "isMaker": flag, "createTime": time}
    wrapper.privateOrders.CopyFrom(type(wrapper.privateOrders)(**order))
    deal: dict[str, Any] = {
        name: order[name] for name in ("price", "quantity", "amount", "tradeType", "isMaker")
    }
    deal |= {"tradeId": text, "feeAmount": amounts[3], "feeCurrency": "MX", "time": time, "isSelfTrade": flag}
    account: dict[str, Any] = {
        "vcoinName": "USDT",
        "coinId": text,
        "balanceAmount": amounts[0],
        "balanceAmountChange": amounts[1],
    }
    account |= {"frozenAmount": amounts[2], "frozenAmountChange": amounts[3], "type": text, "time": time}
    deals = PushDataV3ApiWrapper(channel="c", symbol="MXUSDT")
    deals.privateDeals.CopyFrom(type(deals.privateDeals)(**deal))
    accounts = PushDataV3ApiWrapper(channel="c")
    accounts.privateAccount.CopyFrom(type(accounts.privateAccount)(**account))
    for message, sent in ((wrapper, order), (deals, deal), (accounts, account)):
        frame = message.SerializeToString()
        assert assert_agrees(frame) == FrameError.OK
        found, expected = NATIVE.decode(frame)["body"], expected_private(sent)
        assert {name: found[name] for name in expected} == expected


ONE_LEVEL = [(1, BYTES, level("1.00", "1")), *VERSIONS]
REFUSALS: list[tuple[FrameError, bytes]] = [
    (FrameError.TRUNCATED, frame_of(313, ONE_LEVEL)[:-1]),
    (FrameError.TRUNCATED, frame_of(313, [(1, BYTES, level("1.00", "1")[:-1]), *VERSIONS])),
    (FrameError.TRUNCATED, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    (FrameError.BAD_VARINT, b"\x30" + b"\xff" * 10 + b"\x01"),
    (FrameError.BAD_VARINT, b"\x30" + b"\xff" * 9 + b"\x02"),
    (FrameError.BAD_VARINT, b"\x82\x80\x80\x80\x10\x00"),
    (FrameError.BAD_WIRE_TYPE, b"\x0b"),
    (FrameError.BAD_WIRE_TYPE, b"\x0c"),
    (FrameError.BAD_WIRE_TYPE, b"\x0f"),
    (FrameError.BAD_WIRE_TYPE, encode([(313, VARINT, 1)])),
    (FrameError.BAD_FIELD, b"\x02\x00"),
    (FrameError.DUPLICATE_BODY, frame_of(313, ONE_LEVEL) + encode([(308, BYTES, b"")])),
    (FrameError.MISSING_FIELD, frame_of(313, ONE_LEVEL[:2])),
    (FrameError.MISSING_FIELD, frame_of(313, [(1, BYTES, level("1.00", "")), *VERSIONS])),
    (FrameError.MISSING_FIELD, frame_of(313, [(2, BYTES, b""), *VERSIONS])),
    (FrameError.MISSING_FIELD, frame_of(315, [(1, BYTES, b"1")])),
    (FrameError.MISSING_FIELD, encode([(313, BYTES, encode(ONE_LEVEL))])),
    (FrameError.UNKNOWN_SYMBOL, frame_of(313, ONE_LEVEL, symbol="DOGEUSDT")),
    (FrameError.UNKNOWN_SYMBOL, frame_of(304, [], channel="spot@private.orders.v3.api.pb", symbol="")),
    (FrameError.UNKNOWN_SYMBOL, frame_of(314, [], channel="a@BTCUSDT@b@c", symbol="")),
    (FrameError.BAD_NUMBER, frame_of(313, [(1, BYTES, level("-1", "1")), *VERSIONS])),
    (FrameError.BAD_NUMBER, frame_of(313, [(1, BYTES, level("1e3", "1")), *VERSIONS])),
    (FrameError.BAD_NUMBER, frame_of(313, [(1, BYTES, level("1", "NaN")), *VERSIONS])),
    (FrameError.BAD_NUMBER, frame_of(313, [ONE_LEVEL[0], (4, BYTES, b"x")])),
    (FrameError.BAD_NUMBER, frame_of(304, [(3, BYTES, b"1.")])),
    (FrameError.OUT_OF_SCALE, frame_of(313, [(1, BYTES, level("1.001", "1")), *VERSIONS])),
    (FrameError.OUT_OF_SCALE, frame_of(314, [(1, BYTES, level("1", "0.000000001") + b"\x18\x01")])),
    (FrameError.OVERFLOW, frame_of(313, [(1, BYTES, level("1", "99999999999.1")), *VERSIONS])),
    (FrameError.OVERFLOW, encode([(6, VARINT, 2**63)])),
    (FrameError.OVERFLOW, frame_of(304, [(3, BYTES, b"9" * 30)])),
    (FrameError.BAD_VALUE, frame_of(313, [(2, BYTES, level("0.00", "1")), *VERSIONS])),
    (FrameError.BAD_VALUE, frame_of(314, [(1, BYTES, level("1", "1") + b"\x18\x03")])),
]


@pytest.mark.parametrize(("error", "frame"), REFUSALS)
def test_refusals(error: FrameError, frame: bytes) -> None:
    assert NATIVE.decode(frame)["error"] == error
    assert assert_agrees(frame) == error
    book = OrderBook()
    assert NATIVE.decode_into_book(frame, book) == error
    assert book.canonical_bytes() == OrderBook().canonical_bytes()


def test_a_refused_frame_still_tells_its_kind_and_symbol() -> None:
    found = NATIVE.decode(frame_of(313, ONE_LEVEL)[:-1])
    assert (found["kind"], found["symbol"], found["error"]) == (FrameKind.DEPTH, 0, FrameError.TRUNCATED)


def test_more_levels_than_there_is_room_for_are_refused() -> None:
    small, plain = Decoder(SYMBOLS, max_levels=3), PlainDecoder(SYMBOLS, max_levels=3)
    for sides in ([1, 1, 1, 1], [2, 2, 2, 2], [2, 1, 2, 1]):
        frame = frame_of(313, [(side, BYTES, level("1.00", "1")) for side in sides] + VERSIONS)
        assert small.decode(frame)["error"] == FrameError.TOO_MANY_LEVELS
        with pytest.raises(Refused):
            plain.decode(frame)
    mixed = frame_of(313, [(side, BYTES, level(f"{side}.00", "1")) for side in (2, 1, 2)] + VERSIONS)
    assert small.decode(mixed) == plain.decode(mixed)
    assert small.decode(mixed)["bids"] == [(200, 10**8)] * 2
    deals = frame_of(314, [(1, BYTES, level("1", "1") + b"\x18\x01")] * 4)
    assert small.decode(deals)["error"] == FrameError.TOO_MANY_LEVELS


def test_the_symbol_may_be_in_the_channel_only() -> None:
    for channel in (CHANNEL, "spot@public.limit.depth.v3.api.pb@BTCUSDT@5"):
        frame = frame_of(313, ONE_LEVEL, channel=channel, symbol="")
        assert NATIVE.decode(frame)["symbol"] == 0
        assert assert_agrees(frame) == FrameError.OK


def test_money_beyond_20_decimals_is_rounded_away_from_zero_and_counted() -> None:
    items: list[Field] = [(3, BYTES, b"0." + b"0" * 20 + b"1"), (4, BYTES, b"-0." + b"0" * 20 + b"1")]
    found = NATIVE.decode(frame_of(304, items))
    assert (found["body"]["price"], found["body"]["quantity"], found["rounded"]) == (1, -1, 2)
    assert assert_agrees(frame_of(304, items)) == FrameError.OK


def test_a_depth_goes_into_the_book() -> None:
    book = OrderBook()
    items: list[Field] = [(1, BYTES, level("100.01", "0.5")), (2, BYTES, level("99.99", "2")), *VERSIONS]
    assert NATIVE.decode_into_book(frame_of(313, items), book) == FrameError.OK
    assert (book.best_ask, book.best_bid) == ((10001, 50_000_000), (9999, 200_000_000))
    items = [(1, BYTES, level("100.01", "0.00000000")), *VERSIONS]
    assert NATIVE.decode_into_book(frame_of(313, items), book) == FrameError.OK
    assert (book.levels(ASK), book.levels(BID)) == ([], [(9999, 200_000_000)])


@pytest.mark.parametrize(
    "symbol", [("", 1, 1), ("A" * 32, 1, 1), ("A", 19, 1), ("A", 1, 19), ("BTCUSDT", 1, 1)]
)
def test_bad_symbols_are_refused(symbol: tuple[str, int, int]) -> None:
    with pytest.raises(ValueError, match="symbol"):
        Decoder([*SYMBOLS, symbol])


def test_many_symbols_are_told_apart() -> None:
    names = [f"{prefix}{i}USDT" for i in range(700) for prefix in ("", "A", "LONGERNAME")]
    decoder = Decoder([(name, 2, 8) for name in names])
    for i, name in enumerate(names):
        assert decoder.decode(frame_of(314, [], symbol=name))["symbol"] == i
    assert decoder.decode(frame_of(314, [], symbol="700USDT"))["error"] == FrameError.UNKNOWN_SYMBOL


def seeds_of_mutation() -> list[bytes]:
    """Good frames of every kind."""
    levels: list[Field] = [(1 + i % 2, BYTES, level(f"{84000 + i}.5", f"0.{i}")) for i in range(12)]
    deal = encode([(1, BYTES, b"1.5"), (2, BYTES, b"2"), (3, VARINT, 1), (4, VARINT, 1790281246176)])
    ticker: list[Field] = [(n, BYTES, b"84270.0") for n in (1, 2, 3, 4)]
    order: list[Field] = [(n, BYTES, b"-12.34567") for n in (3, 4, 5, 6, 10, 11, 12, 13, 14)]
    numbers: list[Field] = [(n, VARINT, n) for n in (7, 8, 9, 15, 16)]
    return [
        frame_of(313, levels + VERSIONS),
        frame_of(303, levels + VERSIONS[:1]),
        frame_of(314, [(1, BYTES, deal)] * 3),
        frame_of(315, [(n, BYTES, b"8427012") for n in (1, 2, 3, 4)]),
        frame_of(315, [*ticker, (5, BYTES, b"77"), (6, VARINT, 1790281246176)]),
        frame_of(304, [(1, BYTES, b"id"), (2, BYTES, b"client"), *order, *numbers]),
        frame_of(306, [*order[:3], (7, BYTES, b"trade"), (10, BYTES, b"0.1"), (12, VARINT, 5)]),
        frame_of(307, [(1, BYTES, b"USDT"), *order[:3], (8, VARINT, 5)], symbol=""),
        frame_of(308, []),
    ]


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or put in."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        action = rng.randrange(5)
        if action <= 1 and at < len(data):
            data[at] = rng.choice((rng.getrandbits(8), data[at] ^ 1 << rng.randrange(8), 0x80, 0xFF, 0x2E))
        elif action == 2:
            del data[at : at + rng.randint(1, 8)]
        elif action == 3:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
    return bytes(data)


def test_200_000_mutations_do_no_harm() -> None:
    rng = random.Random(20_260_923)
    seeds, book = seeds_of_mutation(), OrderBook(max_overflow=64)
    errors = set()
    for i in range(200_000):
        frame = mutated(seeds[i % len(seeds)], rng)
        errors.add(NATIVE.decode_into_book(frame, book))
        if i % 10 == 0:
            assert_agrees(frame)
    assert errors >= set(FrameError) - {FrameError.TOO_MANY_LEVELS, FrameError.DUPLICATE_BODY}
