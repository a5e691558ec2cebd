"""Makes the committed corpora anew out of what `make fuzz` grew; from build/tests, as the tests run:
../../.venv/bin/python -m tests.fuzz.distill <target>...

Each keeps its seeds and its regressions, and of the inputs that reach something new (libFuzzer's -merge) the smallest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fuzz import run
from tests.fuzz.seeds import seeds_of
from tests.fuzz.table import BY_NAME, Target

MOST_FILES = 56
MOST_BYTES = 16_000


def merged(target: Target) -> list[bytes]:
    """The grown inputs that reach something that no smaller one does."""
    folder = run.BUILD / "merged" / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command, settings = run.command_of(target)
    grown = run.BUILD / "corpus" / target.name
    options = ["-merge=1", f"-max_len={target.max_bytes}", str(folder), str(grown)]
    subprocess.run(
        [*command, *options],
        cwd=run.BUILD,
        env=os.environ | settings,
        check=True,
        capture_output=True,
        timeout=1200,
    )
    return sorted((path.read_bytes() for path in folder.iterdir()), key=lambda data: (len(data), data))


def distill(target: Target, folder: Path) -> None:
    """Writes the corpus of one target."""
    kept = {f"seed-{number:02}": data for number, data in enumerate(seeds_of(target))}
    kept |= {path.name: path.read_bytes() for path in folder.glob("regression-*")}
    grown = merged(target) if (run.BUILD / "corpus" / target.name).exists() else []
    # From all sizes: the smallest alone would be the least interesting ones.
    for data in grown[:: max(len(grown) // MOST_FILES, 1)]:
        too_much = sum(map(len, kept.values())) + len(data) > MOST_BYTES
        if data and data not in kept.values() and len(kept) < MOST_FILES and not too_much:
            kept[hashlib.sha256(data).hexdigest()[:12]] = data
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in kept.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    for each in sys.argv[1:] or BY_NAME:
        distill(BY_NAME[each], BY_NAME[each].corpus)
