"""Instructions per step, counted by callgrind: what a noisy machine cannot blur.

    python benchmarks/callgrind.py [--json FILE] [SUBJECT]...

Each subject runs twice under `valgrind --tool=callgrind`, with few and with many steps: the difference divided by the
difference in steps is the count of one step, start-up and set-up cancel out. Only the main thread is counted. Needs
valgrind; all subjects take three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FEW, MANY = 1_000, 11_000
SUBJECTS = (
    "gate_check", "depth_20_levels", "book_update", "journal_append", "core_silent", "core_counter", "core_compiled",
    "core_predictor_compiled", "core_predictor_python",
)  # fmt: skip


def run_gate(steps: int) -> None:
    """Approving checks."""
    from benchmarks.micro.gate import Busy
    from engine.gate_bench import time_checks

    busy = Busy(200)
    time_checks(busy.core, busy.intents(), steps, 1)


def run_market_data(subject: str, steps: int) -> None:
    """A 20-level frame decoded into a book, or single updates of a book."""
    import random

    from benchmarks.micro.market_data import SEED, SYMBOLS, depth_frame, updates
    from native.mexc_protobuf import Decoder, time_decode_into_book
    from native.order_book import OrderBook, time_updates

    rng = random.Random(SEED)
    if subject == "book_update":
        made = updates(1_000, rng)
        time_updates(OrderBook(), made, 1_000, steps // 1_000)
    else:
        frames = [depth_frame(20, i + 1, rng) for i in range(100)]
        time_decode_into_book(Decoder(SYMBOLS), frames, OrderBook(), 100, steps // 100)


def run_journal(steps: int) -> None:
    """Appends of 256 bytes; chaining and syncing are another thread's."""
    from native.log_bench import time_append
    from native.log_writer import LogWriter

    with (
        tempfile.TemporaryDirectory() as place,
        LogWriter(place, stem="journal", run_id="bench0000000", chained=False, sync=False) as log,
    ):
        time_append(log, steps, 256)


def run_core(subject: str, steps: int) -> None:
    """Quotes through the sequencer into a strategy."""
    from benchmarks import workload
    from engine import Strategy
    from engine.core import event
    from engine.core.engine import Engine
    from engine.rim import Rim
    from engine.sequencer import Sequencer
    from strategies.predictor import PlainPredictor, Predictor
    from strategies.spread_meter import SpreadMeter

    core = Engine()
    sequencer = Sequencer(core, workload.NoFrames(), Rim())
    clock = iter(range(workload.START_NS, workload.START_NS + 1_000_000, 1_000))
    kinds = {
        "core_silent": Strategy, "core_counter": workload.Counter, "core_compiled": SpreadMeter,
        "core_predictor_compiled": Predictor, "core_predictor_python": PlainPredictor,
    }  # fmt: skip
    strategy = kinds[subject]()
    workload.prepare(
        lambda bare: sequencer.process_batch(event.batch([event.stamped(bare, 0, next(clock))])),
        core,
        strategy,
    )
    # As many are made in both runs: only the processing differs.
    for each in workload.batches(workload.quotes(MANY, workload.Stream()), 1_000)[: steps // 1_000]:
        sequencer.process_batch(each)


def run_subject(subject: str, steps: int) -> None:
    """What valgrind watches."""
    if subject == "gate_check":
        run_gate(steps)
    elif subject == "journal_append":
        run_journal(steps)
    elif subject.startswith("core"):
        run_core(subject, steps)
    else:
        run_market_data(subject, steps)


def instructions(subject: str, steps: int) -> int:
    """Instructions of the main thread of one run; RuntimeError where valgrind fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # The installed, compiled package first: the checkout is for `benchmarks` alone.
    path = os.pathsep.join((sysconfig.get_path("platlib"), str(ROOT)))
    environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as place:
        command = [
            "valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={place}/out",
            sys.executable, __file__, "--under-valgrind", str(steps), subject,
        ]  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"valgrind failed on {subject}:\n{done.stderr[-2000:]}")
        text = Path(place, "out-01").read_text()
    total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if total is None:
        raise RuntimeError(f"callgrind's output for {subject} has no total")
    return int(total.group(1))


def main() -> None:
    """Count, and show one line a subject."""
    parser = argparse.ArgumentParser(description="Instructions per step, counted by callgrind.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; else all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write {subject: instructions} to FILE")
    parser.add_argument("--under-valgrind", type=int, metavar="STEPS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    strangers = set(options.subjects) - set(SUBJECTS)
    if strangers:
        parser.error(f"there is no {', '.join(sorted(strangers))}: there are {', '.join(SUBJECTS)}")
    if options.under_valgrind:
        run_subject(options.subjects[0], options.under_valgrind)
        return
    found: dict[str, float] = {}
    for subject in options.subjects or SUBJECTS:
        count = (instructions(subject, MANY) - instructions(subject, FEW)) / (MANY - FEW)
        found[subject] = round(count, 1)
        sys.stdout.write(f"{subject:24} {count:10,.1f} instructions\n")
        sys.stdout.flush()
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
