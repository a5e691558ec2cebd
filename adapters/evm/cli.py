"""`penstock evm`: the local chain, and the executor contract's commands.

Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import JsonOption, example, write_json

if TYPE_CHECKING:
    from adapters.evm.executor_admin import Admin

LOCAL_CHAIN = 31337
DEFAULT_URL = "http://127.0.0.1:8545"
DEFAULT_KEY_ENV = "PENSTOCK_EVM_KEY"
ZERO = "0x" + "00" * 20
DEVCHAIN_HELP = example(
    "Run a local chain: anvil with the real bytecode of Uniswap V2, V3 and V4, PancakeSwap V3, Balancer V2, Aave V3 and Safe, "
    "tokens and funded pools, all drawn from a seed. On 127.0.0.1 only, ended by Ctrl-C. Needs 'make contracts-setup'.",
    "penstock evm devchain --seed 7 --crowd 20",
    "penstock evm devchain --port 0 --block-time 0 --json",
)
DEPLOY_HELP = example(
    "Deploy the flash-loan executor and keep its address in the deployments' file, by chain id. A second one on a chain needs "
    "--replace; the one before stays in the history.",
    "penstock evm deploy --key-file owner.key --rpc-url http://127.0.0.1:8545 --manifest devchain.json.manifest.json",
    "penstock evm deploy --rpc-url https://node.example --operator 0x... --confirm-chain 1",
)
WITHDRAW_HELP = example(
    "Take a token, or ether, out of the executor, to its owner or another address. Only its owner can.",
    "penstock evm withdraw ETH all --key-file owner.key",
    "penstock evm withdraw 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2 1.5 --to 0x... --confirm-chain 1",
)
INFO_HELP = example(
    "Show the executor of a chain: owner, operator, what it was deployed with, what it holds. Finds out what became of a "
    "deployment whose fate was not known.",
    "penstock evm executor-info",
    "penstock evm executor-info --token 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 --json",
)
UrlOption = Annotated[
    str, typer.Option("--rpc-url", envvar="PENSTOCK_EVM_RPC_URL", metavar="URL", help="The node, over HTTP.")
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--deployments", metavar="FILE", help="Default $PENSTOCK_DEPLOYMENTS, else deployments.json here."
    ),
]
KeyEnvOption = Annotated[
    str,
    typer.Option(
        "--key-env", metavar="NAME", help="The environment variable that has the private key, in hex."
    ),
]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", metavar="FILE", help="A file with the key instead, mode 0600.")
]
ConfirmOption = Annotated[
    int | None,
    typer.Option(
        "--confirm-chain", metavar="ID", help="The chain id that you mean; asked for where it is not 31337."
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="S", min=1, help="How long to wait for a block.")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="ADDRESS", help="Instead of the one in the deployments' file."),
]

app = typer.Typer(
    name="evm",
    help="Ethereum-like chains: a local chain of real protocols, and the flash-loan executor.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("devchain", help=DEVCHAIN_HELP)
def devchain(
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A state to start from, made there if it is not; default: a cache, by seed."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of addresses, prices, pools and the crowd; default: 1, or the state's."),
    ] = None,
    crowd: Annotated[
        float, typer.Option(min=0, max=500, metavar="RATE", help="Transactions a second that traders send.")
    ] = 0,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="HTTP and websocket; 0 takes a free one.")
    ] = 8545,
    block_time: Annotated[
        float,
        typer.Option(min=0, metavar="S", help="Seconds from block to block; 0 mines on 'evm_mine' only."),
    ] = 1.0,
    timestamp: Annotated[
        int | None, typer.Option(metavar="S", help="Unix time of the first new block; default: now.")
    ] = None,
    dump: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the state there at the end.")
    ] = None,
    keep_blocks: Annotated[
        int, typer.Option(min=1, metavar="N", help="Forget transactions and logs of older blocks.")
    ] = 1_000,
    anvil: Annotated[Path | None, typer.Option(metavar="FILE", help="The anvil to use.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build the chain anew.")] = False,
    die_with_parent: Annotated[
        bool, typer.Option("--die-with-parent", help="End when the parent process ends.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve until SIGINT or SIGTERM; exit code 1 where anvil ended by itself, 2 where it could not be started."""
    from adapters.evm.devchain import Devchain
    from adapters.evm.devchain.serve import serve

    if die_with_parent:
        import os

        from engine.child import end_with

        end_with(os.getppid())
    chain = Devchain(
        seed,
        state=state,
        port=port,
        block_time_s=block_time or None,
        timestamp_s=timestamp,
        keep_blocks=keep_blocks,
        anvil=anvil,
        rebuild=rebuild,
    )
    raise typer.Exit(serve(chain, rate=crowd, dump=dump, as_json=as_json))


