"""What the core makes of a config that is none."""

from __future__ import annotations

import json

import pytest

from engine.core import event
from tests.core_session import START_NS, WIDE, ready


@pytest.mark.parametrize(
    "changed",
    [
        {"risk": None},
        {"risk": {}},
        {"risk": {**WIDE, "currency": None}},
        {"risk": {**WIDE, "currency": "\u20ac"}},
        {"risk": {name: value for name, value in WIDE.items() if name != "currency"}},
        {"risk": {**WIDE, "max_open_orders": None}},
        {"risk": {**WIDE, "max_open_orders": "1e9"}},
        {"risk": {**WIDE, "max_order_notional": 1.5}},
        {"strategy": 7},
        {"strategy": ["one"]},
        {"strategy": [{"name": "one"}]},
    ],
)
def test_a_config_that_is_none_is_refused_and_changes_nothing(changed: dict[str, object]) -> None:
    session = ready()
    before = session.engine.state.durable_bytes()
    config = {"mode": "live", "risk": {**WIDE, "max_open_orders": 3}, "strategy": [{"id": "new"}], **changed}
    with pytest.raises(ValueError, match=r"config|risk\.|ascii|money"):
        session.engine.process_bytes(
            event.stamped(event.config(json.dumps(config).encode()), session.seq + 1, START_NS)
        )
    assert session.engine.state.durable_bytes() == before
