"""One Python target under libFuzzer: python -m tests.fuzz.drive <target> [libFuzzer's options and folders].

Run by `make fuzz`, which sets the path to the sanitized build, where the target needs it, and loads the sanitizers' runtime.
"""

from __future__ import annotations

import importlib
import logging
import sys

import atheris  # type: ignore[import-not-found]

# What is watched for new branches besides the compiled modules, which bring their own counters.
INSTRUMENTED = ["adapters.mexc", "engine.control", "native.log_errors"]


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    logging.disable(logging.CRITICAL)
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup(sys.argv, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
