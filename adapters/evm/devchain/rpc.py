"""A small JSON-RPC client over a node's Unix socket: blocking, no retries, exact errors.

Format: JSON-RPC 2.0, each answer ended by a newline (anvil, geth). Answers to pipelined requests come in any order.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

CHUNK = 1 << 20


class RpcError(Exception):
    """The node answered with an error; `code`, `message` and `data` are the node's own."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        self.method = method
        self.code = int(error.get("code", 0))
        self.message = str(error.get("message", error))
        self.data = error.get("data")
        super().__init__(f"{method}: {self.message}" + (f" ({self.data})" if self.data else ""))


class Rpc:
    """One connection. Not for several threads at once. Raises RpcError for errors of the node, OSError for a lost one."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._received = bytearray()
        self._last_id = 0
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def __call__(self, method: str, *params: Any) -> Any:
        """The result of one call."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Iterable[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of calls sent at once, in their order; the first error is raised when all have been answered."""
        answers = self.attempt(calls)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
        return answers

    def attempt(self, calls: Iterable[tuple[str, Sequence[Any]]]) -> list[Any]:
        """As `batch`, with each error in the place of its result."""
        methods: dict[int, str] = {}
        requests = []
        for method, params in calls:
            self._last_id += 1
            methods[self._last_id] = method
            requests.append({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": list(params)})
        if not requests:
            return []
        self._socket.sendall(msgspec.json.encode(requests[0] if len(requests) == 1 else requests))
        found: dict[int, dict[str, Any]] = {}
        while methods.keys().isdisjoint(found):  # an answer that was not waited for may come first
            document = self._receive()
            found = {each["id"]: each for each in (document if isinstance(document, list) else [document])}
        results = []
        for number, method in methods.items():
            answer = found.get(number, {"error": {"message": "was not answered"}})
            results.append(RpcError(method, answer["error"]) if "error" in answer else answer["result"])
        return results

    def _receive(self) -> Any:
        """The next document; ConnectionError where the node hung up."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            chunk = self._socket.recv(CHUNK)
            if not chunk:
                raise ConnectionError("the node closed the connection")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return msgspec.json.decode(line)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
