"""The control server where something fails: in a command, at the start, and after the end."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import time
from pathlib import Path
from typing import Any

import pytest

from adapters.mexc.decoder import MexcDecoder
from engine.control import ControlClient, ControlUnavailable, Reply, Request
from engine.control_server import ControlServer
from engine.core.engine import Engine
from engine.rim import Rim
from engine.sequencer import Sequencer
from tests.unit.test_control import journaled, with_server


@pytest.mark.parametrize("kind", [OSError, TimeoutError, ZeroDivisionError])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_command_that_fails_is_told_as_such(tmp_path: Path, kind: type[Exception], at_once: bool) -> None:
    told: list[Any] = []

    async def fail(request: Request) -> Reply:
        raise kind("no disk")

    def fail_at_once(request: Request) -> Any:
        raise kind("no disk")

    async def talk(server: ControlServer) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        with pytest.raises(ControlUnavailable, match="without an answer"):
            await asyncio.to_thread(ControlClient(tmp_path).call, "halt")
        await asyncio.sleep(0)
        gc.collect()  # a task that failed unseen tells the loop when it goes

    server = with_server(tmp_path, talk, fail_at_once if at_once else fail)
    assert dict(server.refused) == {"failed": 1}
    assert [str(error) for error in told] == ["no disk"]


def test_a_server_that_cannot_start_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> ControlServer:
        server = ControlServer(tmp_path / "absent", journaled)
        with pytest.raises(OSError, match="absent"):
            await server.start()
        await server.close()  # which does no harm
        return server

    before = len(os.listdir("/proc/self/fd"))
    server = asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before
    del server


def test_a_closed_server_looks_for_nothing(tmp_path: Path) -> None:
    served: list[int] = []

    class Watched(ControlServer):
        def serve(self, number: int) -> None:
            served.append(number)

    async def main() -> None:
        server = Watched(tmp_path, journaled)
        await server.start()
        sequencer = Sequencer(Engine(), MexcDecoder("r" * 12, 1000), Rim())
        sequencer.bind_commands(server)
        number = server.fileno()
        await server.close()
        others = [select.epoll() for _ in range(8)]  # one has its descriptor now
        reader, writer = os.pipe()
        try:
            (other,) = (each for each in others if each.fileno() == number)
            other.register(reader, select.EPOLLIN)
            os.write(writer, b"x")
            until = time.monotonic() + 0.01
            while time.monotonic() < until:
                sequencer.heed()
        finally:
            for file in (reader, writer):
                os.close(file)
            for each in others:
                each.close()

    asyncio.run(main())
    assert served == []
