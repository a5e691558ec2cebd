"""The mini tickers of all symbols against their plain-Python twin. Input: frames, cut at a byte 0x1e that no text has."""

from __future__ import annotations

from native.mexc_tickers import NewTickers
from tests.oracles.mexc_protobuf import BYTES, VARINT
from tests.oracles.mexc_tickers import PlainTickers

CUT = b"\x1e\x1e"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _frame(*items: dict[int, bytes]) -> bytes:
    body = b"".join(_field(1, b"".join(_field(*pair) for pair in item.items())) for item in items)
    return _field(6, 1736411506000) + _field(310, body)


def seeds() -> list[bytes]:
    """Tickers that trade, do not, and trade later."""
    quiet = {1: b"ABUSDT", 2: b"0.00"}
    loud = {1: b"ABUSDT", 2: b"0.5", 7: b"12.5", 8: b"25"}
    other = {1: b"BTCUSDT", 2: b"60000.01", 7: b"0", 8: b"1"}
    return [
        _frame(loud, other),
        CUT.join([_frame(quiet, other), _frame(loud, loud)]),
        _frame({1: b"A" * 32, 2: b"1"}, {1: b"", 2: b"1"}, {1: b"X", 2: b"9" * 40}, {1: b"Y", 2: b"1."}),
        _field(6, 2**63) + _field(310, b""),
        _frame() + _field(310, b""),
    ]


def check(data: bytes) -> None:
    """The same news in the same order, frame by frame; a damaged frame changes nothing."""
    native, plain = NewTickers(max_symbols=1024), PlainTickers()
    for frame in data.split(CUT)[:8]:
        expected = plain.take(frame)
        before = len(native), native.items
        try:
            found = native.take(frame)
        except ValueError:
            assert expected is None
            assert (len(native), native.items) == before
        else:
            assert found == expected
            assert len(native) == len(plain.known)
