from collections import Counter
from pathlib import Path
from typing import Any

from engine.control import Acknowledge, Handler
from engine.lookout import Lookout
from engine.quick_command import QuickCommand

MAX_CLIENTS: int
MAX_REMEMBERED: int
IDLE_TIMEOUT_S: float

class ControlServer(Lookout):
    refused: Counter[str]
    _answers: dict[str, Any]
    def __init__(
        self,
        run_dir: Path | str,
        handler: Handler,
        quick: QuickCommand | None = None,
        acknowledge: Acknowledge | None = None,
        *,
        uid: int | None = None,
    ) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    def fileno(self) -> int: ...
    def work(self) -> None: ...
