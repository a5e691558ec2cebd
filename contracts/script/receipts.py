"""Hold gas figures of snapshots/transactions.json against the receipts of real transactions on anvil.

`forge test --mc GasTest` leaves the state, the calldata and an access list in cache/; this loads them into anvil, sends
each route as a transaction from the operator, and compares the receipt's gasUsed. Exit 1 when one differs. Standard
library only.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parent.parent
ANVIL = next(CONTRACTS.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"), CONTRACTS / "anvil")
PORT = 18_545
MEMORY_BYTES = 4 << 30
# The time of the tests' block: the pairs were traded at it, so a trade at it writes no price sums.
TIME_S = 1_750_000_000
START_TIMEOUT_S = 10.0


def call(method: str, *params: Any) -> Any:
    """One JSON-RPC call to anvil; RuntimeError with its answer when it refuses."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    if "error" in found:
        raise RuntimeError(f"{method}: {found['error']}")
    return found["result"]


def wait_until(ready: Any) -> Any:
    """The first answer of `ready` that is not None, asked again until START_TIMEOUT_S has passed."""
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        try:
            answer = ready()
        except (urllib.error.URLError, ConnectionError):
            answer = None
        if answer is not None:
            return answer
        time.sleep(0.02)
    raise RuntimeError("anvil did not answer in time")


def receipts(routes: dict[str, Any]) -> dict[str, int]:
    """Gas used by each route, by its name, each as the first transaction on the tests' state."""
    operator, executor = routes.pop("operator"), routes.pop("executor")
    listed = [{"address": who, "storageKeys": slots} for who, slots in routes.pop("access list").items()]
    call("anvil_impersonateAccount", operator)
    call("anvil_setBalance", operator, hex(10**20))
    used = {}
    for name, route in routes.items():
        state = call("evm_snapshot")
        call("evm_setNextBlockTimestamp", TIME_S)
        transaction = {"from": operator, "to": executor, "data": route, "gas": hex(3_000_000)}
        if name.endswith("access list"):
            transaction["accessList"] = listed
        sent = call("eth_sendTransaction", transaction)
        receipt = wait_until(lambda sent=sent: call("eth_getTransactionReceipt", sent))
        if receipt["status"] != "0x1":
            raise RuntimeError(f"{name} failed on anvil")
        used[name] = int(receipt["gasUsed"], 16)
        call("evm_revert", state)
    return used


def main() -> int:
    """Compare; 0 when all agree."""
    routes = json.loads((CONTRACTS / "cache/receipts.json").read_text())
    snapshot = json.loads((CONTRACTS / "snapshots/transactions.json").read_text())
    genesis = {
        "config": {"chainId": 31337},
        "alloc": json.loads((CONTRACTS / "cache/state.json").read_text()),
        "timestamp": hex(TIME_S - 100),
        "gasLimit": hex(60_000_000),
        "difficulty": "0x0",
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(genesis, file)
        file.flush()
        anvil = subprocess.Popen(
            [ANVIL, "--init", file.name, "--port", str(PORT), "--silent", "--hardfork", "cancun"],
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        )
        try:
            wait_until(lambda: call("eth_chainId"))
            used = receipts(routes)
        finally:
            anvil.terminate()
            anvil.wait()
    for name, gas in used.items():
        same = gas == int(snapshot[name])
        sys.stdout.write(
            f"{name}: receipt {gas}, snapshot {snapshot[name]}: {'equal' if same else 'DIFFERENT'}\n"
        )
    return 0 if all(gas == int(snapshot[name]) for name, gas in used.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
