"""`penstock venue` as a process of its own."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from adapters.mexc.venue.cli import parse_fault, resolve

MODULE = [sys.executable, "-m", "adapters.mexc.venue"]
ENDS_WITHIN_S = 30


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*MODULE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    process = start("--json", "--symbols", "BTCUSDT", "--seed", "7")
    try:
        where = json.loads(first_line(process))
        assert where["pid"] == process.pid and where["ws_url"].endswith("/ws")
        with urllib.request.urlopen(where["rest_url"] + "/api/v3/exchangeInfo", timeout=5) as response:
            assert [symbol["symbol"] for symbol in json.load(response)["symbols"]] == ["BTCUSDT"]
        process.send_signal(number)
        _, errors = process.communicate(timeout=ENDS_WITHIN_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.wait()


def test_it_dies_with_its_parent() -> None:
    parent_code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({[*MODULE, '--json', '--die-with-parent', '--symbols', 'BTCUSDT']!r})\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        assert json.loads(parent.stdout.readline())["pid"] != parent.pid
        parent.kill()
        parent.wait()
        assert parent.stdout.read() == ""  # the pipe ends when the last holder of it, the venue, is gone
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--symbols", "NOPE"], "unknown symbol NOPE"),
        (["--fault", "fire"], "faults.0.name"),
        (["--market", "dreamed"], "market"),
        (["--market", "recorded", "--data", "/nowhere"], "set PENSTOCK_DATA"),
        (["--config", "/nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_makes_no_sense_is_exit_code_2(arguments: list[str], text: str) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 2 and text in errors and "Traceback" not in errors


def test_options_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(
        'seed = 3\nsymbols = ["ETHUSDT"]\n[recorded]\nspeed = 2.0\n[[faults]]\nname = "gap"\nprobability = 0.5\n'
    )
    config = resolve(
        path, {"seed": 9, "port": None}, "BTCUSDT, ETHUSDT", None, None, ["duplicate=count:2,at_s:1"]
    )
    assert (config.seed, config.symbols, config.recorded.speed) == (9, ["BTCUSDT", "ETHUSDT"], 2.0)
    assert [(fault.name, fault.probability, fault.count) for fault in config.faults] == [
        ("gap", 0.5, None),
        ("duplicate", 1.0, 2),
    ]
    assert resolve(path, {}, None, None, None, [], 3).generated_listings.count == 3
    path.write_text("colour = 1\n")
    with pytest.raises(ValueError, match="colour"):
        resolve(path, {}, None, None, None, [])


def test_faults_as_text() -> None:
    assert parse_fault("gap") == {"name": "gap"}
    assert parse_fault("gap=0.25") == {"name": "gap", "probability": "0.25"}
    assert parse_fault("silent=at_s:1,for_s:2") == {"name": "silent", "at_s": "1", "for_s": "2"}


def test_help_has_an_example() -> None:
    process = start("--help")
    text, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 0 and "Example: penstock venue" in text


def test_tls_with_a_certificate_of_its_own() -> None:
    process = start("--json", "--symbols", "BTCUSDT", "--tls")
    try:
        where = json.loads(first_line(process))
        assert where["rest_url"].startswith("https://") and where["ws_url"].startswith("wss://")
        certificate = Path(where["ca_pem_path"])
        context = ssl.create_default_context(cafile=str(certificate))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        port = where["rest_url"].rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{port}/api/v3/ping"
            with urllib.request.urlopen(url, timeout=5, context=context) as response:
                assert response.read() == b"{}"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(where["rest_url"] + "/api/v3/ping", timeout=5)
        assert [path.name for path in certificate.parent.iterdir()] == ["ca.pem"]
        process.terminate()
        assert process.wait(ENDS_WITHIN_S) == 0 and not certificate.exists()
    finally:
        process.kill()
        process.wait()