@app.command("deploy", help=DEPLOY_HELP)
def deploy(
    rpc_url: UrlOption = DEFAULT_URL,
    key_env: KeyEnvOption = DEFAULT_KEY_ENV,
    key_file: KeyFileOption = None,
    owner: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Who withdraws; default: the key's own address.")
    ] = None,
    operator: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Who runs routes; zero for none yet.")
    ] = ZERO,
    pool_manager: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Uniswap V4's.")] = None,
    balancer_vault: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Balancer V2's.")] = None,
    aave_pool: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Aave V3's.")] = None,
    weth: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The wrapped native token.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A local chain's, for these addresses.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Where the chain has an executor already.")
    ] = False,
    deployments: FileOption = None,
    confirm_chain: ConfirmOption = None,
    timeout: TimeoutOption = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock evm deploy` out."""
    import msgspec

    from adapters.evm import executor_admin as admin_
    from adapters.evm.deployments import Deployments

    admin = _admin(rpc_url, key_env, key_file, timeout)
    asked = dict(zip(admin_.ARGUMENTS, (pool_manager, balancer_vault, aave_pool, weth), strict=True))
    who = admin_.address_of(owner, "--owner") if owner else admin.signer.address
    runner = admin_.address_of(operator, "--operator")
    with admin_.node_errors(rpc_url):
        arguments = _arguments(admin.web3.eth.chain_id, asked, manifest)
        _confirm(admin.web3.eth.chain_id, confirm_chain)
        made = admin_.deploy(admin, Deployments(deployments), who, runner, arguments, replace)
    if as_json:
        write_json(msgspec.to_builtins(made))
    else:
        typer.echo(
            f"executor {made.address} on chain {made.chain_id}, block {made.block_number}, {made.gas_used:,} gas"
        )


@app.command("withdraw", help=WITHDRAW_HELP)
def withdraw(
    token: Annotated[str, typer.Argument(help="Its address, or ETH.")],
    amount: Annotated[str, typer.Argument(help="In whole tokens, such as 1.5, or all.")],
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Default: the owner.")] = None,
    executor: ExecutorOption = None,
    rpc_url: UrlOption = DEFAULT_URL,
    key_env: KeyEnvOption = DEFAULT_KEY_ENV,
    key_file: KeyFileOption = None,
    deployments: FileOption = None,
    confirm_chain: ConfirmOption = None,
    timeout: TimeoutOption = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock evm withdraw` out."""
    from adapters.evm import executor_admin as admin_
    from adapters.evm.deployments import Deployments

    admin = _admin(rpc_url, key_env, key_file, timeout)
    address = executor and admin_.address_of(executor, "--executor")
    receiver = admin_.address_of(to, "--to") if to else admin.signer.address
    with admin_.node_errors(rpc_url):
        chain_id = admin.web3.eth.chain_id
        address = address or Deployments(deployments).current(chain_id).address
        asset = admin_.asset_of(admin.web3, _token(token), address)
        units = asset.parse(amount)
        _confirm(chain_id, confirm_chain)
        receipt = admin_.withdraw(admin, address, asset, receiver, units)
    transaction = "0x" + bytes(receipt["transactionHash"]).hex()
    if as_json:
        facts = {"executor": address, "token": asset.address, "to": receiver, "amount": str(units)}
        write_json(facts | {"transaction": transaction, "gas_used": receipt["gasUsed"], "chain_id": chain_id})
    else:
        typer.echo(f"{asset.text(units)} to {receiver}: {transaction}")


@app.command("executor-info", help=INFO_HELP)
def executor_info(
    executor: ExecutorOption = None,
    token: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="A token whose balance to show. Repeatable.")
    ] = None,
    operator: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="One to ask about. Repeatable.")
    ] = None,
    rpc_url: UrlOption = DEFAULT_URL,
    deployments: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock evm executor-info` out; exit code 1 where a deployment failed, or its fate is not known."""
    from adapters.evm import executor_admin as admin_
    from adapters.evm.executor_info import look

    tokens = [_token(each) for each in token or []]
    operators = [admin_.address_of(each, "--operator") for each in operator or []]
    named = admin_.address_of(executor, "--executor") if executor else None
    with admin_.node_errors(rpc_url):
        facts = look(rpc_url, deployments, named, tokens, operators)
    if as_json:
        write_json(facts)
    else:
        for name, value in _lines(facts):
            typer.echo(f"{name:16}{value}")
    raise typer.Exit(0 if facts["state"] == "deployed" else 1)


