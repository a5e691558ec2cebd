"""Checks that the processor has what the compiled code was built for."""

from __future__ import annotations

from pathlib import Path

# The flags of x86-64-v3 as /proc/cpuinfo spells them (x86-64 psABI, micro-architecture levels).
BASELINE = "x86-64-v3"
BASELINE_FLAGS = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction-set flags of the first processor; empty where the system does not say."""
    try:
        with cpuinfo.open() as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        return frozenset()
    return frozenset()


def missing_flags(flags: frozenset[str] | None = None) -> frozenset[str]:
    """The baseline's flags that this processor lacks; empty where it has all, or nothing is known."""
    known = cpu_flags() if flags is None else flags
    return BASELINE_FLAGS - known if known else frozenset()


def require_baseline() -> None:
    """Raise ImportError, with the remedy, on a processor that cannot run the compiled modules."""
    missing = missing_flags()
    if missing:
        raise ImportError(
            f"penstock was built for {BASELINE}, but this processor lacks {', '.join(sorted(missing))}. "
            "Rebuild on this machine with PENSTOCK_MARCH=native (pip install --no-binary penstock ...)."
        )
