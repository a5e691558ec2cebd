"""Trading listings as they open: `ready_state`."""

from strategies.ready_state.strategy import ReadyState

__all__ = ["ReadyState"]
