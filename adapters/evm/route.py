"""Routes of the flash-loan executor: steps, written as the packed bytes that it runs.

A `Route` is a line of steps under a head; `encode` gives the calldata of the operator's transaction, in a short form
where WETH goes through two V2 pairs. `cycle.py` puts the steps of an arbitrage in order. The format is in
docs/contracts.md; the Solidity tests read the same vectors as the tests of this module
(contracts/test/vectors/routes.json).

Amounts are integers in a token's smallest unit, ether in wei. Errors: RouteError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from engine.errors import UserError

ADDRESS_BYTES = 20
MAX_ROWS = 15  # of tokens, and of other addresses: a nibble each
MAX_ROUTE_BYTES = 0x7FFF  # where a callback goes on is kept in 16 bits

# Bits of the head's first byte.
_BASE_IS_ROW = 1
_BASE_IS_WETH = 2
_HAS_BID = 4
_IS_V2_CYCLE = 8
_WETH_IS_TOKEN1 = 16


class RouteError(UserError):
    """The route cannot be written: an amount out of range, too many addresses, steps in an impossible order."""


class Place(IntEnum):
    """Addresses that need no row of the table; the values are their indices."""

    WETH = 0xFB
    NOBODY = 0xFC  # the zero address: ether, no hooks, or "leave it with the V4 manager"
    BALANCER_VAULT = 0xFD
    POOL_MANAGER = 0xFE
    SELF = 0xFF  # the executor


Address = bytes | Place


class _Table:
    """The rows of the head: tokens that may leave first, then every other address in order of its first use."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self.tokens = [_address(token) for token in tokens]
        self.others: list[bytes] = []
        if len(set(self.tokens)) != len(self.tokens):
            raise RouteError("a token is listed twice: list each once")

    def index(self, address: Address) -> bytes:
        if isinstance(address, Place):
            return bytes([address])
        row = _address(address)
        rows = self.tokens + self.others
        if row not in rows:
            self.others.append(row)
            rows.append(row)
        return bytes([rows.index(row)])

    def token(self, address: Address, base: Address) -> bytes:
        """The index of a token that leaves: listed, or the base asset."""
        if isinstance(address, Place):
            if address is Place.WETH and base is Place.WETH:
                return bytes([address])
            raise RouteError(
                f"{address.name} leaves the executor, and the route does not count it: list its address"
            )
        if _address(address) not in self.tokens:
            raise RouteError(
                f"token 0x{address.hex()} leaves the executor, and is not among the route's tokens: list it"
            )
        return self.index(address)

    def encode(self) -> bytes:
        for name, rows in (("tokens", self.tokens), ("other addresses", self.others)):
            if len(rows) > MAX_ROWS:
                raise RouteError(f"the route has {len(rows)} {name}, at most {MAX_ROWS} fit: use fewer pools")
        return bytes([len(self.tokens) << 4 | len(self.others)]) + b"".join(self.tokens + self.others)


def _address(address: bytes) -> bytes:
    if len(address) != ADDRESS_BYTES:
        raise RouteError(f"an address has {ADDRESS_BYTES} bytes, and not {len(address)}: 0x{address.hex()}")
    return bytes(address)


def _pool(address: Address) -> bytes:
    """The address of a pair or pool of V2 or V3, which the contract looks for in the table alone."""
    if isinstance(address, Place):
        raise RouteError(f"{address.name} is no pair or pool of V2 or V3: name the pool's address")
    return _address(address)


def _uint(value: int, bits: int, name: str) -> bytes:
    if not 0 <= value < 1 << bits:
        raise RouteError(f"{name} is {value}; it must be at least 0 and below 2^{bits}")
    return value.to_bytes(bits // 8, "big")


def _op(code: int, direction: bool = False) -> bytes:
    return bytes([code | (0x80 if direction else 0)])


class Step(ABC):
    """One step of a route."""

    __slots__ = ()

    @abstractmethod
    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes; addresses go into the table."""


@dataclass(frozen=True, slots=True)
class Transfer(Step):
    """Sends `amount` (uint128) of a listed token."""

    token: Address
    to: Address
    amount: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return (
            _op(0x01)
            + table.token(self.token, base)
            + table.index(self.to)
            + _uint(self.amount, 128, "amount")
        )


@dataclass(frozen=True, slots=True)
class V2Swap(Step):
    """Takes `amount_out` (uint112) out of a pair that was paid already."""

    pair: bytes
    to: Address
    take_token1: bool
    amount_out: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        where = table.index(_pool(self.pair)) + table.index(self.to)
        return _op(0x02, self.take_token1) + where + _uint(self.amount_out, 112, "amount_out")


@dataclass(frozen=True, slots=True)
class V2PaidSwap(Step):
    """Pays a pair `amount_in` of a listed token and takes `amount_out` out (both uint112)."""

    token: Address
    pair: bytes
    to: Address
    take_token1: bool
    amount_in: int
    amount_out: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        where = table.token(self.token, base) + table.index(_pool(self.pair)) + table.index(self.to)
        amounts = _uint(self.amount_in, 112, "amount_in") + _uint(self.amount_out, 112, "amount_out")
        return _op(0x03, self.take_token1) + where + amounts


@dataclass(frozen=True, slots=True)
class V2Flash(Step):
    """Takes `amount_out` (uint112) out of a pair first; the steps after it run in the pair's callback and pay it."""

    pair: bytes
    take_token1: bool
    amount_out: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return (
            _op(0x04, self.take_token1)
            + table.index(_pool(self.pair))
            + _uint(self.amount_out, 112, "amount_out")
        )


@dataclass(frozen=True, slots=True)
class V3Swap(Step):
    """Swaps exactly `amount_in` (uint128); the pool pays `to`, and the steps after it run in its callback and pay it."""

    pool: bytes
    to: Address
    zero_for_one: bool
    amount_in: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        where = table.index(_pool(self.pool)) + table.index(self.to)
        return _op(0x05, self.zero_for_one) + where + _uint(self.amount_in, 128, "amount_in")


@dataclass(frozen=True, slots=True)
class V4Unlock(Step):
    """Opens the V4 manager; the steps after it run in its callback."""

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x06)


