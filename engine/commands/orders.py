"""`penstock orders`: the orders of a run, those that are open or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from engine.core.engine import Engine
    from engine.journal.history import Placed

HELP = example(
    "Show a run's open orders, UNKNOWN ones included, from its journal: of a run that goes on, has ended or was killed. "
    "With --all every order it ever sent. Exit 1 where an order is UNKNOWN.",
    "penstock orders",
    "penstock orders --run-dir runs/20260101T120000Z-abcdefghijkl --all --json",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("orders", cls=ReadingCommand, help=HELP)(orders)


def orders(
    run: PlacedRun = None,
    every: Annotated[bool, typer.Option("--all", help="All orders, finished ones too.")] = False,
    run_dir: RunDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock orders` out."""
    from engine.journal import history

    core, placed = history.orders(chosen_run(run_dir, run).path)
    rows = [_row(core, each) for each in placed if every or each.order.is_open]
    if as_json:
        write_json(rows)
    else:
        shown = (
            "placed",
            "order_no",
            "strategy",
            "symbol",
            "side",
            "kind",
            "price",
            "size",
            "filled",
            "state",
        )
        columns = (
            "placed",
            ">no",
            "strategy",
            "symbol",
            "side",
            "type",
            ">price",
            ">size",
            ">filled",
            "state",
        )
        table = [[str(row[name]) for name in shown] for row in rows]
        write_table(columns, table, "no orders" if every else "no open orders")
    raise typer.Exit(1 if any(row["state"] == "UNKNOWN" for row in rows) else 0)


def _row(core: Engine, placed: Placed) -> dict[str, Any]:
    from engine.console.publish import money_text, order_row

    order = placed.order
    spec, names = core.spec(order.instrument), core.strategy_names()
    row = order_row(spec, order, names[order.strategy], order.placed_ns)
    return {
        "order_no": row.order_no,
        "placed": utc_text(order.placed_ns),
        "updated": utc_text(order.updated_ns) if order.updated_ns else "",
        "strategy": row.strategy,
        "symbol": row.symbol,
        "side": row.side,
        "kind": row.kind,
        "price": row.price,
        "size": row.size,
        "filled": row.filled,
        "filled_money": money_text(order.filled_money, 8),
        "fees": money_text(order.fees, 8),
        "fee_asset": order.fee_asset,
        "state": row.state,
        "open": order.is_open,
        "canceled": order.is_canceled,
        "venue_order_id": order.venue_order_id,
        "venue_code": order.venue_code,
    }
