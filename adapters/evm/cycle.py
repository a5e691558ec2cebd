"""The steps of an arbitrage cycle, from its hops in the order of trade and the source of its funds.

A pool that calls back takes all later steps as its callback, so a hop that pays before it is paid is written before the
hops that pay it. Every pool pays the next one directly: V4's manager between `sync` and `settle`, one unlock around the
lot. Balancer's vault takes from the executor, so what it swaps is in the executor's hands first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from adapters.evm.route import (
    ADDRESS_BYTES,
    AaveLoan,
    Address,
    BalancerLoan,
    BalancerSwap,
    Erc3156Loan,
    Place,
    RouteError,
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

ETHER = Place.NOBODY  # as a V4 currency


class Source(Enum):
    """Where the first hop's money comes from."""

    POOLS = auto()  # the cycle's own pools, which pay before they are paid: no fee, and the cheapest
    V4 = auto()
    BALANCER = auto()


@dataclass(frozen=True, slots=True)
class Aave:
    """Aave V3 lends, for `premium` in the base asset's smallest unit."""

    premium: int


@dataclass(frozen=True, slots=True)
class Erc3156:
    """`lender` lends, for `fee` in the base asset's smallest unit."""

    lender: bytes
    fee: int


@dataclass(frozen=True, slots=True)
class V2Hop:
    """A pair of Uniswap V2 or a fork: amounts as the pair will have them, in the tokens' smallest units."""

    pair: bytes
    takes_token1: bool
    amount_in: int
    amount_out: int

    @property
    def pool(self) -> bytes:
        """The address to pay."""
        return self.pair


@dataclass(frozen=True, slots=True)
class V3Hop:
    """A pool of Uniswap V3 or a fork, exact input."""

    pool: bytes
    zero_for_one: bool
    amount_in: int


@dataclass(frozen=True, slots=True)
class V4Hop:
    """A pool of Uniswap V4, exact input. Ether is Place.NOBODY; it is wrapped and unwrapped where other hops have WETH.

    `fee` in 1e-6 or the dynamic fee flag. `amount_out` need be known only of a last hop whose result is wrapped or unwrapped.
    """

    currency0: Address
    currency1: Address
    fee: int
    tick_spacing: int
    zero_for_one: bool
    amount_in: int
    hooks: Address = Place.NOBODY
    amount_out: int | None = None

    @property
    def pool(self) -> Place:
        """The address to pay."""
        return Place.POOL_MANAGER

    @property
    def token_in(self) -> Address:
        """The currency that it takes."""
        return self.currency0 if self.zero_for_one else self.currency1

    @property
    def token_out(self) -> Address:
        """The currency that it gives."""
        return self.currency1 if self.zero_for_one else self.currency0


@dataclass(frozen=True, slots=True)
class BalancerHop:
    """A pool of Balancer V2, given in; `amount_out` as expected, in the token's smallest unit."""

    pool_id: bytes
    token_in: Address
    token_out: Address
    amount_in: int
    amount_out: int

    @property
    def pool(self) -> Place:
        """The address to pay: the executor, from which the vault takes it."""
        return Place.SELF


Hop = V2Hop | V3Hop | V4Hop | BalancerHop


def cycle(
    hops: Sequence[Hop],
    source: Source | Aave | Erc3156 = Source.POOLS,
    base: Address = Place.WETH,
    weth: Address | None = None,
) -> tuple[Step, ...]:
    """The steps of a cycle that begins and ends in `base` (20 zero bytes for ether); `leaving` says what its route lists.

    `weth` is WETH's address, needed where it is not the base asset and ether is wrapped or unwrapped on the way.
    RouteError where the hops do not join, or the contract cannot do it; the text says why, and what to do.
    """
    base = ETHER if base == bytes(ADDRESS_BYTES) else base
    unlock = [V4Unlock()] if any(isinstance(hop, V4Hop) for hop in hops) else []
    if source is Source.V4 and unlock:
        source = Source.POOLS  # what the manager lends for hops of its own is their credit
    # Balancer's vault takes from the executor, to which the manager lends then.
    through_hand = bool(hops) and isinstance(hops[0], BalancerHop) and base is not ETHER
    manager_pays = source is Source.V4 and not through_hand
    writer = _Writer(base, base if base is Place.WETH else weth, manager_pays)
    writer.check(hops)
    if source is Source.POOLS:
        return (*unlock, *writer.on_the_pools(hops))
    amount = hops[0].amount_in
    traded = [*unlock, *writer.deliver(hops, None), *writer.to_base(hops[-1])]
    if source is Source.V4:
        if not manager_pays:
            return (V4Unlock(), V4Loan(base, amount), *traded)
        return (V4Unlock(), *traded, V4Pay(base, amount))
    if base is ETHER:
        raise RouteError(f"{source} lends no ether: take Source.POOLS, Source.V4, or WETH as base asset")
    if source is Source.BALANCER:
        if any(isinstance(hop, BalancerHop) for hop in hops):
            raise RouteError(
                "Balancer's vault swaps nothing while it lends: take Source.POOLS, Source.V4, Aave or Erc3156"
            )
        return (BalancerLoan(base, amount), *traded, Transfer(base, Place.BALANCER_VAULT, amount))
    if isinstance(source, Aave):
        return (AaveLoan(base, amount, amount + source.premium), *traded)
    if isinstance(source, Erc3156):
        return (Erc3156Loan(base, source.lender, amount, amount + source.fee), *traded)
    raise RouteError(f"{source} is no source of funds")


