"""The control socket: acknowledged commands, safe to repeat, closed to strangers and rubbish."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import control, control_server
from engine.control import CommandRefused, ControlClient, ControlUnavailable, Reply, Request
from engine.control_server import ControlServer
from engine.core.enums import CommandKind
from engine.quick_command import read_command

QUICK = {
    "halt": CommandKind.HALT,
    "cancel_all": CommandKind.CANCEL_ALL,
    "reduce_only": CommandKind.REDUCE_ONLY,
}


async def journaled(request: Request) -> Reply:
    return Reply(request.id, True, f"{request.command} done", seq=7)


def with_server(
    run_dir: Path,
    talk: Callable[[ControlServer], Awaitable[None]],
    handler: control.Handler = journaled,
    uid: int | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> ControlServer:
    server = ControlServer(run_dir, handler, uid=uid)

    async def main() -> None:
        await server.start()
        try:
            await talk(server)
        finally:
            await server.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    return server


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_commands_are_acknowledged(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    async def talk(server: ControlServer) -> None:
        mode = stat.S_IMODE((tmp_path / control.SOCKET_NAME).stat().st_mode)
        assert mode == 0o600
        client = ControlClient(tmp_path)
        for command in ("halt", "resume", "cancel_all", "reduce_only", "status"):
            reply = await asyncio.to_thread(client.call, command)
            assert reply.ok
            assert (reply.text, reply.seq) == (f"{command} done", 7)

    server = with_server(tmp_path, talk, loop_factory=loop_factory)
    assert not server.refused
    assert not (tmp_path / control.SOCKET_NAME).exists()


def test_a_repeated_id_is_carried_out_once(tmp_path: Path) -> None:
    done: list[str] = []

    async def handler(request: Request) -> Reply:
        done.append(request.id)
        await asyncio.sleep(0)
        return Reply(request.id, True, f"{len(done)}")

    async def talk(server: ControlServer) -> None:
        client = ControlClient(tmp_path)
        calls = [asyncio.to_thread(client.call, "halt", "same") for _ in range(5)]
        assert {reply.text for reply in await asyncio.gather(*calls)} == {"1"}
        reused = await asyncio.to_thread(client.call, "resume", "same")
        assert not reused.ok
        assert "already used for halt" in reused.text

    with_server(tmp_path, talk, handler)
    assert done == ["same"]


def test_remembered_ids_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "MAX_REMEMBERED", 2)

    async def talk(server: ControlServer) -> None:
        for number in range(5):
            await asyncio.to_thread(ControlClient(tmp_path).call, "halt", f"id{number}")
        assert len(server._answers) == 2

    with_server(tmp_path, talk)


def test_a_refusal_tells_its_reason(tmp_path: Path) -> None:
    async def handler(request: Request) -> Reply:
        raise CommandRefused("reconciliation is pending")

    async def talk(server: ControlServer) -> None:
        reply = await asyncio.to_thread(ControlClient(tmp_path).call, "resume")
        assert not reply.ok
        assert reply.text == "reconciliation is pending"

    with_server(tmp_path, talk, handler)


def test_another_user_is_turned_away(tmp_path: Path) -> None:
    async def talk(server: ControlServer) -> None:
        with pytest.raises(ControlUnavailable):
            await asyncio.to_thread(ControlClient(tmp_path).call, "resume")

    server = with_server(tmp_path, talk, uid=os.getuid() + 1)
    assert server.refused["peer"] == 1


def test_clients_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "MAX_CLIENTS", 2)

    async def talk(server: ControlServer) -> None:
        with control.reachable(tmp_path) as address:
            links = [await asyncio.open_unix_connection(address) for _ in range(2)]
            with pytest.raises(ControlUnavailable):
                await asyncio.to_thread(ControlClient(tmp_path).call, "halt")
        for _, writer in links:
            writer.close()

    assert with_server(tmp_path, talk).refused["clients"] == 1


def test_an_idle_client_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "IDLE_TIMEOUT_S", 0.01)

    async def talk(server: ControlServer) -> None:
        with control.reachable(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
            assert await reader.read() == b""
            writer.close()

    assert with_server(tmp_path, talk).refused["idle"] == 1


def test_a_client_that_reads_nothing_loses_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "IDLE_TIMEOUT_S", 0.1)

    async def long_winded(request: Request) -> Reply:
        return Reply(request.id, True, status=b"x" * 100_000)

    async def talk(server: ControlServer) -> None:
        with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            link.sendall(frame(msgspec.msgpack.encode(Request("a", "status"))) * 100)
            for _ in range(500):
                if server.refused["idle"]:
                    break
                await asyncio.sleep(0.01)
            assert (await asyncio.to_thread(ControlClient(tmp_path).call, "halt")).ok

    assert with_server(tmp_path, talk, long_winded).refused["idle"] == 1


def frame(payload: bytes) -> bytes:
    return struct.pack("<I", len(payload)) + payload


@pytest.mark.parametrize(
    ("raw", "counted"),
    [
        (frame(b"rubbish"), "frame"),
        (frame(msgspec.msgpack.encode({"id": "a", "command": "fly", "version": 1})), "frame"),
        (frame(msgspec.msgpack.encode({"id": "a" * 40, "command": "halt", "version": 1})), "frame"),
        (frame(msgspec.msgpack.encode({"id": "a", "command": "halt", "version": 1, "more": 1})), "frame"),
        (frame(msgspec.msgpack.encode({"id": "a b", "command": "halt", "version": 1})), "frame"),
        (frame(b"\x83\xa2id\xa1\xff"), "frame"),
        (struct.pack("<I", control.MAX_REQUEST_BYTES + 1), "frame"),
        (struct.pack("<I", 0), "frame"),
        (b"\x01", "disconnect"),
        (frame(b"x" * 50)[:20], "disconnect"),
    ],
)
def test_rubbish_is_counted_and_the_server_goes_on(tmp_path: Path, raw: bytes, counted: str) -> None:
    async def talk(server: ControlServer) -> None:
        with control.reachable(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(raw)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert (await asyncio.to_thread(ControlClient(tmp_path).call, "halt")).ok

    assert with_server(tmp_path, talk).refused[counted] == 1


@settings(max_examples=500, deadline=None)
@example(b"\x83\xa2id\xa1\xff")
@given(st.binary(max_size=200))
def test_no_bytes_become_a_wrong_request(raw: bytes) -> None:
    assert isinstance(control.decode_request(raw), Request | None)


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=45)
COMMANDS = st.sampled_from(["halt", "resume", "cancel_all", "reduce_only", "flatten", "status"])


@settings(max_examples=500, deadline=None)
@example("a" * 31, "halt", "", 1, 0, b"")
@example("a" * 32, "cancel_all", "", 1, 0, b"")
@example("a" * 39, "reduce_only", "", 1, 0, b"")
@example("a", "halt", "", 1, 0, b"more")
@given(
    TEXT,
    COMMANDS,
    st.sampled_from(["", "MXUSDT"]),
    st.integers(0, 300),
    st.integers(-2, 2),
    st.binary(max_size=4),
)
def test_the_quick_way_reads_what_the_ordinary_one_does_or_nothing(
    name: str, command: str, symbol: str, version: int, shift: int, behind: bytes
) -> None:
    payload = msgspec.msgpack.encode({"id": name, "command": command, "symbol": symbol, "version": version})
    raw = struct.pack("<I", max(len(payload) + shift, 0)) + payload + behind
    found = read_command(raw)
    request = control.decode_request(payload)
    is_whole = not shift and not behind
    if is_whole and request is not None and (symbol, version) == ("", 1) and command in QUICK:
        assert found == (QUICK[command], name)
    else:
        assert found is None


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_become_a_wrong_command(raw: bytes) -> None:
    whole = frame(msgspec.msgpack.encode(Request("abc", "halt")))
    for each in (raw, whole[: len(raw)] + raw, raw[:4] + whole[4:]):
        found = read_command(each)
        assert found is None or each == whole


def test_another_version_is_told_ours(tmp_path: Path) -> None:
    async def talk(server: ControlServer) -> None:
        with control.reachable(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
            writer.write(frame(msgspec.msgpack.encode(Request("a", "halt", version=9))))
            writer.write_eof()
            raw = await reader.read()
            writer.close()
        reply = msgspec.msgpack.decode(raw[4:], type=Reply)
        assert not reply.ok
        assert "version 1, not 9" in reply.text

    assert with_server(tmp_path, talk).refused["version"] == 1


def test_a_dead_cores_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead, control.reachable(tmp_path) as address:
        dead.bind(address)
    with pytest.raises(ControlUnavailable, match="no core listens"):
        ControlClient(tmp_path).call("status")

    async def talk(server: ControlServer) -> None:
        assert (await asyncio.to_thread(ControlClient(tmp_path).call, "status")).ok

    with_server(tmp_path, talk)


def test_a_deep_run_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def talk(server: ControlServer) -> None:
        assert (await asyncio.to_thread(ControlClient(deep).call, "halt")).ok

    with_server(deep, talk)


def test_no_run_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControlUnavailable, match="No such file"):
        ControlClient(tmp_path / "absent").call("halt")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (frame(b"rubbish"), "not understood"),
        (struct.pack("<I", 1 << 30), "it is no core"),
        (b"", "without an answer"),
    ],
)
def test_a_strange_server_is_said(tmp_path: Path, answer: bytes, word: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(answer)
        writer.close()

    async def main() -> None:
        with control.reachable(tmp_path) as address:
            server = await asyncio.start_unix_server(serve, address)
            with pytest.raises(ControlUnavailable, match=word):
                await asyncio.to_thread(ControlClient(tmp_path).call, "halt")
            server.close()

    asyncio.run(main())


def test_a_core_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent, control.reachable(tmp_path) as address:
        silent.bind(address)
        silent.listen()
        with pytest.raises(ControlUnavailable, match=r"within 0\.05 s"):
            ControlClient(tmp_path, timeout_s=0.05).call("halt")
