import numpy as np
import numpy.typing as npt

NONE: int
PRE_READY: int
READY: int
SAYS_CODES: int
SAYS_EXCHANGE: int
ONLINE: int
PAUSED: int
OFFLINE: int

class Sweep:
    capacity: int
    sts: npt.NDArray[np.int32]
    st: npt.NDArray[np.int32]
    tt: npt.NDArray[np.int32]
    status: npt.NDArray[np.int32]
    api_allowed: npt.NDArray[np.int32]
    side_type: npt.NDArray[np.int32]
    order_types: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]
    fields: npt.NDArray[np.int32]
    boost: npt.NDArray[np.int32]
    opens_ms: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    minutes: npt.NDArray[np.int32]
    independent: npt.NDArray[np.int8]
    says: npt.NDArray[np.int8]
    confidence: npt.NDArray[np.int32]
    def __init__(
        self,
        capacity: int,
        rows: list[tuple[int, int, int, int, int, int]],
        groups: list[int],
        *,
        min_sources: int = 2,
        history: int = 75,
        paused_counts: bool = True,
    ) -> None: ...
    def forget(self, row: int) -> None: ...
    def run(self, count: int, down: int = 0, adjustment: int = 0) -> None: ...
