from engine.core.strategy import Strategy
from strategies.predictor.model import Sample, Score, Settings, Signals

class Predictor(Strategy):
    def __init__(
        self,
        *,
        horizon_events: int = 10,
        horizon_ms: int = 0,
        memory_events: int = 5_000,
        ofi_events: int = 20,
        ridge: float = 1.0,
        warmup_events: int = 500,
        samples_most: int = 0,
        trade: bool = False,
        notional: str = "20",
        hold_ms: int = 1_000,
        rest_ms: int = 1_000,
    ) -> None: ...
    @property
    def settings(self) -> Settings: ...
    def signals(self, instrument: int) -> Signals: ...
    def weights(self, instrument: int) -> tuple[float, ...]: ...
    def score(self, instrument: int) -> Score: ...
    def samples(self, instrument: int) -> list[Sample]: ...
