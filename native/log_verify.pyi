from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from os import PathLike

class Damage(Enum):
    NONE = "ok"
    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    TORN_TAIL = "torn tail"
    BAD_HEADER = "bad header"

@dataclass(frozen=True, slots=True)
class VerifyReport:
    damage: Damage
    records: int
    head_hash: str
    index: int
    segment: int
    offset: int
    first: int
    first_hash: str
    hashes: tuple[str, ...]
    @property
    def ok(self) -> bool: ...

def check_recovered(directory: str | PathLike[str], stem: str) -> None: ...
def verify(
    directory: str | PathLike[str],
    stem: str,
    *,
    asked: Sequence[int] = (),
    archived: int = 0,
    goes_on: bool = False,
) -> VerifyReport: ...
