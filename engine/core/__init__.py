"""The core: pure, compiled, the same for live, paper, replay and backtest."""
