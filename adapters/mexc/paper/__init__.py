"""Paper trading on MEXC's real market data: public feeds come in, orders are filled here and never leave."""

from adapters.mexc.paper.adapter import PaperMexcAdapter
from adapters.mexc.paper.config import PaperConfig

__all__ = ["PaperConfig", "PaperMexcAdapter"]
