"""From wire to wire, spinning: the floor in C, the daemon, `websockets` in Python and NautilusTrader's live node, in turn.

benchmarks/tick_to_trade/run.py --peers. No bar is judged here: `bench wire-to-wire` does that.
"""

from __future__ import annotations

from benchmarks.program import figures, missing
from benchmarks.system.wire_to_wire import QUICK, SHORT, TIMEOUT_S
from benchmarks.tick_to_trade.run import PEER_NAMES
from engine.microbench import Row, row

HOW = ("--mode", "spin", "--peers")
NOTES = {
    "floor": "parse, book, comparisons, HMAC and write in C: docs/benchmarks.md",
    "daemon": "gate, journal and tape",
    "websockets": "all in Python, on uvloop; no gate, no journal",
    "nautilus": "its risk engine, no journal; feed decoding and signature are ours",
}


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    engines = figures("tick_to_trade/run.py", *HOW, *(QUICK if quick else SHORT), timeout_s=TIMEOUT_S)["rows"]
    floor = next(each for each in engines if each["engine"] == "floor")["us"]["p50"]
    found = [
        row(
            f"wire_{each['engine']}", "us", each["us"]["p50"], "stretch", **each["us"],
            reference=None if each["engine"] == "floor" else ("the floor in C", floor), note=NOTES[each["engine"]],
        )
        for each in engines
    ]  # fmt: skip
    measured = {each["engine"] for each in engines}
    return found + [missing(f"wire_{name}", "us", name) for name in PEER_NAMES if name not in measured]
