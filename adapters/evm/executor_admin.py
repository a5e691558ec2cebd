"""The executor contract from outside: deploy it, look at it, take out what it holds. Untimed, over web3.

Whatever is sent is simulated first, and recorded before where something would be lost otherwise.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.evm.deployments import Deployment, Deployments
from engine.errors import UserError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract

ARTIFACT = Path(__file__).resolve().parent / "flash_executor.json"
ZERO = "0x" + "00" * 20
EXACT = Context(prec=200)  # a uint256 has 78 digits
REQUEST_S = 30.0
POLL_S = 0.1
# Constructor arguments by chain: what each protocol says of its own deployments.
KNOWN_CHAINS = {
    1: {
        "poolManager": "0x000000000004444c5dc75cB358380D2e3dE08A90",
        "balancerVault": "0xBA12222222228d8Ba445958a75a0704d566BF2C8",
        "aavePool": "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2",
        "weth": "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    }
}
ARGUMENTS = ("poolManager", "balancerVault", "aavePool", "weth")
ERC20_ABI: list[dict[str, Any]] = [
    {
        "type": "function", "name": name, "stateMutability": "view",
        "inputs": [{"name": "", "type": each} for each in inputs], "outputs": [{"name": "", "type": output}],
    }
    for name, inputs, output in (
        ("balanceOf", ["address"], "uint256"), ("decimals", [], "uint8"), ("symbol", [], "string"),
    )
]  # fmt: skip


class AdminError(UserError):
    """It cannot be done, or was not; the text says what happened, why, and what to do."""


class UnknownFate(AdminError):
    """It was sent, and not seen mined in time: it still can be."""


@contextmanager
def node_errors(url: str) -> Iterator[None]:
    """What a node may do wrong between two steps, as an AdminError."""
    from web3.exceptions import Web3Exception

    try:
        yield
    except Web3Exception as error:
        raise AdminError(
            f"the node at {url} does not answer as it should: {reason(error)}. Is it the right address?"
        ) from error
    except OSError as error:
        raise AdminError(f"the node at {url} was lost: {error}") from error


def connect(url: str) -> Web3:
    """A connection to a node over HTTP; AdminError where it does not answer."""
    from web3 import Web3
    from web3.exceptions import Web3Exception

    web3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": REQUEST_S}))
    try:
        web3.eth.chain_id  # noqa: B018 - it asks the node
    except (OSError, ValueError, Web3Exception) as error:
        raise AdminError(f"no node answers at {url}: {error}. Name one with --rpc-url") from error
    return web3


def artifact() -> dict[str, Any]:
    """ABI and creation code of the executor; AdminError where it was not installed."""
    try:
        found: dict[str, Any] = json.loads(ARTIFACT.read_text())
    except (OSError, ValueError) as error:
        raise AdminError(f"{ARTIFACT} cannot be read: {error}. Install Penstock anew") from error
    return found


def account(key: str) -> LocalAccount:
    """The account of a private key in hex; AdminError, without the key, where it is none."""
    from eth_account import Account

    try:
        return Account.from_key(key)  # type: ignore[no-any-return]
    except Exception:  # noqa: BLE001 - its text may show the key
        raise AdminError("what was given as the private key is none: 32 bytes in hex are expected") from None


def address_of(text: str, what: str) -> str:
    """An address with its checksum; AdminError where it is none, or its checksum is wrong."""
    from web3 import Web3

    if not Web3.is_address(text) or (
        text[2:] not in (text[2:].lower(), text[2:].upper()) and not Web3.is_checksum_address(text)
    ):
        raise AdminError(
            f"{what} {text!r} is no address: 0x and 40 hex digits, with a right checksum where letters are mixed"
        )
    return str(Web3.to_checksum_address(text))


@dataclass(frozen=True)
class Admin:
    """What is needed to send: a node, an account, and how long to wait for a block."""

    web3: Web3
    signer: LocalAccount
    timeout_s: float

    def sign(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """Raw bytes and hash of a transaction of ours."""
        signed = self.signer.sign_transaction(transaction)
        return bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex()

    def fields(self) -> dict[str, Any]:
        """Sender, nonce and chain of the next transaction."""
        nonce = self.web3.eth.get_transaction_count(self.signer.address, "pending")
        return {"from": self.signer.address, "nonce": nonce, "chainId": self.web3.eth.chain_id}

    def send(self, raw: bytes, transaction: str) -> dict[str, Any]:
        """Send and wait: the receipt. AdminError where the node refuses it, UnknownFate where no block has it in time."""
        from web3.exceptions import TimeExhausted, Web3Exception

        unknown = f"{transaction} may be mined, still: look at it before you send anything again"
        try:
            self.web3.eth.send_raw_transaction(raw)
            wait = self.web3.eth.wait_for_transaction_receipt
            receipt = wait(transaction, timeout=self.timeout_s, poll_latency=POLL_S)  # type: ignore[arg-type]
        except TimeExhausted as error:
            raise UnknownFate(
                f"no block had the transaction within {self.timeout_s:g} s. {unknown}"
            ) from error
        except OSError as error:
            raise UnknownFate(f"the node was lost: {error}. {unknown}") from error
        except (Web3Exception, ValueError) as error:
            raise AdminError(f"the node refused the transaction: {reason(error)}") from error
        return dict(receipt)


def reason(error: Exception) -> str:
    """What a node's refusal or a revert says."""
    message = getattr(error, "message", None) or (error.args[0] if error.args else error)
    return str(message.get("message", message) if isinstance(message, dict) else message)


