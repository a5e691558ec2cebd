"""Which channels of a connection are confirmed, refused or still unanswered. Pure: time comes in with each call.

MEXC answers a refusal with code 0 as well: only a `msg` that repeats the channel is a confirmation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import Enum

import orjson

MAX_PER_CONNECTION = 30


class Reply(Enum):
    """What a text frame was."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    PONG = "pong"
    BAD_LISTEN_KEY = "bad listen key"
    STRANGE = "strange"


@dataclasses.dataclass(slots=True)
class _Channel:
    name: str
    request_id: int
    next_request_s: float = 0.0
    requested_s: float = 0.0
    waiting: bool = False
    confirmed: bool = False
    refusals: int = 0


class Subscriptions:
    """The channels of one connection; `wait_s(refusals)` says how long to wait before a refused one is asked for again."""

    def __init__(self, channels: Sequence[str], wait_s: Callable[[int], float]) -> None:
        if len(channels) > MAX_PER_CONNECTION:
            raise ValueError(f"{len(channels)} channels on one connection, at most {MAX_PER_CONNECTION}")
        self._channels = [_Channel(name, number) for number, name in enumerate(channels, 1)]
        self._wait_s = wait_s
        self.last_refusal = ""

    def requests_due(self, now_s: float) -> list[bytes]:
        """The requests to send now."""
        messages = []
        for channel in self._channels:
            if not (channel.confirmed or channel.waiting) and now_s >= channel.next_request_s:
                channel.waiting, channel.requested_s = True, now_s
                request = {"method": "SUBSCRIPTION", "params": [channel.name], "id": channel.request_id}
                messages.append(orjson.dumps(request))
        return messages

    def take(self, text: str, now_s: float) -> Reply:
        """Note what a text frame says."""
        if text.strip().lower() == "invalid listen key":
            return Reply.BAD_LISTEN_KEY
        try:
            answer = orjson.loads(text)
            code, message = answer["code"], str(answer["msg"])
        except (KeyError, TypeError, ValueError):
            return Reply.STRANGE
        if message == "PONG":
            return Reply.PONG
        channel = next((each for each in self._channels if each.name == message), None)
        if channel is not None and code == 0:
            channel.waiting, channel.confirmed, channel.refusals = False, True, 0
            return Reply.CONFIRMED
        return self._refuse(message, answer.get("id"), now_s)

    def _refuse(self, message: str, request_id: object, now_s: float) -> Reply:
        """A refusal belongs to the channel it names, else to its request id, else to every unanswered one."""
        waiting = [each for each in self._channels if each.waiting]
        hit = [each for each in waiting if f"[{each.name}]" in message or each.name == message]
        hit = hit or [each for each in waiting if each.request_id == request_id] or waiting
        if not hit:
            return Reply.STRANGE
        for channel in hit:
            channel.waiting = False
            channel.refusals += 1
            channel.next_request_s = now_s + self._wait_s(channel.refusals - 1)
        self.last_refusal = message[:200]
        return Reply.REFUSED

    @property
    def confirmed(self) -> bool:
        """Whether every channel is confirmed."""
        return all(channel.confirmed for channel in self._channels)

    @property
    def refused(self) -> bool:
        """Whether some channel was refused and is not confirmed since."""
        return any(channel.refusals for channel in self._channels)

    def unanswered_since(self) -> float | None:
        """When the oldest unanswered request was sent."""
        return min((channel.requested_s for channel in self._channels if channel.waiting), default=None)
