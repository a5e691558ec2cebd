"""Listen keys: what a private websocket shows instead of a signature."""

from __future__ import annotations

import random

from adapters.mexc.venue.config import LimitsConfig
from adapters.mexc.venue.errors import VenueError


class ListenKeys:
    """Keys per account with their expiry, on the loop's clock in seconds."""

    def __init__(self, limits: LimitsConfig, rng: random.Random) -> None:
        self._limits = limits
        self._rng = rng
        self._keys: dict[str, tuple[str, float]] = {}

    @property
    def _life_s(self) -> float:
        return self._limits.listen_key_life_s / self._limits.time_scale

    def create(self, account: str, now_s: float) -> str:
        """A new key; VenueError beyond the number allowed."""
        if len(self.of(account, now_s)) >= self._limits.listen_keys:
            raise VenueError(400, "too many listen keys")
        key = f"{self._rng.getrandbits(256):064x}"
        self._keys[key] = (account, now_s + self._life_s)
        return key

    def of(self, account: str, now_s: float) -> list[str]:
        """An account's valid keys."""
        self._expire(now_s)
        return [key for key, (owner, _) in self._keys.items() if owner == account]

    def listing(self, account: str, now_s: float) -> dict[str, object]:
        """An account's valid keys, and how many it may still make: as MEXC answers since 2026."""
        keys, most = self.of(account, now_s), self._limits.listen_keys
        return {"total": most, "listenKey": keys, "available": most - len(keys)}

    def extend(self, account: str, key: str, now_s: float) -> None:
        """Another hour; VenueError for a key that is not the account's."""
        if self.owner(key, now_s) != account:
            raise VenueError(400, "listenKey does not exist")
        self._keys[key] = (account, now_s + self._life_s)

    def delete(self, account: str, key: str, now_s: float) -> None:
        """End a key; VenueError for one that is not the account's."""
        if self.owner(key, now_s) != account:
            raise VenueError(400, "listenKey does not exist")
        del self._keys[key]

    def owner(self, key: str, now_s: float) -> str | None:
        """Whose key it is, None where it is unknown or expired."""
        self._expire(now_s)
        found = self._keys.get(key)
        return found[0] if found else None

    def _expire(self, now_s: float) -> None:
        for key in [key for key, (_, until_s) in self._keys.items() if until_s <= now_s]:
            del self._keys[key]
