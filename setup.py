"""Builds the Cython and C extensions; everything else about the package is in pyproject.toml."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
PACKAGES = ("native", "engine", "strategies", "adapters", "backtest")
SHARED_UTILITY = "native._cyutility"


def compile_flags() -> list[str]:
    """Flags for every extension: a portable baseline, warnings on, and no fast-math (docs/decisions.md)."""
    march = os.environ.get("PENSTOCK_MARCH", "x86-64-v3")
    flags = [f"-march={march}", "-O3", "-std=gnu11", "-Wall", "-Wextra", "-ffp-contract=off"]
    # Cython's generated code has unused parameters and helpers by design.
    flags += ["-Wno-unused-parameter", "-Wno-unused-function", "-Wno-missing-field-initializers"]
    if os.environ.get("PENSTOCK_SANITIZE"):
        flags += [
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=undefined",
            "-fno-omit-frame-pointer",
            "-g",
        ]
    if os.environ.get("PENSTOCK_SANITIZE") == "fuzz":  # clang only; the runtime comes with the fuzzer
        flags += ["-fsanitize=fuzzer-no-link", "-O1"]
    return flags


def link_flags() -> list[str]:
    """Flags for the linker."""
    flags = ["-pthread"]
    if os.environ.get("PENSTOCK_SANITIZE") not in (None, "", "fuzz"):
        flags.append("-fsanitize=address,undefined")
    return flags


def extensions() -> list[Extension]:
    """One extension per .pyx below the code folders, plus Cython's shared utility module."""
    headers = [str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.h")]
    sources = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.pyx"))
    # Plain Python with a .pxd of the same name is compiled as it is, with the types that the .pxd gives.
    typed = (
        path for package in PACKAGES for path in (ROOT / package).rglob("*.pxd") if path.stem != "__init__"
    )
    sources += sorted(path.with_suffix(".py") for path in typed if path.with_suffix(".py").exists())
    found = [
        Extension(
            ".".join(path.relative_to(ROOT).with_suffix("").parts),
            [str(path.relative_to(ROOT))],
            include_dirs=["."],
            depends=headers,
            extra_compile_args=compile_flags(),
            extra_link_args=link_flags(),
        )
        for path in sources
    ]
    shared = Extension(
        SHARED_UTILITY,
        ["native/_cyutility.c"],
        extra_compile_args=compile_flags(),
        extra_link_args=link_flags(),
    )
    return [shared, *found]


def jobs() -> int:
    """How many files to translate and compile at once: $PENSTOCK_JOBS, else one per processor, at most 8."""
    return int(os.environ.get("PENSTOCK_JOBS") or min(len(os.sched_getaffinity(0)), 8))


def require_compiler() -> None:
    """Stop with the remedy where no C compiler is to be had."""
    compiler = (os.environ.get("CC") or "cc").split()[0]
    if shutil.which(compiler) is None and shutil.which("gcc") is None:
        sys.exit(
            f"penstock: no C compiler found (looked for {compiler!r} and 'gcc'), so the native code cannot be built.\n"
            "Install one and run the command again: on Debian or Ubuntu 'apt-get install gcc libc6-dev', "
            "on Fedora 'dnf install gcc glibc-devel'."
        )


if not {"--version", "--name", "egg_info", "dist_info", "clean"} & set(sys.argv[1:]):
    require_compiler()

setup(
    options={"build_ext": {"parallel": jobs()}},
    ext_modules=cythonize(
        extensions(),
        build_dir="build/cython",
        nthreads=jobs() if jobs() > 1 else 0,
        shared_utility_qualified_name=SHARED_UTILITY,
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "freethreading_compatible": False,
        },
    ),
)
