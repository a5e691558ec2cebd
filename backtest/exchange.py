"""The matching engine: price-time priority, exact integer money, no clock and no input or output.

It serves paper mode and the local venue, and backtests after them. Whoever runs it passes time in, submits
requests, and takes typed records out (`backtest.exchange_types`). The same calls always give the same records.

    exchange = Exchange([spec], latency_ns=2_000_000)
    exchange.add_account("trader", {"USDT": 1_000 * MONEY_ONE})
    exchange.submit(now_ns, PlaceRequest("trader", "BTCUSDT", Side.BUY, OrderType.LIMIT, 100, 6_000_000))
    records = exchange.advance(now_ns + 2_000_000)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import replace

from backtest.accounts import Account
from backtest.exchange_types import (
    Accepted,
    BookChange,
    CancelRequest,
    Done,
    ExchangeLimits,
    Order,
    OrderStatus,
    Pending,
    PlaceRequest,
    Reason,
    Record,
    Rejected,
    Request,
    SelfTradePolicy,
    SymbolSpec,
    Trade,
)
from backtest.fees import FeeSchedule
from backtest.matching_book import BookSide, Level, MatchingBook
from backtest.order_checks import Refusal, check_request
from backtest.settlement import Settlement
from engine.core.enums import OrderType, Side

RESTING_TYPES = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})
_NO_LIMIT_TICKS = 1 << 62


class Exchange:
    """Books, accounts and pending requests of one venue.

    Requests act `latency_ns` after they were submitted, in order of that moment, then of submission. Records
    gather until `advance` or `take_records` hands them over. Refusals are records, never exceptions; a
    ValueError means that the caller broke the interface (time ran backwards, a name twice, a full queue).
    """

    def __init__(
        self,
        specs: Iterable[SymbolSpec],
        *,
        fees: FeeSchedule | None = None,
        latency_ns: int = 0,
        self_trade: SelfTradePolicy = SelfTradePolicy.ALLOW,
        reject_duplicate_client_ids: bool = True,
        limits: ExchangeLimits | None = None,
    ) -> None:
        self.books: dict[str, MatchingBook] = {}
        self.accounts: dict[str, Account] = {}
        self.latency_ns = latency_ns
        self.self_trade = self_trade
        self.reject_duplicate_client_ids = reject_duplicate_client_ids
        self.limits = limits or ExchangeLimits()
        self._records: list[Record] = []
        self.settlement = Settlement(self._records, fees or FeeSchedule())
        self._pending: list[Pending] = []
        self._requests = 0
        self._orders = 0
        self._trades = 0
        self._now_ns = 0
        for spec in specs:
            self.add_symbol(spec)

    # symbols and accounts

    def add_symbol(self, spec: SymbolSpec) -> None:
        """List a symbol."""
        if spec.symbol in self.books:
            raise ValueError(f"{spec.symbol} is listed already")
        self.books[spec.symbol] = MatchingBook(spec)

    def change_symbol(self, symbol: str, **changes: object) -> None:
        """Change filters or permissions of a symbol; its scale cannot change."""
        if {"symbol", "price_decimals", "size_decimals", "base", "quote"} & set(changes):
            raise ValueError("a symbol's name, assets and scale cannot change")
        book = self.books[symbol]
        book.spec = replace(book.spec, **changes)  # type: ignore[arg-type]

    def remove_symbol(self, now_ns: int, symbol: str) -> None:
        """Delist a symbol; its resting orders end. Requests for it that are on their way will be refused."""
        self._set_now(now_ns)
        book = self.books[symbol]
        for order in [*book.bids.resting.values(), *book.asks.resting.values()]:
            self._finish(now_ns, order, Reason.DELISTED)
        del self.books[symbol]

    def add_account(self, name: str, balances: Mapping[str, int], *, house: bool = False) -> Account:
        """Open an account with balances in money units. `house`: see `Account`."""
        if name in self.accounts:
            raise ValueError(f"account {name} exists already")
        account = Account(name, house=house, finished_limit=self.limits.finished_orders_per_account)
        for asset, amount in balances.items():
            account.balance(asset).free = amount
        self.accounts[name] = account
        return account

    # time and requests

    def submit(self, now_ns: int, request: Request) -> int:
        """Hand in a request; it acts `latency_ns` from now, when `advance` gets there. Returns its number."""
        if len(self._pending) >= self.limits.pending_requests:
            raise ValueError("too many pending requests")
        self._set_now(now_ns)
        self._requests += 1
        heapq.heappush(self._pending, Pending(now_ns + self.latency_ns, self._requests, request))
        return self._requests

    def advance(self, now_ns: int) -> list[Record]:
        """Let everything due until now act; returns all records since they were last taken."""
        while self._pending and self._pending[0].due_ns <= now_ns:
            pending = heapq.heappop(self._pending)
            acts_ns = max(self._now_ns, pending.due_ns)
            self._set_now(acts_ns)
            self._act(acts_ns, pending.request_no, pending.request)
        self._set_now(now_ns)
        return self.take_records()

    def take_records(self) -> list[Record]:
        """Hand over the records gathered so far."""
        taken = self._records.copy()
        self._records.clear()
        return taken

    def next_due_ns(self) -> int | None:
        """When the next pending request acts, None where there is none."""
        return self._pending[0].due_ns if self._pending else None

    def place(self, now_ns: int, request: PlaceRequest) -> Order | None:
        """Place an order at once, past the latency; None where it was refused (a record says why)."""
        self._set_now(now_ns)
        self._requests += 1
        return self._place(now_ns, self._requests, request)

    def refusal(self, now_ns: int, request: PlaceRequest) -> Refusal | None:
        """Why an order would be refused now, by the checks that `place` makes; None where it would be taken."""
        account, book = self.accounts[request.account], self.books[request.symbol]
        if (refusal := self._check(account, book, request)) is not None:
            return refusal
        order = self._new_order(0, now_ns, account, book, request)
        is_covered = self.settlement.has_free(order, self._lock_amount(book, order))
        return None if is_covered else (Reason.INSUFFICIENT_BALANCE, 0)

    def cancel(self, now_ns: int, request: CancelRequest) -> bool:
        """Cancel an order at once, past the latency; False where it was refused (a record says why)."""
        self._set_now(now_ns)
        self._requests += 1
        return self._cancel(now_ns, self._requests, request)

    def _set_now(self, now_ns: int) -> None:
        if now_ns < self._now_ns:
            raise ValueError(f"time ran backwards: {now_ns} after {self._now_ns}")
        self._now_ns = now_ns

    def _act(self, now_ns: int, request_no: int, request: Request) -> None:
        if isinstance(request, PlaceRequest):
            self._place(now_ns, request_no, request)
        else:
            self._cancel(now_ns, request_no, request)

    # ambient liquidity

    def set_ambient(self, now_ns: int, symbol: str, side: Side, price_ticks: int, lots: int) -> None:
        """Set a recorded or live level's size; our resting orders that it crosses are filled at their price."""
        self._set_now(now_ns)
        book = self.books[symbol]
        book_side = book.side(side)
        if lots:
            level = book_side.level(price_ticks)
            level.set_ambient(lots)
            if book.opposite(side).resting:
                self._cross_ambient(now_ns, book, side, level)
        elif (known := book_side.levels.get(price_ticks)) is not None:
            known.set_ambient(0)
            book_side.drop_if_empty(known)

    def ambient_trade(self, now_ns: int, symbol: str, taker_side: Side, price_ticks: int, lots: int) -> None:
        """A recorded trade: it would have met our better-priced orders first, then the queue at its price."""
        self._set_now(now_ns)
        book = self.books[symbol]
        book.last_ticks = price_ticks
        side = book.opposite(taker_side)
        if not side.resting:
            return
        prices = {order.price_ticks for order in side.resting.values()}
        left = lots
        for price in sorted(
            (p for p in prices if side.reaches(p, price_ticks)), reverse=side.side is Side.BUY
        ):
            level = side.levels[price]
            if price == price_ticks:
                self._print_at_level(now_ns, book, side, level, left)
            else:
                left = self._fill_resting(now_ns, book, side, level, left)

    def _print_at_level(
        self, now_ns: int, book: MatchingBook, side: BookSide, level: Level, left: int
    ) -> None:
        passed = 0
        changed = False
        for order, available in level.queue():
            lots = min(left, available)
            if not lots:
                break
            left -= lots
            if order is None:
                passed += lots
            else:
                self._trade(now_ns, book, level, lots, None, order)
                changed = True
        level.pass_ambient(passed)
        self._after_level(now_ns, book, side, level, changed)

    def _fill_resting(self, now_ns: int, book: MatchingBook, side: BookSide, level: Level, left: int) -> int:
        """Fill only the orders of a level, ambient size aside; returns what is left over."""
        before = left
        for order in list(level.orders.values()):
            lots = min(left, order.remaining_lots)
            if not lots:
                break
            left -= lots
            self._trade(now_ns, book, level, lots, None, order)
        self._after_level(now_ns, book, side, level, left != before)
        return left

    def _cross_ambient(self, now_ns: int, book: MatchingBook, side: Side, ambient: Level) -> None:
        ours = book.opposite(side)
        while ambient.ambient_available:
            crossed = [o for o in ours.resting.values() if ours.reaches(o.price_ticks, ambient.price_ticks)]
            if not crossed:
                return
            pick = max if ours.side is Side.BUY else min
            level = ours.levels[pick(order.price_ticks for order in crossed)]
            available = ambient.ambient_available
            ambient.taken += available - self._fill_resting(now_ns, book, ours, level, available)

    # placing

    def _place(self, now_ns: int, request_no: int, request: PlaceRequest) -> Order | None:
        account = self.accounts.get(request.account)
        book = self.books.get(request.symbol)
        refusal: Refusal | None
        if account is None or book is None:
            refusal = (Reason.UNKNOWN_ACCOUNT if account is None else Reason.UNKNOWN_SYMBOL), 0
        elif (refusal := self._check(account, book, request)) is None:
            self._orders += 1
            order = self._new_order(self._orders, now_ns, account, book, request)
            mark = len(self._records)
            if self.settlement.lock(now_ns, order, self._lock_amount(book, order)):
                account.add(order)
                if not account.house:
                    # before the lock's own record: an order is known before its balance moves
                    self._records.insert(mark, Accepted(now_ns, request_no, order))
                self._execute(now_ns, book, order)
                return order
            refusal = Reason.INSUFFICIENT_BALANCE, 0
        self._records.append(Rejected(now_ns, request_no, request, *refusal))
        return None

    def _check(self, account: Account, book: MatchingBook, request: PlaceRequest) -> Refusal | None:
        if not account.house:
            if (refusal := check_request(book, request)) is not None:
                return refusal
            if self.reject_duplicate_client_ids and account.by_client_id(request.client_id) is not None:
                return Reason.DUPLICATE_CLIENT_ID, 0
            if len(account.open_orders) >= self.limits.open_orders_per_account:
                return Reason.TOO_MANY_ORDERS, self.limits.open_orders_per_account
        opposite = book.opposite(request.side)
        best = opposite.best()
        if request.order_type is OrderType.MARKET and best is None:
            return Reason.NO_OPPONENT, 0
        if best is None or request.order_type is not OrderType.LIMIT_MAKER:
            return None
        would_take = opposite.reaches(best.price_ticks, request.price_ticks)
        return (Reason.WOULD_CROSS, best.price_ticks) if would_take else None

    def _new_order(
        self, order_no: int, now_ns: int, account: Account, book: MatchingBook, request: PlaceRequest
    ) -> Order:
        order = Order(
            order_no, account, book.spec, request.side, request.order_type, request.price_ticks,
            request.size_lots, request.quote_money, request.client_id, now_ns, now_ns,
        )  # fmt: skip
        if (
            request.order_type is OrderType.MARKET
            and (best := book.opposite(request.side).best()) is not None
        ):
            order.guard_ticks = best.price_ticks
        return order

    def _lock_amount(self, book: MatchingBook, order: Order) -> int:
        if order.account.house:
            return 0
        if order.order_type is not OrderType.MARKET:
            return self.settlement.required_lock(book, order, book.money(order.price_ticks, order.size_lots))
        lots, money = self._walk(book, order)
        if order.side is Side.SELL:
            return (order.size_lots or lots) * book.units_per_lot
        return self.settlement.required_lock(book, order, order.quote_money or money)

    def _execute(self, now_ns: int, book: MatchingBook, order: Order) -> None:
        if order.order_type is OrderType.FOK and self._walk(book, order)[0] < order.size_lots:
            self._finish(now_ns, order, Reason.NOT_FILLABLE)
            return
        stopped = self._match(now_ns, book, order)
        if order.status is OrderStatus.FILLED:
            return
        if stopped is not None:
            self._finish(now_ns, order, stopped)
        elif order.order_type in RESTING_TYPES:
            level = book.side(order.side).rest(order)
            self._book_change(now_ns, book, order.side, level)
        else:
            self._finish(now_ns, order, Reason.UNFILLED_REMAINDER)

    # matching

    @staticmethod
    def _limit_ticks(order: Order) -> int:
        if order.price_ticks:
            return order.price_ticks
        return _NO_LIMIT_TICKS if order.side is Side.BUY else 0

    @staticmethod
    def _wanted(book: MatchingBook, order: Order, price_ticks: int, spent: int, lots: int) -> int:
        """Lots still wanted at a price, after `lots` for `spent` money."""
        if order.size_lots:
            return order.size_lots - lots
        affordable = (order.quote_money - spent) // (price_ticks * book.money_unit)
        return affordable - affordable % book.spec.lot_step

    def _walk(self, book: MatchingBook, order: Order) -> tuple[int, int]:
        """(lots, money) that an order would take now, without taking it."""
        opposite, limit = book.opposite(order.side), self._limit_ticks(order)
        lots = money = 0
        for level in opposite.from_best():
            if not opposite.reaches(level.price_ticks, limit):
                break
            for maker, available in level.queue():
                if self._is_own(order, maker):
                    if self.self_trade is SelfTradePolicy.CANCEL_MAKER:
                        continue
                    return lots, money
                taken = min(available, self._wanted(book, order, level.price_ticks, money, lots))
                if not taken:
                    return lots, money
                lots += taken
                money += book.money(level.price_ticks, taken)
        return lots, money

    def _match(self, now_ns: int, book: MatchingBook, order: Order) -> Reason | None:
        """Trade as far as limit, size and book allow; the reason, where the order has to end early."""
        opposite, limit = book.opposite(order.side), self._limit_ticks(order)
        while order.status is not OrderStatus.FILLED:
            level = opposite.best()
            if level is None or not opposite.reaches(level.price_ticks, limit):
                return None
            if not self._wanted(book, order, level.price_ticks, order.filled_money, order.filled_lots):
                return Reason.UNFILLED_REMAINDER
            stopped = self._match_level(now_ns, book, opposite, level, order)
            if stopped is not None:
                return stopped
        return None

    def _match_level(
        self, now_ns: int, book: MatchingBook, opposite: BookSide, level: Level, order: Order
    ) -> Reason | None:
        changed = False
        stopped: Reason | None = None
        for maker, available in level.queue():
            if self._is_own(order, maker):
                assert maker is not None
                if self.self_trade is not SelfTradePolicy.CANCEL_TAKER:
                    self._finish(now_ns, maker, Reason.SELF_TRADE)
                if self.self_trade is not SelfTradePolicy.CANCEL_MAKER:
                    stopped = Reason.SELF_TRADE
                    break
                continue
            wanted = self._wanted(book, order, level.price_ticks, order.filled_money, order.filled_lots)
            lots = min(wanted, available)
            if not lots:
                break
            self._trade(now_ns, book, level, lots, order, maker)
            changed = changed or maker is not None
        self._after_level(now_ns, book, opposite, level, changed)
        return stopped

    def _is_own(self, order: Order, maker: Order | None) -> bool:
        return (
            maker is not None
            and maker.account is order.account
            and self.self_trade is not SelfTradePolicy.ALLOW
        )

    def _trade(
        self,
        now_ns: int,
        book: MatchingBook,
        level: Level,
        lots: int,
        taker: Order | None,
        maker: Order | None,
    ) -> None:
        """One execution at a level's price. None on either side is ambient; only an order of ours marks it taken."""
        price = level.price_ticks
        self._trades += 1
        book.last_ticks = price
        maker_side = maker.side if maker is not None else Side.SELL
        taker_side = taker.side if taker is not None else Side(3 - maker_side)
        self._records.append(
            Trade(now_ns, book.spec.symbol, self._trades, price, lots, taker_side, taker, maker)
        )
        is_self_trade = taker is not None and maker is not None and taker.account is maker.account
        if maker is None:
            level.taken += lots
            level.pass_ambient(lots)
        else:
            book.side(maker.side).fill(level, maker, lots)
            self._fill(now_ns, book, maker, price, lots, True, is_self_trade)
        if taker is not None:
            self._fill(now_ns, book, taker, price, lots, False, is_self_trade)

    def _fill(
        self, now_ns: int, book: MatchingBook, order: Order, price: int, lots: int, is_maker: bool, own: bool
    ) -> None:
        spent = order.filled_money + book.money(price, lots)
        is_last = not self._wanted(book, order, price, spent, order.filled_lots + lots)
        self.settlement.fill(now_ns, book, order, self._trades, price, lots, is_maker, own, is_last)
        if is_last:
            self.settlement.release(now_ns, order)
            order.account.finish(order)

    # endings and book changes

    def _cancel(self, now_ns: int, request_no: int, request: CancelRequest) -> bool:
        account = self.accounts.get(request.account)
        order: Order | None = None
        if account is not None:
            order = account.open_orders.get(request.order_no)
            if not request.order_no and request.client_id:
                order = account.by_client_id(request.client_id)
        if order is None or order.status.is_final:
            reason = Reason.UNKNOWN_ACCOUNT if account is None else Reason.UNKNOWN_ORDER
            self._records.append(Rejected(now_ns, request_no, request, reason))
            return False
        self._finish(now_ns, order, Reason.CANCELED_BY_USER, request_no)
        return True

    def _finish(self, now_ns: int, order: Order, reason: Reason, request_no: int = 0) -> None:
        book = self.books[order.spec.symbol]
        side = book.side(order.side)
        if order.order_no in side.resting:
            level = side.remove(order)
            self._book_change(now_ns, book, order.side, level)
        order.status = OrderStatus.PARTIALLY_CANCELED if order.filled_lots else OrderStatus.CANCELED
        order.updated_ns = now_ns
        order.account.finish(order)
        if not order.account.house:
            self._records.append(Done(now_ns, order, reason, request_no))
        self.settlement.release(now_ns, order)

    def _after_level(
        self, now_ns: int, book: MatchingBook, side: BookSide, level: Level, changed: bool
    ) -> None:
        if changed:
            self._book_change(now_ns, book, side.side, level)
        side.drop_if_empty(level)

    def _book_change(self, now_ns: int, book: MatchingBook, side: Side, level: Level) -> None:
        book.version += 1
        self._records.append(
            BookChange(now_ns, book.spec.symbol, side, level.price_ticks, level.total, book.version)
        )