def leaving(steps: Sequence[Step], base: Address = Place.WETH) -> tuple[bytes, ...]:
    """The tokens besides `base` that leave the executor in these steps: `tokens` of their Route."""
    names = ("token_in" if isinstance(step, BalancerSwap) else "token" for step in steps)
    tokens = (getattr(step, name, None) for step, name in zip(steps, names, strict=True))
    return tuple(dict.fromkeys(token for token in tokens if isinstance(token, bytes) and token != base))


def _token_in(hop: Hop) -> Address | None:
    """What it takes; hops on V2 and V3 do not say, and take what comes."""
    return hop.token_in if isinstance(hop, V4Hop | BalancerHop) else None


def _token_out(hop: Hop) -> Address | None:
    return hop.token_out if isinstance(hop, V4Hop | BalancerHop) else None


def _amount_out(hop: Hop) -> int | None:
    return None if isinstance(hop, V3Hop) else hop.amount_out


def _converts(given: Address | None, taken: Address | None) -> bool:
    """Whether one is ether and the other is not, but WETH: the executor makes one of the other."""
    return (given is ETHER) != (taken is ETHER)


def _payee(hop: Hop, to: Hop | None) -> Address:
    """Whom `hop` pays when `to` comes after it, None for the executor."""
    if to is None or _converts(_token_out(hop), _token_in(to)):
        return Place.SELF
    if isinstance(hop, V4Hop) and isinstance(to, V4Hop):
        return Place.NOBODY  # a credit with the manager
    return to.pool


def _paying(step: V2Swap | V2PaidSwap | V3Swap | BalancerSwap, to: Hop | None) -> list[Step]:
    """The step, and around it alone what has the manager notice that it is paid: only one currency is synced at a time."""
    if isinstance(to, V4Hop) and step.to is Place.POOL_MANAGER:
        return [V4Sync(to.token_in), step, V4Settle()]
    return [step]


