"""Builds what the wire-to-wire and overload benchmarks are made of, into build/tick_to_trade: C programs, strategies."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import engine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "tick_to_trade"
FLAGS = [
    "-std=gnu11", "-D_GNU_SOURCE", "-O3", "-march=x86-64-v3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
    f"-I{ROOT}",
]  # fmt: skip
PROGRAMS = ("floor", "load", "flood", "still", "alone")
TLS_FLAGS, TLS_LIBRARIES = ["-DWITH_TLS"], ["-lssl", "-lcrypto"]


@dataclass(frozen=True)
class Tools:
    """Where everything is. `site` is a folder for PYTHONPATH; `has_tls`: OpenSSL's headers were there."""

    floor: Path
    load: Path
    flood: Path
    still: Path
    alone: Path
    site: Path
    has_tls: bool


def compiler() -> str | None:
    """The C compiler, None where there is none."""
    return os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def has_openssl(cc: str) -> bool:
    """Whether a program with OpenSSL can be built here."""
    source = "#include <openssl/ssl.h>\nint main(void) { return SSL_CTX_new(TLS_client_method()) == 0; }\n"
    target = BUILD / "probe"
    command = [cc, "-x", "c", "-", "-o", str(target), *TLS_LIBRARIES]
    return subprocess.run(command, input=source.encode(), capture_output=True).returncode == 0


def _newest(paths: list[Path]) -> float:
    return max(path.stat().st_mtime for path in paths)


def build() -> Tools:
    """Compile what is older than its sources; raises CalledProcessError where the compiler refuses it."""
    cc = compiler()
    if cc is None:
        raise FileNotFoundError("no C compiler: install gcc")
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:  # another run may be building, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(cc)


def _build(cc: str) -> Tools:
    has_tls = has_openssl(cc)
    headers = [HERE / "wire.h", HERE / "venue.h", *(ROOT / "native").glob("*.h"), Path(__file__)]
    for name in PROGRAMS:
        source, target = HERE / f"{name}.c", BUILD / name
        if not target.exists() or target.stat().st_mtime < _newest([source, *headers]):
            flags = [*FLAGS, *(TLS_FLAGS if has_tls else [])]
            libraries = TLS_LIBRARIES if has_tls else []
            subprocess.run([cc, *flags, str(source), "-o", str(target), *libraries], check=True)
    programs = (BUILD / name for name in PROGRAMS)
    return Tools(*programs, _install_strategies(), has_tls)


def _install_strategies() -> Path:
    """The package `marker` in a folder of its own, compiled against the installed engine."""
    source, site = HERE / "strategy", BUILD / "site"
    stamp = site / "installed"
    installed = list(Path(engine.__file__).parent.rglob("*.so"))
    sources = [path for path in source.rglob("*") if path.is_file()]
    if stamp.exists() and stamp.stat().st_mtime >= _newest([*installed, *sources]):
        return site
    copy = BUILD / "strategy"
    for folder in (site, copy):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, copy)
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation",
        "--no-deps", "--target", str(site), str(copy),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    stamp.touch()
    return site
