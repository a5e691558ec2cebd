from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import Self

from native.histogram import Histogram

@dataclass(frozen=True, slots=True)
class RecoveryReport:
    records: int
    torn_bytes: int
    rehashed: int

class LogWriter:
    recovered: RecoveryReport
    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        stem: str,
        run_id: str,
        chained: bool,
        sync: bool,
        segment_bytes: int = ...,
        budget_bytes: int = 0,
        sync_interval_us: int = 50,
        reserve_bytes: int | None = None,
        build: str = "",
    ) -> None: ...
    def append(self, record: bytes | bytearray | memoryview) -> int: ...
    def append_reserved(self, record: bytes | bytearray | memoryview) -> int: ...
    def wait_durable(self, timeout_ms: int) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    @property
    def records(self) -> int: ...
    @property
    def durable_records(self) -> int: ...
    @property
    def chained_records(self) -> int: ...
    @property
    def head_hash(self) -> str: ...
    @property
    def bytes_written(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def failed_errno(self) -> int: ...
    @property
    def records_dropped_for_readers(self) -> int: ...
    @property
    def segments_removed(self) -> int: ...
    @property
    def durable_latency(self) -> Histogram: ...
