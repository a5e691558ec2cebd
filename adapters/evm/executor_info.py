"""What an executor is and holds, as the chain says now."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.evm.deployments import Deployments
from adapters.evm.executor_admin import ARGUMENTS, EXACT, ZERO, asset_of, connect, executor_at, resolve


def look(
    rpc_url: str, file: Path | None, address: str | None, tokens: list[str], operators: list[str]
) -> dict[str, Any]:
    """Facts for people and JSON; amounts are in whole tokens, every digit of them. AdminError where there is no executor."""
    web3 = connect(rpc_url)
    chain_id = web3.eth.chain_id
    facts: dict[str, Any] = {"chain_id": chain_id, "state": "deployed"}
    if address is None:
        deployments = Deployments(file)
        record = resolve(web3, deployments, deployments.current(chain_id))
        address = record.address
        facts |= {"state": record.state, "transaction": record.transaction}
        operators = [*operators, *([record.operator] if record.operator not in (*operators, ZERO) else [])]
    facts["address"] = address
    if facts["state"] != "deployed":
        return facts
    contract = executor_at(web3, address)
    read = contract.functions
    arguments = dict(zip(ARGUMENTS, read.config().call(), strict=True))
    shown = dict.fromkeys([ZERO, arguments["weth"], *tokens])
    held = [asset_of(web3, each, address) for each in shown]
    return facts | {
        "owner": read.owner().call(),
        "pending_owner": read.pendingOwner().call(),
        "arguments": arguments,
        "operators": {each: read.isOperator(each).call() for each in operators},
        "balances": [
            {
                "token": each.address,
                "symbol": each.symbol,
                "amount": f"{EXACT.scaleb(Decimal(each.balance), -each.decimals):f}",
                "units": str(each.balance),
            }
            for each in held
        ],
    }
