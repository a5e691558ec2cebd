"""Two connections that carry the same channels become one stream: nothing is missing, nothing is told twice.

While a connection's successor starts, the old one is told and the new one is held back, until the old one has told where
the new one begins; from there the new one goes on. A depth is joined by its versions, everything else by content: MEXC's
times of sending (fields 5 and 6 of the wrapper) differ from connection to connection and do not count. Trades are joined
one by one, for two connections may cut the same trades into different frames. Pure.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator

import msgspec

_CHANNEL, _CREATE_TIME, _SEND_TIME, _DEALS, _DEPTH = 1, 5, 6, 314, 313
_DEAL_ITEM, _FROM_VERSION, _TO_VERSION = 1, 4, 5


class _Broken(Exception):
    """Bytes that are no message."""


class _Frame(msgspec.Struct):
    """A frame as far as joining needs it. `parts`: what it tells; `shell`: the rest of a frame of deals."""

    raw: bytes
    channel: bytes = b""
    parts: list[bytes] = []
    shell: tuple[bytes, bytes] | None = None
    versions: tuple[int, int] | None = None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7
    raise _Broken


def _put_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, the whole field, its content where it has a length) of a protobuf message."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        kind, content = tag & 7, b""
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            content = data[at : at + size]
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise _Broken
        if at > len(data):
            raise _Broken
        yield tag >> 3, data[start:at], content


def _read(raw: bytes) -> _Frame:
    """A frame; one that is broken tells itself, on no channel."""
    frame = _Frame(raw)
    kept: list[bytes] = []
    deals: bytes | None = None
    try:
        for number, whole, content in _fields(raw):
            if number == _CHANNEL:
                frame.channel = content
            if number == _DEALS:
                deals = content
            elif number not in (_CREATE_TIME, _SEND_TIME):
                kept.append(whole)
            if number == _DEPTH:
                found = {each: text for each, _, text in _fields(content)}
                frame.versions = int(found[_FROM_VERSION]), int(found[_TO_VERSION])
        frame.parts = [b"".join(kept)]
        if deals is not None:
            items = list(_fields(deals))
            frame.parts = [item for each, item, _ in items if each == _DEAL_ITEM]
            frame.shell = b"".join(kept), b"".join(item for each, item, _ in items if each != _DEAL_ITEM)
    except (_Broken, KeyError, ValueError):
        return _Frame(raw, parts=[raw])
    return frame


def _with_parts(frame: _Frame, parts: list[bytes]) -> bytes:
    """The frame with some of its trades only, and then without its times of sending."""
    if frame.shell is None or len(parts) == len(frame.parts):
        return frame.raw
    before, rest = frame.shell
    body = b"".join(parts) + rest
    return before + _put_varint(_DEALS << 3 | 2) + _put_varint(len(body)) + body


class _Channel:
    """One channel's way from the old connection to the new one."""

    def __init__(self) -> None:
        self.told: collections.Counter[bytes] = collections.Counter()
        self.version: int | None = None
        self.held: list[_Frame] = []
        self.is_switched = False

    def is_reached(self) -> bool:
        """Whether the old one has told where the new one begins."""
        if not self.held:
            return False
        first = self.held[0]
        if first.versions is not None:
            return self.version is not None and first.versions[0] <= self.version + 1
        return not first.parts or self.told[first.parts[0]] > 0

    def rest_of(self, frame: _Frame) -> bytes | None:
        """What of a frame of the new connection was not told by the old one; None where all was."""
        if frame.versions is not None:
            if self.version is not None and frame.versions[1] <= self.version:
                return None
            return frame.raw
        new = []
        for part in frame.parts:
            if self.told[part] > 0:
                self.told[part] -= 1
            else:
                new.append(part)
        return _with_parts(frame, new) if new else None


class Splice:
    """Hands every frame to `deliver` once, in order, out of an old and a new connection with the same channels."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._channels: collections.defaultdict[bytes, _Channel] = collections.defaultdict(_Channel)
        self._is_finished = False
        self.dropped = 0

    def take_old(self, raw: bytes) -> None:
        """A frame of the old connection."""
        frame = _read(raw)
        channel = self._channels[frame.channel]
        if channel.is_switched or self._is_finished:
            self.dropped += 1
            return
        channel.told.update(frame.parts)
        if frame.versions is not None:
            channel.version = max(frame.versions[1], channel.version or 0)
        self._deliver(raw)
        self._switch_where_reached(channel)

    def take_new(self, raw: bytes) -> None:
        """A frame of the new connection."""
        frame = _read(raw)
        channel = self._channels[frame.channel]
        if channel.is_switched or self._is_finished:
            self._tell(channel, frame)
            return
        channel.held.append(frame)
        self._switch_where_reached(channel)

    def finish(self) -> None:
        """The old connection is told no more, wherever it was."""
        self._is_finished = True
        for channel in list(self._channels.values()):
            self._switch(channel)

    def _switch_where_reached(self, channel: _Channel) -> None:
        if channel.is_reached():
            self._switch(channel)

    def _switch(self, channel: _Channel) -> None:
        channel.is_switched = True
        held, channel.held = channel.held, []
        for frame in held:
            self._tell(channel, frame)

    def _tell(self, channel: _Channel, frame: _Frame) -> None:
        rest = channel.rest_of(frame)
        if rest is None:
            self.dropped += 1
        else:
            self._deliver(rest)
