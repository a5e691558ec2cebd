"""MEXC's frames and order books as events."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.schema import PushDataV3ApiWrapper
from engine.core.describe import describe

RUN_ID = "abcdef012345"
HEADER = struct.Struct("<QqqHHiII")
BOOK = struct.Struct("<qqIIII")
UNIT = 10**20


@pytest.fixture
def decoder() -> MexcDecoder:
    made = MexcDecoder(RUN_ID)
    made.add_instrument(5, "MXUSDT", 4, 2)
    made.add_instrument(2, "BTCUSDT", 2, 8)
    return made


def wrapper(symbol: str = "BTCUSDT", **fields: Any) -> Any:
    return PushDataV3ApiWrapper(channel="spot@test", symbol=symbol, sendTime=1736411507002, **fields)


def depth(
    decoder: MexcDecoder, asks: list[tuple[str, str]], bids: list[tuple[str, str]], **fields: str
) -> bytes:
    frame = wrapper()
    body = frame.publicAggreDepths
    for side, levels in ((body.asks, asks), (body.bids, bids)):
        for price, quantity in levels:
            side.add(price=price, quantity=quantity)
    body.fromVersion = fields.get("from_version", "100")
    body.toVersion = fields.get("to_version", "105")
    return decoder.decode_event(frame.SerializeToString())


def levels_of(event: bytes) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    head = BOOK.unpack_from(event, HEADER.size)
    return head, list(struct.iter_unpack("<qq", event[HEADER.size + BOOK.size :]))


class TestMarketData:
    def test_a_depth_is_a_delta_with_asks_before_bids(self, decoder: MexcDecoder) -> None:
        event = depth(decoder, [("60000.01", "0.00000001"), ("60000.50", "0")], [("59999.9", "1.5")])
        _, ts_event_ns, _, kind, _, instrument, length, _ = HEADER.unpack_from(event)
        assert (ts_event_ns, kind, instrument) == (1736411507002 * 10**6, 3, 2)
        assert len(event) == HEADER.size + length
        head, levels = levels_of(event)
        assert head == (100, 105, 2, 1, 0, 0)
        assert levels == [(6000001, 1), (6000050, 0), (5999990, 150_000_000)]

    @given(
        st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**12)), max_size=60),
        st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**12)), max_size=60),
    )
    @settings(max_examples=100, deadline=None)
    def test_every_level_arrives_exactly(
        self, asks: list[tuple[int, int]], bids: list[tuple[int, int]]
    ) -> None:
        decoder = MexcDecoder(RUN_ID)
        decoder.add_instrument(0, "BTCUSDT", 2, 8)
        texts = [
            [
                (f"{price // 100}.{price % 100:02}", f"{size // 10**8}.{size % 10**8:08}")
                for price, size in side
            ]
            for side in (asks, bids)
        ]
        head, levels = levels_of(depth(decoder, *texts))
        assert head[2:4] == (len(asks), len(bids))
        assert levels == asks + bids

    def test_deals_are_trades_with_the_takers_side(self, decoder: MexcDecoder) -> None:
        frame = wrapper("MXUSDT")
        frame.publicAggreDeals.deals.add(price="3.5", quantity="12.34", tradeType=2, time=1736411506000)
        event = decoder.decode_event(frame.SerializeToString())
        assert HEADER.unpack_from(event)[3:6:2] == (5, 5)
        assert struct.unpack_from("<II", event, 40) == (1, 0)
        assert struct.unpack_from("<qqqII", event, 48) == (35000, 1234, 1736411506000 * 10**6, 2, 0)

    def test_a_book_ticker_is_a_quote_and_an_empty_price_an_empty_side(self, decoder: MexcDecoder) -> None:
        frame = wrapper()
        ticker = frame.publicAggreBookTicker
        ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity, ticker.version = (
            "1.5",
            "2",
            "",
            "",
            "9",
        )
        event = decoder.decode_event(frame.SerializeToString())
        assert describe(event)["kind"] == "QUOTE"
        assert struct.unpack_from("<qqqqq", event, 40) == (150, 200_000_000, 0, 0, 9)

    def test_a_wrapper_without_a_body_is_a_heartbeat(self, decoder: MexcDecoder) -> None:
        found = describe(decoder.decode_event(wrapper().SerializeToString()))
        assert (found["kind"], found["instrument"]) == ("HEARTBEAT", 2)

    def test_a_body_that_is_not_for_us_is_a_heartbeat(self, decoder: MexcDecoder) -> None:
        frame = wrapper()
        frame.publicLimitDepths.version = "9"
        assert describe(decoder.decode_event(frame.SerializeToString()))["kind"] == "HEARTBEAT"


class TestMalformed:
    @staticmethod
    def verdict(event: bytes) -> tuple[str, int, int]:
        return (describe(event)["kind"], *struct.unpack_from("<II", event, 40))

    def test_a_depth_out_of_scale_puts_its_book_in_doubt(self, decoder: MexcDecoder) -> None:
        event = depth(decoder, [("60000.011", "1")], [])
        assert self.verdict(event) == ("MALFORMED", 9, 1)
        assert describe(event)["instrument"] == 2

    def test_a_bad_trade_puts_no_book_in_doubt(self, decoder: MexcDecoder) -> None:
        frame = wrapper()
        frame.publicAggreDeals.deals.add(price="x", quantity="1", tradeType=1, time=1)
        assert self.verdict(decoder.decode_event(frame.SerializeToString())) == ("MALFORMED", 8, 0)

    def test_a_torn_frame_may_have_been_a_delta(self, decoder: MexcDecoder) -> None:
        assert self.verdict(decoder.decode_event(b"\x0a\x02a")) == ("MALFORMED", 1, 1)

    def test_a_depth_of_a_symbol_nobody_asked_for_touches_no_book(self, decoder: MexcDecoder) -> None:
        frame = wrapper("XRPUSDT")
        frame.publicAggreDepths.fromVersion = frame.publicAggreDepths.toVersion = "7"
        assert self.verdict(decoder.decode_event(frame.SerializeToString())) == ("MALFORMED", 7, 0)

    def test_more_levels_than_room_are_told(self, decoder: MexcDecoder) -> None:
        frame = wrapper()
        for price in range(1, 40):
            frame.publicAggreDepths.asks.add(price=str(price), quantity="1")
        frame.publicAggreDepths.fromVersion = frame.publicAggreDepths.toVersion = "7"
        assert self.verdict(decoder.decode_event(frame.SerializeToString(), 256)) == ("MALFORMED", 11, 1)
        assert self.verdict(decoder.decode_event(frame.SerializeToString(), 16)) == ("MALFORMED", 11, 1)
        with pytest.raises(ValueError, match="4 bytes"):
            decoder.decode_event(frame.SerializeToString(), 4)

    @given(st.binary(max_size=400))
    @settings(max_examples=300, deadline=None)
    def test_any_bytes_are_some_event(self, frame: bytes) -> None:
        decoder = MexcDecoder(RUN_ID)
        decoder.add_instrument(0, "BTCUSDT", 2, 8)
        assert describe(decoder.decode_event(frame))["kind"] in ("HEARTBEAT", "MALFORMED")

    @given(st.data())
    @settings(max_examples=300, deadline=None)
    def test_a_changed_frame_never_breaks_anything(self, data: st.DataObject) -> None:
        decoder = MexcDecoder(RUN_ID)
        decoder.add_instrument(0, "BTCUSDT", 2, 8)
        frame = wrapper()
        frame.privateOrders.clientId = f"{RUN_ID}-4"
        frame.privateOrders.status = 2
        frame.privateOrders.cumulativeQuantity = "1"
        raw = bytearray(frame.SerializeToString())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        event = decoder.decode_event(bytes(raw))
        assert len(event) == HEADER.size + HEADER.unpack_from(event)[6]


class TestPrivate:
    @staticmethod
    def order(decoder: MexcDecoder, **fields: Any) -> dict[str, Any]:
        frame = wrapper("MXUSDT")
        values = {
            "id": "C02__1",
            "clientId": f"{RUN_ID}-42",
            "status": 3,
            "cumulativeQuantity": "1.5",
            **fields,
        }
        for name, value in values.items():
            setattr(frame.privateOrders, name, value)
        return describe(decoder.decode_event(frame.SerializeToString()))

    @pytest.mark.parametrize(
        ("status", "report"),
        [(1, "WORKING"), (2, "FILLED"), (3, "WORKING"), (4, "CANCELED"), (5, "CANCELED")],
    )
    def test_an_order_is_an_update(self, decoder: MexcDecoder, status: int, report: str) -> None:
        found = self.order(decoder, status=status, cumulativeAmount="5.54124")
        assert (found["kind"], found["report"], found["order_no"], found["instrument"]) == (
            "ORDER_UPDATE",
            report,
            42,
            5,
        )
        assert (found["venue_order_id"], found["cumulative_lots"]) == ("C02__1", 150)
        assert found["cumulative_money"] == 554124 * UNIT // 10**5

    def test_a_cumulative_size_that_is_not_said_stays_unsaid(self, decoder: MexcDecoder) -> None:
        assert "cumulative_lots" not in self.order(decoder, cumulativeQuantity="")

    @pytest.mark.parametrize(
        "client_id",
        [
            "",
            "42",
            f"{RUN_ID}-",
            f"{RUN_ID}-04",
            f"{RUN_ID}-4x",
            f"{RUN_ID}_4",
            "zzzzzzzzzzzz-4",
            f"{RUN_ID}-{10**19}",
        ],
    )
    def test_an_order_of_somebody_else_is_counted_and_ignored(
        self, decoder: MexcDecoder, client_id: str
    ) -> None:
        assert self.order(decoder, clientId=client_id)["kind"] == "HEARTBEAT"
        assert decoder.foreign == 1

    def test_an_order_of_a_symbol_we_do_not_trade_is_somebody_elses(self, decoder: MexcDecoder) -> None:
        frame = wrapper("XRPUSDT")
        frame.privateOrders.clientId = f"{RUN_ID}-42"
        assert describe(decoder.decode_event(frame.SerializeToString()))["kind"] == "HEARTBEAT"
        assert decoder.foreign == 1

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": 9},
            {"cumulativeQuantity": "0.001"},
            {"cumulativeQuantity": "-0.01"},
            {"id": "x" * 48},
        ],
    )
    def test_an_update_that_cannot_be_is_malformed_and_in_doubt(
        self, decoder: MexcDecoder, fields: dict[str, Any]
    ) -> None:
        assert self.order(decoder, **fields)["kind"] == "MALFORMED"

    @staticmethod
    def deal(decoder: MexcDecoder, **fields: Any) -> dict[str, Any]:
        frame = wrapper("MXUSDT")
        values = {
            "price": "3.6962", "quantity": "1", "amount": "3.6962", "tradeType": 2, "tradeId": "505X1",
            "clientOrderId": f"{RUN_ID}-7", "orderId": "C02__1", "feeAmount": "0.0003998377369698171",
            "feeCurrency": "MX", "time": 1736417034280, **fields,
        }  # fmt: skip
        for name, value in values.items():
            setattr(frame.privateDeals, name, value)
        return describe(decoder.decode_event(frame.SerializeToString()))

    def test_a_deal_is_a_fill(self, decoder: MexcDecoder) -> None:
        found = self.deal(decoder, isMaker=True)
        assert (found["kind"], found["order_no"], found["side"]) == ("FILL", 7, "SELL")
        assert (found["price_ticks"], found["size_lots"], found["is_maker"]) == (36962, 100, True)
        assert (found["money"], found["fee"]) == (36962 * UNIT // 10**4, 39983773696981710)
        assert (found["fee_asset"], found["trade_id"]) == ("MX", "505X1")
        assert found["ts_event_ns"] == 1736417034280 * 10**6

    @pytest.mark.parametrize(
        "fields",
        [{"tradeId": ""}, {"tradeType": 3}, {"price": "3.69621"}, {"quantity": "0.001"}, {"feeCurrency": "x" * 16},
         {"quantity": "0"}, {"quantity": "-1"}, {"price": "-3.5"},
         {"tradeId": "x" * 56}],
    )  # fmt: skip
    def test_a_deal_that_cannot_be_is_malformed(self, decoder: MexcDecoder, fields: dict[str, Any]) -> None:
        assert self.deal(decoder, **fields)["kind"] == "MALFORMED"

    def test_a_deal_of_somebody_else_is_ignored(self, decoder: MexcDecoder) -> None:
        assert self.deal(decoder, clientOrderId="other")["kind"] == "HEARTBEAT"

    def test_an_account_is_a_balance_for_comparison(self, decoder: MexcDecoder) -> None:
        frame = PushDataV3ApiWrapper(channel="spot@private.account.v3.api.pb", sendTime=1)
        frame.privateAccount.vcoinName = "USDT"
        frame.privateAccount.balanceAmount = "21.94210356004384"
        frame.privateAccount.frozenAmount = "10"
        found = describe(decoder.decode_event(frame.SerializeToString()))
        assert (found["kind"], found["asset"], found["absolute"]) == ("BALANCE", "USDT", False)
        assert (found["free"], found["locked"]) == (2194210356004384 * 10**6, 10 * UNIT)
        frame.privateAccount.vcoinName = "X" * 16
        assert describe(decoder.decode_event(frame.SerializeToString()))["kind"] == "MALFORMED"
        frame.privateAccount.vcoinName = ""
        assert describe(decoder.decode_event(frame.SerializeToString()))["kind"] == "MALFORMED"


class TestInstruments:
    def test_scales_may_change(self, decoder: MexcDecoder) -> None:
        decoder.add_instrument(2, "BTCUSDT", 3, 8)
        assert levels_of(depth(decoder, [("1.001", "0")], []))[1] == [(1001, 0)]

    @pytest.mark.parametrize(("symbol", "decimals"), [("", 2), ("X" * 32, 2), ("AUSDT", 19), ("AUSDT", -1)])
    def test_what_cannot_be_is_refused(self, decoder: MexcDecoder, symbol: str, decimals: int) -> None:
        with pytest.raises(ValueError, match=r"symbol|decimals"):
            decoder.add_instrument(1, symbol, decimals, 2)

    def test_a_full_table_is_told(self) -> None:
        decoder = MexcDecoder(RUN_ID, max_symbols=1)
        decoder.add_instrument(0, "AUSDT", 2, 2)
        with pytest.raises(ValueError, match="cannot be added"):
            decoder.add_instrument(1, "BUSDT", 2, 2)

    def test_a_run_id_is_checked(self) -> None:
        with pytest.raises(ValueError, match="run id"):
            MexcDecoder("short")


class TestOrderBooks:
    BOOK: ClassVar[dict[str, Any]] = {
        "lastUpdateId": 56217769552,
        "bids": [["87900.00", "0.05661525"]],
        "asks": [["87900.01", "1.00000000"], ["87901.5", "0.2"]],
        "timestamp": 1767205854814,
    }

    def document(self, **fields: Any) -> bytes:
        return json.dumps({**self.BOOK, **fields}).encode()

    @pytest.mark.parametrize("version", [56217769552, "56217769552"])
    def test_a_book_is_a_snapshot(self, decoder: MexcDecoder, version: object) -> None:
        event = decoder.decode_document(2, self.document(lastUpdateId=version))
        assert HEADER.unpack_from(event)[1:6] == (1767205854814 * 10**6, 0, 4, 0, 2)
        head, levels = levels_of(event)
        assert head == (0, 56217769552, 2, 1, 5000, 0)
        assert levels == [(8790001, 10**8), (8790150, 2 * 10**7), (8790000, 5661525)]

    def test_the_recorded_books_decode(self, decoder: MexcDecoder, data_dir: Path) -> None:
        for name in ("gct_pr1897_http.json", "gct_pr2312_http.json"):
            routes = json.loads((data_dir / "mexc" / "rest_fixtures" / name).read_text())["routes"]
            for answer in routes["/api/v3/depth"]["GET"]:
                body = answer["data"]
                head, levels = levels_of(decoder.decode_document(2, json.dumps(body).encode()))
                assert head[2:4] == (len(body["asks"]), len(body["bids"]))
                assert len(levels) == sum(head[2:4])

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            (b"<html><body>Access Denied</body></html>", "no JSON"),
            (b"[]", "not an object"),
            (b'{"code":10007,"msg":"symbol not support api"}', "symbol not support api"),
            (b'{"lastUpdateId":1,"asks":{},"bids":[]}', "missing"),
            (b'{"asks":[],"bids":[]}', "lastUpdateId"),
            (b'{"lastUpdateId":1.5,"asks":[],"bids":[]}', "lastUpdateId"),
            (b'{"lastUpdateId":true,"asks":[],"bids":[]}', "lastUpdateId"),
            (b'{"lastUpdateId":-1,"asks":[],"bids":[]}', "lastUpdateId"),
            (b'{"lastUpdateId":9223372036854775808,"asks":[],"bids":[]}', "lastUpdateId"),
            (b'{"lastUpdateId":1,"asks":[],"bids":[],"timestamp":9223372036855}', "timestamp"),
            (b'{"lastUpdateId":1,"asks":[],"bids":[],"timestamp":"9223372036854775807"}', "timestamp"),
            (b'{"lastUpdateId":1,"asks":[[1,"2"]],"bids":[]}', "no level"),
            (b'{"lastUpdateId":1,"asks":["1"],"bids":[]}', "no level"),
            (b'{"lastUpdateId":1,"asks":[],"bids":[["1.001","2"]]}', "out of scale"),
            (b'{"lastUpdateId":1,"asks":[],"bids":[["0","2"]]}', "out of scale"),
        ],
    )
    def test_anything_else_is_refused_with_what_came(
        self, decoder: MexcDecoder, document: bytes, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            decoder.decode_document(2, document)

    def test_an_instrument_that_is_not_known_is_refused(self, decoder: MexcDecoder) -> None:
        with pytest.raises(ValueError, match="instrument 9"):
            decoder.decode_document(9, self.document())


def test_real_frames_decode(decoder: MexcDecoder, data_dir: Path) -> None:
    frames = json.loads((data_dir / "mexc" / "ws_frames.json").read_text())
    synthetic = json.loads((data_dir / "mexc" / "ws_golden_synthetic.json").read_text())
    kinds = set()
    for frame in frames + synthetic:
        found = describe(decoder.decode_event(bytes.fromhex(frame["hex"])))
        kinds.add(found["kind"])
        if "BTCUSDT" in frame["name"].upper() and "kline" not in frame["name"]:
            assert found["kind"] in ("QUOTE", "TRADES", "BOOK_DELTA", "HEARTBEAT")
    assert {"QUOTE", "TRADES", "BOOK_DELTA", "HEARTBEAT", "BALANCE"} <= kinds
