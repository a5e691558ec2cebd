"""A local chain as a program: says where it listens, lets the crowd trade, ends at a signal."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.evm.devchain.chain import Devchain

if TYPE_CHECKING:
    from adapters.evm.devchain.crowd import CrowdCount

LOOK_S = 0.5  # whether anvil still lives


def serve(chain: Devchain, *, rate: float, dump: Path | None, as_json: bool) -> int:
    """Run until SIGINT or SIGTERM: 0, or 1 where anvil ended by itself. `rate` is of the crowd, 0 for none."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with chain:
        _say(facts(chain), f"local chain of seed {chain.seed} at {chain.http_url}, Ctrl-C ends it", as_json)
        if rate > 0:
            _trade(chain, rate, stop, as_json)
        while chain.running and not stop.wait(LOOK_S):
            pass
        if not chain.running:
            sys.stderr.write("penstock: anvil ended by itself; its memory is limited to 4 GiB\n")
            return 1
        if dump is not None:
            chain.dump_state(dump)
    return 0


def facts(chain: Devchain) -> dict[str, Any]:
    """Where a running chain is to be found, for other programs."""
    return {
        "http_url": chain.http_url,
        "ws_url": chain.ws_url,
        "ipc_path": str(chain.ipc_path),
        "chain_id": chain.manifest.chain_id,
        "seed": chain.seed,
        "anvil_pid": chain.pid,
        "state": str(chain.state_path),
        "manifest": str(chain.manifest_path),
        "tokens": len(chain.manifest.tokens),
        "pools": len(chain.manifest.pools),
        "built": chain.built,
        "started_ms": round(chain.started_in_s * 1000),
    }


def _trade(chain: Devchain, rate: float, stop: threading.Event, as_json: bool) -> None:
    """Let the crowd trade until the end, and say what became of it."""
    from adapters.evm.devchain.crowd import Crowd, as_document

    def report(count: CrowdCount) -> None:
        _say({"crowd": as_document(crowd)}, f"crowd: {count}", as_json)

    try:
        with contextlib.closing(Crowd(chain)) as crowd:
            crowd.run(rate, stop, report)
            report(crowd.settle())
    except OSError as error:  # the chain is gone, which its process will show
        sys.stderr.write(f"penstock: the crowd stopped: {error}\n")


def _say(document: dict[str, Any], line: str, as_json: bool) -> None:
    """One line on standard output."""
    sys.stdout.write((msgspec.json.encode(document).decode() if as_json else line) + "\n")
    sys.stdout.flush()
