"""Bytes straight into a socket: all at once, as far as there is room, or an error."""

from __future__ import annotations

import socket

import pytest

from native.socket_send import send_now


def test_a_socket_with_room_takes_all() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert send_now(ours.fileno(), b"order") == 5
        assert theirs.recv(16) == b"order"


def test_a_full_socket_takes_a_part_and_then_nothing_and_never_waits() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        piece = b"x" * (1 << 20)
        first = send_now(ours.fileno(), piece)
        assert 0 < first < len(piece)
        total = first
        while taken := send_now(ours.fileno(), piece):
            total += taken
        theirs.setblocking(False)
        received = 0
        while received < total:
            received += len(theirs.recv(1 << 20))
        assert received == total
        assert send_now(ours.fileno(), b"again") == 5


def test_a_broken_socket_raises() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(BrokenPipeError):
        send_now(ours.fileno(), b"order")
    with pytest.raises(OSError, match="Bad file descriptor"):
        send_now(-1, b"order")
