"""HTTP answers come out the same however their bytes are cut, and what is none is an error."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.http_answer import MAX_HEAD_BYTES, AnswerParser, BadAnswer, HttpAnswer

BODIES = st.binary(max_size=300)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in sizes:
        part = body[at : at + size]
        if part:
            out += b"%X;ext=1\r\n%s\r\n" % (len(part), part)
            at += len(part)
    if body[at:]:
        out += b"%x\r\n%s\r\n" % (len(body) - at, body[at:])
    return out + b"0\r\nX-Trailer: 1\r\n\r\n"


@given(
    BODIES,
    st.lists(st.integers(1, 50)),
    st.lists(st.integers(0, 10**6)),
    st.sampled_from("lc"),
    st.booleans(),
)
def test_any_cut_gives_the_same_answer(
    body: bytes, sizes: list[int], cuts: list[int], framing: str, early: bool
) -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\n" if early else b""
    head += b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nRETRY-after:  7 \r\n"
    if framing == "l":
        data = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    else:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, sizes)
    parser = AnswerParser(1000)
    found = [parser.feed(piece) for piece in pieces(data, cuts)]
    assert all(each is None for each in found[:-1])
    answer = found[-1]
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body, answer.keeps_open) == (400, body, True)
    assert answer.headers["retry-after"] == "7"
    # The next answer of the connection starts anew.
    again = parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert again == HttpAnswer(200, {"content-length": "2"}, b"{}", True)


def verdict(data: bytes, step: int) -> tuple[int, bytes] | None:
    """Status and body, None where it is refused or not complete, fed in pieces of this size."""
    parser, found = AnswerParser(1000), None
    try:
        for at in range(0, len(data), step):
            found = found or parser.feed(data[at : at + step])
    except BadAnswer:
        return None
    return (found.status, found.body) if found else None


@pytest.mark.parametrize("more", range(-5, 5))
@pytest.mark.parametrize("part", ["head", "chunk", "trailer", "trailers"])
def test_a_limit_is_the_same_however_the_bytes_are_cut(part: str, more: int) -> None:
    head, size = b"HTTP/1.1 200 OK\r\n", MAX_HEAD_BYTES + more
    chunked_head = head + b"Transfer-Encoding: chunked\r\n\r\n"
    data = {
        "head": head + b"X: " + b"a" * (size - len(head) - 25) + b"\r\nContent-Length: 1\r\n\r\nx",
        "chunk": chunked_head + b"1;" + b"a" * (size - 2) + b"\r\nx\r\n0\r\n\r\n",
        "trailer": chunked_head + b"1\r\nx\r\n0\r\n" + b"a" * size + b"\r\n\r\n",
        "trailers": chunked_head + b"1\r\nx\r\n0\r\n" + b"a" * (size - 7) + b"\r\nb: 1\r\n\r\n",
    }[part]
    whole = verdict(data, len(data))
    assert whole in (None, (200, b"x"))
    for step in (1, 2, 3, 5, 1000):
        assert verdict(data, step) == whole


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_nothing(data: bytes) -> None:
    parser = AnswerParser(100)
    try:
        parser.feed(data)
        parser.end()
    except BadAnswer:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a" * 20_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101,
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        AnswerParser(100).feed(data)


@pytest.mark.parametrize(
    ("head", "keeps_open"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_stays_open(head: bytes, keeps_open: bool) -> None:
    answer = AnswerParser(100).feed(head + b"Content-Length: 0\r\n\r\n")
    assert answer is not None
    assert answer.keeps_open is keeps_open


def test_a_body_may_go_to_the_end_of_the_connection() -> None:
    parser = AnswerParser(100)
    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\n{") is None
    assert parser.feed(b"}") is None
    assert parser.end() == HttpAnswer(200, {}, b"{}", False)
    assert parser.end() is None
    assert parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{") is None
    assert parser.end() is None


def test_no_body_is_awaited_where_there_is_none() -> None:
    answer = AnswerParser(100).feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answer == HttpAnswer(204, {}, b"", True)


def test_bytes_behind_an_answer_end_the_connection() -> None:
    answer = AnswerParser(100).feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{HTTP/1.1 200")
    assert answer is not None
    assert not answer.keeps_open