def _lender(hops: Sequence[Hop]) -> int:
    """The hop that pays before it is paid; those after it are paid first.

    That is the last on V3, which cannot be paid first, else the first on V4, else the last pair, by a flash swap.
    """
    kinds = [type(hop) for hop in hops]
    if V4Hop in kinds and V3Hop not in kinds:
        return kinds.index(V4Hop)
    for kind in (V3Hop, V2Hop):
        if kind in kinds:
            return len(kinds) - 1 - kinds[::-1].index(kind)
    raise RouteError("of Balancer pools alone none pays before it is paid: take Source.V4, Aave or Erc3156")


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes hops as steps. `base` is ETHER for ether, `weth` None where it is not known.

    The base asset is in hand where it is needed, or V4's manager lends it and pays the first pool itself.
    """

    base: Address
    weth: Address | None
    manager_pays: bool

    def check(self, hops: Sequence[Hop]) -> None:
        """RouteError where there are fewer than two hops, or they do not join."""
        if len(hops) < 2:
            raise RouteError(f"a cycle has at least two hops, and not {len(hops)}")
        pools = [hop.pool for hop in hops if isinstance(hop, V2Hop | V3Hop)]
        for pool in pools:
            if pools.count(pool) > 1:
                raise RouteError(
                    f"pool 0x{pool.hex()} is in the cycle twice: it is locked until it is paid, or takes one payment "
                    "for the other. Trade on it once, or in two routes"
                )
        given: Address | None = self.base
        amount: int | None = None
        for number, hop in enumerate(hops, 1):
            if isinstance(hop, BalancerHop) and ETHER in (hop.token_in, hop.token_out):
                raise RouteError(
                    f"hop {number} has ether on Balancer: name WETH, which the executor pays there"
                )
            if bytes(ADDRESS_BYTES) in (_token_in(hop), _token_out(hop)):
                raise RouteError(f"hop {number} names ether by the zero address: a hop names it Place.NOBODY")
            # Less may come than was given: some tokens take a fee from a transfer.
            if hop.amount_in < 1 or (amount is not None and hop.amount_in > amount):
                most = "" if amount is None else f", and at most the {amount} that the hop before it gives"
                raise RouteError(f"hop {number} takes {hop.amount_in}: it must be at least 1{most}")
            self._join(given, _token_in(hop), f"hop {number} takes")
            given, amount = _token_out(hop), _amount_out(hop)
        self._join(given, self.base, "the cycle ends in")

    def _join(self, given: Address | None, taken: Address | None, what: str) -> None:
        if given is None or taken is None or given == taken or {given, taken} == {ETHER, self.weth}:
            return
        names = [each.name if isinstance(each, Place) else f"0x{each.hex()}" for each in (taken, given)]
        raise RouteError(
            f"{what} {names[0]}, and is given {names[1]}: put hops in the order of trade, name each token the same way "
            "throughout, and give WETH's address where it is not the base asset and ether (NOBODY) is made of it"
        )

    def on_the_pools(self, hops: Sequence[Hop]) -> list[Step]:
        """Steps in which one hop pays before it is paid: those after it pay the executor, those before it pay that hop."""
        first, last = hops[0], hops[-1]
        if isinstance(first, V4Hop) and isinstance(last, V4Hop) and first.token_in == last.token_out:
            # The manager sets off what it is owed against what it owes: the profit alone is taken.
            profit = None if last.amount_out is None else last.amount_out - first.amount_in
            take = V4Take(first.token_in, Place.SELF, 0)
            return [
                *self.deliver(hops, first, in_hand=False),
                take,
                *self._convert(last.token_out, self.base, profit),
            ]
        at = _lender(hops)
        lent = self.deliver(hops[at:], None, in_hand=False)
        return [*lent, *self.to_base(hops[-1]), *self._pay(hops[:at], hops[at], in_hand=True)]

    def deliver(self, hops: Sequence[Hop], to: Hop | None, in_hand: bool = True) -> list[Step]:
        """Steps that trade the base asset through the hops, and pay `to` the result, or the executor.

        Where it is not in hand, the first hop pays before it is paid, and is still to be paid.
        """
        *before, last = hops
        pay = self._pay(before, last, in_hand)
        payee = _payee(last, to)
        if isinstance(last, V3Hop):
            # It pays first; what its callback does is to pay it.
            return [*_paying(V3Swap(last.pool, payee, last.zero_for_one, last.amount_in), to), *pay]
        if isinstance(last, V2Hop):
            if not before and not in_hand:
                return [V2Flash(last.pair, last.takes_token1, last.amount_out)]
            sent = pay[-1] if pay else None
            if isinstance(sent, Transfer) and sent.to == last.pair:
                amounts = (last.amount_in, last.amount_out)
                both = V2PaidSwap(sent.token, last.pair, payee, last.takes_token1, *amounts)
                return [*pay[:-1], *_paying(both, to)]
            return [*pay, *_paying(V2Swap(last.pair, payee, last.takes_token1, last.amount_out), to)]
        follows = bool(before) and not _converts(_token_out(before[-1]), last.token_in)
        all_that_came = follows and isinstance(before[-1], V4Hop | BalancerHop)
        amount_in = 0 if all_that_came else last.amount_in
        if isinstance(last, BalancerHop):
            tokens = (last.token_in, last.token_out)
            return [*pay, *_paying(BalancerSwap(last.pool_id, *tokens, payee, amount_in), to)]
        key = (last.currency0, last.currency1, last.fee, last.tick_spacing, last.hooks)
        return [*pay, V4Swap(*key, payee, last.zero_for_one, amount_in)]

    def to_base(self, last: Hop) -> list[Step]:
        """Makes the base asset of what the last hop paid the executor."""
        return self._convert(_token_out(last), self.base, _amount_out(last))

    def _pay(self, before: Sequence[Hop], hop: Hop, in_hand: bool) -> list[Step]:
        """Steps that bring `hop` what it takes, from the hops before it, or the base asset from hand where there are none."""
        if not before:
            return self._begin(hop) if in_hand else []
        steps = self.deliver(before, hop, in_hand)
        given = _token_out(before[-1])
        return [*steps, *self._hand_over(given, hop)] if _converts(given, _token_in(hop)) else steps

    def _begin(self, hop: Hop) -> list[Step]:
        """Pays the first hop."""
        if not self.manager_pays:
            return self._hand_over(self.base, hop)
        if _converts(self.base, _token_in(hop)):
            return [V4Take(self.base, Place.SELF, hop.amount_in), *self._hand_over(self.base, hop)]
        return [V4Take(self.base, hop.pool, hop.amount_in)]

    def _hand_over(self, given: Address | None, hop: Hop) -> list[Step]:
        """Pays `hop` from hand, of the token given, or of what is made of it."""
        taken = _token_in(hop)
        steps = self._convert(given, taken, hop.amount_in)
        if isinstance(hop, V4Hop):
            return [*steps, V4Pay(hop.token_in, hop.amount_in)]
        if isinstance(hop, BalancerHop):
            return steps
        token = self._known_weth() if steps or given is None else given
        return [*steps, Transfer(token, hop.pool, hop.amount_in)]

    def _convert(self, given: Address | None, wanted: Address | None, amount: int | None) -> list[Step]:
        """Wraps ether or unwraps WETH where one is given and the other wanted."""
        if not _converts(given, wanted):
            return []
        weth = self._known_weth()
        if amount is None:
            raise RouteError(
                "what the last hop gives is wrapped or unwrapped, and its amount_out is not known: give it (a V3 hop "
                "has none: end on another pool, or in a token of its own)"
            )
        return [Wrap(amount)] if given is ETHER else [Unwrap(weth, amount)]

    def _known_weth(self) -> Address:
        if self.weth is None:
            raise RouteError(
                "ether is wrapped or unwrapped, and WETH is not the base asset: give its address, which the route lists"
            )
        return self.weth
