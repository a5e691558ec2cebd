"""The examination of a MEXC account against the local venue: each finding, and that nothing is placed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.mexc.config import MexcConfig
from adapters.mexc.examine import Examination, _percent, _rate_ppm, _words, examine
from backtest.exchange_types import SymbolStatus
from engine.core.enums import OrderType
from engine.doctor import Finding

SECRET = "test-secret-never-shown"
SYMBOLS = ("BTCUSDT", "MXUSDT")
Rigged = Callable[..., None]


def found(findings: list[Finding], check: str, level: str) -> str:
    """The texts and remedies of one check at one level."""
    chosen = [each for each in findings if (each.check, each.level) == (check, level)]
    return "\n".join(f"{each.text} → {each.remedy}" for each in chosen)


def examined(
    rig_run: Rigged,
    look: Callable[[Any, list[Finding]], None],
    prepare: Callable[[Any], Any] = lambda rig: None,
    symbols: tuple[str, ...] = SYMBOLS,
    venue: dict[str, Any] | None = None,
    max_skew_ms: int = 1000,
    **config: Any,
) -> None:
    """Examine the rig's venue after `prepare`, and hand the findings to `look`."""

    async def body(rig: Any) -> None:
        prepared = prepare(rig)
        if isinstance(prepared, Awaitable):
            await prepared
        findings = await rig.adapter.examine(symbols, max_skew_ms)
        text = "\n".join(map(str, findings))
        assert SECRET not in text
        assert "mx0-test" not in text
        assert all(each.remedy for each in findings if each.level != "ok")
        assert not rig.venue.state.received, "an examination places nothing"
        assert not rig.venue.state.listen_keys.of("mx0-test", 0.0), "its listen key is deleted"
        look(rig, findings)

    rig_run(body, venue=venue, **config)


def account(rig: Any) -> Any:
    return rig.venue.state.accounts["mx0-test"]


def test_a_good_account_passes(rig_run: Rigged) -> None:
    def prepare(rig: Any) -> None:
        account(rig).ip_white_list = ["127.0.0.1"]

    def look(rig: Any, findings: list[Finding]) -> None:
        assert {each.level for each in findings} == {"ok"}, findings
        assert {each.check for each in findings} == {
            "reach", "clock", "key", "symbols", "orders", "fees", "feeds"
        }  # fmt: skip
        assert "SPOT_DEAL_WRITE" in found(findings, "key", "ok")
        assert "usable from 1 listed address" in found(findings, "key", "ok")
        assert "valid for 90 days" in found(findings, "key", "ok")
        assert "BTCUSDT, MXUSDT" in found(findings, "orders", "ok")
        assert "taker 0.05 %" in found(findings, "fees", "ok")
        assert "confirmed spot@public.aggre.deals.v3.api.pb@10ms@BTCUSDT" in found(findings, "feeds", "ok")

    examined(rig_run, look, prepare)