@dataclass(frozen=True, slots=True)
class V4Take(Step):
    """Takes `amount` (uint128) of a currency from the manager; 0 for all that it owes."""

    currency: Address
    to: Address
    amount: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        where = table.index(self.currency) + table.index(self.to)
        return _op(0x07) + where + _uint(self.amount, 128, "amount")


@dataclass(frozen=True, slots=True)
class V4Pay(Step):
    """Pays the manager `amount` (uint128) of a listed token, or of ether (Place.NOBODY)."""

    token: Address
    amount: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        ether = self.token is Place.NOBODY
        where = table.index(self.token) if ether else table.token(self.token, base)
        return _op(0x08) + where + _uint(self.amount, 128, "amount")


@dataclass(frozen=True, slots=True)
class V4Swap(Step):
    """Swaps exactly `amount_in` (uint128) on a V4 pool, on credit; 0 for what the frame's last swap gave.

    `fee` in 1e-6 or the dynamic fee flag (uint24); what comes out is taken to `to`, Place.NOBODY leaves it a credit.
    """

    currency0: Address
    currency1: Address
    fee: int
    tick_spacing: int
    hooks: Address
    to: Address
    zero_for_one: bool
    amount_in: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        pool = table.index(self.currency0) + table.index(self.currency1) + _uint(self.fee, 24, "fee")
        pool += _uint(self.tick_spacing, 24, "tick_spacing") + table.index(self.hooks)
        return (
            _op(0x09, self.zero_for_one)
            + pool
            + table.index(self.to)
            + _uint(self.amount_in, 128, "amount_in")
        )


@dataclass(frozen=True, slots=True)
class V4Sync(Step):
    """What the manager gets of a currency from here to `V4Settle` counts as paid by the executor."""

    currency: Address

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x0A) + table.index(self.currency)


@dataclass(frozen=True, slots=True)
class V4Settle(Step):
    """Closes `V4Sync`."""

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x0B)


@dataclass(frozen=True, slots=True)
class V4Loan(Step):
    """Takes `amount` (uint128) of a listed token from the manager, and pays it back after the steps that follow it."""

    token: Address
    amount: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x15) + table.token(self.token, base) + _uint(self.amount, 128, "amount")


@dataclass(frozen=True, slots=True)
class BalancerSwap(Step):
    """Swaps `amount_in` (uint128) of a listed token on a Balancer V2 pool; 0 for what the frame's last swap gave."""

    pool_id: bytes
    token_in: Address
    token_out: Address
    to: Address
    amount_in: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        if len(self.pool_id) != 32:
            raise RouteError(f"a Balancer pool id has 32 bytes, and not {len(self.pool_id)}")
        where = table.token(self.token_in, base) + table.index(self.token_out) + table.index(self.to)
        return _op(0x0C) + where + _uint(self.amount_in, 128, "amount_in") + self.pool_id


@dataclass(frozen=True, slots=True)
class BalancerLoan(Step):
    """Borrows from Balancer V2; the steps after it run in its callback, and one of them transfers it back."""

    token: Address
    amount: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x0D) + table.token(self.token, base) + _uint(self.amount, 128, "amount")


@dataclass(frozen=True, slots=True)
class AaveLoan(Step):
    """Borrows from Aave V3, which then takes `repay` (amount and premium) itself."""

    token: Address
    amount: int
    repay: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        amounts = _uint(self.amount, 128, "amount") + _uint(self.repay, 128, "repay")
        return _op(0x0E) + table.token(self.token, base) + amounts


