"""Penstock's engine: what lies between adapters and strategies.

    from engine import OrderType, Side, Strategy
"""

from engine.core.enums import IntentState, OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.core.strategy import Strategy

__all__ = ["InstrumentSpec", "IntentState", "OrderType", "Side", "Strategy"]
