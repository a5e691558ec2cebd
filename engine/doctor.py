"""Examines whether this machine and installation can run the engine; each finding comes with its remedy."""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warning", "failure"]

PACKAGES = ("native", "engine", "strategies", "adapters", "backtest")
MIN_FREE_BYTES = 256 << 20
GOOD_FREE_BYTES = 4 << 30
GOOD_SYNC_MS = 10.0
SYNC_ROUNDS = 16
MIN_FILES = 1024
MAX_STEP_MS = 50.0
# adjtimex(2): the state of a clock that is not synchronised.
TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    check: str
    level: Level
    text: str
    remedy: str = ""


def examine(config: Path | None = None, run_dir: Path = Path("runs")) -> list[Finding]:
    """All checks, in the order in which their remedies make sense."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        check_python,
        check_compiler,
        check_ours,
        check_kernels,
        check_processor,
        lambda: check_config(config),
        check_clock,
        lambda: check_disk(run_dir),
        check_ports,
        check_files,
    ]
    return [finding for check in checks for finding in check()]


def exit_code(findings: list[Finding]) -> int:
    """0 where all is well, 1 with warnings, 2 with failures."""
    levels = {finding.level for finding in findings}
    return 2 if "failure" in levels else 1 if "warning" in levels else 0


def check_python(
    version: tuple[int, int] = sys.version_info[:2], platform: str = sys.platform
) -> Iterator[Finding]:
    """Python 3.11 to 3.13 on Linux."""
    text = f"Python {version[0]}.{version[1]} on {platform}"
    if platform != "linux":
        yield Finding("python", "failure", text, "Penstock runs on Linux only.")
    elif not (3, 11) <= version <= (3, 13):
        yield Finding("python", "failure", text, "Use Python 3.11 to 3.13: make PYTHON=python3.12 setup")
    else:
        yield Finding("python", "ok", text)


def check_compiler() -> Iterator[Finding]:
    """A C compiler; it is needed to build, not to run."""
    name = (os.environ.get("CC") or "cc").split()[0]
    found = shutil.which(name) or shutil.which("gcc")
    if found:
        yield Finding("compiler", "ok", found)
    else:
        remedy = "Install one to rebuild the native code: apt-get install gcc libc6-dev"
        yield Finding("compiler", "warning", f"no C compiler: neither {name} nor gcc is found", remedy)


def check_ours() -> Iterator[Finding]:
    """`engine` is the folder of the distribution penstock, not another package of that name."""
    import engine

    place = Path(engine.__file__ or "").resolve().parent
    owners = metadata.packages_distributions().get("engine", [])
    if "penstock" not in owners:
        text = f"engine is {place}, but the distribution penstock is not installed"
        yield Finding("engine", "warning", text, "Run 'make setup', and use .venv/bin/penstock.")
    elif set(owners) != {"penstock"}:
        others = ", ".join(sorted(set(owners) - {"penstock"}))
        remedy = "Install penstock into an environment of its own: make setup"
        yield Finding("engine", "failure", f"{others} also installs a package named engine", remedy)
    elif not (place / "config_models.py").is_file():
        yield Finding(
            "engine", "failure", f"engine is {place}, which is not ours", "Run outside of that folder."
        )
    else:
        yield Finding("engine", "ok", f"penstock {metadata.version('penstock')} in {place}")


def kernel_names() -> list[str]:
    """The compiled modules that belong here: each has a stub beside it, whether it was built or not."""
    root = Path(__file__).resolve().parent.parent
    files = [
        path for package in PACKAGES for path in (root / package).rglob("*") if path.suffix in (".pyi", ".so")
    ]
    return sorted(
        {".".join([*path.parent.relative_to(root).parts, path.name.split(".")[0]]) for path in files}
    )


def check_kernels(names: list[str] | None = None) -> Iterator[Finding]:
    """Every compiled module can be imported."""
    names = kernel_names() if names is None else names
    broken = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            broken.append(f"{name} ({error})")
    remedy = "Build the native code again: make clean setup"
    if broken:
        yield Finding("kernels", "failure", f"cannot be imported: {'; '.join(broken)}", remedy)
    elif not names:
        yield Finding("kernels", "failure", "no compiled module is there", remedy)
    else:
        yield Finding("kernels", "ok", f"{len(names)} compiled modules import")


def check_processor(flags: frozenset[str] | None = None) -> Iterator[Finding]:
    """The processor has what the compiled modules were built for."""
    from native import cpu

    known = cpu.cpu_flags() if flags is None else flags
    missing = cpu.missing_flags(known)
    if missing:
        text = f"built for {cpu.BASELINE}, this processor lacks {', '.join(sorted(missing))}"
        yield Finding("processor", "failure", text, "Rebuild here: PENSTOCK_MARCH=native make clean setup")
    elif not known:
        yield Finding("processor", "warning", "/proc/cpuinfo does not say what this processor can do")
    else:
        yield Finding("processor", "ok", f"has all of {cpu.BASELINE}; {os.cpu_count()} processors")


def check_config(path: Path | None) -> Iterator[Finding]:
    """The config can be used, and its adapter and strategies are installed."""
    from engine.config import ConfigError, config_hash, load
    from engine.config_plugins import plugin_problems

    if path is None:
        return
    try:
        config = load(path)
        problems = plugin_problems(config)
    except ConfigError as error:
        problems = error.problems
    for problem in problems:
        yield Finding(
            "config",
            "failure",
            f"{path}: {problem.path}: {problem.what}",
            problem.remedy or "Mend the config.",
        )
    if not problems:
        yield Finding("config", "ok", f"{path}, hash {config_hash(config)[:12]}")


def check_clock() -> Iterator[Finding]:
    """Wall clock and monotonic clock run alike, and somebody keeps the wall clock right."""
    wall_ns, steady_ns = time.time_ns(), time.monotonic_ns()
    time.sleep(0.02)
    step_ms = abs((time.time_ns() - wall_ns) - (time.monotonic_ns() - steady_ns)) / 1e6
    if step_ms > MAX_STEP_MS:
        remedy = "Something sets the clock: let one NTP client slew it."
        yield Finding(
            "clock", "warning", f"the wall clock moved {step_ms:.1f} ms against the monotonic one", remedy
        )
    state = _adjtimex()
    if state is None:
        yield Finding("clock", "warning", "the kernel does not tell whether the clock is synchronised")
    elif state[0] == TIME_ERROR:
        remedy = "Switch an NTP client on: timedatectl set-ntp true. Paper trading works without."
        yield Finding("clock", "warning", "the clock is not synchronised (adjtimex)", remedy)
    else:
        yield Finding("clock", "ok", f"synchronised, error at most {state[1] / 1000:.1f} ms")


def _adjtimex() -> tuple[int, int] | None:
    """The kernel's clock state and its largest error in microseconds; adjtimex(2), read only."""
    import ctypes

    buffer = (ctypes.c_long * 64)()
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.byref(buffer))
    # struct timex on 64-bit: modes, offset, freq, maxerror.
    return None if state < 0 else (int(state), int(buffer[3]))


