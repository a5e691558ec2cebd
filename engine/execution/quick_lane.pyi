from collections.abc import Awaitable, Callable

from engine.adapter import Evidence
from engine.core.risk.gate import Approved

class QuickLane:
    began_ns: int
    sent_ns: int
    def take(self, approved: Approved) -> Callable[[], Awaitable[Evidence]] | None: ...
