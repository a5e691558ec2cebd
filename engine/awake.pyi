from engine.sequencer import Sequencer

IDLE_CHECK_S: float
LOOK_S: float
REHEARSE_NS: int
REHEARSED_AT_ONCE: int

class Awake:
    def __init__(self, sequencer: Sequencer) -> None: ...
    async def keep(self, *, around_ms: int, after_frames_ms: int) -> None: ...
    def rehearse_after(self, instrument: int) -> None: ...