def executor_at(web3: Web3, address: str) -> Contract:
    """The contract; AdminError where nothing is deployed there."""
    if not web3.eth.get_code(address):  # type: ignore[arg-type]
        raise AdminError(
            f"there is no contract at {address} on chain {web3.eth.chain_id}: is it the right node?"
        )
    return web3.eth.contract(address=address, abi=artifact()["abi"])  # type: ignore[call-overload, no-any-return]


def deploy(
    admin: Admin,
    deployments: Deployments,
    owner: str,
    operator: str,
    arguments: dict[str, str],
    replace: bool,
) -> Deployment:
    """Deploy the executor and write down where; AdminError, DeploymentsError or UnknownFate where it was not to be."""
    from web3 import Web3
    from web3.exceptions import Web3Exception
    from web3.utils.address import get_create_address

    web3, found = admin.web3, artifact()
    chain_id = web3.eth.chain_id
    deployments.refuse_second(chain_id, replace)
    for name, address in arguments.items():
        if address != ZERO and not web3.eth.get_code(Web3.to_checksum_address(address)):
            raise AdminError(
                f"{name} {address} is no contract on chain {chain_id}: name the chain's own, or {ZERO} for none"
            )
    contract = web3.eth.contract(abi=found["abi"], bytecode=found["bytecode"])
    fields = admin.fields()
    try:
        constructor = contract.constructor(owner, operator, tuple(arguments.values()))
        transaction = constructor.build_transaction(fields)
    except (Web3Exception, ValueError) as error:
        raise AdminError(f"the deployment would fail: {reason(error)}") from error
    raw, transaction_hash = admin.sign(dict(transaction))
    record = Deployment(
        address=str(get_create_address(admin.signer.address, fields["nonce"])),
        state="sent",
        chain_id=chain_id,
        transaction=transaction_hash,
        deployer=admin.signer.address,
        nonce=fields["nonce"],
        owner=owner,
        operator=operator,
        arguments=arguments,
        creation_sha256=hashlib.sha256(bytes.fromhex(found["bytecode"].removeprefix("0x"))).hexdigest(),
        sent_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    deployments.add(record)
    try:
        receipt = admin.send(raw, transaction_hash)
    except UnknownFate:
        raise
    except AdminError:
        deployments.update(msgspec.structs.replace(record, state="failed"))
        raise
    return settled(deployments, record, receipt)


def settled(deployments: Deployments, record: Deployment, receipt: dict[str, Any]) -> Deployment:
    """Write down what became of a deployment; AdminError where it failed."""
    state = "deployed" if receipt["status"] == 1 else "failed"
    now = msgspec.structs.replace(
        record, state=state, block_number=int(receipt["blockNumber"]), gas_used=int(receipt["gasUsed"])
    )
    deployments.update(now)
    if state == "failed":
        raise AdminError(f"the deployment {record.transaction} was mined and failed")
    return now


def resolve(web3: Web3, deployments: Deployments, record: Deployment) -> Deployment:
    """A deployment whose fate was not known, by what the chain says now; the same where that says nothing.

    It failed for certain once another transaction has its nonce.
    """
    from web3.exceptions import TransactionNotFound

    if record.state != "sent":
        return record
    # Asked before the receipt: it may be mined in between.
    taken = web3.eth.get_transaction_count(record.deployer, "latest") > record.nonce  # type: ignore[arg-type]
    try:
        receipt = web3.eth.get_transaction_receipt(record.transaction)  # type: ignore[arg-type]
    except TransactionNotFound:
        if not taken:
            return record
        failed = msgspec.structs.replace(record, state="failed")
        deployments.update(failed)
        return failed
    return settled(deployments, record, dict(receipt))


@dataclass(frozen=True)
class Asset:
    """A token, or ether at the zero address."""

    address: str
    symbol: str
    decimals: int
    balance: int

    def text(self, amount: int) -> str:
        """An amount in whole tokens, every digit of it."""
        return f"{EXACT.scaleb(Decimal(amount), -self.decimals):f} {self.symbol}"

    def parse(self, text: str) -> int:
        """Least units of "1.5" or "all"; AdminError where it is no amount, has too many digits, or more than there is."""
        if text == "all":
            return self.balance
        try:
            scaled = EXACT.scaleb(Decimal(text), self.decimals)
        except InvalidOperation:
            raise AdminError(f"{text!r} is no amount: a number in whole {self.symbol}, or 'all'") from None
        if not scaled.is_finite() or scaled <= 0 or scaled != scaled.to_integral_value():
            raise AdminError(
                f"{text!r} is no amount of {self.symbol}: above 0, with at most {self.decimals} decimals"
            )
        if scaled > self.balance:
            raise AdminError(f"the executor holds {self.text(self.balance)}, less than {text}")
        return int(scaled)


def asset_of(web3: Web3, token: str, holder: str) -> Asset:
    """What a holder has of a token; AdminError where there is no token."""
    from web3.exceptions import Web3Exception

    if token == ZERO:
        return Asset(ZERO, "ETH", 18, web3.eth.get_balance(holder))  # type: ignore[arg-type]
    contract = web3.eth.contract(address=token, abi=ERC20_ABI)  # type: ignore[call-overload]
    try:
        balance, decimals = contract.functions.balanceOf(holder).call(), contract.functions.decimals().call()
        symbol = contract.functions.symbol().call()
    except (Web3Exception, ValueError) as error:
        raise AdminError(f"{token} is no token on chain {web3.eth.chain_id}: {reason(error)}") from error
    return Asset(token, symbol, decimals, balance)


def withdraw(admin: Admin, executor: str, asset: Asset, to: str, amount: int) -> dict[str, Any]:
    """Take so many least units out of the executor: the receipt. AdminError where we are not its owner, or it would fail."""
    from web3.exceptions import Web3Exception

    contract = executor_at(admin.web3, executor)
    owner = contract.functions.owner().call()
    if owner != admin.signer.address:
        raise AdminError(
            f"only its owner {owner} can withdraw from {executor}: this key is of {admin.signer.address}"
        )
    if amount == 0:
        raise AdminError(f"the executor holds no {asset.symbol}: there is nothing to withdraw")
    call = contract.functions.withdraw(asset.address, to, amount)
    try:
        transaction = call.build_transaction(admin.fields())  # type: ignore[arg-type]
    except (Web3Exception, ValueError) as error:
        raise AdminError(f"the withdrawal would fail: {reason(error)}") from error
    raw, transaction_hash = admin.sign(dict(transaction))
    receipt = admin.send(raw, transaction_hash)
    if receipt["status"] != 1:
        raise AdminError(f"the withdrawal {transaction_hash} was mined and failed")
    return receipt
