"""The configuration: exact money, every problem named, resolved and hashed without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from engine import config_reference
from engine.config import (
    Config,
    ConfigError,
    RiskConfig,
    config_hash,
    format_money,
    load,
    parse,
    parse_money,
    read_secret,
    resolve,
    to_toml,
)
from engine.config_models import LIVE_LIMITS
from engine.config_plugins import plugin_problems
from engine.core.risk.limits import HIGHEST, limits_from

ROOT = Path(__file__).resolve().parents[2]
SMALL = 'symbols = ["BTCUSDT", "ETHUSDT"]\n[[strategy]]\nname = "market_maker"\n'


def problems(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return {problem.path: str(problem) for problem in caught.value.problems}


@given(st.integers(min_value=-(2**127) + 1, max_value=2**127 - 1))
def test_money_is_exact_both_ways(units: int) -> None:
    assert parse_money(format_money(units)) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1000", 10**23),
        (5, 5 * 10**20),
        ("0.00000000000000000001", 1),
        ("1e3", 10**23),
        ("-2.50", -25 * 10**19),
        ("0", 0),
    ],
)
def test_money_reads_decimals_and_whole_numbers(text: object, units: int) -> None:
    assert parse_money(text) == units


@pytest.mark.parametrize(
    "bad", [1.5, True, None, "", "abc", "nan", "inf", "1e-21", "1e19", "1e999999999", "2000000000000000000"]
)
def test_money_refuses_what_is_not_exact(bad: object) -> None:
    with pytest.raises(ValueError):
        parse_money(bad)


def test_a_small_config_is_filled_in() -> None:
    config = parse(SMALL)
    assert config.mode == "paper"
    assert config.strategy[0].id == "market_maker"
    assert config.strategy[0].symbols == config.venue.symbols == ("BTCUSDT", "ETHUSDT")
    assert config.risk.max_order_notional == parse_money("1000")


def test_resolved_config_reads_back_and_keeps_its_hash() -> None:
    config = parse(
        SMALL
        + '[strategy.params]\nspread_bps = 5\n[risk]\nmax_fees_per_day = "0.1"\n[adapter]\nchannel_ms = 10\n'
    )
    again = parse(to_toml(config))
    assert again == config
    assert config_hash(again) == config_hash(config) != config_hash(parse(SMALL))
    assert resolve(config)["risk"]["max_fees_per_day"] == "0.1"
    assert config.adapter.options == {"channel_ms": 10}


def test_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse(SMALL).risk.max_open_orders = 5  # type: ignore[misc]


def test_all_problems_are_listed_with_path_and_remedy() -> None:
    found = problems(
        'rnu = 1\nsymbols = ["BTCUSDT", "bt"]\n[risk]\nmax_order_notinal = 5\nmax_daily_loss = 1.5\norder_window_s = "5"\n'
        '[[strategy]]\nsymbls = []\n[log]\nlevel = "loud"\nzzz = 1\n'
    )
    assert "Did you mean run?" in found["rnu"]
    assert "Did you mean max_order_notional?" in found["risk.max_order_notinal"]
    assert "not exact" in found["risk.max_daily_loss"]
    assert "integer" in found["risk.order_window_s"]
    assert "is missing" in found["strategy[0].name"]
    assert "Did you mean symbols?" in found["strategy[0].symbls"]
    assert "symbols[1]" in found
    assert "Known keys here: level, format" in found["log.zzz"]
    assert len(found) == 9


LIMITS = "".join(f"{name} = 5\n" for name in LIVE_LIMITS)
LIVE = 'mode = "live"\n' + SMALL.replace("[[", "[venue]\nembedded = false\n[risk]\n" + LIMITS + "[[", 1)


def test_a_live_config_has_limits_of_its_own_and_no_local_venue() -> None:
    config = parse(LIVE)
    assert (config.mode, config.risk.max_open_orders, config.venue.embedded) == ("live", 5, False)
    assert parse(to_toml(config)) == config
    missing = problems('mode = "live"\n' + SMALL)["config"]
    assert "embedded must be false" in missing
    assert all(name in missing for name in LIVE_LIMITS)
    (found,) = problems(
        LIVE.replace("max_daily_loss = 5\n", "").replace("max_open_orders = 5\n", "")
    ).values()
    assert "max_open_orders, max_daily_loss (" in found
    assert "max_drawdown" not in found
    assert "embedded" not in found


def test_every_limit_that_is_money_a_count_or_a_share_must_be_set_for_live() -> None:
    counts = {"OrderCount", "OutcomeCount", "Bps"}
    source = (ROOT / "engine" / "config_models.py").read_text()
    section = source[source.index("class RiskConfig") : source.index("LIVE_LIMITS")]
    pattern = r"^    (\w+): (Money|OrderCount|OutcomeCount|Bps) ="
    assert {kind for _, kind in re.findall(pattern, section, re.M)} == {"Money", *counts}
    assert {name for name, _ in re.findall(pattern, section, re.M)} == set(LIVE_LIMITS)


@pytest.mark.parametrize(
    "key", ["api_key", "api_secret", "password", "secret", "private_key", "session_token"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(key: str) -> None:
    found = problems(SMALL + f'[adapter]\n{key} = "hunter2"\n')
    assert f"{key}_env" in found["adapter"]
    assert "hunter2" not in found["adapter"]


def test_a_wrong_adapter_value_is_not_repeated() -> None:
    assert "hunter2" not in str(problems(SMALL + '[adapter]\nname = ["hunter2"]\n'))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('symbols = ["BTCUSDT", "BTCUSDT"]\n', "more than once"),
        (SMALL + '[[strategy]]\nname = "market_maker"\n', "must be unique"),
        ('symbols = ["BTCUSDT"]\n[[strategy]]\nname = "m"\nsymbols = ["XUSDT"]\n', "add it to symbols"),
        ('symbols = ["BTCUSDT"]\n[venue]\nsymbols = ["XUSDT"]\n', "add it to venue.symbols"),
        (SMALL + "[run]\ntape_budget_mb = 127\n", "four segments"),
        ("symbols = []\n", "at least 1 item"),
        ("symbols = 5\n", "tuple"),
        ('symbols = ["BTCUSDT"]\nstrategy = [5]\n', "dictionary"),
    ],
)
def test_names_and_sizes_must_agree(text: str, word: str) -> None:
    assert word in " ".join(problems(text).values())


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    for name, content, word in [
        ("latin.toml", b"\xff", "UTF-8"),
        ("broken.toml", b"a = \nb = 2", "line 1"),
        ("huge.toml", b"#" * (1 << 20) + b"##", "1 MiB"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=word):
            load(tmp_path / name)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize("name", ["demo.toml", "replay.toml", "mexc-paper.toml", "mexc-live.toml"])
def test_shipped_configs_load(name: str) -> None:
    config = load(ROOT / "configs" / name)
    assert plugin_problems(config) == []
    assert config.mode == ("live" if name == "mexc-live.toml" else "paper")
    assert config.venue.embedded is not name.startswith("mexc")
    assert {symbol for strategy in config.strategy for symbol in strategy.symbols} == set(config.symbols)


def test_secrets_come_from_their_place_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_TEST_KEY", "hunter2")
    key = read_secret({"api_key_env": "PENSTOCK_TEST_KEY"}, "api_key")
    assert key is not None
    assert key.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{key} {key!r}"
    assert read_secret({}, "api_key") is None
    file = tmp_path / "secret"
    file.write_text("hunter3\n")
    file.chmod(0o600)
    from_file = read_secret({"api_secret_file": str(file)}, "api_secret")
    assert from_file is not None
    assert from_file.get_secret_value() == "hunter3"


@pytest.mark.parametrize("mode", [0o400, 0o604, 0o640, 0o660, 0o700, 0o777])
def test_a_secret_file_of_any_other_mode_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter3\n")
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"has mode {mode:04o}.*chmod 600") as caught:
        read_secret({"api_key_file": str(file)}, "api_key")
    assert "hunter3" not in str(caught.value)


def test_a_secret_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter3\n")
    file.chmod(0o600)
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_secret({"api_key_file": str(file)}, "api_key")


def test_secrets_that_are_not_safe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not set"):
        read_secret({"api_key_env": "PENSTOCK_TEST_ABSENT"}, "api_key")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret({"api_key_file": str(tmp_path / "absent")}, "api_key")
    file = tmp_path / "secret"
    file.write_text("hunter2")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret({"api_key_file": str(file)}, "api_key")
    file.write_text("")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="is empty"):
        read_secret({"api_key_file": str(file)}, "api_key")


def test_reference_is_current() -> None:
    page = ROOT / "docs" / "configuration.md"
    assert page.read_text() == config_reference.render(), "docs/configuration.md is not current: make docs"


@pytest.mark.parametrize("text", ["", '[risk]\nmax_fees_per_day = "99999.00000000000000000001"\n'])
def test_the_gate_takes_every_config_that_loads(text: str) -> None:
    config = parse(SMALL + text)
    limits = limits_from(resolve(config)["risk"])
    assert limits["max_fees_per_day"] == config.risk.max_fees_per_day
    assert limits["order_window_ns"] == config.risk.order_window_s * 10**9
    for name, highest in HIGHEST.items():
        assert name in str(problems(SMALL + f"[risk]\n{name} = {highest + 1}\n"))
        parse(SMALL + f"[risk]\n{name} = {highest}\n")


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ('[adapter]\nname = "mexcc"\n', "adapter.name", "Did you mean mexc?"),
        ("[adapter]\nchanel_ms = 10\n", "adapter.chanel_ms", "Did you mean channel_ms?"),
        ("[adapter]\nzzz = 10\n", "adapter.zzz", "Known are: channel_ms"),
        ("[adapter]\nchannel_ms = 1000\n", "adapter.channel_ms", "less than or equal to 100"),
        ('[[strategy]]\nname = "xyz"\n', "strategy[0].name", "Installed are: absent, function, maker"),
        ('[[strategy]]\nname = "absent"\n', "strategy[0].name", "cannot be loaded"),
        (
            '[[strategy]]\nname = "maker"\nparams = { spread = 1 }\n',
            "strategy[0].params",
            "unexpected keyword argument",
        ),
        (
            '[[strategy]]\nname = "maker"\nparams = { spread_bps = 0 }\n',
            "strategy[0].params",
            "must be above zero",
        ),
        (
            '[risk]\nprice_collar_bps = 9\n[[strategy]]\nname = "maker"\nparams = { spread_bps = 10 }\n',
            "strategy[0].params",
            "spread_bps = 10 is over risk.price_collar_bps: raise the limit.",
        ),
        ('[[strategy]]\nname = "function"\n', "strategy[0].name", "function is no engine.Strategy"),
    ],
)
def test_what_plugins_would_refuse_is_found(text: str, path: str, word: str) -> None:
    (problem,) = plugin_problems(parse('symbols = ["BTCUSDT"]\n' + text))
    assert problem.path == path
    assert word in str(problem)


@pytest.mark.parametrize("key", RiskConfig.model_fields)
def test_no_limit_can_be_switched_off(key: str) -> None:
    assert f"risk.{key}" in problems(SMALL + f"[risk]\n{key} = 0\n")


def test_every_key_is_described() -> None:
    def walk(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            nested = field.annotation
            if isinstance(nested, type) and issubclass(nested, BaseModel):
                walk(nested)
            elif name != "strategy":
                assert field.description, f"{model.__name__}.{name}"

    walk(Config)
