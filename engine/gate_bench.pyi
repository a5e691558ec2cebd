from collections.abc import Sequence

from engine.core.engine import Engine
from native.histogram import Histogram

Intent = tuple[int, int, int, int, int, int, int]

def time_checks(core: Engine, intents: Sequence[Intent], batch: int, samples: int) -> list[float]: ...
def time_single_checks(core: Engine, intents: Sequence[Intent], count: int) -> Histogram: ...
