"""Mutation check: break the contract in one place at a time, and see whether a test fails.

Mutants are made mechanically from the sources: every check is switched off, every comparison and every arithmetic or
bit operation is turned into another (in Solidity and in Yul), the owner's modifier is dropped, calls that keep state are
left out. A mutant that does not compile is no mutant. The quick tests run first, the gas bars and a short run of the
invariants after them. Results are kept in cache/mutants.json: a run that was stopped goes on where it was.

    python3 script/mutate.py [--json] [--only TEXT] [--sample N] [--part K/N] [--seconds S] [--again]

Standard library only.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
RESULTS = CONTRACTS / "cache" / "mutants.json"
FORGE = next(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge"), CONTRACTS / "forge")
SOURCES = ("FlashExecutor.sol", "Access.sol", "Armed.sol", "Pools.sol", "Tokens.sol")
TIMEOUT_S = 120
QUICK = ["test", "--threads", "1", "--fail-fast", "--no-match-contract", "InvariantsTest|GasTest"]
SLOW = ["test", "--threads", "1", "--fail-fast", "--match-contract", "InvariantsTest"]

# (what it is, pattern, replacement). Patterns see code alone: comments are blanked out before.
CHANGES = [
    ("comparison", r" < ", " <= "),
    ("comparison", r" <= ", " < "),
    ("comparison", r" > ", " >= "),
    ("comparison", r" >= ", " > "),
    ("comparison", r" == ", " != "),
    ("comparison", r" != ", " == "),
    ("arithmetic", r" \+ ", " - "),
    ("arithmetic", r" - ", " + "),
    ("arithmetic", r" \* ", " / "),
    ("arithmetic", r" \+= ", " -= "),
    ("bits", r" << ", " >> "),
    ("bits", r" >> ", " << "),
    ("bits", r" & ", " | "),
    ("bits", r" \| ", " & "),
    ("logic", r" && ", " || "),
    ("logic", r" \|\| ", " && "),
    ("logic", r"if \(!", "if ("),
    ("check switched off", r"if \((?!false)(.+)\) revert ", "if (false) revert "),
    ("check always fails", r"if \((?!true)(.+)\) revert ", "if (true) revert "),
    ("access", r" onlyOwner ", " "),
    ("left out", r"Armed\.set\([^;]*\);", ""),
    ("left out", r"Armed\.attach\([^;]*\);", ""),
    ("left out", r"Tokens\.(clearAllowance|approve|transfer)\([^;]*\);", ""),
    ("left out", r"_check\w*\([^;{]*\);", ""),
    ("left out", r"emit [^;]*;", ""),
    ("Yul arithmetic", r"\badd\(", "sub("),
    ("Yul arithmetic", r"\bsub\(", "add("),
    ("Yul arithmetic", r"\bmul\(", "div("),
    ("Yul bits", r"\bshl\(", "shr("),
    ("Yul bits", r"\bshr\(", "shl("),
    ("Yul bits", r"\band\(", "or("),
    ("Yul bits", r"\bor\(", "and("),
    ("Yul bits", r"\bxor\(", "and("),
    ("Yul comparison", r"\blt\(", "gt("),
    ("Yul comparison", r"\bgt\(", "lt("),
    ("Yul comparison", r"\beq\(", "sub("),
    ("Yul comparison", r"\biszero\(", "add(0, "),
    ("Yul check switched off", r"if (iszero\(call|iszero\(\w+\)|failed) ?", None),
]


@dataclass(frozen=True)
class Mutant:
    """One change of one line."""

    file: str
    line: int
    kind: str
    before: str
    after: str
    text: str  # the whole file with the change

    @property
    def name(self) -> str:
        """Stays the same as long as the line and the change do."""
        key = f"{self.file}|{self.line}|{self.before}|{self.after}|{hashlib.sha256(self.text.encode()).hexdigest()}"
        return hashlib.sha256(key.encode()).hexdigest()[:16]


def blank(text: str) -> str:
    """The code with its comments blanked out, every character where it was."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda hit: re.sub(r"[^\n]", " ", hit[0]), text, flags=re.S)


def mutants() -> Iterator[Mutant]:
    """Every mutant, in the order of the sources."""
    for file in SOURCES:
        text = (CONTRACTS / "src" / file).read_text()
        code = blank(text)
        for kind, pattern, replacement in CHANGES:
            for hit in re.finditer(pattern, code):
                head = code[code.rfind("\n", 0, hit.start()) + 1 : hit.start()]
                if head.lstrip().startswith(
                    ("import", "pragma", "uint256 private constant", "uint256 internal constant")
                ):
                    continue
                if replacement is None:
                    # `if iszero(call(...))` in Yul: the error is swallowed.
                    new = "if and(0, " + hit[0][3:].rstrip()
                    close = matching(code, hit.start() + 3) if "(" in hit[0] else hit.end()
                    changed = (
                        text[: hit.start()]
                        + new
                        + text[hit.end() : close]
                        + ")"
                        + " "
                        + text[close:].lstrip(" ")
                    )
                else:
                    changed = text[: hit.start()] + hit.expand(replacement) + text[hit.end() :]
                line = text.count("\n", 0, hit.start()) + 1
                old = text.splitlines()[line - 1].strip()
                yield Mutant(file, line, kind, old, changed.splitlines()[line - 1].strip(), changed)


