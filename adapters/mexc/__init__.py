"""MEXC spot: feeds, orders and account over its real protocol."""

from adapters.mexc.adapter import MexcAdapter
from adapters.mexc.config import MexcConfig

__all__ = ["MexcAdapter", "MexcConfig"]
