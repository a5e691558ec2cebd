"""An operator's cancel behind 200 queued frames, until its bytes are on the venue's socket: benchmarks/priority_lane.py."""

from __future__ import annotations

from benchmarks.priority_lane import BAR_NS
from benchmarks.program import figures
from engine.microbench import Row, row

COMMANDS, QUICK_COMMANDS = 60, 3
TIMEOUT_S = 240.0
OTHERS = {"strategy": "a strategy's own cancels", "halt": "halt", "reduce_only": "reduce_only"}


def run(quick: bool = False) -> list[Row]:
    """One row; `quick` only proves that it comes about."""
    told = figures(
        "priority_lane.py", "--rounds", str(QUICK_COMMANDS if quick else COMMANDS), timeout_s=TIMEOUT_S
    )
    return [
        row(
            "cancel_behind_200_frames", "us", told["p99_us"], "must", bar=BAR_NS / 1_000,
            p50=told["p50_us"], p90=told["p90_us"], p99=told["p99_us"],
            note=f"the p99 of {told['commands']} commands; {told['queued_min']} to {told['queued_max']} frames queued; "
            f"{told['without an open order']} more found no order to cancel; "
            f"within the bar: {told['within_bar']:.0%}; p50 / p99 of "
            + ", ".join(
                f"{name} {told[f'{key}_p50_us']:g} / {told[f'{key}_p99_us']:g}"
                for key, name in OTHERS.items()
                if told[f"{key}_count"]
            ),
        )
    ]  # fmt: skip