def matching(code: str, start: int) -> int:
    """Where the expression that begins at `start` ends, after its last parenthesis."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] == "(":
            depth += 1
        elif code[at] == ")":
            depth -= 1
            if depth == 0:
                return at + 1
    return len(code)


def forge(work: Path, arguments: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs forge in the copy; killed and counted as failed when it takes too long (an endless loop is noticed)."""
    environment = {**os.environ, "FOUNDRY_SOLC": str(CONTRACTS / "bin" / "solc"), **settings}
    try:
        return subprocess.run(
            [FORGE, *arguments], cwd=work, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 124, "", "timed out")


def judge(work: Path, mutant: Mutant) -> str:
    """`killed by quick tests`, `killed by invariants`, `survived`, or `does not compile`."""
    source = work / "src" / mutant.file
    original = source.read_text()
    try:
        source.write_text(mutant.text)
        if forge(work, ["build", "src", "--quiet"]).returncode:
            return "does not compile"
        if forge(work, QUICK).returncode:
            return "killed by quick tests"
        if forge(work, SLOW, FOUNDRY_INVARIANT_RUNS="8").returncode:
            return "killed by invariants"
        return "survived"
    finally:
        source.write_text(original)


def copy() -> Path:
    """A copy of the project to break; the packages are linked."""
    work = CONTRACTS / "cache" / "mutation"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("src", "test"):
        shutil.copytree(CONTRACTS / name, work / name)
    (work / "snapshots").mkdir()
    (work / "cache").mkdir()
    # Compiled the quick way, as for coverage: more mutants in the same time.
    settings = (CONTRACTS / "foundry.toml").read_text()
    quick = settings.replace("\nvia_ir = true\noptimizer = true\n", "\nvia_ir = false\noptimizer = false\n")
    if quick == settings:
        raise RuntimeError("foundry.toml has no 'via_ir = true' to turn off: adapt copy()")
    (work / "foundry.toml").write_text(quick)
    (work / "node_modules").symlink_to(CONTRACTS / "node_modules")
    (work / "bin").symlink_to(CONTRACTS / "bin")
    return work


def progress(done: int, total: int, counts: dict[str, int], start: float) -> None:
    """One line, rewritten, on the terminal."""
    width = 30
    bar = "#" * (width * done // total) + "." * (width - width * done // total)
    rest = (time.monotonic() - start) / done * (total - done)
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    sys.stderr.write(f"\r[{bar}] {done}/{total}  {told}  {rest / 60:.0f} min left   ")
    sys.stderr.flush()


def report(results: list[dict[str, object]], as_json: bool) -> int:
    """Prints what came out; 0 when at least 95 % were killed."""
    counted = [each for each in results if each["outcome"] != "does not compile"]
    killed = [each for each in counted if each["outcome"] != "survived"]
    share = len(killed) / len(counted) if counted else 0.0
    survivors = [each for each in counted if each["outcome"] == "survived"]
    if as_json:
        summary = {
            "mutants": len(counted),
            "killed": len(killed),
            "share": round(share, 4),
            "survivors": survivors,
        }
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    else:
        for each in survivors:
            sys.stdout.write(
                f"{each['file']}:{each['line']} {each['kind']}\n  {each['before']}\n  {each['after']}\n"
            )
        sys.stdout.write(f"{len(killed)} of {len(counted)} mutants killed: {100 * share:.1f} %\n")
    return 0 if share >= 0.95 else 1


def main() -> int:
    """Makes the mutants, judges those not yet judged, reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    parser.add_argument("--only", default="", help="only mutants of lines that contain this")
    parser.add_argument("--sample", type=int, default=0, help="only so many, drawn with a fixed seed")
    parser.add_argument(
        "--part",
        default="1/1",
        metavar="K/N",
        help="only every N-th, from the K-th on: one of N machines' share",
    )
    parser.add_argument(
        "--seconds", type=float, default=0, help="stop after so long, and report what was judged"
    )
    parser.add_argument("--again", action="store_true", help="forget earlier results")
    asked = parser.parse_args()
    share, _, shares = asked.part.partition("/")
    if not (share.isdecimal() and shares.isdecimal() and 1 <= int(share) <= int(shares)):
        parser.error(f"--part is {asked.part}: name the share and how many there are, as in 1/2")
    known = {} if asked.again or not RESULTS.exists() else json.loads(RESULTS.read_text())
    chosen = [each for each in mutants() if asked.only in each.before]
    random.Random(1).shuffle(chosen)
    chosen = chosen[: asked.sample or len(chosen)][int(share) - 1 :: int(shares)]
    work = copy()
    if forge(work, ["build", "--quiet"]).returncode or forge(work, QUICK).returncode:
        sys.stderr.write("penstock: the tests fail without a mutant already: run make contracts-test\n")
        return 2
    start, judged, counts = time.monotonic(), [], {}
    for done, mutant in enumerate(chosen, 1):
        if asked.seconds and time.monotonic() - start > asked.seconds:
            break
        # Survivors are judged again: a test may have come since.
        if known.get(mutant.name, {"outcome": "survived"})["outcome"] == "survived":
            told = {key: value for key, value in asdict(mutant).items() if key != "text"}
            known[mutant.name] = {**told, "outcome": judge(work, mutant)}
            RESULTS.write_text(json.dumps(known, indent=1))
        judged.append(known[mutant.name])
        outcome = str(known[mutant.name]["outcome"])
        counts[outcome] = counts.get(outcome, 0) + 1
        progress(done, len(chosen), counts, start)
    sys.stderr.write("\n")
    shutil.rmtree(work)
    return report(judged, asked.json)


if __name__ == "__main__":
    sys.exit(main())
