"""The local chain as a thing to use: start and end, limits, snapshots, kept states and what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.evm.devchain import Devchain, DevchainError, Rpc, RpcError
from adapters.evm.devchain import state as states
from adapters.evm.devchain.anvil import GAS_LIMIT, MEMORY_BYTES, find_anvil
from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.manifest import Manifest, encode
from tests.conftest import CHAIN_TIME_S
from tests.evm_calls import balance, send

pytestmark = pytest.mark.xdist_group("devchain")
GONE_S = 10.0


def is_gone(pid: int) -> bool:
    """Whether a process ends soon, or has."""
    deadline = time.monotonic() + GONE_S
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def block(chain: Devchain) -> dict[str, int]:
    found = chain.rpc("eth_getBlockByNumber", "latest", False)
    return {key: int(found[key], 16) for key in ("number", "timestamp", "gasLimit", "baseFeePerGas")}


def test_it_starts_from_a_kept_state_and_ends(chain: Devchain, evm_home: Path) -> None:
    with Devchain(seed=7) as other:  # `chain` has the same
        assert not other.built and other.started_in_s > 0
        pid, folder = other.pid, other.ipc_path.parent
        assert other.running and re.fullmatch(r"http://127\.0\.0\.1:\d+", other.http_url)
    assert not other.running and is_gone(pid) and not folder.exists()
    other.stop()
    with pytest.raises(DevchainError, match="does not run"):
        other.rpc("eth_chainId")


def test_it_listens_on_the_loopback_alone(chain: Devchain) -> None:
    port = int(chain.http_url.rpartition(":")[2])
    listening = [
        line.split()[1]
        for line in Path(f"/proc/{chain.pid}/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    assert [each for each in listening if each.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
    assert f":{port:04X} " not in Path(f"/proc/{chain.pid}/net/tcp6").read_text()


def test_its_memory_is_limited(chain: Devchain) -> None:
    limits = Path(f"/proc/{chain.pid}/limits").read_text()
    found = re.search(r"Max address space\s+(\d+)\s+(\d+)", limits)
    assert found is not None and {int(each) for each in found.groups()} == {MEMORY_BYTES}


def test_it_dies_with_its_parent(evm_home: Path, chain: Devchain) -> None:
    code = (
        "import sys\nfrom adapters.evm.devchain import Devchain\n"
        "with Devchain(seed=7) as chain:\n    print(chain.pid, flush=True)\n    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
        parent.kill()
        assert is_gone(pid)
    finally:
        parent.kill()
        parent.communicate()


def test_nothing_is_mined_until_asked_for(chain: Devchain) -> None:
    payer, to = chain.accounts[0].address, chain.accounts[1].address
    before, number = balance(chain, "0x" + "00" * 20, to), block(chain)["number"]
    payment = {"from": payer, "to": to, "value": hex(5), "gas": hex(21_000)}
    for _ in range(50):
        chain.rpc("eth_sendTransaction", payment)
    time.sleep(0.05)
    assert (block(chain)["number"], balance(chain, "0x" + "00" * 20, to)) == (number, before)
    assert int(chain.rpc("txpool_status")["pending"], 16) == 50
    assert chain.mine_all() == number + 1
    assert balance(chain, "0x" + "00" * 20, to) == before + 250
    assert chain.mine(3) == number + 4


def test_blocks_come_by_themselves_where_a_block_time_is_given(evm_home: Path, chain: Devchain) -> None:
    with Devchain(seed=7, block_time_s=0.05) as other:
        first, deadline = block(other)["number"], time.monotonic() + GONE_S
        while block(other)["number"] < first + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert abs(block(other)["timestamp"] - time.time()) < 5  # and go on with the time of the day


def test_a_snapshot_brings_balances_and_the_time_back(chain: Devchain) -> None:
    dai, payer, to = chain.manifest.token("DAI").address, chain.accounts[0].address, chain.accounts[1].address
    number, before = block(chain)["number"], balance(chain, dai, to)
    snapshot = chain.snapshot()
    send(chain, payer, dai, "transfer(address,uint256)", to, 10**18)
    assert balance(chain, dai, to) == before + 10**18
    chain.revert(snapshot)
    assert (block(chain)["number"], balance(chain, dai, to)) == (number, before)
    chain.mine()
    assert CHAIN_TIME_S <= block(chain)["timestamp"] < CHAIN_TIME_S + 60
    with pytest.raises(DevchainError, match="used up"):
        chain.revert(snapshot)


def test_a_state_comes_back_from_its_file(chain: Devchain, tmp_path: Path) -> None:
    file, dai = tmp_path / "deep" / "state.json", chain.manifest.token("DAI").address
    send(chain, chain.accounts[0].address, dai, "transfer(address,uint256)", chain.accounts[1].address, 12345)
    kept, at = chain.dump_state(file), block(chain)
    assert (kept.block_number, kept.chain_time_s) == (at["number"], at["timestamp"])
    with Devchain(state=file) as again:  # which has its seed
        assert again.seed == 7
        assert block(again) == at and at["gasLimit"] == GAS_LIMIT
        assert again.manifest == kept
        for account in chain.accounts[:2]:
            assert balance(again, dai, account.address) == balance(chain, dai, account.address)


def damage(file: Path, how: str) -> str:
    """Damage a state; what is said of it."""
    manifest = states.manifest_path(file)
    if how == "torn":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return "torn"
    if how == "changed":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        return "SHA-256"
    if how == "manifest torn":
        manifest.write_bytes(manifest.read_bytes()[:100])
        return "no manifest of a local chain"
    if how == "manifest of another version":
        manifest.write_bytes(manifest.read_bytes().replace(b'"format": 1', b'"format": 99'))
        return "format 99"
    manifest.unlink()
    return "cannot be read"


@pytest.mark.parametrize(
    "how", ["torn", "changed", "manifest torn", "manifest of another version", "manifest gone"]
)
def test_a_damaged_state_of_the_user_is_refused_and_left_alone(
    chain: Devchain, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "state.json"
    chain.dump_state(file)
    said = damage(file, how)
    content = file.read_bytes()
    with pytest.raises(DevchainError, match=said) as refused, Devchain(seed=7, state=file):
        pass
    assert f"Remove {file} to have the chain built anew" in str(refused.value)
    assert file.read_bytes() == content


def test_a_state_of_another_seed_is_refused(chain: Devchain, tmp_path: Path) -> None:
    chain.dump_state(tmp_path / "state.json")
    with (
        pytest.raises(DevchainError, match="of seed 7, not 8"),
        Devchain(seed=8, state=tmp_path / "state.json"),
    ):
        pass


def test_a_damaged_state_of_the_cache_is_built_anew_and_is_the_same_chain(
    chain: Devchain, evm_home: Path, tmp_path: Path, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path))
    file = tmp_path / "devchain" / f"{states.key_for(Artifacts(contracts), 7)}.json"
    kept = states.save(file, chain.state_path.read_bytes(), chain.manifest)
    file.write_bytes(file.read_bytes()[:-100])
    told = io.StringIO()
    with Devchain(seed=7, tell=told) as again:
        assert again.built and "torn" in told.getvalue() and "built anew" in told.getvalue()
        assert encode(timeless(again.manifest)) == encode(timeless(kept))
        code = [(address, "latest") for address in kept.contracts.values()]
        asked = [("eth_getCode", each) for each in code]
        assert again.rpc.batch(asked) == chain.rpc.batch(asked)
        first, second = (json.loads(each.state_path.read_bytes())["accounts"] for each in (chain, again))
        assert len(first) > 100 and first == second  # balances, nonces, code and every slot of storage
    with Devchain(seed=7, tell=told) as third:
        assert not third.built


def timeless(manifest: Manifest) -> Manifest:
    """Without the hash of the state's file, in which blocks have random numbers of anvil's own."""
    import msgspec

    return msgspec.structs.replace(manifest, state_sha256="")


def test_old_blocks_are_forgotten(evm_home: Path, chain: Devchain) -> None:
    with Devchain(seed=7, keep_blocks=5) as own:
        first = own.mine()
        payment = {"from": own.accounts[0].address, "to": own.accounts[1].address, "gas": hex(21_000)}
        transaction = own.rpc("eth_sendTransaction", payment)
        own.mine()
        assert own.rpc("eth_getTransactionReceipt", transaction)["blockNumber"] == hex(first + 1)
        own.mine(10)
        assert own.rpc("eth_getTransactionReceipt", transaction) is None
        own.mine(150)
        own.rpc("eth_getBalance", own.accounts[0].address, hex(first + 100))
        with pytest.raises(RpcError, match="OutOfRange"):
            own.rpc("eth_getBalance", own.accounts[0].address, hex(first))
        assert sorted(path.name for path in own.ipc_path.parent.iterdir()) == ["anvil.ipc", "anvil.log"]


def test_what_a_killed_process_left_is_removed(evm_home: Path, chain: Devchain) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left = chain.ipc_path.parent.with_name(f"penstock-anvil-{int(gone.stdout)}-x")
    left.mkdir()
    with Devchain(seed=7):
        assert not left.exists() and chain.ipc_path.exists()


def test_another_seed_is_another_chain() -> None:
    from adapters.evm.devchain.market import plan_pools, plan_tokens

    assert plan_pools(1) == plan_pools(1) and plan_tokens(1) == plan_tokens(1)
    assert plan_pools(1) != plan_pools(2) and plan_tokens(1) != plan_tokens(2)


def test_the_cache_keeps_the_newest_states(tmp_path: Path) -> None:
    for number in range(12):
        for name in (f"{number}.json", f"{number}.json.manifest.json", f"{number}.lock"):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (number, number))
    states.prune(tmp_path, keep=3)
    assert sorted(path.name for path in tmp_path.glob("*.lock")) == ["10.lock", "11.lock", "9.lock"]
    assert len(list(tmp_path.iterdir())) == 9


def test_errors_of_the_node_name_the_method(chain: Devchain) -> None:
    with pytest.raises(RpcError, match="no_such_method"):
        chain.rpc("no_such_method")
    good, bad = chain.rpc.attempt([("eth_chainId", ()), ("eth_getBalance", ("no address", "latest"))])
    assert good == "0x7a69" and isinstance(bad, RpcError) and bad.method == "eth_getBalance"
    assert chain.rpc.batch([]) == []
    with Devchain(seed=7) as other:
        rpc = Rpc(other.ipc_path)
    with pytest.raises(OSError):
        rpc("eth_chainId")
    rpc.close()


def test_what_makes_no_sense_is_said(
    tmp_path: Path, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DevchainError, match="negative"):
        Devchain(seed=-1)
    with pytest.raises(DevchainError, match="block time"):
        Devchain(block_time_s=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevchainError, match="make contracts-setup") as absent:
        find_anvil(contracts=tmp_path)
    assert "npm ci" in str(absent.value) and "PENSTOCK_CONTRACTS" in str(absent.value)
    with pytest.raises(DevchainError, match="no program"):
        find_anvil(tmp_path / "anvil")
    with pytest.raises(DevchainError, match="bytecode is not there"):
        Artifacts(tmp_path).digest  # noqa: B018 - it reads the files
    with pytest.raises(DevchainError, match="no node on the PATH"):
        Artifacts(contracts).ours  # noqa: B018 - it compiles


def test_an_anvil_that_does_not_start_says_why(evm_home: Path, chain: Devchain, tmp_path: Path) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(DevchainError, match=r"code 3: no such option"), Devchain(seed=7, anvil=broken):
        pass
    port = int(chain.http_url.rpartition(":")[2])
    with pytest.raises(DevchainError, match="already in use"), Devchain(seed=7, port=port):
        pass


def test_the_command_says_where_it_listens_trades_and_ends_on_a_signal(
    evm_home: Path, chain: Devchain, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "evm",
        "devchain",
        "--seed",
        "7",
        "--port",
        "0",
        "--json",
        "--die-with-parent",
    ]
    command += ["--crowd", "100", "--block-time", "0.1", "--dump", str(tmp_path / "end.json")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert (where["pools"], where["tokens"], where["chain_id"], where["built"]) == (34, 13, 31337, False)
        rpc = Rpc(Path(where["ipc_path"]))
        deadline, mined = time.monotonic() + GONE_S, 0
        first = int(rpc("eth_blockNumber"), 16)
        while mined < 20:
            assert time.monotonic() < deadline
            last = int(rpc("eth_blockNumber"), 16)
            mined = sum(
                int(rpc("eth_getBlockTransactionCountByNumber", hex(n)), 16) for n in range(first, last + 1)
            )
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, "")
    count = json.loads(output.splitlines()[-1])["crowd"]
    assert count["sent"] >= count["mined"] >= 20 and count["refused"] == 0
    assert count["sent"] == count["mined"] + count["pending"]
    assert is_gone(where["anvil_pid"])
    assert states.check(tmp_path / "end.json").block_number > first


def test_the_command_ends_when_anvil_does(evm_home: Path, chain: Devchain) -> None:
    command = [sys.executable, "-m", "engine.cli", "evm", "devchain", "--seed", "7", "--port", "0", "--json"]
    command += ["--crowd", "50", "--die-with-parent"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        os.kill(json.loads(process.stdout.readline())["anvil_pid"], signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1 and "anvil ended by itself" in errors and "Traceback" not in errors


def test_the_command_says_that_anvil_is_absent(tmp_path: Path) -> None:
    environment = {"PENSTOCK_CONTRACTS": str(tmp_path), "PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "evm", "devchain"],
        capture_output=True, text=True, timeout=30, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 2 and "make contracts-setup" in done.stderr and "Traceback" not in done.stderr


def test_other_commands_do_not_load_what_the_chain_needs() -> None:
    code = (
        "import sys, contextlib, io\nfrom engine.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    main(['--help']); main(['evm', '--help'])\n"
        "import adapters.evm.devchain\n"
        "print([name for name in ('web3', 'eth_abi', 'eth_account', 'eth_hash', 'coincurve') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