@dataclass(frozen=True, slots=True)
class Erc3156Loan(Step):
    """Borrows from an ERC-3156 lender, which then takes `repay` (amount and fee) itself."""

    token: Address
    lender: bytes
    amount: int
    repay: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        amounts = _uint(self.amount, 128, "amount") + _uint(self.repay, 128, "repay")
        return _op(0x0F) + table.token(self.token, base) + table.index(self.lender) + amounts


@dataclass(frozen=True, slots=True)
class Wrap(Step):
    """Turns ether into WETH."""

    amount_wei: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x10) + _uint(self.amount_wei, 128, "amount_wei")


@dataclass(frozen=True, slots=True)
class Unwrap(Step):
    """Turns WETH, listed or the base asset, into ether."""

    token: Address
    amount_wei: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x11) + table.token(self.token, base) + _uint(self.amount_wei, 128, "amount_wei")


@dataclass(frozen=True, slots=True)
class Deadline(Step):
    """Fails the route when the block's time is later than this; comes before any step that calls back."""

    time_s: int

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        return _op(0x12) + _uint(self.time_s, 32, "time_s")


@dataclass(frozen=True, slots=True)
class ParentBlock(Step):
    """Fails the route when the block before is not this one; comes before any step that calls back."""

    block_hash: bytes

    def encode(self, table: _Table, base: Address) -> bytes:
        """The step's bytes."""
        if len(self.block_hash) != 32:
            raise RouteError(f"a block hash has 32 bytes, and not {len(self.block_hash)}")
        return _op(0x13) + self.block_hash


_GUARDS = (Deadline, ParentBlock)
_CALL_BACK = (V2Flash, V3Swap, V4Unlock, BalancerLoan, AaveLoan, Erc3156Loan)


@dataclass(frozen=True, slots=True)
class Route:
    """What the executor runs.

    `base` is Place.WETH or a token's address (20 zero bytes for ether); `min_profit` counts in it, net of `bid_wei`, which
    goes to the block's builder and needs ether or WETH as base. `tokens` are those besides the base that leave the
    executor: they must not become less. A flash swap of one pair for another's is written shorter, and costs 1,378 gas
    less, where `min_profit` and `bid_wei` are all that the pairs' amounts leave; less would be left to the pair.
    """

    base: Address
    max_block: int
    min_profit: int
    steps: tuple[Step, ...]
    tokens: tuple[bytes, ...] = ()
    bid_wei: int = 0

    def encode(self) -> bytes:
        """The calldata of the operator's transaction."""
        if isinstance(self.base, Place) and self.base is not Place.WETH:
            raise RouteError(f"{self.base.name} is no base asset: name WETH or a token's address")
        self._check_guards()
        kind, body = self._v2_cycle() or self._table_and_steps()
        profit = _uint(self.min_profit, 96, "min_profit")
        if self.bid_wei:
            kind |= _HAS_BID
            body += _op(0x14) + _uint(self.bid_wei, 96, "bid_wei")
            profit = _uint(self.min_profit + self.bid_wei, 96, "min_profit and bid_wei")
        route = bytes([kind]) + _uint(self.max_block, 32, "max_block") + profit + body
        if len(route) > MAX_ROUTE_BYTES:
            raise RouteError(f"the route has {len(route)} bytes, at most {MAX_ROUTE_BYTES} can be run")
        return route

    def _check_guards(self) -> None:
        """What follows a step that calls back runs only if its callee does: a guard there might not hold."""
        caller: Step | None = None
        for step in self.steps:
            if caller is not None and isinstance(step, _GUARDS):
                raise RouteError(
                    f"{type(step).__name__} comes after {type(caller).__name__}, whose callee may keep still and skip it: "
                    "put it first"
                )
            if isinstance(step, _CALL_BACK):
                caller = step

    def _table_and_steps(self) -> tuple[int, bytes]:
        listed = self.tokens if isinstance(self.base, Place) else (self.base, *self.tokens)
        table = _Table(listed)
        steps = b"".join(step.encode(table, self.base) for step in self.steps)
        return _BASE_IS_WETH if self.base is Place.WETH else _BASE_IS_ROW, table.encode() + steps

    def _v2_cycle(self) -> tuple[int, bytes] | None:
        """The short form of two V2 pairs, where the route is that: the second pair gives what went in and the profit."""
        match self.steps:
            case (V2Flash() as last, V2PaidSwap() as first):
                pass
            case _:
                return None
        _uint(last.amount_out, 112, "amount_out")
        profit = last.amount_out - first.amount_in
        if (
            self.base is not Place.WETH
            or self.tokens
            or first.token is not Place.WETH
            or first.to != last.pair
            or first.take_token1 == last.take_token1
            or profit != self.min_profit + self.bid_wei
        ):
            return None
        amounts = _uint(first.amount_in, 112, "amount_in") + _uint(first.amount_out, 112, "amount_out")
        kind = _IS_V2_CYCLE | (_WETH_IS_TOKEN1 if last.take_token1 else 0)
        return kind, _pool(last.pair) + _pool(first.pair) + amounts
