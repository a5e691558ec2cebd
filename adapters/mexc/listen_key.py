"""The listen key of the private feed: made on demand, renewed in time, released at the end.

A key lives 60 minutes and an account may hold 60: one that is not deleted is lost for an hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.rest import RestClient, parse_object

_log = logging.getLogger("penstock.mexc.listen_key")
_PATH = "/api/v3/userDataStream"
_RETRY_S = 30.0


class ListenKey:
    """One listen key at a time."""

    def __init__(self, rest: RestClient, ws_url: str, refresh_s: float) -> None:
        self._rest = rest
        self._ws_url = ws_url
        self._refresh_s = refresh_s
        self._key = ""

    async def address(self) -> str:
        """The private websocket's address; makes a key where there is none. Raises VenueError."""
        if not self._key:
            answer = parse_object(await self._rest.signed("POST", _PATH, {}), "listenKey")
            key = answer.get("listenKey")
            if not isinstance(key, str) or not key.isascii() or not key.isalnum():
                raise VenueError(ErrorClass.BAD_BODY, "listenKey: no key in the answer")
            self._key = key
        return f"{self._ws_url}?listenKey={self._key}"

    def forget(self) -> None:
        """The venue does not know the key any more."""
        self._key = ""

    async def renew_forever(self, on_lost: Callable[[str], None]) -> None:
        """Renew the key in time; a refused renewal forgets it and calls `on_lost`."""
        wait_s = self._refresh_s
        while True:
            await asyncio.sleep(wait_s)
            wait_s = self._refresh_s
            if not self._key:
                continue
            try:
                await self._rest.signed("PUT", _PATH, {"listenKey": self._key})
            except VenueError as error:
                _log.warning("listen key not renewed: %s", error)
                wait_s = min(_RETRY_S, self._refresh_s)
                if error.refused and error.error_class not in (ErrorClass.NOT_SENT, ErrorClass.RATE):
                    self.forget()
                    on_lost("the listen key could not be renewed")

    async def release(self) -> None:
        """Delete the key at the venue; a failure is logged, the key then ends by itself."""
        if self._key:
            try:
                await self._rest.signed("DELETE", _PATH, {"listenKey": self._key})
            except VenueError as error:
                _log.warning("listen key not released: %s", error)
            self._key = ""
