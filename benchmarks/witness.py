"""What a long turn stood still for: interrupts at a steady rate on the daemon's core, and what each of them found there.

`perf record` (the package linux-perf, as root) interrupts the core every PERIOD_NS. Where an interrupt comes late, or finds the
processor at the very instruction of the one before, nothing went on there in between, of ours or of the kernel's: the
hypervisor had the processor, or it had the page that this instruction asks for. Not told apart from that: the kernel with
interrupts off, one long copy by a single instruction, and a lock whose holder stands still. The kernel's own limit of
interrupts, which counts on ticks that an idle processor does not have, is lifted meanwhile: its silence would pass for a still
processor.
"""

from __future__ import annotations

import bisect
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PERIOD_NS = 100_000
AROUND_NS = 100_000_000
BUFFER = "4M"
LIMIT = Path("/proc/sys/kernel/perf_event_max_sample_rate")
NO_LIMIT = "10000000"  # of interrupts a second
START_S = 2.0  # by then perf has said what keeps it from running


class Interrupt(NamedTuple):
    """When it came, by the monotonic clock, the thread that it found (0: the processor idled) and its instruction."""

    at_ns: int
    thread: int
    instruction: int


class WitnessError(Exception):
    """There is no witness, or it did not see all."""


class Witness:
    """Interrupts on one core from the beginning of the `with` block to its end, kept in a folder."""

    def __init__(self, cpu: int, folder: Path) -> None:
        perf = shutil.which("perf")
        if perf is None:
            raise WitnessError(
                "perf is not installed: apt-get install linux-perf, or leave the long turns unexplained"
            )
        self._perf, self._cpu, self._file = perf, cpu, folder / "interrupts"
        self._process: subprocess.Popen[str] | None = None
        self._limit = LIMIT.read_text()

    def __enter__(self) -> Witness:
        try:
            LIMIT.write_text(NO_LIMIT)
        except PermissionError:
            raise WitnessError("a witness needs root: it lifts the kernel's limit of interrupts") from None
        self._process = subprocess.Popen(
            [
                *(self._perf, "record", "-e", "cpu-clock", "-c", str(PERIOD_NS), "-C", str(self._cpu)),
                *("-k", "CLOCK_MONOTONIC", "-m", BUFFER, "-o", str(self._file)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            return self
        _, told = self._process.communicate()
        LIMIT.write_text(self._limit)
        raise WitnessError(f"perf does not run: {told.strip()}")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.communicate()
        LIMIT.write_text(self._limit)

    def seen(self, turns: list[tuple[int, int]]) -> list[Interrupt]:
        """What came in these turns, (began ns, ended ns), and around them; raises WitnessError where some did not come."""
        told = subprocess.run(self._asking("report", "--stats"), capture_output=True, text=True, check=False)
        if told.returncode or "THROTTLE" in told.stdout:
            raise WitnessError(f"perf was held back, or cannot read its file: {told.stderr.strip()[-200:]}")
        command = self._asking("script", "-F", "tid,time,ip", "--ns", "--show-lost-events")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as script:
            assert script.stdout is not None
            found = list(near(read(script.stdout), sorted(turns)))
        if turns and not found:
            raise WitnessError("perf tells of no interrupt near the long turns")
        return found

    def _asking(self, what: str, *options: str) -> list[str]:
        return [self._perf, what, "-i", str(self._file), *options]


def read(lines: Iterable[str]) -> Iterator[Interrupt]:
    """The lines of `perf script -F tid,time,ip --ns`: `4711 12279.477755742:  ffffffff815d7745`."""
    for line in lines:
        words = line.split()
        if "PERF_RECORD_LOST" in words:
            raise WitnessError("perf lost interrupts: the machine has too much to do to be watched")
        if len(words) == 3 and words[1].endswith(":"):
            seconds, _, fraction = words[1][:-1].partition(".")
            yield Interrupt(int(seconds) * 1_000_000_000 + int(fraction), int(words[0]), int(words[2], 16))


def near(interrupts: Iterable[Interrupt], turns: list[tuple[int, int]]) -> Iterator[Interrupt]:
    """Those within AROUND_NS of a turn; both in order of time."""
    number = 0
    for interrupt in interrupts:
        while number < len(turns) and interrupt.at_ns > turns[number][1] + AROUND_NS:
            number += 1
        if number == len(turns):
            return
        if interrupt.at_ns >= turns[number][0] - AROUND_NS:
            yield interrupt


def stood_still_ns(interrupts: list[Interrupt], began_ns: int, ended_ns: int) -> int:
    """How much of that time nothing went on, as far as these interrupts, in order of time, show it."""
    first = max(bisect.bisect(interrupts, (began_ns,)), 1)
    still_ns = 0
    for before, after in zip(interrupts[first - 1 :], interrupts[first:], strict=False):
        if before.at_ns >= ended_ns:
            break
        is_same = before.thread != 0 and before[1:] == after[1:]
        since_ns = max(before.at_ns if is_same else before.at_ns + PERIOD_NS, began_ns)
        still_ns += max(min(after.at_ns, ended_ns) - since_ns, 0)
    return still_ns
