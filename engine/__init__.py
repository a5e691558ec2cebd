"""Penstock's engine: what lies between adapters and strategies.

from engine import OrderType, Side, Strategy
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.core.enums import IntentState, OrderType, Side
    from engine.core.instrument import InstrumentSpec
    from engine.core.strategy import Strategy

__all__ = ["InstrumentSpec", "IntentState", "OrderType", "Side", "Strategy"]

_HOMES = {
    "InstrumentSpec": "engine.core.instrument",
    "IntentState": "engine.core.enums",
    "OrderType": "engine.core.enums",
    "Side": "engine.core.enums",
    "Strategy": "engine.core.strategy",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is asked for: `penstock doctor` must run where the compiled modules do not."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
