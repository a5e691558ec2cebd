"""HTTP answers of the order line. Input: a byte for how the stream is cut, then the stream."""

from __future__ import annotations

from adapters.mexc.http_answer import MAX_HEAD_BYTES, AnswerParser, BadAnswer, HttpAnswer

MAX_BODY_BYTES = 300
Outcome = tuple[HttpAnswer | None, bool, int]


def seeds() -> list[bytes]:
    """Each framing, answers in a row, and what is none."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    streams = [
        ok + b"Content-Length: 2\r\n\r\n{}",
        ok + b'Content-Length: 13\r\n\r\n{"orderId":1}' + ok + b"Content-Length: 0\r\n\r\n",
        ok + b"Transfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok + b"Connection: close\r\n\r\nto the end",
        b"HTTP/1.0 429 \r\nRetry-After: 7\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ok + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ok + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    ]
    return [bytes([cut]) + stream for stream in streams for cut in (1, 7)]


def outcome(pieces: list[bytes]) -> Outcome:
    """The first answer of a stream, whether it was refused, and in which piece it was complete."""
    parser = AnswerParser(MAX_BODY_BYTES)
    for number, piece in enumerate(pieces):
        try:
            answer = parser.feed(piece)
        except BadAnswer:
            return None, True, number
        assert len(parser._buffer) <= MAX_HEAD_BYTES + MAX_BODY_BYTES + len(piece), "it hoards"
        if answer is not None:
            return answer, False, number
    return parser.end(), False, len(pieces)


def check(data: bytes) -> None:
    """Cut in any way, the stream is the same answer or the same refusal; what is answered keeps its own rules."""
    if not data:
        return
    step, stream = data[0] % 61 + 1, data[1:]
    whole, refused, _ = outcome([stream])
    for size in (step, 1 if len(stream) < 400 else 3):
        answer, refused_too, _ = outcome([stream[at : at + size] for at in range(0, len(stream), size)])
        assert refused_too == refused, (size, whole, answer)
        if whole is None or answer is None:
            assert whole is answer, (size, whole, answer)
            continue
        assert (answer.status, answer.headers, answer.body) == (whole.status, whole.headers, whole.body)
        # What follows an answer unasked ends the connection: here at once, else when it arrives.
        assert answer.keeps_open or not whole.keeps_open
    if whole is not None:
        assert 200 <= whole.status < 600 and len(whole.body) <= MAX_BODY_BYTES
        assert all(name == name.lower() and "\r" not in value + name for name, value in whole.headers.items())
