"""A crowd of traders that send real, signed transactions to a local chain, and what became of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from adapters.evm.devchain.abi import key_of
from adapters.evm.devchain.chain import Devchain
from adapters.evm.devchain.crowd_plan import CrowdPlan, Trade
from adapters.evm.devchain.rpc import Rpc, RpcError

MOST_PENDING = 2_000  # then it waits for blocks
SETTLE_EVERY_S, REPORT_EVERY_S = 1.0, 10.0
MOST_REASONS = 20


@dataclass
class CrowdCount:
    """Transactions sent; refused by the node; mined, of them failed; pending still."""

    sent: int = 0
    refused: int = 0
    mined: int = 0
    failed: int = 0
    pending: int = 0

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.refused} refused, {self.mined} mined, {self.failed} of them failed, "
            f"{self.pending} pending"
        )


class Crowd:
    """The traders of a chain, on a connection of their own. The seed is the chain's where none is given."""

    def __init__(self, chain: Devchain, seed: int | None = None) -> None:
        self._rpc = Rpc(chain.ipc_path)
        traders = chain.manifest.traders
        self._keys = [key_of(chain.manifest.seed, f"trader {index}") for index in range(len(traders))]
        nonces = self._rpc.batch([("eth_getTransactionCount", (each.address, "latest")) for each in traders])
        self.plan = CrowdPlan(
            chain.manifest, chain.seed if seed is None else seed, [int(each, 16) for each in nonces]
        )
        self._chain_id = chain.manifest.chain_id
        self._block = int(self._rpc("eth_blockNumber"), 16)
        self._pending: set[str] = set()
        self.count = CrowdCount()
        self.refusals: dict[str, int] = {}

    def sign(self, trade: Trade) -> tuple[str, str]:
        """Hash and raw bytes of a trade's transaction (EIP-1559), in hex."""
        from eth_account import Account

        signed = Account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": trade.nonce,
                "to": trade.swap.to,
                "value": trade.swap.value,
                "data": trade.swap.data,
                "gas": trade.swap.gas,
                "maxFeePerGas": trade.max_fee_wei,
                "maxPriorityFeePerGas": trade.tip_wei,
            },
            self._keys[trade.trader],
        )
        return "0x" + signed.hash.hex().removeprefix("0x"), "0x" + signed.raw_transaction.hex().removeprefix(
            "0x"
        )

    def send(self, count: int = 1) -> list[str]:
        """Sign and send the next trades; the hashes of those that were taken. A refusal is counted, with its reason."""
        made = [self.sign(self.plan.next()) for _ in range(count)]
        taken = []
        answers = self._rpc.attempt([("eth_sendRawTransaction", (raw,)) for _, raw in made])
        for (transaction, _), answer in zip(made, answers, strict=True):
            if isinstance(answer, RpcError):
                self._refused(answer)
            else:
                taken.append(transaction)
        self._pending.update(taken)
        self.count.sent += len(taken)
        self.count.pending = len(self._pending)
        return taken

    def settle(self) -> CrowdCount:
        """Count what was mined since the last time, and how much of it failed."""
        head = int(self._rpc("eth_blockNumber"), 16)
        receipts: list[dict[str, Any]] = []
        for number in range(self._block + 1, head + 1):
            receipts += self._rpc("eth_getBlockReceipts", hex(number)) or []
        self._block = head
        for receipt in receipts:
            if receipt["transactionHash"] in self._pending:
                self._pending.discard(receipt["transactionHash"])
                self.count.mined += 1
                self.count.failed += receipt["status"] != "0x1"
        self.count.pending = len(self._pending)
        return self.count

    def run(self, rate: float, stop: threading.Event, report: Callable[[CrowdCount], None]) -> None:
        """Send so many a second until told to stop, and report now and then. OSError where the chain is gone."""
        began_s = settled_s = reported_s = time.monotonic()
        done = 0
        while not stop.is_set():
            now_s = time.monotonic()
            due = int((now_s - began_s) * rate) - done
            done += due
            room = MOST_PENDING - len(self._pending)  # what does not fit is not sent later either
            if min(due, room) > 0:
                self.send(min(due, room))
            if now_s - settled_s >= SETTLE_EVERY_S:
                self.settle()
                settled_s = now_s
            if now_s - reported_s >= REPORT_EVERY_S:
                report(self.count)
                reported_s = now_s
            next_s = began_s + (done + 1) / rate
            stop.wait(max(min(next_s - time.monotonic(), SETTLE_EVERY_S), 0.0005))

    def close(self) -> None:
        """End the connection; what is pending stays so."""
        self._rpc.close()

    def _refused(self, error: RpcError) -> None:
        self.count.refused += 1
        if error.message in self.refusals or len(self.refusals) < MOST_REASONS:
            self.refusals[error.message] = self.refusals.get(error.message, 0) + 1


def as_document(crowd: Crowd) -> dict[str, Any]:
    """The count, for JSON."""
    return asdict(crowd.count) | {"refusals": crowd.refusals}
