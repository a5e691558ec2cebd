"""Where the time goes between a frame and its order: the steps of the daemon and of the floor, by a probe.

    python benchmarks/tick_to_trade/timeline.py [--mode spin|blocking] [--tls] [--strategy compiled|python]

probe.c notes when the main thread waits, reads, writes and reads a clock. An order's steps are those notes between the
frame's sending and the order's arrival; the most common sequence of steps is told, each with its median and 99th percentile.
A clock's reading is named by where in which module it was called from (`addr2line -e MODULE ADDRESS`). The probe costs some 20
ns a note itself, so that its sums are a little above what run.py measures.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT))

from benchmarks.tick_to_trade.build import BUILD, HERE, build, compiler  # noqa: E402
from benchmarks.tick_to_trade.frames import Shape, write_frames  # noqa: E402
from benchmarks.tick_to_trade.processes import Bench, Setting, favoured_session  # noqa: E402
from benchmarks.tick_to_trade.run import WARM_UP_FRAMES, use_site  # noqa: E402
from engine.microbench import percentile  # noqa: E402

WAITED, READ_BEGAN, READ_ENDED, WRITE_BEGAN, WRITE_ENDED, CLOCK_READ = range(1, 7)
NAMES = {
    WAITED: "wait ended",
    READ_BEGAN: "read",
    READ_ENDED: "read ended",
    WRITE_BEGAN: "write",
    WRITE_ENDED: "write ended",
}
Note = tuple[int, int, int, str]


def build_probe() -> Path:
    """The library for LD_PRELOAD."""
    target = BUILD / "probe.so"
    command = [
        compiler() or "cc",
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
    ]
    subprocess.run([*command, str(HERE / "probe.c"), "-o", str(target), "-ldl"], check=True)
    return target


@contextlib.contextmanager
def probed(library: Path, file: Path) -> Iterator[None]:
    """Processes that start meanwhile have the probe."""
    os.environ.update(LD_PRELOAD=str(library), PENSTOCK_PROBE=str(file))
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"], os.environ["PENSTOCK_PROBE"]


def read_notes(path: Path) -> list[Note]:
    """The notes of one process, in order of time."""
    notes = []
    for line in path.read_text().splitlines():
        ns, kind, value, caller = line.split(" ", 3)
        notes.append((int(ns), int(kind), int(value), caller))
    return notes


def steps_of(
    notes: Sequence[Note], moments: Sequence[int], sent_ns: int, arrived_ns: int
) -> list[tuple[str, int]] | None:
    """(step, when it was reached) of one order, from its frame's sending on; None where the notes do not hold it."""
    last = bisect.bisect_right(moments, arrived_ns) - 1
    while last >= 0 and notes[last][1] != WRITE_BEGAN:
        last -= 1
    first = last
    while first >= 0 and not (notes[first][1] == WAITED and notes[first][0] > sent_ns):
        first -= 1
        if first < 0 or notes[first][0] <= sent_ns:
            return None
    found = [("frame sent", sent_ns)]
    for ns, kind, _, caller in notes[first : last + 1]:
        found.append((NAMES.get(kind, f"clock {caller}"), ns))
    return [*found, ("order there", arrived_ns)]


def tell(name: str, orders: Sequence[list[tuple[str, int]]]) -> None:
    """The steps of the most common sequence."""
    sequences = collections.Counter(tuple(step for step, _ in order) for order in orders)
    (common, count), *_ = sequences.most_common(1)
    chosen = [order for order in orders if tuple(step for step, _ in order) == common]
    sys.stdout.write(
        f"\n{name}: {count} of {len(orders)} orders went this way\n{'us':>8} {'p99':>8} {'at':>8}  until\n"
    )
    for at in range(1, len(common)):
        spent = [float(order[at][1] - order[at - 1][1]) / 1000 for order in chosen]
        since = [float(order[at][1] - order[0][1]) / 1000 for order in chosen]
        sys.stdout.write(
            f"{percentile(spent, 0.5):8.2f} {percentile(spent, 0.99):8.2f} {percentile(since, 0.5):8.2f}  {common[at]}\n"
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python benchmarks/tick_to_trade/timeline.py", description=__doc__)
    parser.add_argument("--mode", choices=("blocking", "spin"), default="spin")
    parser.add_argument("--strategy", choices=("compiled", "python"), default="compiled")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--frames", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--levels", type=int, default=2)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    tools, probe = build(), build_probe()
    use_site(tools)
    pinned = (os.cpu_count() or 1) > 1
    setting = Setting(options.mode == "spin", options.tls, options.strategy, pinned)
    with tempfile.TemporaryDirectory(prefix="penstock-wire-") as name, favoured_session():
        folder = Path(name)
        write_frames(folder / "frames", Shape(options.levels, 7), WARM_UP_FRAMES + options.frames)
        bench = Bench(tools, folder, folder / "frames", setting)
        try:
            for engine, subject in (("floor", bench.floor), ("daemon", bench.daemon)):
                with probed(probe, folder / engine), subject() as load:
                    load.send(WARM_UP_FRAMES, options.rate)
                    burst = load.send(options.frames, options.rate)
                (file,) = folder.glob(f"{engine}.*")
                notes = read_notes(file)
                moments = [note[0] for note in notes]
                steps = [steps_of(notes, moments, *pair) for pair in burst.times_ns]
                tell(engine, [each for each in steps if each is not None])
        finally:
            bench.close()


if __name__ == "__main__":
    main()
