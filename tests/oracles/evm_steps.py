"""What the steps of a route do, in plain Python: who holds what, who waits for what, and what the protocols refuse.

It knows the deals that the pools offer, and nothing of how steps are put in order. Nobody has a balance of his own at the
start but pools and lenders, so a step that needs money before it has come fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.evm.route import (
    AaveLoan,
    Address,
    BalancerLoan,
    BalancerSwap,
    Erc3156Loan,
    Place,
    Step,
    Transfer,
    Unwrap,
    V2Flash,
    V2PaidSwap,
    V2Swap,
    V3Swap,
    V4Loan,
    V4Pay,
    V4Settle,
    V4Swap,
    V4Sync,
    V4Take,
    V4Unlock,
    Wrap,
)

WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")
ETHER = Place.NOBODY
SELF, MANAGER, VAULT = Place.SELF, Place.POOL_MANAGER, Place.BALANCER_VAULT
AAVE = b"aave" * 5
CALLS_BACK = (V2Flash, V3Swap, V4Unlock, BalancerLoan, AaveLoan, Erc3156Loan)


class Reverted(Exception):
    """The route fails."""


@dataclass(frozen=True)
class Deal:
    """What one pool gives for one amount; `key` is how steps name it, `forward` their direction flag."""

    key: object
    holder: Address
    token_in: Address
    token_out: Address
    amount_in: int
    amount_out: int
    forward: bool = False


def need(holds: bool, why: str) -> None:
    """A requirement of a protocol's, or of the executor's."""
    if not holds:
        raise Reverted(why)


def real(token: Address) -> Address:
    """The token by its address."""
    return WETH if token is Place.WETH else token


@dataclass
class Chain:
    """Runs one route. `listed` are the tokens that may leave the executor; `moved` is what each holder gained."""

    deals: dict[object, Deal]
    listed: set[Address]
    moved: Counter[tuple[Address, Address]] = field(default_factory=Counter)
    deltas: Counter[Address] = field(default_factory=Counter)
    reserves: dict[tuple[Address, Address], int] = field(default_factory=dict)
    locked: set[object] = field(default_factory=set)
    synced: tuple[Address, int] | None = None
    through_hand: set[Address] = field(default_factory=set)

    def run(self, steps: Sequence[Step], last: int = 0) -> None:
        """One frame: a step that calls back takes the rest; a loan of V4's is paid back at the frame's end."""
        loans = []
        for at, step in enumerate(steps):
            if isinstance(step, CALLS_BACK):
                self.call_back(step, steps[at + 1 :])
                break
            if isinstance(step, V4Loan):
                need(MANAGER in self.locked, "ManagerLocked")
                self.take(real(step.token), SELF, step.amount)
                loans.append(step)
            else:
                last = self.do(step, last)
        need(len(loans) <= 1, "one loan a frame")
        for loan in loans:
            self.do_v4(V4Pay(loan.token, loan.amount), last)

    def send(self, token: Address, giver: Address, to: Address, amount: int) -> None:
        """A transfer; the executor has no more than it was given, and only what is counted leaves it."""
        need(amount >= 0, "an amount below zero")
        if giver is SELF:
            need(token in self.listed or token is ETHER, "a token leaves that is not listed")
            need(self.moved[SELF, token] >= amount, "the executor has not got it")
        need(token is not ETHER or SELF in (giver, to), "ether for who takes none")
        if to is SELF:
            self.through_hand.add(token)
        self.moved[giver, token] -= amount
        self.moved[to, token] += amount

    def lock(self, what: object) -> None:
        need(what not in self.locked, f"{what!r} is locked")
        self.locked.add(what)

    def call_back(self, step: Step, rest: Sequence[Step]) -> None:
        if isinstance(step, V4Unlock):
            self.lock(MANAGER)
            self.run(rest)
            need(not +self.deltas and not -self.deltas, "CurrencyNotSettled")
            return
        if isinstance(step, V2Flash | V3Swap):
            pool = step.pair if isinstance(step, V2Flash) else step.pool
            deal = self.deals[pool]
            self.lock(pool)
            paid_before = self.reserve(deal)
            if isinstance(step, V2Flash):
                need((step.take_token1, step.amount_out) == (deal.forward, deal.amount_out), "K")
                self.send(deal.token_out, pool, SELF, deal.amount_out)
            else:
                paid_before = self.moved[pool, deal.token_in]
                need((step.zero_for_one, step.amount_in) == (deal.forward, deal.amount_in), "another deal")
                self.send(deal.token_out, pool, real(step.to), deal.amount_out)
            self.run(rest)
            need(self.moved[pool, deal.token_in] - paid_before == deal.amount_in, "the pool is not paid")
            return
        assert isinstance(step, BalancerLoan | AaveLoan | Erc3156Loan)
        token = real(step.token)
        lender = (
            step.lender if isinstance(step, Erc3156Loan) else AAVE if isinstance(step, AaveLoan) else VAULT
        )
        self.lock(lender)
        before = self.moved[lender, token]
        self.send(token, lender, SELF, step.amount)
        self.run(rest)
        if isinstance(step, BalancerLoan):
            need(self.moved[lender, token] == before, "the loan is not repaid")
        else:
            self.send(token, SELF, lender, step.repay)

    def reserve(self, deal: Deal) -> int:
        """What a pair believes that it has of the token it takes."""
        return self.reserves.get((deal.holder, deal.token_in), 0)

    def do(self, step: Step, last: int) -> int:
        """A step that does not call back; what the last swap of the frame gave."""
        if isinstance(step, Transfer):
            self.send(real(step.token), SELF, real(step.to), step.amount)
        elif isinstance(step, V2Swap | V2PaidSwap):
            if isinstance(step, V2PaidSwap):
                self.send(real(step.token), SELF, step.pair, step.amount_in)
            self.swap_v2(step)
        elif isinstance(step, BalancerSwap):
            return self.swap_balancer(step, last)
        elif isinstance(step, Wrap | Unwrap):
            amount = step.amount_wei
            given, made = (ETHER, WETH) if isinstance(step, Wrap) else (WETH, ETHER)
            self.send(given, SELF, WETH, amount)
            self.send(made, WETH, SELF, amount)
        else:
            need(MANAGER in self.locked, "ManagerLocked")
            return self.do_v4(step, last)
        return last

    def swap_v2(self, step: V2Swap | V2PaidSwap) -> None:
        deal = self.deals[step.pair]
        need(step.pair not in self.locked, "UniswapV2: LOCKED")
        need((step.take_token1, step.amount_out) == (deal.forward, deal.amount_out), "K")
        paid = self.moved[step.pair, deal.token_in] - self.reserve(deal)
        need(paid == deal.amount_in, "the pair is not paid")
        self.send(deal.token_out, step.pair, real(step.to), deal.amount_out)
        for token in (deal.token_in, deal.token_out):
            self.reserves[step.pair, token] = self.moved[step.pair, token]

    def swap_balancer(self, step: BalancerSwap, last: int) -> int:
        need(VAULT not in self.locked, "BAL#400")  # REENTRANCY
        deal = self.deals[step.pool_id]
        need((real(step.token_in), real(step.token_out)) == (deal.token_in, deal.token_out), "another deal")
        need((step.amount_in or last) == deal.amount_in, "another amount")
        self.send(deal.token_in, SELF, VAULT, deal.amount_in)
        self.send(deal.token_out, VAULT, real(step.to), deal.amount_out)
        return deal.amount_out

    def do_v4(self, step: Step, last: int) -> int:
        if isinstance(step, V4Swap):
            deal = self.deals[step.currency0, step.currency1, step.fee, step.tick_spacing, step.hooks]
            need(
                (step.amount_in or last, step.zero_for_one) == (deal.amount_in, deal.forward), "another deal"
            )
            self.deltas[deal.token_in] -= deal.amount_in
            self.deltas[deal.token_out] += deal.amount_out
            if step.to is not Place.NOBODY:
                self.take(deal.token_out, real(step.to), deal.amount_out)
            return deal.amount_out
        if isinstance(step, V4Take):
            currency = real(step.currency)
            amount = step.amount or self.deltas[currency]
            need(amount > 0, "nothing is owed")
            self.take(currency, real(step.to), amount)
        elif isinstance(step, V4Sync):
            self.synced = (real(step.currency), self.moved[MANAGER, real(step.currency)])
        elif isinstance(step, V4Settle):
            need(self.synced is not None, "nothing is synced")
            assert self.synced is not None
            currency, before = self.synced
            self.deltas[currency] += self.moved[MANAGER, currency] - before
            self.synced = None
        else:
            assert isinstance(step, V4Pay)
            need(self.synced is None, "a payment within another")
            self.send(real(step.token), SELF, MANAGER, step.amount)
            self.deltas[real(step.token)] += step.amount
        return last

    def take(self, currency: Address, to: Address, amount: int) -> None:
        need(self.synced is None or self.synced[0] != currency, "taken while it is paid")
        self.deltas[currency] -= amount
        self.send(currency, MANAGER, to, amount)
