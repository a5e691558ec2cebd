"""Questions and feeds over TLS: the authority in `ca_file` is trusted, and no other."""

from __future__ import annotations

import asyncio
import os
import random
import select
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection, FeedPlan, FeedState
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.rest import RestClient
from adapters.mexc.tls import TlsLayer, client_context
from tests.unit.mexc.tls_server import ScriptServer, make_certificate


def test_questions_trust_the_file_alone(tmp_path: Path) -> None:
    async def main() -> None:
        pem = make_certificate(tmp_path)
        async with ScriptServer().running(pem) as server:
            for ca_file, trusted in ((str(pem), True), ("", False)):
                client = RestClient(MexcConfig(rest_url=server.url, ca_file=ca_file), None)
                await client.open()
                if trusted:
                    assert await client.public("/api/v3/ping") == b"{}"
                else:
                    with pytest.raises(VenueError) as caught:
                        await client.public("/api/v3/ping")
                    assert caught.value.error_class is ErrorClass.NOT_SENT
                await client.close()
            assert len(server.requests) == 1

    asyncio.run(asyncio.wait_for(main(), 15))


class Speaker(WSListener):
    """Confirms the subscription and sends one frame."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, b'{"id":1,"code":0,"msg":"chan"}')
            transport.send(WSMsgType.BINARY, b"frame")


@pytest.mark.parametrize("trusted", [True, False])
def test_feeds_trust_the_file_alone(tmp_path: Path, recorder: Any, trusted: bool) -> None:
    async def main() -> None:
        pem = make_certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = await ws_create_server(lambda _: Speaker(), "127.0.0.1", 0, ssl=context)
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        config = MexcConfig(
            ws_url=url, ca_file=str(pem) if trusted else "", backoff_initial_s=0.01, backoff_max_s=0.02
        )

        async def address() -> str:
            return url

        plan = FeedPlan("test", 1, ("X",), ("chan",))
        connection = Connection(plan, config, recorder, random.Random(1), address)
        task = asyncio.get_running_loop().create_task(connection.run())
        for _ in range(3000):
            if connection.state is FeedState.UP or recorder.counts["mexc.connect_failures"] >= 2:
                break
            await asyncio.sleep(0.002)
        assert (connection.state is FeedState.UP) is trusted
        assert recorder.frames == ([(1, b"frame")] if trusted else [])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()

    asyncio.run(asyncio.wait_for(main(), 15))


class KeyChanger:
    """`openssl s_server`, which changes its keys on demand and asks us for new ones, and what it has read."""

    def __init__(self, pem: Path) -> None:
        command = [
            "openssl",
            "s_server",
            "-tls1_3",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            str(pem),
            "-naccept",
            "1",
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.heard = b""
        self.until(b"ACCEPT ")
        self.until(b"\n", behind=b"ACCEPT ")
        self.port = int(self.heard.partition(b"ACCEPT ")[2].partition(b"\n")[0].rpartition(b":")[2])

    def until(self, what: bytes, behind: bytes = b"") -> None:
        """Read its output until it has said this."""
        assert self.process.stdout is not None
        while what not in self.heard.partition(behind)[2] if behind else what not in self.heard:
            ready, _, _ = select.select([self.process.stdout], [], [], 10)
            part = os.read(self.process.stdout.fileno(), 1 << 12) if ready else b""
            assert part, f"openssl did not say {what!r}: {self.heard!r}"
            self.heard += part

    def change_keys(self) -> None:
        """And ask for ours to be changed."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"K\n")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command, which can change keys"
)
def test_a_rehearsal_keeps_a_session_whose_keys_change(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    server = KeyChanger(pem)
    try:
        with socket.create_connection(("127.0.0.1", server.port), 10) as link:
            tls = TlsLayer(client_context(str(pem)), "127.0.0.1", None)
            link.sendall(tls.outgoing)
            while not tls.is_ready:
                tls.open(link.recv(1 << 14))
                link.sendall(tls.outgoing)
            for number in range(3):
                server.change_keys()
                tls.open(link.recv(1 << 14))
                link.sendall(tls.outgoing)
                assert tls.rehearse(b"order") == b"", "what is owed was sent with what came"
                tls.encrypt(b"order %d\n" % number)
                link.sendall(tls.take_encrypted())
                server.until(b"order %d" % number)
    finally:
        server.end()
