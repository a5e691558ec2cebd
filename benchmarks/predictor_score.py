"""How well the predictor does out of sample on the recorded market, printed and written to docs/predictor.md.

    python benchmarks/predictor_score.py [--horizon-events N | --horizon-ms N] [--no-page]

Needs the recordings of PENSTOCK_DATA (default ../shared/data). All four recordings and both ways of reading them are
scored with the default parameters, and the table has every one of them: none was chosen by its result. The Python
predictor runs beside the compiled one, and has to tell the same bits.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.append(str(ROOT))  # after what is installed

from benchmarks import recorded, workload  # noqa: E402
from engine.core import event  # noqa: E402
from engine.core.engine import Engine  # noqa: E402
from engine.errors import UserError  # noqa: E402
from strategies.predictor import PlainPredictor, Predictor, Sample, Score, Settings  # noqa: E402
from strategies.predictor.evaluation import Costs, Evaluation, Share, evaluate  # noqa: E402
from strategies.predictor.trading import fee_rate  # noqa: E402

PAGE = ROOT / "docs" / "predictor.md"
BEGIN, END = "<!-- measured: benchmarks/predictor_score.py -->\n", "<!-- end of what is measured -->\n"
HORIZONS: tuple[dict[str, int], ...] = ({"horizon_events": 10}, {"horizon_ms": 1_000})
SAMPLES_MOST = 200_000
FEW = 30  # of fewer than these no bounds are told


@dataclass(frozen=True, slots=True)
class Result:
    """One recording, read in one way, at one horizon."""

    name: str
    score: Score
    span_ms: float  # the median time from a prediction to its outcome
    evaluation: Evaluation


def measure(market: str, symbol: str, stream: str, horizon: dict[str, int]) -> Result:
    """Run both predictors over a recording; UserError where they differ in a bit."""
    compiled = Predictor(samples_most=SAMPLES_MOST, **horizon)
    plain = PlainPredictor(samples_most=SAMPLES_MOST, **horizon)
    what = recorded.spec(market, symbol)
    core = Engine()
    document = {"mode": "paper", "risk": workload.RISK, "strategy": [{"id": "compiled"}, {"id": "plain"}]}
    first_ns, seq = 0, 0

    def take(bare: bytes, now_ns: int) -> None:
        nonlocal seq
        seq += 1
        core.process_bytes(event.stamped(bare, seq, now_ns))

    for now_ns, change in recorded.changes(market, symbol, stream):
        if not first_ns:
            first_ns = now_ns
            for bare in (
                event.start("score0000000", 0, False, 1),
                event.config(json.dumps(document).encode()),
                event.instrument(what),
            ):
                take(bare, now_ns)
            core.attach(compiled, "compiled", [symbol])
            core.attach(plain, "plain", [symbol])
            take(event.feed(0, True), now_ns)
            take(event.reconciled(), now_ns)
        take(change, now_ns)
    if core.errors:
        raise UserError(f"a predictor raised: {core.errors}")
    samples = compiled.samples(0)
    if told(compiled) != told(plain):
        raise UserError(f"{market} {symbol} {stream}: the two predictors differ")
    return Result(
        f"{market} {symbol} {stream}",
        compiled.score(0),
        span_ms(samples, compiled.settings),
        evaluate(samples, compiled.settings, fee_rate(what)),
    )


def span_ms(samples: list[Sample], settings: Settings) -> float:
    """The horizon as time: of one in events, the median."""
    if settings.horizon_ms:
        return settings.horizon_ms
    after = samples[settings.horizon_events :]
    return median(end.made_ns - made.made_ns for made, end in zip(samples, after, strict=False)) / 1e6


def told(one: Predictor | PlainPredictor) -> tuple[Any, ...]:
    """All that one tells; equal bits are equal numbers here, for none is NaN."""
    return one.samples(0), one.score(0), one.weights(0), one.signals(0)


def of(share: Share, scale: float = 100.0) -> str:
    """An estimate with its bounds, in percent."""
    return f"{share.value * scale:.1f} ({share.low * scale:.1f} to {share.high * scale:.1f})"


def costs(found: Costs) -> str:
    """How many, and what each brought."""
    net = found.net_ticks
    if not found.beyond:
        return "none"
    bounds = f" ({net.low:+,.1f} to {net.high:+,.1f})" if found.beyond >= FEW else ""
    return f"{found.beyond:,}: {net.value:+,.1f}{bounds}"


def table(results: list[Result]) -> str:
    """The rows as a Markdown table."""
    head = (
        "| recording | predictions | span, ms | unmoved % | R² against zero, % | DM t | sign right, % of moves "
        "| by the last move | by the microprice | gain over the better, points | beyond the spread: number, net ticks "
        "| beyond spread and fees |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = []
    for each in results:
        found = each.evaluation
        cells = (
            each.name, f"{found.predictions:,}", f"{each.span_ms:,.0f}", f"{found.unmoved * 100:.0f}", of(found.r_squared),
            f"{found.diebold_mariano:.1f}", of(found.hit_rate), f"{found.last_move_rate.value * 100:.1f}",
            f"{found.microprice_rate.value * 100:.1f}", of(found.gain), costs(found.spread), costs(found.fees),
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |\n")
    return head + "".join(rows)


def write(text: str) -> None:
    """Put what was measured into the page, between its marks."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    if not rest:
        raise UserError(f"{PAGE} has no mark to write after")
    PAGE.write_text(before + BEGIN + text + END + after)


def main() -> int:
    """All recordings at each horizon."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    horizon = parser.add_mutually_exclusive_group()
    horizon.add_argument("--horizon-events", type=int, help="only this horizon, in changes of the book")
    horizon.add_argument("--horizon-ms", type=int, help="only this horizon, in ms")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/predictor.md")
    given = parser.parse_args()
    chosen = {key: getattr(given, key) for key in ("horizon_events", "horizon_ms") if getattr(given, key)}
    text = ""
    for each in (chosen,) if chosen else HORIZONS:
        name, value = next(iter(each.items()))
        results = [
            measure(market, symbol, stream, each)
            for stream in recorded.STREAMS
            for market in recorded.MARKETS
            for symbol in recorded.SYMBOLS
        ]
        text += f"\n`{name} = {value}`:\n\n{table(results)}"
        lost = sum(each.score.dropped + each.score.skipped for each in results)
        text += f"\nPredictions without an outcome (dropped or skipped): {lost}. Both predictors told the same bits.\n"
    sys.stdout.write(text)
    if not given.no_page and not chosen:
        write(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, FileNotFoundError) as problem:
        sys.exit(f"penstock: {problem}")
