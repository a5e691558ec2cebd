"""The supervisor's children: started so that they end with it, watched through process file descriptors."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_BYTES = 4096


class Child:
    """One child process; its output goes to the file `output`."""

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], output: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.output = output
        with output.open("ab") as sink:
            self.output_start = sink.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.child", str(os.getpid()), module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(os.environ) | dict(env),
                start_new_session=True,
            )
        self.descriptor = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative number is the signal that ended it."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, or None after `timeout_s`."""
        select.select([self.descriptor], [], [], max(0.0, timeout_s))
        return self.exit_code

    def signal(self, number: int) -> None:
        """Send a signal; one that has ended already does not get it."""
        if self.exit_code is None:
            signal.pidfd_send_signal(self.descriptor, number)

    def end(self, deadline_s: float) -> int:
        """SIGTERM, and SIGKILL after `deadline_s`; the exit code."""
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            if self.wait(deadline_s) is None:
                self.signal(signal.SIGKILL)
        code = self._process.wait()
        self.close()
        return code

    def close(self) -> None:
        """Release the descriptor of a child that has ended."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def first_line(self, timeout_s: float) -> str | None:
        """The first line of this start's output; None where it ended or `timeout_s` passed without one."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.wait(0.02) is not None
            with self.output.open("rb") as file:
                file.seek(self.output_start)
                line, newline, _ = file.read(65_536).partition(b"\n")
            if newline:
                return line.decode(errors="replace")
            if ended or time.monotonic() > deadline:
                return None

    def tail(self) -> str:
        """The end of this start's output, for people."""
        with self.output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self.output_start, size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-12:])


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
