"""`penstock evm deploy`, `withdraw` and `executor-info` on the local chain, with the executor's real bytecode."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.evm.devchain import Devchain
from adapters.evm.devchain.abi import with_checksum
from engine.cli import main
from tests.evm_calls import balance

pytestmark = pytest.mark.xdist_group("devchain")
ETHER = "0x" + "00" * 20
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def mining(evm_home: Path) -> Iterator[Devchain]:
    """A chain on which blocks come by themselves."""
    with Devchain(seed=7, block_time_s=0.05) as chain:
        yield chain


@pytest.fixture
def key_file(mining: Devchain, tmp_path: Path) -> Path:
    file = tmp_path / "owner.key"
    file.touch(mode=0o600)
    file.write_text(mining.accounts[0].key + "\n")
    return file


@pytest.fixture
def run(
    mining: Devchain,
    tmp_path: Path,
    key_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command against the chain: its exit code, what it said, and its complaints."""
    monkeypatch.setenv("PENSTOCK_DEPLOYMENTS", str(tmp_path / "deployments.json"))
    monkeypatch.setenv("PENSTOCK_EVM_RPC_URL", mining.http_url)
    monkeypatch.delenv("PENSTOCK_EVM_KEY", raising=False)

    def command(name: str, *arguments: str, key: Path | None = key_file) -> tuple[int, str, str]:
        more = [] if name == "executor-info" or key is None else ["--key-file", str(key)]
        code = main(["evm", name, *arguments, *more])
        said = capsys.readouterr()
        for account in mining.accounts:
            assert account.key[2:] not in said.out + said.err
        return code, said.out, said.err

    return command


def deployed(run: Run, mining: Devchain, *arguments: str) -> dict[str, Any]:
    code, out, err = run("deploy", "--manifest", str(mining.manifest_path), "--json", *arguments)
    assert (code, err) == (0, "")
    made: dict[str, Any] = json.loads(out)
    return made


def pay(mining: Devchain, to: str, token: str, amount: int) -> None:
    """From the second account, and wait for its block."""
    from adapters.evm.devchain.abi import call_data

    fields: dict[str, str] = {"from": mining.accounts[1].address, "gas": hex(100_000)}
    if token == ETHER:
        fields |= {"to": to, "value": hex(amount)}
    else:
        fields |= {"to": token, "data": "0x" + call_data("transfer(address,uint256)", to, amount).hex()}
    before = balance(mining, token, to)
    mining.rpc("eth_sendTransaction", fields)
    while balance(mining, token, to) == before:
        mining.rpc("evm_mine")


def test_an_executor_is_deployed_seen_and_emptied(run: Run, mining: Devchain) -> None:
    operator, owner = mining.accounts[4].address, mining.accounts[0].address
    made = deployed(run, mining, "--operator", operator)
    contracts = mining.manifest.contracts
    assert (
        made["state"] == "deployed"
        and made["owner"] == owner
        and made["block_number"] > mining.manifest.block_number
    )
    assert made["arguments"] == {
        "poolManager": contracts["uniswap_v4_pool_manager"], "balancerVault": contracts["balancer_v2_vault"],
        "aavePool": contracts["aave_v3_pool"], "weth": contracts["weth9"],
    }  # fmt: skip
    near, executor = mining.manifest.token("NEAR"), made["address"]
    pay(mining, executor, near.address, 5 * 10**24 + 7)
    pay(mining, executor, ETHER, 10**18)
    code, out, _ = run(
        "executor-info", "--json", "--token", near.address, "--operator", mining.accounts[5].address
    )
    facts = json.loads(out)
    assert code == 0 and facts["address"] == executor and facts["arguments"] == made["arguments"]
    assert (facts["owner"], facts["pending_owner"]) == (owner, ETHER)
    assert facts["operators"] == {mining.accounts[5].address: False, operator: True}
    assert {each["symbol"]: each["amount"] for each in facts["balances"]} == {
        "ETH": "1.000000000000000000", "WETH": "0.000000000000000000", "NEAR": "5.000000000000000000000007",
    }  # fmt: skip
    to = with_checksum("0x" + "ee" * 20)
    code, out, err = run("withdraw", near.address, "2.000000000000000000000007", "--to", to)
    assert code == 0 and out.startswith(f"2.000000000000000000000007 NEAR to {to}: 0x"), err
    assert balance(mining, near.address, to) == 2 * 10**24 + 7
    code, out, _ = run("withdraw", "eth", "all", "--to", to, "--json")
    assert code == 0 and json.loads(out)["amount"] == str(10**18)
    assert (balance(mining, ETHER, to), balance(mining, ETHER, executor)) == (10**18, 0)
    code, out, _ = run("executor-info")
    assert code == 0 and executor in out and f"{operator} yes" in out


def test_a_second_one_needs_replace_and_the_first_is_kept(run: Run, mining: Devchain, tmp_path: Path) -> None:
    first = deployed(run, mining)
    code, out, err = run("deploy", "--manifest", str(mining.manifest_path))
    assert (code, out) == (2, "") and "--replace" in err and first["address"] in err
    second = deployed(run, mining, "--replace")
    kept = json.loads((tmp_path / "deployments.json").read_text())["chains"]["31337"]
    assert kept["current"]["address"] == second["address"] != first["address"]
    assert [each["address"] for each in kept["history"]] == [first["address"]]


