"""The deployments' file: nothing in it is lost, and nothing is replaced unasked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from adapters.evm.deployments import Deployment, Deployments, DeploymentsError
from adapters.evm.executor_admin import ARGUMENTS, KNOWN_CHAINS, AdminError, Asset, account, address_of

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def record(number: int, chain_id: int = 1, **more: object) -> Deployment:
    fields = {
        "address": f"0x{number:040x}", "state": "deployed", "chain_id": chain_id, "transaction": f"0x{number:064x}",
        "deployer": ADDRESS, "nonce": number, "owner": ADDRESS, "operator": ADDRESS, "arguments": {"weth": ADDRESS},
        "creation_sha256": "00", "sent_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return msgspec.convert(fields | more, Deployment)


@pytest.fixture
def file(tmp_path: Path) -> Deployments:
    return Deployments(tmp_path / "new" / "deployments.json")


def test_chains_are_kept_apart_and_history_stays(file: Deployments) -> None:
    assert file.read() == {}
    for number in (1, 2, 3):
        file.add(record(number))
    file.add(record(9, chain_id=10))
    chains = Deployments(file.path).read()
    assert chains["1"].current == record(3) and chains["1"].history == (record(1), record(2))
    assert (file.current(10), chains["10"].history) == (record(9, chain_id=10), ())
    file.update(record(3, block_number=77))
    assert file.current(1).block_number == 77 and file.read()["1"].history == (record(1), record(2))
    assert [path.name for path in file.path.parent.iterdir()] == ["deployments.json"]


def test_a_second_deployment_must_be_asked_for(file: Deployments) -> None:
    file.refuse_second(1, replace=False)
    file.add(record(1))
    file.refuse_second(2, replace=False)
    with pytest.raises(DeploymentsError, match="--replace"):
        file.refuse_second(1, replace=False)
    file.refuse_second(1, replace=True)
    file.update(record(1, state="sent"))
    with pytest.raises(DeploymentsError, match="not known"):
        file.refuse_second(1, replace=False)
    file.update(record(1, state="failed"))
    file.refuse_second(1, replace=False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "chains": {"1": {}}}']
)
def test_a_damaged_file_is_not_written_over(file: Deployments, content: bytes) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    for use in (
        file.read,
        lambda: file.add(record(1)),
        lambda: file.refuse_second(1, True),
        lambda: file.current(1),
    ):
        with pytest.raises(DeploymentsError, match="no file of deployments"):
            use()
    assert file.path.read_bytes() == content


def test_what_cannot_be_used_is_said(file: Deployments, tmp_path: Path) -> None:
    with pytest.raises(DeploymentsError, match="no executor on chain 5"):
        file.current(5)
    (tmp_path / "new").write_text("a file where a folder should be")
    with pytest.raises(DeploymentsError, match="cannot be"):
        file.add(record(1))


@dataclass
class Case:
    """An amount as people write it, of so many decimals, and its least units; None where it is refused."""

    text: str
    decimals: int
    units: int | None


CASES = (
    Case("1", 18, 10**18), Case("0.000000000000000001", 18, 1), Case("0.0000000000000000001", 18, None),
    Case("1.23", 2, 123), Case("1.234", 2, None), Case("all", 6, 10**40), Case("0", 6, None), Case("-1", 6, None),
    Case("nan", 6, None), Case("inf", 6, None), Case("1e3", 6, 10**9), Case("x", 6, None), Case("", 6, None),
    # More digits than decimals have by default: none is lost.
    Case("1234567890.123456789012345678901234", 24, 1234567890123456789012345678901234),
    Case("99999999999999999999999999999999999999999", 6, None),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.text}/{case.decimals}")
def test_amounts_are_exact_or_refused(case: Case) -> None:
    asset = Asset(ADDRESS, "T", case.decimals, 10**40)
    if case.units is None:
        with pytest.raises(AdminError):
            asset.parse(case.text)
    else:
        assert asset.parse(case.text) == case.units
        if case.text not in ("all", "1e3"):
            assert asset.text(case.units).startswith(case.text)


def test_keys_are_checked_and_never_shown() -> None:
    known = account("0x" + "11" * 32).address
    assert known == account("11" * 32).address == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    for wrong in ("", "0x12", "zz" * 32, "00" * 32, "ff" * 32):
        with pytest.raises(AdminError) as refused:
            account(wrong)
        assert not wrong or wrong not in str(refused.value)
        assert refused.value.__cause__ is None and refused.value.__suppress_context__


def test_addresses_are_checked() -> None:
    for known in KNOWN_CHAINS.values():
        assert tuple(known) == ARGUMENTS and all(address_of(each, "it") == each for each in known.values())
    assert address_of(ADDRESS.lower(), "it") == ADDRESS == address_of(ADDRESS, "it")
    for wrong in ("", "0x12", ADDRESS[2:-1], ADDRESS.replace("B", "b", 1), "0x" + "g" * 40):
        with pytest.raises(AdminError, match="--to"):
            address_of(wrong, "--to")
