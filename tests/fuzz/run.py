"""Builds and runs the fuzz targets: `make fuzz`. Python's standard library only; run from the repository's root.

FUZZ_RUNS: inputs per target (1,000,000). FUZZ_SECONDS: at most so long per target (0: no limit). FUZZ_TARGETS: their names, all
by default. Ends with 1 after a finding, with 2
where a tool is missing.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.table import BY_NAME, TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
TOOLS = BUILD / "tools"
SITE = BUILD / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
ATHERIS = "atheris==3.0.*"
TIMEOUT_S = 25  # for one input; libFuzzer reports it as a finding
MOST_MEMORY_MB = 2048
SANITIZERS = "fuzzer,address,undefined"
C_FLAGS = [
    "-std=gnu11", "-g", "-O1", "-march=x86-64-v3", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-unused-function", "-I.",
    f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-pthread",
]  # fmt: skip
ASAN_OPTIONS = "allocator_may_return_null=1:handle_abort=1"


@dataclass(frozen=True)
class Result:
    """What a run of one target said."""

    target: Target
    inputs: int
    edges: str
    corpus: str
    seconds: float
    cpu_s: float
    finding: str


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def missing(text: str) -> None:
    """Ends with what to install."""
    sys.stderr.write(f"fuzz: {text}\n")
    sys.exit(2)


def compiler() -> str:
    """clang, where it can link libFuzzer and the sanitizers."""
    clang = os.environ.get("FUZZ_CLANG", "clang")
    if shutil.which(clang) is None:
        missing(
            f"no {clang} found, and libFuzzer comes with it. Install it and run again: apt-get install clang llvm "
            "(or name another: FUZZ_CLANG=clang-16). `make test` runs the corpora without it."
        )
    BUILD.mkdir(parents=True, exist_ok=True)
    probe = BUILD / "probe.c"
    probe.write_text(
        "#include <stddef.h>\n#include <stdint.h>\n"
        "int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { (void)p, (void)n; return 0; }\n"
    )
    tried = subprocess.run(
        [clang, f"-fsanitize={SANITIZERS}", str(probe), "-o", str(BUILD / "probe")],
        capture_output=True,
        text=True,
    )
    if tried.returncode:
        missing(
            f"{clang} is there without libFuzzer or the sanitizers' runtime. Install it with what it recommends: "
            f"apt-get install clang (on Debian the runtime is libclang-rt-<version>-dev).\n{tried.stderr.strip()[-400:]}"
        )
    return clang


def build_c(clang: str, targets: list[Target]) -> None:
    """The harnesses in C; cheap enough to be built anew each time."""
    (BUILD / "bin").mkdir(exist_ok=True)
    for target in targets:
        source = f"tests/fuzz/c/{target.name}.c"
        subprocess.run(
            [clang, *C_FLAGS, source, "-o", str(BUILD / "bin" / target.name)], cwd=ROOT, check=True
        )


def prepare_python() -> None:
    """Atheris beside the environment, and a path on which the tests are without the source tree."""
    if not any(TOOLS.glob("atheris-*")):
        say("fuzz: installing atheris into build/fuzz/tools")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "--target", str(TOOLS), ATHERIS]).returncode:
            missing(
                f"{ATHERIS} cannot be installed here, and the Python targets need it. FUZZ_TARGETS names others."
            )
    (BUILD / "path").mkdir(exist_ok=True)
    link = BUILD / "path" / "tests"
    link.unlink(missing_ok=True)
    link.symlink_to(ROOT / "tests")


def build_extensions(clang: str) -> None:
    """The package with sanitizers and coverage counters in its extensions."""
    say("fuzz: building the extensions with AddressSanitizer and UndefinedBehaviorSanitizer")
    settings = {"PENSTOCK_SANITIZE": "fuzz", "CC": clang, "LDSHARED": f"{clang} -shared"}
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-base", str(BUILD)],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    if built.returncode:
        sys.stderr.write(built.stdout + built.stderr)
        sys.exit(1)


def command_of(target: Target) -> tuple[list[str], dict[str, str]]:
    """How to start a target, and the environment for it."""
    if target.language == "c":
        return [str(BUILD / "bin" / target.name)], {"ASAN_OPTIONS": ASAN_OPTIONS}
    settings = {
        "PYTHONPATH": os.pathsep.join([str(BUILD / "path"), str(TOOLS)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if target.language == "cython":
        settings |= {
            "PYTHONPATH": os.pathsep.join([str(SITE), settings["PYTHONPATH"]]),
            "PYTHONMALLOC": "malloc",  # or the allocator hides what is read beyond an object
            "LD_PRELOAD": str(TOOLS / "asan_with_fuzzer.so"),
            "ASAN_OPTIONS": f"{ASAN_OPTIONS}:detect_leaks=0",  # the interpreter keeps what it has at its end
        }
    return [sys.executable, "-m", "tests.fuzz.drive", target.name], settings


def run(target: Target, runs: int, inputs: list[str]) -> Result:
    """One target for so many inputs, or over the inputs named, and what came of it."""
    found = BUILD / "findings" / target.name
    grown = BUILD / "corpus" / target.name
    for folder in (found, grown, target.corpus):
        folder.mkdir(parents=True, exist_ok=True)
    command, settings = command_of(target)
    options = [
        f"-runs={1 if inputs else runs}", f"-max_len={target.max_bytes}", f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MOST_MEMORY_MB}", f"-artifact_prefix={found}/", "-print_final_stats=1",
        f"-max_total_time={os.environ.get('FUZZ_SECONDS') or 0}",
    ]  # fmt: skip
    began_s, cpu_began_s = time.monotonic(), cpu_of_children_s()
    log = BUILD / f"{target.name}.log"
    with log.open("wb") as out:
        ended = subprocess.run(
            [*command, *options, *(inputs or [str(grown), str(target.corpus)])],
            cwd=BUILD,
            env=os.environ | settings,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    text = log.read_text(errors="replace")
    last = re.findall(r"#\d+\s+\w+\s+cov: (\d+) ft: \d+ corp: (\d+)/", text)
    count = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
    artifact = re.findall(r"Test unit written to (\S+)", text)
    finding = "" if ended.returncode == 0 else (artifact[-1] if artifact else f"see {log}")
    edges, size = last[-1] if last else ("-", "-")
    return Result(
        target,
        int(count[-1]) if count else 0,
        edges,
        size,
        time.monotonic() - began_s,
        cpu_of_children_s() - cpu_began_s,
        finding,
    )


def cpu_of_children_s() -> float:
    """Processor time of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def chosen() -> list[Target]:
    """The targets of FUZZ_TARGETS; all where it is empty."""
    names = os.environ.get("FUZZ_TARGETS", "").replace(",", " ").split()
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        missing(f"no target {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in names] or list(TARGETS)


def main() -> int:
    """Builds what is needed, runs each target and prints the table. Arguments: files to replay against one target."""
    targets, runs = chosen(), int(os.environ.get("FUZZ_RUNS") or 1_000_000)
    files = [str(Path(name).resolve()) for name in sys.argv[1:]]
    if files and len(targets) != 1:
        missing("files are replayed against one target: FUZZ_TARGETS=<name> make fuzz FUZZ_FILES=<file>")
    clang = compiler()
    build_c(clang, [target for target in targets if target.language == "c"])
    if any(target.language != "c" for target in targets):
        prepare_python()
    if any(target.language == "cython" for target in targets):
        build_extensions(clang)
    say(f"{'target':<16} {'inputs':>9} {'edges':>6} {'corpus':>6} {'seconds':>8} {'cpu s':>7}  finding")
    results = []
    for target in targets:
        result = run(target, runs, files)
        results.append(result)
        numbers = f"{result.inputs:>9} {result.edges:>6} {result.corpus:>6} {result.seconds:>8.1f} {result.cpu_s:>7.1f}"
        say(f"{target.name:<16} {numbers}  {result.finding or 'none'}")
    return 1 if any(result.finding for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