def test_only_the_owner_withdraws(run: Run, mining: Devchain, tmp_path: Path) -> None:
    executor = deployed(run, mining)["address"]
    pay(mining, executor, ETHER, 1000)
    stranger = tmp_path / "stranger.key"
    stranger.touch(mode=0o600)
    stranger.write_text(mining.accounts[3].key)
    code, _, err = run("withdraw", "ETH", "all", key=stranger)
    assert code == 2 and "only its owner" in err and mining.accounts[3].address in err
    code, _, err = run("withdraw", "ETH", "2")
    assert code == 2 and "less than 2" in err
    code, _, err = run("withdraw", mining.manifest.token("DAI").address, "all")
    assert code == 2 and "nothing to withdraw" in err
    code, _, err = run("withdraw", mining.accounts[2].address, "all")
    assert code == 2 and "is no token" in err
    assert balance(mining, ETHER, executor) == 1000


def test_keys_come_from_the_environment_or_a_file_of_ones_own(
    run: Run, mining: Devchain, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--manifest", str(mining.manifest_path))
    code, _, err = run("deploy", *arguments, key=None)
    assert code == 2 and "PENSTOCK_EVM_KEY is not set" in err
    key_file.chmod(0o644)
    code, _, err = run("deploy", *arguments)
    assert code == 2 and "mode 0644" in err
    key_file.chmod(0o600)
    key_file.write_text(mining.accounts[0].key + "00")
    code, _, err = run("deploy", *arguments)
    assert code == 2 and "32 bytes in hex" in err
    monkeypatch.setenv("PENSTOCK_EVM_KEY", mining.accounts[0].key)
    assert run("deploy", *arguments, key=None)[0] == 0


def test_what_would_fail_is_not_sent(run: Run, mining: Devchain, tmp_path: Path) -> None:
    sent = mining.rpc("eth_getTransactionCount", mining.accounts[0].address, "pending")
    manifest = ("--manifest", str(mining.manifest_path))
    wrong = {
        "are not known here: give --pool-manager, --balancer-vault, --aave-pool, --weth": (),
        "is no contract on chain 31337": (*manifest, "--weth", mining.accounts[2].address),
        "the deployment would fail": (*manifest, "--weth", ETHER),
        "--operator 'me' is no address": (*manifest, "--operator", "me"),
        "is not 1: nothing was sent": (*manifest, "--confirm-chain", "1"),
        "no node answers at http://127.0.0.1:1": (*manifest, "--rpc-url", "http://127.0.0.1:1"),
        "is no manifest of a local chain": ("--manifest", str(tmp_path / "owner.key")),
    }
    for said, arguments in wrong.items():
        code, out, err = run("deploy", *arguments)
        assert (code, out) == (2, "") and said in err and "Traceback" not in err, err
    assert mining.rpc("eth_getTransactionCount", mining.accounts[0].address, "pending") == sent
    assert not (tmp_path / "deployments.json").exists()
    code, _, err = run("executor-info")
    assert code == 2 and "no executor on chain 31337" in err
    code, _, err = run("executor-info", "--executor", mining.accounts[2].address)
    assert code == 2 and "no contract at" in err
    code, _, err = run("executor-info", "--executor", mining.manifest.contracts["weth9"])
    assert code == 2 and "does not answer as it should" in err and "Traceback" not in err


def test_other_chains_than_the_local_one_must_be_confirmed(run: Run, mining: Devchain) -> None:
    manifest = str(mining.manifest_path)
    mining.rpc("anvil_setChainId", 1)
    try:
        code, _, err = run("deploy", "--manifest", manifest)
        assert code == 2 and "the node is on chain 1, which was not confirmed" in err
        code, _, err = run("deploy", "--manifest", manifest, "--confirm-chain", "31337")
        assert code == 2 and "is not 31337" in err
        assert run("deploy", "--manifest", manifest, "--confirm-chain", "1")[0] == 0
        code, _, err = run("withdraw", "ETH", "all")
        assert code == 2 and "nothing" in err
    finally:
        mining.rpc("anvil_setChainId", 31337)


def test_what_became_of_a_deployment_without_a_block_is_found_later(
    run: Run, evm_home: Path, tmp_path: Path
) -> None:
    with Devchain(seed=7) as still:
        url = ("--rpc-url", still.http_url)
        code, out, err = run("deploy", "--manifest", str(still.manifest_path), *url, "--timeout", "1")
        assert (code, out) == (2, "") and "no block had the transaction within 1 s" in err
        code, out, _ = run("executor-info", *url, "--json")
        assert code == 1 and json.loads(out)["state"] == "sent"
        code, _, err = run("deploy", "--manifest", str(still.manifest_path), *url)
        assert code == 2 and "is not known" in err
        still.mine()
        code, out, _ = run("executor-info", *url, "--json")
        facts = json.loads(out)
        assert code == 0 and facts["state"] == "deployed" and facts["owner"] == still.accounts[0].address
        kept = json.loads((tmp_path / "deployments.json").read_text())["chains"]["31337"]["current"]
        assert kept["state"] == "deployed" and kept["block_number"] == still.manifest.block_number + 1


def test_a_deployment_whose_nonce_another_transaction_took_has_failed(run: Run, evm_home: Path) -> None:
    with Devchain(seed=7) as still:
        url, owner = ("--rpc-url", still.http_url), still.accounts[0].address
        assert run("deploy", "--manifest", str(still.manifest_path), *url, "--timeout", "1")[0] == 2
        still.rpc("anvil_dropAllTransactions")
        assert run("executor-info", *url)[0] == 1  # its nonce is free: it may come back
        still.rpc("eth_sendTransaction", {"from": owner, "to": owner, "nonce": "0x0", "gas": hex(21_000)})
        still.mine()
        code, out, _ = run("executor-info", *url, "--json")
        assert code == 1 and json.loads(out)["state"] == "failed"
