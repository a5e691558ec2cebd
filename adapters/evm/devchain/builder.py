"""Sends the transactions that build a chain, many at once, and sees that each succeeded."""

from __future__ import annotations

from typing import Any

from adapters.evm.devchain.abi import call_data, created, decode_as, encode_as
from adapters.evm.devchain.anvil import GAS_LIMIT
from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.errors import DevchainError
from adapters.evm.devchain.rpc import Rpc

DEPLOY_GAS = 6_500_000  # the largest contract is 24,535 bytes
CALL_GAS = 1_000_000
APPROVE_GAS = 70_000
MAX_FEE_WEI = 10**11
MAX_BLOCKS = 20


class Builder:
    """Queues transactions and knows the addresses of what they create; `flush` mines them and raises DevchainError if one failed.

    They are sent by accounts that anvil impersonates, with explicit nonces and gas: the same calls make the same chain.
    """

    def __init__(self, rpc: Rpc, artifacts: Artifacts, deployer: str) -> None:
        self.rpc = rpc
        self.artifacts = artifacts
        self.deployer = deployer
        self.nonces: dict[str, int] = {}
        self._queued: list[tuple[str, dict[str, Any]]] = []
        self._gas = 0

    def deploy(self, name: str, types: str = "", *arguments: Any, links: dict[str, str] | None = None) -> str:
        """The address of a contract made of an artifact, or of ours."""
        ours = self.artifacts.ours.get(name)
        code = ours if ours is not None else self.artifacts.creation(name, links)
        return self.create(name, code + (encode_as(types, *arguments) if types else b""))

    def create(self, label: str, code: bytes) -> str:
        """The address of a contract with this creation code."""
        address = created(self.deployer, self.nonces.get(self.deployer, 0))
        self._queue(label, {"from": self.deployer, "data": "0x" + code.hex()}, DEPLOY_GAS)
        return address

    def call(
        self,
        to: str,
        signature: str,
        *arguments: Any,
        sender: str | None = None,
        value: int = 0,
        gas: int = CALL_GAS,
    ) -> None:
        """Queue a call, of the deployer's where no sender is named."""
        fields = {"from": sender or self.deployer, "to": to, "value": hex(value)}
        data = call_data(signature, *arguments)
        self._queue(f"{signature} of {to}", fields | {"data": "0x" + data.hex()}, gas)

    def approve(self, token: str, spender: str, sender: str | None = None) -> None:
        """Without bounds: what Uniswap's own interface asks for."""
        self.call(token, "approve(address,uint256)", spender, 2**256 - 1, sender=sender, gas=APPROVE_GAS)

    def read(self, to: str, signature: str, returns: str, *arguments: Any) -> Any:
        """What a view answers once all that is queued is mined: one value, or a tuple of several."""
        self.flush()
        request = {"to": to, "data": "0x" + call_data(signature, *arguments).hex()}
        values = decode_as(returns, self.rpc("eth_call", request, "latest"))
        return values[0] if len(values) == 1 else values

    def flush(self) -> None:
        """Mine what is queued."""
        if not self._queued:
            return
        queued, self._queued, self._gas = self._queued, [], 0
        hashes = self.rpc.batch([("eth_sendTransaction", (fields,)) for _, fields in queued])
        waiting = dict(zip(hashes, queued, strict=True))
        for _ in range(MAX_BLOCKS):
            self.rpc("evm_mine")
            for receipt in self.rpc("eth_getBlockReceipts", "latest"):
                label, fields = waiting.pop(receipt["transactionHash"])
                if receipt["status"] != "0x1":
                    raise DevchainError(
                        f"the chain cannot be built: {label} failed: {self._why(fields, receipt)}"
                    )
            if not waiting:
                return
        raise DevchainError(f"the chain cannot be built: {len(waiting)} transactions were not mined")

    def _queue(self, label: str, fields: dict[str, Any], gas: int) -> None:
        if self._gas + gas > GAS_LIMIT:
            self.flush()
        sender = fields["from"]
        nonce = self.nonces.get(sender, 0)
        self.nonces[sender] = nonce + 1
        # anvil takes the highest first, and of equal ones whichever came first: a batch may reach it in another order.
        most_wei = MAX_FEE_WEI - len(self._queued)
        fees = {"maxFeePerGas": hex(most_wei), "maxPriorityFeePerGas": "0x0"}
        self._queued.append((label, fields | fees | {"nonce": hex(nonce), "gas": hex(gas)}))
        self._gas += gas

    def _why(self, fields: dict[str, Any], receipt: dict[str, Any]) -> str:
        asked = {
            key: value
            for key, value in fields.items()
            if key not in ("nonce", "maxFeePerGas", "maxPriorityFeePerGas")
        }
        before = hex(int(receipt["blockNumber"], 16) - 1)
        (answer,) = self.rpc.attempt([("eth_call", (asked, before))])
        return str(answer) if isinstance(answer, Exception) else f"{int(receipt['gasUsed'], 16):,} gas used"
