"""The adapter's pure parts: numbers, ids, errors, clock, config, instruments, subscriptions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.mexc.clock import VenueClock
from adapters.mexc.config import Credentials, MexcConfig, load_credentials
from adapters.mexc.connection import Backoff
from adapters.mexc.errors import ErrorClass, VenueError, classify
from adapters.mexc.instruments import spec_of, specs_of
from adapters.mexc.numbers import integer, lots_at_least, money, scaled
from adapters.mexc.orders import (
    balance_of,
    evidence_of,
    evidence_of_error,
    fill_of,
    order_params,
)  # fmt: skip
from adapters.mexc.rest import query_string
from adapters.mexc.subscriptions import Reply, Subscriptions
from engine.adapter import OrderRef
from engine.config import ConfigError
from engine.core.enums import OrderReport, Side
from engine.core.instrument import InstrumentSpec
from engine.execution.client_ids import client_order_id, order_number
from native.decimal import format_decimal

RUN_ID = "abcdef012345"
UNIT = 10**20


class TestNumbers:
    @given(st.integers(0, 2**60), st.integers(0, 18))
    def test_text_and_back(self, value: int, decimals: int) -> None:
        assert scaled(format_decimal(value, decimals), decimals, "x") == value

    @pytest.mark.parametrize("value", [1.5, True, None, "", "1e5", "-1", "1.001", "1" * 70, [], "٣"])
    def test_what_is_no_number_of_this_scale_is_refused_by_name(self, value: object) -> None:
        with pytest.raises(ValueError, match="price"):
            scaled(value, 2, "price")

    def test_json_integers_are_numbers(self) -> None:
        assert scaled(3, 2, "x") == 300
        assert money(3, "x") == 3 * UNIT
        assert money("-0.5", "x") == -UNIT // 2
        with pytest.raises(ValueError, match="fee"):
            money("x", "fee")

    def test_a_minimum_between_two_lots_is_the_upper_one(self) -> None:
        assert lots_at_least("0.001", 2, "x") == 1
        assert lots_at_least("0.011", 2, "x") == 2
        assert lots_at_least("0", 2, "x") == 0

    def test_integers_come_as_numbers_and_strings(self) -> None:
        assert (integer("-5", "x"), integer(7, "x")) == (-5, 7)
        for value in (True, "1.0", None, 1.0, "1" * 20, 2**63, "9223372036854775808"):
            with pytest.raises(ValueError, match="code"):
                integer(value, "code")


class TestClientIds:
    @given(st.integers(1, 10**19 - 1))
    def test_an_id_is_found_again(self, order_no: int) -> None:
        text = client_order_id(RUN_ID, order_no)
        assert len(text) <= 32
        assert order_number(RUN_ID, text) == order_no
        assert order_number("zzzzzzzzzzzz", text) is None

    @pytest.mark.parametrize("order_no", [0, -1, 10**19])
    def test_a_number_without_id_is_refused(self, order_no: int) -> None:
        with pytest.raises(ValueError, match="order number"):
            client_order_id(RUN_ID, order_no)

    @pytest.mark.parametrize("run_id", ["", "ABCDEF012345", "abcdef01234", "abcdef01234-"])
    def test_a_run_id_is_twelve_characters(self, run_id: str) -> None:
        with pytest.raises(ValueError, match="run id"):
            client_order_id(run_id, 1)

    @pytest.mark.parametrize("text", [None, "", RUN_ID, f"{RUN_ID}-01", f"{RUN_ID}-1\n", f"{RUN_ID}-x"])
    def test_anything_else_is_not_ours(self, text: str | None) -> None:
        assert order_number(RUN_ID, text) is None


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "text", "expected"),
        [
            (400, 10007, "symbol not support api", ErrorClass.NOT_TRADABLE),
            (400, 30087, "Order price exceeds allowed range", ErrorClass.FILTER),
            (400, 30051, "api market order is disabled", ErrorClass.NOT_TRADABLE),
            (400, 99999, "api market order is disabled", ErrorClass.NOT_TRADABLE),
            (400, 30018, "account cannot order, contact support", ErrorClass.HALT),
            (400, 700003, "", ErrorClass.CLOCK),
            (400, 700002, "", ErrorClass.AUTH),
            (400, -2013, "", ErrorClass.GONE),
            (400, 424242, "something new", ErrorClass.AMBIGUOUS),
            (504, None, "", ErrorClass.AMBIGUOUS),
            (503, 30002, "", ErrorClass.AMBIGUOUS),
            (429, None, "", ErrorClass.RATE),
            (418, 0, "", ErrorClass.RATE),
            (403, None, "", ErrorClass.WAF),
            (400, None, "", ErrorClass.AMBIGUOUS),
        ],
    )
    def test_what_an_error_means(
        self, status: int, code: int | None, text: str, expected: ErrorClass
    ) -> None:
        assert classify(status, code, text) is expected

    def test_only_a_refusal_proves_that_nothing_happened(self) -> None:
        unproved = {kind for kind in ErrorClass if not VenueError(kind, "x").refused}
        assert unproved == {ErrorClass.AMBIGUOUS, ErrorClass.WAF, ErrorClass.BAD_BODY, ErrorClass.GONE}

    def test_evidence_of_an_error(self) -> None:
        refused = VenueError(ErrorClass.BALANCE, "insufficient balance", code=10101, http_status=400)
        found = evidence_of_error(refused, OrderReport.REJECTED)
        assert (found.report, found.venue_code) == (OrderReport.REJECTED, 10101)
        silent = VenueError(ErrorClass.AMBIGUOUS, "TimeoutError")
        assert evidence_of_error(silent, OrderReport.REJECTED).report == OrderReport.AMBIGUOUS
        unsent = VenueError(ErrorClass.NOT_SENT, "ClientConnectorError")
        assert evidence_of_error(unsent, OrderReport.REJECTED).report == OrderReport.NEVER_ACCEPTED
        assert evidence_of_error(unsent, OrderReport.NOT_YET).report == OrderReport.NEVER_ACCEPTED
        assert evidence_of_error(unsent, OrderReport.CANCEL_REJECTED).report == OrderReport.CANCEL_REJECTED


class TestClock:
    def test_the_shortest_round_trip_counts(self) -> None:
        clock = VenueClock()
        assert clock.error_ns(0) == 10**9
        second = 10**9
        clock.measure([(0, second, 5_000), (10 * second, 10 * second + 2_000_000, 13_001)])
        assert clock.rtt_ns == 2_000_000
        assert clock.offset_ns == 13_001_500_000 - (10 * second + 1_000_000)
        assert clock.timestamp_ms(10 * second + 1_000_000) == 13_001
        at = 10 * second + 2_000_000
        assert clock.error_ns(at) == 2_000_000
        assert clock.error_ns(at + 100 * second) == 2_000_000 + 10_000_000

    @given(st.integers(-(10**12), 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
    def test_the_error_covers_the_truth(self, offset_ns: int, there_ns: int, back_ns: int) -> None:
        sent_ns = 10**18
        server_ns = sent_ns + there_ns + offset_ns
        clock = VenueClock()
        clock.measure([(sent_ns, sent_ns + there_ns + back_ns, server_ns // 10**6)])
        assert abs(clock.offset_ns - offset_ns) <= clock.error_ns(sent_ns + there_ns + back_ns)


class TestConfig:
    def test_the_defaults_are_mexcs_addresses(self) -> None:
        assert MexcConfig().rest_url == "https://api.mexc.com"
        assert load_credentials(MexcConfig()) is None

    @pytest.mark.parametrize(
        "fields",
        [{"rest_uri": "x"}, {"channel_speed": "5ms"}, {"recv_window_ms": 60_001}, {"rest_url": "api.mexc.com"},
         {"api_key_env": "A"}, {"api_secret_file": "/x"}],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            MexcConfig(**fields)

    def test_a_key_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        config = MexcConfig(api_key_env="SOME_KEY", api_secret_env="SOME_SECRET")
        monkeypatch.setenv("SOME_KEY", "mx0")
        monkeypatch.delenv("SOME_SECRET", raising=False)
        with pytest.raises(ConfigError, match="SOME_SECRET is not set"):
            load_credentials(config)
        monkeypatch.setenv("SOME_SECRET", "hush")
        found = load_credentials(config)
        assert found is not None
        assert found.access_key == "mx0"
        assert "hush" not in repr(found) + str(config)
        assert not hasattr(found, "__dict__")

    def test_a_key_file_must_be_closed_to_others(self, tmp_path: Path) -> None:
        for name in ("key", "secret"):
            (tmp_path / name).write_text("mx0-hush\n")
            (tmp_path / name).chmod(0o600)
        config = MexcConfig(api_key_file=str(tmp_path / "key"), api_secret_file=str(tmp_path / "secret"))
        found = load_credentials(config)
        assert found is not None
        assert found.access_key == "mx0-hush"
        (tmp_path / "secret").chmod(0o640)
        with pytest.raises(ConfigError, match="chmod 600") as caught:
            load_credentials(config)
        assert "hush" not in str(caught.value)


def test_signatures_are_those_of_the_vectors(data_dir: Path) -> None:
    vectors = json.loads((data_dir / "mexc" / "sign_vectors.json").read_text())
    assert len(vectors) >= 7
    for vector in vectors:
        signed = vector.get("totalParams") or vector["target"]
        assert Credentials("mx0", vector["secret"]).sign(signed) == vector["signature"]


def test_parameters_keep_their_order_and_are_encoded_in_upper_hex() -> None:
    assert (
        query_string({"symbols": "B,A", "limit": 5, "a": "x y/ü"}) == "symbols=B%2CA&limit=5&a=x%20y%2F%C3%BC"
    )


METAL: dict[str, Any] = {
    "symbol": "METALUSDT", "status": "1", "baseAsset": "METAL", "baseAssetPrecision": 2, "quoteAsset": "USDT",
    "quotePrecision": 5, "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"], "isSpotTradingAllowed": True,
    "quoteAmountPrecision": "1", "baseSizePrecision": "0.1", "permissions": ["SPOT"],
    "filters": [{"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "0.2", "askMultiplierDown": "0.15"}],
    "maxQuoteAmount": "2000000", "makerCommission": "0", "takerCommission": "0.0005", "tradeSideType": 1,
}  # fmt: skip


class TestInstruments:
    def test_a_symbol_as_recorded(self) -> None:
        spec = spec_of(METAL, 3)
        assert (spec.symbol, spec.base, spec.quote, spec.source) == ("METALUSDT", "METAL", "USDT", 3)
        assert (spec.price_decimals, spec.size_decimals, spec.min_lots) == (5, 2, 10)
        assert (spec.band_up_ppm, spec.band_down_ppm) == (200_000, 150_000)
        assert (spec.maker_fee_ppm, spec.taker_fee_ppm) == (0, 500)
        assert (spec.min_notional, spec.max_notional) == (UNIT, 2_000_000 * UNIT)
        assert spec.tradable
        assert (spec.sides, spec.order_types) == (3, 0b111110)

    @pytest.mark.parametrize(
        ("fields", "name", "expected"),
        [
            ({"status": 1}, "tradable", True),
            ({"status": "ENABLED"}, "tradable", True),
            ({"status": "2"}, "tradable", False),
            ({"isSpotTradingAllowed": False}, "tradable", False),
            ({"isSpotTradingAllowed": "true"}, "tradable", True),
            ({"tradeSideType": "2"}, "sides", 1),
            ({"tradeSideType": 3}, "sides", 2),
            ({"tradeSideType": 4}, "sides", 0),
            ({"tradeSideType": 9}, "sides", 0),
            ({"orderTypes": ["LIMIT_MAKER", "NEW_KIND"]}, "order_types", 0b1000),
            ({"filters": []}, "band_up_ppm", 0),
            ({"filters": None}, "band_down_ppm", 0),
            ({"baseSizePrecision": "0"}, "min_lots", 1),
            ({"baseAssetPrecision": "2"}, "size_decimals", 2),
            ({"tomorrow": {"nobody": "knows"}}, "symbol", "METALUSDT"),
        ],
    )
    def test_each_form_that_was_seen(self, fields: dict[str, Any], name: str, expected: object) -> None:
        assert getattr(spec_of({**METAL, **fields}, 1), name) == expected

    @pytest.mark.parametrize(
        "fields",
        [{"baseAsset": None}, {"quotePrecision": "x"}, {"orderTypes": "LIMIT"}, {"takerCommission": True},
         {"symbol": "X" * 40}, {"baseAssetPrecision": 21}, {"baseAssetPrecision": -1}, {"baseAssetPrecision": -(10**18)}],
    )  # fmt: skip
    def test_what_cannot_be_read_is_told_by_symbol(self, fields: dict[str, Any]) -> None:
        item = {**METAL, **fields}
        with pytest.raises(VenueError, match="exchangeInfo"):
            specs_of(json.dumps({"symbols": [item]}).encode(), {str(item["symbol"]): 1})

    def test_numbers_are_as_good_as_strings(self) -> None:
        item = {
            **METAL,
            "takerCommission": 0.0005,
            "maxQuoteAmount": 2000000,
            "baseSizePrecision": 0.1,
            "status": 1,
        }
        assert specs_of(json.dumps({"symbols": [item]}).encode(), {"METALUSDT": 1}) == {
            "METALUSDT": spec_of(METAL, 1)
        }

    def test_every_recorded_symbol_is_read(self, data_dir: Path) -> None:
        seen = 0
        for name in ("gct_pr1897_http.json", "gct_pr2312_http.json"):
            routes = json.loads((data_dir / "mexc" / "rest_fixtures" / name).read_text())["routes"]
            for answer in routes["/api/v3/exchangeInfo"]["GET"]:
                body = answer["data"]
                wanted = {item["symbol"]: 1 for item in body["symbols"]}
                found = specs_of(json.dumps(body).encode(), wanted)
                assert set(found) == set(wanted)
                seen += len(found)
                if "BTCUSDT" in found:
                    assert (found["BTCUSDT"].tradable, found["BTCUSDT"].band_up_ppm) == (False, 5000)
        assert seen >= 6

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"symbols":[1]}'])
    def test_another_body_is_refused(self, body: bytes) -> None:
        with pytest.raises(VenueError):
            specs_of(body, {"A": 1})


SPEC = InstrumentSpec("MXUSDT", "MX", "USDT", 4, 2)


class TestOrders:
    def test_an_order_is_named_by_the_venues_id_where_known(self) -> None:
        assert order_params(OrderRef(1, 0, "c"), SPEC) == {"symbol": "MXUSDT", "origClientOrderId": "c"}
        assert order_params(OrderRef(1, 0, "c", "v"), SPEC) == {"symbol": "MXUSDT", "orderId": "v"}

    RECORD: ClassVar[dict[str, object]] = {
        "orderId": "C02__385413065019117569043", "clientOrderId": None, "price": "0.004327", "executedQty": "1220",
        "cummulativeQuoteQty": "5.54124", "status": "FILLED", "time": 1707671871000, "updateTime": 1707671871001,
    }  # fmt: skip

    def test_a_recorded_order_is_evidence(self) -> None:
        found = evidence_of(self.RECORD, SPEC)
        assert found.report == OrderReport.FILLED
        assert (found.cumulative_lots, found.cumulative_money) == (122_000, 554124 * 10**15)
        assert (found.venue_order_id, found.ts_event_ns) == (
            "C02__385413065019117569043",
            1707671871001 * 10**6,
        )

    @pytest.mark.parametrize(
        "fields", [{"status": "PENDING"}, {"executedQty": 1.5}, {"orderId": None}, {"updateTime": "x"}, {"orderId": "x" * 48},
         {"orderId": "C\0"}, {"orderId": "Ü"}, {"updateTime": -1}, {"updateTime": 10**13}, {"updateTime": 10**30}]
    )  # fmt: skip
    def test_a_record_that_cannot_be_read_proves_nothing(self, fields: dict[str, object]) -> None:
        with pytest.raises(VenueError) as caught:
            evidence_of({**self.RECORD, **fields}, SPEC)
        assert not caught.value.refused

    TRADE: ClassVar[dict[str, object]] = {
        "id": "dd44", "orderId": 5, "price": "3.5", "qty": "2", "quoteQty": "7", "commission": "0.0035",
        "commissionAsset": "USDT", "time": 1707671871000, "isBuyer": False, "isMaker": True, "clientOrderId": None,
    }  # fmt: skip

    def test_a_recorded_trade_is_a_fill(self) -> None:
        found = fill_of(self.TRADE, 4, SPEC)
        assert (found.instrument, found.side, found.price_ticks, found.size_lots) == (
            4,
            Side.SELL,
            35000,
            200,
        )
        assert (found.money, found.fee, found.is_maker) == (7 * UNIT, 35 * UNIT // 10**4, True)
        assert (found.venue_order_id, found.client_order_id, found.trade_id) == ("5", "", "dd44")

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": None},
            {"isBuyer": "yes"},
            {"qty": "0.001"},
            {"id": "x" * 56},
            {"commissionAsset": "x" * 16},
            {"time": 2**63},
        ],
    )
    def test_a_trade_that_cannot_be_read_is_refused(self, fields: dict[str, object]) -> None:
        with pytest.raises(VenueError, match="trade record"):
            fill_of({**self.TRADE, **fields}, 0, SPEC)

    def test_balances(self) -> None:
        assert balance_of({"asset": "USDT", "free": "1.5", "locked": "0"}).free == 3 * UNIT // 2
        with pytest.raises(VenueError, match="balance"):
            balance_of({"asset": "USDT", "free": "1.5"})


class TestSubscriptions:
    A, B = "spot@public.aggre.deals.v3.api.pb@10ms@BTCUSDT", "spot@public.aggre.deals.v3.api.pb@10ms@BTC"

    @staticmethod
    def reply(message: str, request_id: int = 0, code: int = 0) -> str:
        return json.dumps({"id": request_id, "code": code, "msg": message})

    def made(self) -> Subscriptions:
        subscriptions = Subscriptions([self.A, self.B], lambda refusals: 1.0 + refusals)
        assert len(subscriptions.requests_due(0.0)) == 2
        assert subscriptions.requests_due(0.0) == []
        return subscriptions

    def test_only_the_channels_own_name_confirms(self) -> None:
        subscriptions = self.made()
        assert subscriptions.unanswered_since() == 0.0
        assert subscriptions.take(self.reply(self.A), 1.0) is Reply.CONFIRMED
        assert not subscriptions.confirmed
        assert subscriptions.take(self.reply(self.B), 1.0) is Reply.CONFIRMED
        assert subscriptions.confirmed
        assert subscriptions.unanswered_since() is None

    def test_a_refusal_with_code_0_is_a_refusal_and_asked_again(self) -> None:
        subscriptions = self.made()
        text = f"Not Subscribed successfully! [{self.B}].  Reason： Blocked! "
        assert subscriptions.take(self.reply(text), 1.0) is Reply.REFUSED
        assert subscriptions.refused
        assert "Blocked" in subscriptions.last_refusal
        assert subscriptions.requests_due(1.9) == []
        again = subscriptions.requests_due(2.0)
        assert [json.loads(each)["params"] for each in again] == [[self.B]]
        assert subscriptions.take(self.reply(text), 2.0) is Reply.REFUSED
        assert subscriptions.requests_due(3.9) == []
        assert len(subscriptions.requests_due(4.0)) == 1
        subscriptions.take(self.reply(self.B), 4.1)
        assert not subscriptions.refused

    def test_a_refusal_without_a_channel_belongs_to_its_request(self) -> None:
        subscriptions = self.made()
        subscriptions.take(self.reply("msg format invalid", request_id=1), 1.0)
        assert [json.loads(each)["id"] for each in subscriptions.requests_due(9.0)] == [1]

    def test_a_refusal_without_either_belongs_to_all(self) -> None:
        subscriptions = self.made()
        assert subscriptions.take(self.reply("msg format invalid"), 1.0) is Reply.REFUSED
        assert len(subscriptions.requests_due(9.0)) == 2

    def test_an_error_code_with_the_right_name_is_no_confirmation(self) -> None:
        subscriptions = self.made()
        assert subscriptions.take(self.reply(self.A, code=1), 1.0) is Reply.REFUSED

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"id":0,"code":0,"msg":"PONG"}', Reply.PONG),
            ("Invalid listen key", Reply.BAD_LISTEN_KEY),
            ("<html>", Reply.STRANGE),
            ("[1]", Reply.STRANGE),
            ("{}", Reply.STRANGE),
        ],
    )
    def test_other_texts(self, text: str, expected: Reply) -> None:
        assert self.made().take(text, 1.0) is expected

    def test_a_text_when_nothing_is_asked_is_strange(self) -> None:
        subscriptions = Subscriptions([], lambda _: 1.0)
        assert subscriptions.take(self.reply("whatever"), 0.0) is Reply.STRANGE

    def test_a_connection_takes_thirty(self) -> None:
        with pytest.raises(ValueError, match="at most 30"):
            Subscriptions([str(number) for number in range(31)], lambda _: 1.0)


def test_waits_grow_to_a_cap_with_the_generators_jitter() -> None:
    backoff, same = (Backoff(0.5, 4.0, random.Random(3)) for _ in range(2))
    waits = [backoff.wait_s(attempt) for attempt in range(40)]
    assert waits == [same.wait_s(attempt) for attempt in range(40)]
    for attempt, wait_s in enumerate(waits):
        whole_s = min(4.0, 0.5 * 2**attempt)
        assert whole_s / 2 <= wait_s <= whole_s
