"""Client order ids: how a venue's records name the orders of a run.

`<run_id>-<order_no>`: 12 characters of [0-9a-z], a hyphen, the decimal order number; at most 32 characters, the
shortest limit among the venues in use.
"""

from __future__ import annotations

import functools
import re

MAX_LENGTH = 32
_RUN_ID = re.compile(r"[0-9a-z]{12}")
_CLIENT_ID = re.compile(r"([0-9a-z]{12})-([1-9][0-9]{0,18})")


@functools.cache
def check_run_id(run_id: str) -> str:
    """The run id itself; raises ValueError unless it is 12 characters of [0-9a-z]."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"run id {run_id!r} is not 12 characters of 0-9a-z")
    return run_id


def client_order_id(run_id: str, order_no: int) -> str:
    """The client id of an order; order numbers start at 1 and have at most 19 digits, else ValueError."""
    if not 1 <= order_no < 10**19:
        raise ValueError(f"order number {order_no} has no client id")
    return f"{check_run_id(run_id)}-{order_no}"


def order_number(run_id: str, client_id: str | None) -> int | None:
    """The order number of a client id of this run; None for anybody else's."""
    match = _CLIENT_ID.fullmatch(client_id or "")
    if match is None or match[1] != run_id:
        return None
    return int(match[2])