def check_disk(run_dir: Path) -> Iterator[Finding]:
    """Room and speed of the disk that runs are written to."""
    place = run_dir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "disk", "failure", f"{place} is no folder that can be written to", "Choose another --run-dir."
        )
        return
    free = shutil.disk_usage(place).free
    text = f"{free / 2**30:.1f} GiB free in {place}"
    if free < MIN_FREE_BYTES:
        yield Finding(
            "disk",
            "failure",
            text,
            "Make room: a run needs journal and tape segments, and space for cancels.",
        )
    elif free < GOOD_FREE_BYTES:
        yield Finding("disk", "warning", text, "Make room, or lower [run] tape_budget_mb.")
    else:
        yield Finding("disk", "ok", text)
    try:
        slow_ms = sync_ms(place)
    except OSError as error:
        yield Finding(
            "disk", "failure", f"{place} cannot be written to: {error.strerror}", "Choose another --run-dir."
        )
        return
    level: Level = "ok" if slow_ms <= GOOD_SYNC_MS else "warning"
    remedy = (
        ""
        if level == "ok"
        else "Use a local solid-state disk: after a power loss, sends newer than this are UNKNOWN."
    )
    yield Finding(
        "disk", level, f"a write is durable within {slow_ms:.2f} ms (median of {SYNC_ROUNDS})", remedy
    )


def sync_ms(folder: Path) -> float:
    """The median time of a 4 KiB write and fdatasync in `folder`, milliseconds; raises OSError."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNC_ROUNDS):
            start = time.perf_counter_ns()
            os.pwrite(file.fileno(), b"\0" * 4096, 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter_ns() - start)
    return sorted(times)[SYNC_ROUNDS // 2] / 1e6


def check_ports(host: str = "127.0.0.1") -> Iterator[Finding]:
    """A port on the loopback can be had and connected to."""
    try:
        with socket.create_server((host, 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection((host, port), timeout=2):
                pass
    except OSError as error:
        text = f"no port on {host} can be listened on and connected to: {error.strerror or error}"
        yield Finding(
            "ports",
            "failure",
            text,
            "Bring the loopback up (ip link set lo up) and allow it in the firewall.",
        )
    else:
        yield Finding("ports", "ok", f"a port on {host} can be listened on and connected to")


def check_files(limit: int | None = None) -> Iterator[Finding]:
    """Enough files may be open at once."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if soft != resource.RLIM_INFINITY and soft < MIN_FILES:
        yield Finding(
            "files", "warning", f"only {soft} files may be open", f"Raise it: ulimit -n {MIN_FILES}"
        )
    else:
        yield Finding(
            "files", "ok", f"{'any number of' if soft == resource.RLIM_INFINITY else soft} files may be open"
        )
