"""`penstock fills`: the executions of a run."""

from __future__ import annotations

from typing import Any

import typer

from engine.commands.options import (
    JsonOption,
    PlacedRun,
    ReadingCommand,
    RunDirOption,
    chosen_run,
    example,
    utc_text,
    write_json,
    write_table,
)

HELP = example(
    "Show every execution of a run from its journal, the oldest first: of a run that goes on, has ended or was killed.",
    "penstock fills",
    "penstock fills --run-dir runs/20260101T120000Z-abcdefghijkl --json",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fills", cls=ReadingCommand, help=HELP)(fills)


def fills(run: PlacedRun = None, run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock fills` out."""
    import msgspec

    from engine.console.publish import fill_row, money_text
    from engine.journal import history

    place = chosen_run(run_dir, run)
    core, placed = history.orders(place.path)
    names = core.strategy_names()
    strategies = {each.order.order_no: names[each.order.strategy] for each in placed}
    rows: list[dict[str, Any]] = []
    for fill in history.fills(place.path):
        row = fill_row(core.spec(fill["instrument"]), fill, strategies.get(fill["order_no"], ""))
        extra = {
            "time": utc_text(fill["ts_recv_ns"]),
            "order_no": fill["order_no"],
            "money": money_text(fill["money"], 8),
            "fee": money_text(fill["fee"], 8),
            "is_maker": fill["is_maker"],
            "trade_id": fill["trade_id"],
        }
        rows.append(msgspec.to_builtins(row) | extra)
    if as_json:
        write_json(rows)
        return
    table = [
        [row["time"], str(row["order_no"]), row.get("strategy", ""), row["symbol"], row["side"], row["price"], row["size"],
         row["money"], f"{row['fee']} {row.get('fee_asset', '')}".strip(), "maker" if row["is_maker"] else "taker"]
        for row in rows
    ]  # fmt: skip
    columns = ("time", ">order", "strategy", "symbol", "side", ">price", ">size", ">money", ">fee", "role")
    write_table(columns, table, "no fills")
