"""Connections of the futures websocket: the spot hub with other rules of when a connection ends."""

from __future__ import annotations

from adapters.mexc.venue.streams import Hub

PING_WITHIN_S = 60.0


class FuturesHub(Hub):
    """Closes who does not ping: data alone keep no connection alive."""

    def tick(self, now_s: float) -> None:
        """Close what has not pinged for a minute, and cut lines where a fault says so."""
        if self.connections and self.is_cut("edge"):
            return
        for connection in list(self.connections):
            if (
                not connection.is_closing
                and now_s - connection.pinged_s > PING_WITHIN_S / self.limits.time_scale
            ):
                self.close(connection)
