"""Accounts: balances split into free and locked, the orders of each, and the lock every order holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backtest.exchange_types import Order


@dataclass(slots=True)
class Balance:
    """Money units (10^-20) of one asset."""

    free: int = 0
    locked: int = 0


class Account:
    """One account. A `house` account belongs to the market itself: it may go negative, locks nothing, keeps
    no finished orders and emits no private records; that is what makes a lively market cheap.
    """

    __slots__ = ("_client_ids", "_finished_limit", "balances", "house", "name", "open_orders", "orders")

    def __init__(self, name: str, *, house: bool = False, finished_limit: int = 100_000) -> None:
        self.name = name
        self.house = house
        self.balances: dict[str, Balance] = {}
        self.open_orders: dict[int, Order] = {}
        self.orders: dict[int, Order] = {}  # open and finished, oldest first
        self._client_ids: dict[str, Order] = {}
        self._finished_limit = finished_limit

    def balance(self, asset: str) -> Balance:
        """The balance of an asset, made on first use."""
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def by_client_id(self, client_id: str) -> Order | None:
        """The newest order that carries this client id."""
        return self._client_ids.get(client_id)

    def add(self, order: Order) -> None:
        """Take in a new order."""
        self.open_orders[order.order_no] = order
        if self.house:
            return
        self.orders[order.order_no] = order
        if order.client_id:
            self._client_ids[order.client_id] = order

    def finish(self, order: Order) -> None:
        """An order ended; the oldest finished ones beyond the limit are forgotten."""
        self.open_orders.pop(order.order_no, None)
        excess = len(self.orders) - len(self.open_orders) - self._finished_limit
        if excess > 0:
            self._forget(excess)

    def _forget(self, count: int) -> None:
        stale = [number for number in self.orders if number not in self.open_orders][:count]
        for number in stale:
            order = self.orders.pop(number)
            if self._client_ids.get(order.client_id) is order:
                del self._client_ids[order.client_id]


def total(accounts: Iterable[Account], asset: str) -> int:
    """Free and locked money of an asset over accounts: what trading may only move, never make."""
    return sum(
        held.free + held.locked for account in accounts if (held := account.balances.get(asset)) is not None
    )
