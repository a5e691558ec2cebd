"""MEXC futures, market data only: books, trades, funding and a reference price. No orders."""
