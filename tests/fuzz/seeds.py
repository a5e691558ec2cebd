"""Where every corpus begins: the seeds of the Python targets, and those of the C harnesses made of them."""

from __future__ import annotations

import importlib
import random

from tests.fuzz.table import Target

NUMBERS = (
    "0", "1", "84270.00", "0.00000001", "9223372036854775807", "9223372036854775808", "92233720368.54775807", ".5", "5.", "1e5",
    "-0.5", "+1", "00000000000000000000000001.5", "0.000000000000000000001", "170141183460469231731.68730371588410572701",
)  # fmt: skip


def seeds_of(target: Target) -> list[bytes]:
    """Inputs that are well formed, or wrong in a way that is known."""
    if target.language != "c":
        module = importlib.import_module(f"tests.fuzz.targets.{target.name}")
        return list(module.seeds())
    if target.name == "protobuf":
        oracle = importlib.import_module("tests.fuzz.targets.protobuf_oracle")
        return [bytes([room]) + frame for frame in oracle.seeds() for room in (2, 40)]
    if target.name == "tickers":
        oracle = importlib.import_module("tests.fuzz.targets.tickers_oracle")
        return [frame for data in oracle.seeds() for frame in data.split(oracle.CUT)]
    if target.name == "decimal":
        return [bytes([decimals]) + text.encode() for text in NUMBERS for decimals in (0, 8)]
    rng = random.Random(target.name)  # choices: the harnesses make segments of them
    return [bytes([how]) + rng.randbytes(200) for how in range(0, 128, 8)]