def _admin(rpc_url: str, key_env: str, key_file: Path | None, timeout_s: float) -> Admin:
    """The key is read before anything is asked of the node."""
    from adapters.evm.executor_admin import Admin, account, connect
    from engine.config import read_secret

    place = {"key_file": str(key_file)} if key_file else {"key_env": key_env}
    secret = read_secret(place, "key", "penstock evm")
    assert secret is not None  # a place is named always
    signer = account(secret.get_secret_value())
    return Admin(connect(rpc_url), signer, timeout_s)


def _token(text: str) -> str:
    from adapters.evm.executor_admin import address_of

    return ZERO if text.upper() == "ETH" else address_of(text, "the token")


def _arguments(chain_id: int, asked: dict[str, str | None], manifest: Path | None) -> dict[str, str]:
    """The constructor's addresses: as asked, of a manifest, or known for the chain. AdminError where one is missing."""
    from adapters.evm.devchain.manifest import read
    from adapters.evm.executor_admin import KNOWN_CHAINS, AdminError, address_of

    known = KNOWN_CHAINS.get(chain_id, {})
    if manifest is not None:
        found = read(manifest).contracts
        names = ("uniswap_v4_pool_manager", "balancer_v2_vault", "aave_v3_pool", "weth9")
        known = dict(zip(asked, (found[name] for name in names), strict=True))
    values = {name: value or known.get(name) for name, value in asked.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        options = ", ".join(
            "--" + "".join(f"-{c.lower()}" if c.isupper() else c for c in name) for name in missing
        )
        raise AdminError(
            f"the contracts of chain {chain_id} are not known here: give {options} ({ZERO} where there is none), or "
            "--manifest of a local chain"
        )
    return {name: address_of(str(value), name) for name, value in values.items()}


def _confirm(chain_id: int, confirmed: int | None) -> None:
    """Real money is sent only to a chain that was named."""
    import sys

    from adapters.evm.executor_admin import AdminError

    if confirmed is None and chain_id != LOCAL_CHAIN and sys.stdin.isatty():
        confirmed = typer.prompt(f"This sends on chain {chain_id}. Its id again", type=int, err=True)
    if confirmed is None and chain_id == LOCAL_CHAIN:
        return
    if confirmed != chain_id:
        meant = "was not confirmed" if confirmed is None else f"is not {confirmed}"
        raise AdminError(
            f"the node is on chain {chain_id}, which {meant}: nothing was sent. Give --confirm-chain {chain_id}"
        )


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """An executor's facts for people."""
    lines: list[tuple[str, str]] = [
        (name, str(facts[name]))
        for name in ("address", "chain_id", "state", "owner", "pending_owner")
        if name in facts
    ]
    lines += [(name, address) for name, address in facts.get("arguments", {}).items()]
    lines += [
        ("operator", f"{address} {'yes' if may else 'no'}")
        for address, may in facts.get("operators", {}).items()
    ]
    lines += [("holds", f"{each['amount']} {each['symbol']}") for each in facts.get("balances", [])]
    return [*lines, ("transaction", facts["transaction"])] if facts.get("transaction") else lines
