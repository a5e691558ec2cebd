# cython: annotation_typing=False
"""How far the venue's clock is from ours, and how wrong that may be."""

from __future__ import annotations

_NS_PER_MS = 1_000_000
# The venue cuts its time to whole milliseconds.
_RESOLUTION_NS = _NS_PER_MS
# Two quartz clocks part by less than this; it counts from the last measurement on.
_DRIFT_PPM = 100
# Before the first measurement nothing is known; signed requests allow for this much.
_UNMEASURED_ERROR_NS = 1_000 * _NS_PER_MS


class VenueClock:
    """The offset of the venue's clock from the sample with the shortest round trip.

    Cristian's algorithm: the venue's time was read somewhere within the round trip, so the middle is wrong by at most
    half of it. All times in ns; `offset_ns` is the venue's clock minus ours.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        self.rtt_ns = -1
        self.measured_at_ns = 0

    def measure(self, samples: list[tuple[int, int, int]]) -> None:
        """Take (sent_ns, received_ns, server_ms) samples of one measurement; the best replaces what was known."""
        sent_ns, received_ns, server_ms = min(samples, key=lambda sample: sample[1] - sample[0])
        self.rtt_ns = max(received_ns - sent_ns, 0)
        # The cut to milliseconds makes the server's time read half a unit early on average.
        server_ns = server_ms * _NS_PER_MS + _RESOLUTION_NS // 2
        self.offset_ns = server_ns - (sent_ns + received_ns) // 2
        self.measured_at_ns = received_ns

    def error_ns(self, now_ns: int) -> int:
        """An upper bound of the offset's error now."""
        if self.rtt_ns < 0:
            return _UNMEASURED_ERROR_NS
        age_ns = max(now_ns - self.measured_at_ns, 0)
        return self.rtt_ns // 2 + _RESOLUTION_NS + age_ns * _DRIFT_PPM // 1_000_000

    def timestamp_ms(self, now_ns: int) -> int:
        """The venue's time for a request signed now."""
        return (now_ns + self.offset_ns) // _NS_PER_MS
