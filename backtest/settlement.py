"""Moves money and lots between free, locked and traded, and says so in records."""

from __future__ import annotations

from backtest.accounts import Account
from backtest.exchange_types import BalanceChange, Fill, Order, OrderStatus, Record
from backtest.fees import FeeAsset, FeeSchedule
from backtest.matching_book import MatchingBook
from engine.core.enums import OrderType, Side


class Settlement:
    """Applies fills and locks to accounts. Fees gather in `collected`, so that nothing is lost.

    `free + locked` over all accounts plus `collected` is constant but for deposits and for trades with ambient
    liquidity, whose other side has no account.
    """

    def __init__(self, records: list[Record], default_fees: FeeSchedule) -> None:
        self._records = records
        self._default_fees = default_fees
        self._fees: dict[str, FeeSchedule] = {}
        self.collected: dict[str, int] = {}

    def set_fees(self, symbol: str, fees: FeeSchedule) -> None:
        """Give one symbol rates of its own."""
        self._fees[symbol] = fees

    def fees(self, symbol: str) -> FeeSchedule:
        """The rates that apply to a symbol."""
        return self._fees.get(symbol, self._default_fees)

    def move(self, now_ns: int, account: Account, asset: str, free: int, locked: int, cause: str) -> None:
        """Change a balance; a change of nothing is not recorded."""
        if not free and not locked:
            return
        balance = account.balance(asset)
        balance.free += free
        balance.locked += locked
        if account.house:
            return
        assert balance.free >= 0 and balance.locked >= 0, "a balance fell below zero"
        self._records.append(
            BalanceChange(now_ns, account.name, asset, balance.free, balance.locked, free, locked, cause)
        )

    def required_lock(self, book: MatchingBook, order: Order, money: int) -> int:
        """What an order has to hold: the base it sells, or `money` of quote and the fee on it."""
        if order.side is Side.SELL:
            return order.remaining_lots * book.units_per_lot
        return money + self.fees(order.spec.symbol).bound(money)

    def lock(self, now_ns: int, order: Order, amount: int) -> bool:
        """Set the order's lock aside; False, and nothing done, where too little is free."""
        account = order.account
        if account.house:
            return True
        if not self.has_free(order, amount):
            return False
        order.locked = amount
        self.move(now_ns, account, _locked_asset(order), -amount, amount, "place")
        return True

    def has_free(self, order: Order, amount: int) -> bool:
        """Whether so much is free of what the order would lock."""
        return order.account.balance(_locked_asset(order)).free >= amount

    def release(self, now_ns: int, order: Order) -> None:
        """Give back whatever a finished order still holds."""
        amount, order.locked = order.locked, 0
        self.move(now_ns, order.account, _locked_asset(order), amount, -amount, "release")

    def fill(
        self, now_ns: int, book: MatchingBook, order: Order, trade_no: int, price_ticks: int, lots: int,
        is_maker: bool, is_self_trade: bool, is_last: bool,
    ) -> None:  # fmt: skip
        """Apply one side of a trade to its order and account. `is_last`: the order wants nothing more."""
        money = book.money(price_ticks, lots)
        order.filled_lots += lots
        order.filled_money += money
        order.updated_ns = now_ns
        order.status = OrderStatus.FILLED if is_last else OrderStatus.PARTIALLY_FILLED
        if order.side is Side.BUY:
            fee, fee_asset = self._settle_buy(now_ns, book, order, money, lots, is_maker)
        else:
            fee, fee_asset = self._settle_sell(now_ns, book, order, money, lots, is_maker)
        self.collected[fee_asset] = self.collected.get(fee_asset, 0) + fee
        if not order.account.house:
            self._records.append(
                Fill(
                    now_ns, order, trade_no, price_ticks, lots, money, fee, fee_asset, is_maker, is_self_trade,
                    order.filled_lots, order.filled_money, order.status,
                )
            )  # fmt: skip

    def _settle_buy(
        self, now_ns: int, book: MatchingBook, order: Order, money: int, lots: int, is_maker: bool
    ) -> tuple[int, str]:
        spec = order.spec
        gain = lots * book.units_per_lot
        fees = self.fees(spec.symbol)
        if fees.paid_in is FeeAsset.RECEIVED:
            fee, fee_asset, cost = fees.fee(gain, is_maker), spec.base, money
            gain -= fee
        else:
            fee, fee_asset = self._quote_or_third_fee(now_ns, order, fees, money, is_maker)
            cost = money + (fee if fee_asset == spec.quote else 0)
        self._pay_quote(now_ns, book, order, cost)
        self.move(now_ns, order.account, spec.base, gain, 0, "fill")
        return fee, fee_asset

    def _settle_sell(
        self, now_ns: int, book: MatchingBook, order: Order, money: int, lots: int, is_maker: bool
    ) -> tuple[int, str]:
        spec = order.spec
        cost = lots * book.units_per_lot
        fees = self.fees(spec.symbol)
        if fees.paid_in is FeeAsset.RECEIVED:
            fee, fee_asset = fees.fee(money, is_maker), spec.quote
        else:
            fee, fee_asset = self._quote_or_third_fee(now_ns, order, fees, money, is_maker)
        if order.account.house:
            self.move(now_ns, order.account, spec.base, -cost, 0, "fill")
        else:
            order.locked -= cost
            self.move(now_ns, order.account, spec.base, 0, -cost, "fill")
        self.move(
            now_ns, order.account, spec.quote, money - (fee if fee_asset == spec.quote else 0), 0, "fill"
        )
        return fee, fee_asset

    def _pay_quote(self, now_ns: int, book: MatchingBook, order: Order, cost: int) -> None:
        """Pay out of the order's lock, and give back what a better price has made superfluous."""
        if order.account.house:
            self.move(now_ns, order.account, order.spec.quote, -cost, 0, "fill")
            return
        needed = order.locked - cost
        if order.order_type is not OrderType.MARKET:
            needed = self.required_lock(book, order, book.money(order.price_ticks, order.remaining_lots))
        surplus = order.locked - cost - needed
        order.locked = needed
        self.move(now_ns, order.account, order.spec.quote, surplus, -(cost + surplus), "fill")

    def _quote_or_third_fee(
        self, now_ns: int, order: Order, fees: FeeSchedule, money: int, is_maker: bool
    ) -> tuple[int, str]:
        """The fee and its asset; a fee in a third asset is charged here, one in quote by the caller."""
        quote_fee = fees.fee(money, is_maker)
        if fees.paid_in is FeeAsset.THIRD:
            third = fees.third_fee(quote_fee)
            if order.account.house or order.account.balance(fees.third_asset).free >= third:
                self.move(now_ns, order.account, fees.third_asset, -third, 0, "fee")
                return third, fees.third_asset
        return quote_fee, order.spec.quote


def _locked_asset(order: Order) -> str:
    return order.spec.quote if order.side is Side.BUY else order.spec.base
