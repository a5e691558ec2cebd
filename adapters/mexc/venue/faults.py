"""Faults by name: what goes wrong, how often and for how long.

| name | what happens |
|---|---|
| gap | a depth delta is not sent |
| duplicate | a depth delta is sent twice |
| silent | connections stay open, nothing is sent on them |
| disconnect | all websocket connections are cut; drawn every 10 ms while there are any |
| refuse_subscription | a subscription is refused, with code 0 |
| http_5xx | a REST request is answered with `status` before it is looked at |
| lost_ack | an order or cancel is processed, then answered 504, or the connection is cut |
| ack_delay | the answer to an order or cancel comes `delay_ms` late |
| rate_limited | 429 with Retry-After |
| html_403 | an HTML page of a firewall |
| stale_snapshot | depth answers with the snapshot taken when the venue started |
| bodyless | a wrapper without a body instead of a frame |
| one_sided | deltas carry one side each; a best bid and ask comes without its ask |
| garbage_frame | bytes that are no message, in front of a frame |
| unknown_field | a frame carries a field that nobody knows |
| ack_after_fill | an order's private messages are out `delay_ms` before its answer |
| deal_before_order | an order's own messages come `delay_ms` after those of its deals and balances |
| banned | 418 with Retry-After |
| latency | a REST request waits `delay_ms`, and up to `jitter_ms` more, before it is looked at |
| http_404 | a REST request is answered 404: an endpoint that vanished |
| http_silent | a REST request is not answered for a minute, then its connection is cut |
| changed_shape | the calendar or symbolsV2 comes in another shape |
| refuse_upgrade | a websocket's upgrade is refused with 503 |
| other_decimals | depth comes with trimmed decimals and best prices with padded ones, the other way round than usual |
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from adapters.mexc.venue.config import FaultConfig


@dataclass(slots=True)
class ActiveFault:
    """A fault that was set, since when, and how often it struck."""

    config: FaultConfig
    since_ns: int
    hits: int = 0

    def is_due(self, now_ns: int) -> bool:
        """Whether its time has come and it is not used up."""
        age_s = (now_ns - self.since_ns) / 1e9
        config = self.config
        if age_s < config.at_s or (config.count is not None and self.hits >= config.count):
            return False
        return config.for_s is None or age_s < config.at_s + config.for_s


class FaultInjector:
    """The faults in force. Draws only where a probability asks for it, from a generator of its own."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._active: dict[str, list[ActiveFault]] = {}

    def add(self, now_ns: int, config: FaultConfig) -> None:
        """Put a fault in force."""
        self._active.setdefault(config.name, []).append(ActiveFault(config, now_ns))

    def clear(self, name: str | None = None) -> None:
        """Lift one fault, or all."""
        if name is None:
            self._active.clear()
        else:
            self._active.pop(name, None)

    def listing(self) -> list[dict[str, object]]:
        """All faults set, with their hits."""
        return [
            fault.config.model_dump() | {"hits": fault.hits}
            for faults in self._active.values()
            for fault in faults
        ]

    def hit(self, name: str, now_ns: int, subject: str = "") -> FaultConfig | None:
        """The fault of this name that strikes `subject` (a channel or a path) now, counted; None if none."""
        for fault in self._active.get(name, ()):
            config = fault.config
            if config.match not in subject or not fault.is_due(now_ns):
                continue
            if config.probability >= 1 or self._rng.random() < config.probability:
                fault.hits += 1
                return config
        return None
