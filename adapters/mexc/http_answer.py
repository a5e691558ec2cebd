"""HTTP/1.1 answers out of a stream of bytes, for connections that carry one request at a time (RFC 9112).

Pure: bytes in, answers out. Whatever is not a plain answer is an error, and its connection is to be given up.
"""

from __future__ import annotations

import re

import msgspec

MAX_HEAD_BYTES = 16 << 10
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?")


class BadAnswer(Exception):
    """Bytes that are no answer, or one that is too large."""


class HttpAnswer(msgspec.Struct, frozen=True):
    """One answer. `headers` by lower-case name; `keeps_open`: whether the connection may carry another request."""

    status: int
    headers: dict[str, str]
    body: bytes
    keeps_open: bool


class AnswerParser:
    """Takes a connection's bytes in any pieces. Between two answers there must be none."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._head: tuple[int, dict[str, str], bool] | None = None
        self._length: int | None = None  # of a body with Content-Length
        self._chunks: list[bytes] | None = None  # of a chunked body
        self._size = 0

    def feed(self, data: bytes) -> HttpAnswer | None:
        """The answer that these bytes complete; raises BadAnswer."""
        self._buffer += data
        while self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            # An end that is still under way lies at least so far behind: any cut of the same bytes is refused alike.
            if max(end, len(self._buffer) - 3 if end < 0 else 0) > MAX_HEAD_BYTES:
                raise BadAnswer(f"a head of more than {MAX_HEAD_BYTES} bytes")
            if end < 0:
                return None
            self._take_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        if self._chunks is not None:
            return self._take_chunks()
        if self._length is None:
            self._check_size(len(self._buffer))
            return None
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return self._finish(body)

    def end(self) -> HttpAnswer | None:
        """The answer whose body goes to the end of the connection, at that end; None where there is none."""
        if self._head is None or self._length is not None or self._chunks is not None:
            return None
        body = bytes(self._buffer)
        self._buffer.clear()
        return self._finish(body)

    def _take_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        status_line = _STATUS_LINE.fullmatch(first)
        if status_line is None:
            raise BadAnswer(f"no status line: {first[:40]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            field = _HEADER.fullmatch(line)
            if field is None:
                raise BadAnswer(f"no header: {line[:40]!r}")
            name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1")
            if name == "content-length" and headers.get(name, value) != value:
                raise BadAnswer("two lengths")
            headers[name] = value
        status = int(status_line[2])
        if 100 <= status < 200:
            if status == 101:
                raise BadAnswer("an upgrade that nobody asked for")
            return
        options = headers.get("connection", "").lower()
        keeps_open = "close" not in options if status_line[1] == b"1" else "keep-alive" in options
        self._head = (status, headers, keeps_open)
        self._set_framing(status, headers)

    def _set_framing(self, status: int, headers: dict[str, str]) -> None:
        """How the body ends (RFC 9112, 6.3)."""
        self._length, self._chunks, self._size = None, None, 0
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status in (204, 304):
            self._length = 0
        elif coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise BadAnswer(f"a body in transfer coding {coding[:40]!r}")
            self._chunks = []
        elif length is not None:
            if not re.fullmatch("[0-9]{1,12}", length):
                raise BadAnswer(f"a length of {length[:40]!r}")
            self._length = int(length)
            self._check_size(self._length)

    def _take_chunks(self) -> HttpAnswer | None:
        assert self._chunks is not None
        while True:
            line_end = self._buffer.find(b"\r\n")
            if max(line_end, len(self._buffer) - 1 if line_end < 0 else 0) > MAX_HEAD_BYTES:
                raise BadAnswer("a chunk without a size")
            if line_end < 0:
                return None
            size_line = _CHUNK_SIZE.fullmatch(bytes(self._buffer[:line_end]))
            if size_line is None:
                raise BadAnswer(f"no chunk size: {bytes(self._buffer[:40])!r}")
            size = int(size_line[1], 16)
            self._check_size(self._size + size)
            if size == 0:
                return self._take_trailer(line_end + 2)
            if len(self._buffer) < line_end + 2 + size + 2:
                return None
            chunk = bytes(self._buffer[line_end + 2 : line_end + 2 + size])
            if self._buffer[line_end + 2 + size : line_end + 4 + size] != b"\r\n":
                raise BadAnswer("a chunk longer than its size")
            del self._buffer[: line_end + 4 + size]
            self._chunks.append(chunk)
            self._size += size

    def _take_trailer(self, start: int) -> HttpAnswer | None:
        """The lines behind the last chunk, up to an empty one; nothing in them is of use."""
        assert self._chunks is not None
        at = start
        while (line_end := self._buffer.find(b"\r\n", at)) != at:
            at = line_end + 2 if line_end >= 0 else len(self._buffer) - 1
            if at - start > MAX_HEAD_BYTES:
                raise BadAnswer("a trailer without end")
            if line_end < 0:
                return None
        del self._buffer[: at + 2]
        return self._finish(b"".join(self._chunks))

    def _check_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise BadAnswer(f"an answer of more than {self._max_body_bytes} bytes")

    def _finish(self, body: bytes) -> HttpAnswer:
        assert self._head is not None
        status, headers, keeps_open = self._head
        framed = self._length is not None or self._chunks is not None
        self._head = self._length = self._chunks = None
        # What follows an answer unasked would be taken for the answer to the next request.
        return HttpAnswer(status, headers, body, keeps_open and framed and not self._buffer)
