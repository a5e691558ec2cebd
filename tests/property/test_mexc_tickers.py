"""Mini tickers of all symbols: the native reader tells what its plain twin tells, whatever the bytes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from native.mexc_tickers import NewTickers
from tests.oracles.mexc_protobuf import BYTES, VARINT
from tests.oracles.mexc_tickers import PlainTickers
from tests.property.test_mexc_protobuf import encode

CHANNEL = b"spot@public.miniTickers.v3.api.pb@UTC+8"
NAMES = st.sampled_from([b"", b"AUSDT", b"BUSDT", b"CUSDT", b"X" * 31, b"X" * 32, "币安USDT".encode(), b"\0"])
NUMBERS = st.sampled_from([b"", b"0", b"0.00", b"1", b"0.0001", b"9" * 40, b"-1", b"1e5", b"x", b".5", b"5."])


def item(name: bytes, price: bytes, volume: bytes = b"5", quantity: bytes = b"5") -> bytes:
    texts = ((1, name), (2, price), (3, b"0.01"), (7, volume), (8, quantity))
    return encode([(number, BYTES, text) for number, text in texts if text])


def frame(items: list[bytes], send_ms: int = 1_782_208_005_090, body: int = 310) -> bytes:
    inner = encode([(1, BYTES, each) for each in items])
    return encode([(1, BYTES, CHANNEL), (6, VARINT, send_ms), (body, BYTES, inner)])


def assert_agrees(frames: list[bytes]) -> None:
    native, plain = NewTickers(), PlainTickers()
    for each in frames:
        expected = plain.take(each)
        try:
            told = native.take(each)
        except ValueError:
            told = None
        assert told == expected
    assert len(native) == len(plain.known)


@given(
    st.lists(st.lists(st.builds(item, NAMES, NUMBERS, NUMBERS, NUMBERS), max_size=6).map(frame), max_size=4)
)
def test_it_tells_what_the_plain_reader_tells(frames: list[bytes]) -> None:
    assert_agrees(frames)


@given(st.lists(st.binary(max_size=60), max_size=3))
@example([frame([item(b"AUSDT", b"1")])[:-3]])
@example([frame([item(b"AUSDT", b"1")], send_ms=2**63)])
def test_damaged_frames_take_nothing_in(frames: list[bytes]) -> None:
    assert_agrees(frames)


@given(st.lists(st.builds(item, NAMES, NUMBERS), max_size=4), st.data())
def test_a_changed_byte_does_no_harm(items: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(frame(items))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    assert_agrees([frame(items), bytes(whole)])


def test_each_symbol_is_told_once_and_an_untraded_one_when_it_trades() -> None:
    tickers = NewTickers()
    first = [item(b"AUSDT", b"1.5"), item(b"NEWUSDT", b"2", volume=b"0", quantity=b"0")]
    assert tickers.take(frame(first)) == [("AUSDT", "1.5", 1_782_208_005_090)]
    assert tickers.take(frame(first)) == []
    assert tickers.take(frame([item(b"NEWUSDT", b"2.1")], 7)) == [("NEWUSDT", "2.1", 7)]
    assert (len(tickers), tickers.items) == (2, 5)


def test_other_bodies_have_none_and_a_full_set_says_so() -> None:
    tickers = NewTickers(1)
    assert tickers.take(frame([item(b"AUSDT", b"1")], body=309)) == []
    assert [name for name, *_ in tickers.take(frame([item(b"AUSDT", b"1"), item(b"BUSDT", b"1")]))] == [
        "AUSDT"
    ]
    assert tickers.full == 1
