"""Judges instruction counts by the committed ones, benchmarks/instructions.json.

Counts of one build are the same in each run, to the instruction; another order of the interpreter's hash tables moves them
by 0.3 % at most. So 3 % more is a change of the code. A compiler or Python of another version makes other code of the same
source: then only 25 % more is taken for a regression, and that is said. Fewer instructions never fail; accept them to hold them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

COMMITTED = Path(__file__).resolve().parent / "instructions.json"
TOLERANCE_PERCENT, OTHER_BUILD_PERCENT = 3.0, 25.0
ACCEPT = "python benchmarks/callgrind.py --accept"

Counts = dict[str, float]
Build = dict[str, str]  # compiler, flags, python: as engine.microbench.machine() tells them


class GateError(Exception):
    """The committed counts cannot be read or used; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One subject: what was committed and what was counted, instructions a step."""

    subject: str
    committed: float
    counted: float
    allowed_percent: float

    @property
    def change_percent(self) -> float:
        """By how much it grew; negative where it shrank."""
        return 100 * (self.counted / self.committed - 1)

    @property
    def has_grown(self) -> bool:
        """By more than is allowed."""
        return self.change_percent > self.allowed_percent

    @property
    def has_shrunk(self) -> bool:
        """By as much: worth holding."""
        return self.change_percent < -self.allowed_percent

    def line(self) -> str:
        """For people."""
        word = "GREW" if self.has_grown else "fell" if self.has_shrunk else "as it was"
        return (
            f"{self.subject:24} {self.committed:10,.1f} committed {self.counted:10,.1f} counted "
            f"{self.change_percent:+7.2f} %  {word}"
        )


def build_of(machine: Build) -> Build:
    """What of a machine's description the counts depend on."""
    return {key: machine[key] for key in ("compiler", "flags", "python")}


def is_same_build(one: Build, other: Build) -> bool:
    """Whether both made their code in the same way: kind and major version of the compiler, flags, Python 3.x."""

    def essence(build: Build) -> tuple[str, str, str, str]:
        kind = build["compiler"].partition(" ")[0]
        version = re.findall(r"(\d+)\.\d+(?:\.\d+)?", build["compiler"])
        return kind, version[-1] if version else "", build["flags"], build["python"].rpartition(".")[0]

    return essence(one) == essence(other)


def read(file: Path = COMMITTED) -> tuple[Build, Counts]:
    """The committed counts and what they were built with; GateError where they cannot be read."""
    try:
        document = json.loads(file.read_text())
        build = {key: str(document["built_with"][key]) for key in ("compiler", "flags", "python")}
        return build, {str(name): float(count) for name, count in document["instructions"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise GateError(f"{file} holds no counts ({problem!r}). Make it anew: {ACCEPT}") from problem


def write(build: Build, counts: Counts, file: Path = COMMITTED) -> None:
    """Commit to these counts; those of other subjects stay where they are of the same build, else GateError."""
    others: Counts = {}
    if file.exists():
        before, known = read(file)
        others = {name: count for name, count in known.items() if name not in counts}
        if others and not is_same_build(before, build):
            raise GateError(f"{', '.join(others)} were counted with another build. Count all: {ACCEPT}")
    document = {"built_with": build, "instructions": others | counts}
    file.write_text(json.dumps(document, indent=2) + "\n")


def judge(build: Build, counts: Counts, file: Path = COMMITTED) -> list[Verdict]:
    """A verdict for each subject; GateError for one that nothing was committed for."""
    before, known = read(file)
    if strangers := sorted(set(counts) - set(known)):
        raise GateError(f"{file.name} has no count of {', '.join(strangers)}. Take it in: {ACCEPT}")
    allowed = TOLERANCE_PERCENT if is_same_build(before, build) else OTHER_BUILD_PERCENT
    return [Verdict(name, known[name], count, allowed) for name, count in counts.items()]


def report(verdicts: list[Verdict]) -> tuple[str, bool]:
    """The text, and whether all is well."""
    lines = [each.line() for each in verdicts]
    allowed = verdicts[0].allowed_percent if verdicts else TOLERANCE_PERCENT
    if allowed == OTHER_BUILD_PERCENT:
        lines.append(
            f"Another compiler, other flags or another Python than of {COMMITTED.name}: "
            f"only {allowed:g} % more is judged a regression."
        )
    grown = [each for each in verdicts if each.has_grown]
    if grown:
        lines.append(
            f"penstock: more than {allowed:g} % more instructions a step than committed: "
            + ", ".join(f"{each.subject} by {each.change_percent:.1f} %" for each in grown)
            + f". Make it cheaper; or, where it is worth that, accept it with its reason in the commit: {ACCEPT} "
            + " ".join(each.subject for each in grown)
        )
    elif any(each.has_shrunk for each in verdicts):
        lines.append(f"Fewer than committed. So that they stay: {ACCEPT}")
    return "\n".join(lines) + "\n", not grown
