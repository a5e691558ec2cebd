"""What the evidence of all symbols amounts to, in one sweep: none, about to become ready, or ready; Numba.

Integers only, so that a replay classifies the same on any machine. It is compiled when the module is imported, for the
one signature that it has, and kept in Numba's cache beside the module: an event never waits for a compiler.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

NONE, PRE_READY, READY = 0, 1, 2
SAYS_CODES, SAYS_EXCHANGE = 1, 2
ONLINE, PAUSED, OFFLINE = 1, 2, 3
SIDES_THAT_BUY = 2  # tradeSideType 1 all, 2 buy; 3 sell and 4 closed do not
WEB_BIT, EXCHANGE_INFO_BIT, OFFLINE_BIT = 1 << 2, 1 << 3, 1 << 6
# Confidence in thousandths: a base, an exact match of the codes, and what the row of the source has.
BASE, EXACT, FULL = 500, 300, 1000
ID_FIELD, CONTRACT_FIELD, PRICE_FIELD, SIZE_FIELD = 1, 2, 4, 8
ID_POINTS, FIELD_POINTS = 100, 50

_I8, _I32, _I64 = numba.int8[::1], numba.int32[::1], numba.int64[::1]
_SIGNATURE = numba.void(
    *(_I32, _I32, _I32, _I32, _I32, _I32, _I32, _I32, _I32, _I64, _I32),
    *(numba.int32[:, ::1], _I32, _I64),
    *(_I8, _I32, _I8, _I8, _I32),
)


@numba.njit(_SIGNATURE, cache=True, nogil=True)
def _sweep(
    sts, st, tt, status, api_allowed, side_type, order_types, sources, fields, opens_ms, boost,
    rows, groups, settings,
    kind, minutes, independent, says, confidence,
):  # fmt: skip
    down, least, history, adjustment, paused_counts = settings
    for i in range(sts.shape[0]):
        live = sources[i] & ~down
        count = 0
        for group in groups:
            if live & group:
                count += 1
        row = -1
        if live & WEB_BIT and sts[i] >= 0 and st[i] >= 0 and tt[i] >= 0:
            for r in range(rows.shape[0]):
                if (
                    (rows[r, 0] < 0 or rows[r, 0] == sts[i])
                    and (rows[r, 1] < 0 or rows[r, 1] == st[i])
                    and (rows[r, 2] < 0 or rows[r, 2] == tt[i])
                ):
                    row = r
                    break
        by_codes = row >= 0 and rows[row, 3] == READY
        running = status[i] == ONLINE or (status[i] == PAUSED and opens_ms[i] >= 0 and paused_counts > 0)
        by_exchange = (
            live & EXCHANGE_INFO_BIT != 0
            and api_allowed[i] == 1
            and order_types[i] > 0
            and side_type[i] <= SIDES_THAT_BUY
            and running
        )
        refused = (
            api_allowed[i] == 0
            or status[i] == OFFLINE
            or side_type[i] > SIDES_THAT_BUY
            or live & OFFLINE_BIT != 0
        )
        independent[i] = count
        says[i] = by_codes * SAYS_CODES + by_exchange * SAYS_EXCHANGE
        if says[i]:
            kind[i] = READY if count >= least and not refused else PRE_READY
            minutes[i] = 0
            points = BASE + history + adjustment + boost[i]
            points += EXACT if by_codes else 0
            points += ID_POINTS if fields[i] & ID_FIELD else 0
            points += FIELD_POINTS if fields[i] & CONTRACT_FIELD else 0
            points += FIELD_POINTS if fields[i] & PRICE_FIELD else 0
            points += FIELD_POINTS if fields[i] & SIZE_FIELD else 0
            confidence[i] = min(max(points, 0), FULL)
        elif row >= 0 and rows[row, 3] == PRE_READY:
            kind[i] = PRE_READY
            minutes[i] = rows[row, 4]
            confidence[i] = rows[row, 5]
        else:
            kind[i] = NONE
            minutes[i] = -1
            confidence[i] = 0


class Sweep:
    """The columns of up to `capacity` symbols, a row each, and the verdicts on them; -1 is "not said".

    Inputs, int32 but for `opens_ms` (int64, venue clock): `sts`, `st`, `tt` (the web site's codes), `status` (1 online,
    2 paused, 3 offline), `api_allowed` (0, 1), `side_type` (1 all, 2 buy, 3 sell, 4 closed), `order_types` (a bit per
    type), `sources` (1 << ListingSource), `fields` (1 id, 2 contract, 4 and 8 scales), `boost` (thousandths).
    Verdicts: `kind` (NONE, PRE_READY, READY), `minutes` until ready by the codes (-1 not known), `independent` groups of
    sources, `says` (SAYS_CODES, SAYS_EXCHANGE), `confidence` in thousandths: an explanation, never a reason to act.

    `rows`: (sts, st, tt, kind, minutes, confidence) of which the first that fits counts, -1 fits any code. `groups`:
    a mask of sources each; those within one group are not independent of each other.
    """

    def __init__(
        self,
        capacity: int,
        rows: list[tuple[int, int, int, int, int, int]],
        groups: list[int],
        *,
        min_sources: int = 2,
        history: int = 75,
        paused_counts: bool = True,
    ) -> None:
        def column() -> npt.NDArray[np.int32]:
            return np.full(capacity, -1, np.int32)

        self.capacity = capacity
        self.sts, self.st, self.tt = column(), column(), column()
        self.status, self.api_allowed, self.side_type, self.order_types = (
            column(),
            column(),
            column(),
            column(),
        )
        self.sources, self.fields, self.boost = (np.zeros(capacity, np.int32) for _ in range(3))
        self.opens_ms = np.full(capacity, -1, np.int64)
        self.rows = np.array(rows, np.int32).reshape(len(rows), 6)
        self.groups = np.array(groups, np.int32)
        self._settings = np.array([0, min_sources, history, 0, paused_counts], np.int64)
        self.kind = np.zeros(capacity, np.int8)
        self.minutes = np.full(capacity, -1, np.int32)
        self.independent, self.says = np.zeros(capacity, np.int8), np.zeros(capacity, np.int8)
        self.confidence = np.zeros(capacity, np.int32)

    def forget(self, row: int) -> None:
        """Make a row say nothing."""
        for each in (self.sts, self.st, self.tt, self.status, self.api_allowed, self.side_type):
            each[row] = -1
        self.order_types[row] = self.opens_ms[row] = -1
        self.sources[row] = self.fields[row] = self.boost[row] = 0

    def run(self, count: int, down: int = 0, adjustment: int = 0) -> None:
        """Classify the first `count` rows. `down`: sources that are degraded, and count for nothing meanwhile."""
        self._settings[0], self._settings[3] = down, adjustment
        n = count
        _sweep(
            self.sts[:n], self.st[:n], self.tt[:n], self.status[:n], self.api_allowed[:n], self.side_type[:n],
            self.order_types[:n], self.sources[:n], self.fields[:n], self.opens_ms[:n], self.boost[:n],
            self.rows, self.groups, self._settings,
            self.kind[:n], self.minutes[:n], self.independent[:n], self.says[:n], self.confidence[:n],
        )  # fmt: skip