@pytest.mark.parametrize(
    ("facts", "level", "text"),
    [
        ({"days_valid": 13}, "warning", "expires in 13 days"),
        ({"days_valid": 0}, "failure", "has expired, or expires today"),
        ({"ip_white_list": []}, "warning", "no IP list: it works from anywhere, and expires after 90 days"),
        ({"permissions": ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"]}, "failure", "may not trade spot"),
        (
            {"permissions": ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ", "SPOT_DEAL_WRITE", "SPOT_WITHDRAW_WRITE"]},
            "failure",
            "may withdraw or transfer",
        ),
        ({"is_expired": True}, "failure", "expired key is refused like this"),
        ({"ip_white_list": ["10.1.2.3"]}, "failure", "Put this machine's address on the key's IP list"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_key(rig_run: Rigged, facts: dict[str, Any], level: str, text: str) -> None:
    def prepare(rig: Any) -> None:
        for name, value in ({"ip_white_list": ["127.0.0.1"]} | facts).items():
            setattr(account(rig), name, value)

    examined(rig_run, lambda rig, findings: _has(findings, "key", level, text), prepare)


def _has(findings: list[Finding], check: str, level: str, text: str) -> None:
    assert text in found(findings, check, level), findings


def test_a_key_that_may_only_read_has_its_test_orders_refused(rig_run: Rigged) -> None:
    def prepare(rig: Any) -> None:
        account(rig).permissions = ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"]

    examined(rig_run, lambda rig, findings: _has(findings, "orders", "failure", "700007"), prepare)


def test_a_venue_that_does_not_tell_of_the_key_is_a_warning(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        _has(findings, "key", "warning", "does not tell the key's permissions")
        assert not [each for each in findings if each.level == "failure"]
        assert "test orders are taken" in found(findings, "orders", "ok")

    examined(rig_run, look, lambda rig: rig.fault("http_5xx", match="apiKeyInfo", status=500))


def test_no_key_and_a_key_that_is_not_there(rig_run: Rigged, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert "TEST_MEXC_KEY is not set → Export" in found(findings, "key", "failure")
        assert "open to the API" in found(findings, "symbols", "ok")
        assert "confirmed" in found(findings, "feeds", "ok")

    examined(rig_run, look, lambda rig: monkeypatch.delenv("TEST_MEXC_KEY"))

    async def body(rig: Any) -> None:
        keyless = MexcConfig(rest_url=rig.venue.rest_url, ws_url=rig.venue.ws_url)
        assert "no key is named" in found(await examine(keyless, SYMBOLS, 1000), "key", "failure")

    rig_run(body)


def test_a_clock_that_is_off(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert "risk.max_clock_skew_ms is 1000" in found(findings, "clock", "failure")
        assert "timedatectl" in found(findings, "clock", "failure")
        assert "test orders are taken" in found(findings, "orders", "ok")

    examined(rig_run, look, venue={"clock": "manual"})


def change(**changes: Any) -> Callable[[Any], None]:
    return lambda rig: rig.venue.state.exchange.change_symbol("MXUSDT", **changes)


def test_symbols_that_cannot_be_traded(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        text = found(findings, "symbols", "failure")
        assert "MXUSDT: not open to the API (isSpotTradingAllowed)" in text
        assert "ZZZUSDT: not listed, or hidden from the API" in text
        assert "this key may not trade MXUSDT, ZZZUSDT (selfSymbols)" in text
        assert "open to the API: BTCUSDT" in found(findings, "symbols", "ok")
        assert "MXUSDT" not in found(findings, "orders", "ok")

    examined(rig_run, look, change(tradable=False), symbols=(*SYMBOLS, "ZZZUSDT"))


def test_a_symbol_that_is_closed_to_this_key_alone(rig_run: Rigged) -> None:
    def prepare(rig: Any) -> None:
        account(rig).symbols = ["BTCUSDT"]

    examined(
        rig_run, lambda rig, findings: _has(findings, "symbols", "failure", "may not trade MXUSDT"), prepare
    )


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"status": SymbolStatus.PAUSED}, "MXUSDT: not trading now (status 2)"),
        ({"order_types": frozenset({OrderType.MARKET})}, "30041"),
    ],
)
def test_a_symbol_that_takes_no_limit_orders_now(rig_run: Rigged, facts: dict[str, Any], text: str) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert text in found(findings, "symbols", "failure") + found(findings, "orders", "failure")

    examined(rig_run, look, change(**facts))


def test_an_account_that_pays_more_than_the_list(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert "BTCUSDT: maker 0 %, taker 0.05 %" in found(findings, "fees", "ok")

    examined(rig_run, look)

    async def body(rig: Any) -> None:
        examination = Examination(rig.adapter._config, ["BTCUSDT"], 1000)
        (spec,) = await rig.adapter.load_instruments(["BTCUSDT"])
        examination._rest = rig.adapter._rest
        await examination._fees([dataclasses.replace(spec, taker_fee_ppm=100)])
        text = found(examination.findings, "fees", "warning")
        assert "taker 0.05 %; listed are 0 % and 0.01 %" in text

    rig_run(body)


def test_the_web_firewall_is_recognised(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert [each.check for each in findings] == ["reach"]
        assert "web firewall's page came in place of an answer (http 403)" in found(
            findings, "reach", "failure"
        )

    examined(rig_run, look, lambda rig: rig.fault("html_403"))


def test_a_venue_that_is_not_there() -> None:
    settings = MexcConfig(rest_url="http://127.0.0.1:9", ws_url="ws://127.0.0.1:9/ws", clock_samples=1)
    findings = asyncio.run(examine(settings, SYMBOLS, 1000))
    assert "does not answer" in found(findings, "reach", "failure")


def test_a_subscription_refused_with_code_0(rig_run: Rigged) -> None:
    def look(rig: Any, findings: list[Finding]) -> None:
        assert "refused spot@public.aggre.deals" in found(findings, "feeds", "failure")
        assert "Blocked" in found(findings, "feeds", "failure")

    examined(rig_run, look, lambda rig: rig.fault("refuse_subscription"))


def test_a_websocket_that_does_not_answer(rig_run: Rigged) -> None:
    async def body(rig: Any) -> None:
        gone = rig.adapter._config.model_copy(update={"ws_url": "ws://127.0.0.1:9/ws"})
        findings = await examine(gone, SYMBOLS, 1000)
        assert "cannot be connected to" in found(findings, "feeds", "failure")

    rig_run(body)


def test_words_rates_and_percents() -> None:
    assert _words("a, b,,c") == _words(["a", "b", "c"]) == ["a", "b", "c"]
    assert _words(None) == []
    assert [_rate_ppm(value) for value in (0, "0.0005", 0.0005, 0.00000049)] == [0, 500, 500, 1]
    assert [_percent(ppm) for ppm in (0, 500, 10_000, 1)] == ["0 %", "0.05 %", "1 %", "0.0001 %"]
