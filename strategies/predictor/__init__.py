"""A predictor of the mid's next move, compiled (`Predictor`) and in Python (`PlainPredictor`), with equal signals."""

from strategies.predictor.compiled import Predictor
from strategies.predictor.model import Sample, Score, Settings, Signals
from strategies.predictor.plain import PlainPredictor

__all__ = ["PlainPredictor", "Predictor", "Sample", "Score", "Settings", "Signals"]
