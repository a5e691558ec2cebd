"""Instructions per step, counted by callgrind: what a noisy machine cannot blur.

    python benchmarks/callgrind.py [--check | --accept] [--against FILE] [--json FILE] [SUBJECT]...

One run of benchmarks/counted.py under `valgrind --tool=callgrind`: each subject runs with few and with many steps, and the
difference divided by the difference in steps is the count of one step; what a call costs once cancels out. Only the main
thread is counted. Needs valgrind; all subjects take a minute, the kernels alone, which `--check` holds to
benchmarks/instructions.json, half of one. Exit 1 where one grew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.append(str(ROOT))  # after what is installed

from benchmarks import count_gate  # noqa: E402
from benchmarks.counted import FEW, KERNELS, MANY, MARK, SUBJECTS  # noqa: E402
from engine.microbench import machine  # noqa: E402

TIMEOUT_S = 600


def total(file: Path) -> int:
    """The instructions of one part of callgrind's output; RuntimeError where it has none."""
    found = re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"callgrind's {file.name} has no total")
    return int(found.group(1))


def count(subjects: list[str]) -> count_gate.Counts:
    """Instructions of the main thread for one step of each subject; RuntimeError where valgrind fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # The installed, compiled package first: the checkout is for `benchmarks` alone.
    path = os.pathsep.join((sysconfig.get_path("platlib"), str(ROOT)))
    environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as place:
        command = [
            "valgrind", "--tool=callgrind", "--separate-threads=yes", f"--dump-before={MARK}",
            f"--callgrind-out-file={place}/out", sys.executable, str(ROOT / "benchmarks" / "counted.py"), *subjects,
        ]  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode:
            raise RuntimeError(f"valgrind failed:\n{done.stderr[-2000:]}")
        found: count_gate.Counts = {}
        for at, name in enumerate(subjects):
            # The parts of a subject: what led up to it, few steps, many steps; thread 1 of each.
            few, many = (total(Path(place, f"out.{3 * at + part}-01")) for part in (2, 3))
            found[name] = round((many - few) / (MANY - FEW), 1)
    return found


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Instructions per step, counted by callgrind.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; else all")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="hold the kernels to the committed counts")
    what.add_argument("--accept", action="store_true", help="commit to the kernels' counts as they are now")
    parser.add_argument(
        "--against", type=Path, default=count_gate.COMMITTED, metavar="FILE", help="other committed counts"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write {subject: instructions} to FILE")
    options = parser.parse_args()
    known = KERNELS if options.check or options.accept else tuple(SUBJECTS)
    options.subjects = list(dict.fromkeys(options.subjects)) or list(known)
    if strangers := sorted(set(options.subjects) - set(known)):
        parser.error(f"there is no {', '.join(strangers)}: there are {', '.join(known)}")
    if shutil.which("valgrind") is None:
        parser.error("valgrind is missing. Install it: apt-get install valgrind")
    return options


def main() -> int:
    """Count, then show, judge or accept."""
    options = parsed()
    build = count_gate.build_of(machine())
    counts = count(options.subjects)
    if options.json is not None:
        options.json.write_text(json.dumps(counts, indent=2) + "\n")
    if options.check:
        text, is_well = count_gate.report(count_gate.judge(build, counts, options.against))
        sys.stdout.write(text)
        return 0 if is_well else 1
    for name, instructions in counts.items():
        sys.stdout.write(f"{name:24} {instructions:10,.1f} instructions\n")
    if options.accept:
        count_gate.write(build, counts, options.against)
        sys.stdout.write(f"committed to in {options.against}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (count_gate.GateError, RuntimeError) as problem:
        sys.exit(f"penstock: {problem}")
