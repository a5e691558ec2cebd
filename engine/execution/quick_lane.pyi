from collections.abc import Awaitable

from engine.adapter import Evidence
from engine.core.risk.gate import Approved

class QuickLane:
    def take(self, approved: Approved) -> Awaitable[Evidence] | None: ...
