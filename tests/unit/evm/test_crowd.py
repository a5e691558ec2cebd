"""The crowd: seeded traders whose signed transactions are the same for the same seed, and are mined, counted and seen pending."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import aiohttp
import orjson
import pytest

from adapters.evm.devchain import Devchain
from adapters.evm.devchain.crowd import Crowd
from adapters.evm.devchain.crowd_plan import CrowdPlan

pytestmark = pytest.mark.xdist_group("devchain")
SIX = {"uniswap_v2", "sushi_v2", "uniswap_v3", "pancake_v3", "uniswap_v4", "balancer_v2"}


def nonces(chain: Devchain) -> list[int]:
    return [each.nonce for each in chain.manifest.traders]


def test_the_same_seed_sends_the_same_bytes(chain: Devchain) -> None:
    def signed(seed: int) -> list[tuple[str, str]]:
        crowd = Crowd(chain, seed)
        made = [crowd.sign(crowd.plan.next()) for _ in range(60)]
        crowd.close()
        return made

    first = signed(7)
    assert first == signed(7) and first != signed(8)
    crowd = Crowd(chain)  # of the chain's own seed
    assert crowd.send(60) == [transaction for transaction, _ in first]
    crowd.close()


def test_trades_are_mined_on_every_protocol(chain: Devchain) -> None:
    crowd = Crowd(chain)
    plan = CrowdPlan(chain.manifest, chain.seed, nonces(chain))
    trades = [plan.next() for _ in range(300)]
    assert {chain.manifest.pool(trade.pool).protocol for trade in trades} == SIX
    for trader in range(len(chain.manifest.traders)):  # nonces of each trader go up by one
        mine = [trade.nonce for trade in trades if trade.trader == trader]
        assert mine == list(range(nonces(chain)[trader], nonces(chain)[trader] + len(mine)))
    assert len({trade.max_fee_wei for trade in trades}) > 100
    sent = crowd.send(300)
    chain.mine_all()
    count = crowd.settle()
    failed = sum(chain.rpc("eth_getTransactionReceipt", each)["status"] != "0x1" for each in sent)
    assert (count.sent, count.mined, count.refused, count.pending) == (300, 300, 0, 0)
    assert count.failed == failed <= 15
    crowd.close()


def test_failed_and_refused_transactions_are_counted(chain: Devchain) -> None:
    trades, crowd = CrowdPlan(chain.manifest, chain.seed, nonces(chain)), Crowd(chain)
    planned = [trades.next() for _ in range(80)]
    router = chain.manifest.contracts["uniswap_v3_router"]
    chain.rpc("anvil_setCode", router, "0x5f5ffd")  # it reverts
    poor = planned[0].trader
    chain.rpc("anvil_setBalance", chain.manifest.traders[poor].address, "0x0")
    crowd.send(80)
    chain.mine_all()
    count = crowd.settle()
    broke = [trade for trade in planned if trade.trader == poor]
    assert count.refused == len(broke) > 0 and sum(crowd.refusals.values()) == count.refused
    assert "Insufficient funds" in next(iter(crowd.refusals))
    assert count.mined == 80 - len(broke)
    reverted = [trade for trade in planned if trade.trader != poor and trade.swap.to == router]
    assert count.failed >= len(reverted) > 0
    crowd.close()


def test_transactions_are_seen_pending_over_the_websocket(chain: Devchain) -> None:
    async def watch() -> list[dict[str, str]]:
        async with aiohttp.ClientSession() as session, session.ws_connect(chain.ws_url) as socket:
            request = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "eth_subscribe",
                "params": ["newPendingTransactions", True],
            }
            await socket.send_str(orjson.dumps(request).decode())
            assert "result" in await socket.receive_json(timeout=10)
            await asyncio.to_thread(crowd.send, 10)
            return [(await socket.receive_json(timeout=10))["params"]["result"] for _ in range(10)]

    crowd = Crowd(chain)
    seen = asyncio.run(watch())
    trades = CrowdPlan(chain.manifest, chain.seed, nonces(chain))
    planned = [trades.next() for _ in range(10)]
    assert sorted(each["input"] for each in seen) == sorted("0x" + trade.swap.data.hex() for trade in planned)
    assert {each["type"] for each in seen} == {"0x2"} and all(each["blockNumber"] is None for each in seen)
    chain.mine_all()
    crowd.close()


def test_it_keeps_its_rate_and_ends_when_told(evm_home: Path, chain: Devchain) -> None:
    with Devchain(seed=7, block_time_s=0.1) as own:
        crowd, stop = Crowd(own), threading.Event()

        def tell() -> None:
            until_s = time.monotonic() + 30
            while crowd.count.sent < 40 and time.monotonic() < until_s:
                time.sleep(0.01)
            stop.set()

        teller = threading.Thread(target=tell)
        began_s = time.monotonic()
        teller.start()
        crowd.run(40.0, stop, lambda _: None)
        assert 40 <= crowd.count.sent <= (time.monotonic() - began_s) * 40
        teller.join()
        crowd.close()
