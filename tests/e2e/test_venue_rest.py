"""The local venue's REST side over real sockets: shapes, signatures, filters, orders, faults."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.mexc.venue.config import VenueConfig, default_symbols
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.signing import check_signature, parse_params, sign
from tests.e2e.venue_client import KEY, Client, play


def paused(**changes: Any) -> list[dict[str, Any]]:
    """BTCUSDT with other properties."""
    return [default_symbols()[0].model_dump() | changes, default_symbols()[1].model_dump()]


# shapes


def recorded(data_dir: Path, route: str) -> Any:
    document = json.loads((data_dir / "mexc" / "rest_fixtures" / "gct_pr2312_http.json").read_text())
    return document["routes"][route]["GET"][0]["data"]


def test_public_answers_have_the_recorded_keys_and_types(data_dir: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.step(3000)
        for route, query in (
            ("/api/v3/time", ""),
            ("/api/v3/depth", "?symbol=BTCUSDT&limit=5"),
            ("/api/v3/trades", "?symbol=BTCUSDT&limit=5"),
            ("/api/v3/defaultSymbols", ""),
            ("/api/v3/exchangeInfo", ""),
            ("/api/v3/ticker/bookTicker", "?symbol=BTCUSDT"),
        ):
            status, ours = await client.get(route + query)
            assert status == 200
            same_shape(recorded(data_dir, route), ours, route)

    play(scenario)


def same_shape(theirs: Any, ours: Any, where: str) -> None:
    assert type(theirs) is type(ours), where
    if isinstance(theirs, dict):
        # the fixtures leave out what did not matter there, "timezone" for one; firstOpenTime is younger than they are
        optional = {"timezone", "firstOpenTime"}
        assert set(theirs) | optional == set(ours) | optional, where
        for key in theirs:
            if key in ours:
                same_shape(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list) and theirs and ours:
        same_shape(theirs[0], ours[0], f"{where}[0]")


def test_depth_is_ordered_padded_and_limited() -> None:
    async def scenario(client: Client) -> None:
        _, depth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=7")
        bids = [Decimal(price) for price, _ in depth["bids"]]
        asks = [Decimal(price) for price, _ in depth["asks"]]
        assert len(bids) == len(asks) == 7 and bids == sorted(bids, reverse=True) and asks == sorted(asks)
        assert bids[0] < asks[0]
        assert all(
            len(size.split(".")[1]) == 8 and len(price.split(".")[1]) == 2 for price, size in depth["bids"]
        )
        assert await client.get("/api/v3/depth?symbol=NOPE") == (
            400,
            {"code": -1121, "msg": "Invalid symbol."},
        )
        assert await client.get("/api/v3/ping") == (200, {})
        assert (await client.get("/api/v3/nothing"))[0] == 404

    play(scenario)


def test_trades_are_newest_first() -> None:
    async def scenario(client: Client) -> None:
        await client.step(5000)
        _, trades = await client.get("/api/v3/trades?symbol=BTCUSDT")
        times = [trade["time"] for trade in trades]
        assert len(times) > 3 and times == sorted(times, reverse=True)
        for trade in trades:
            assert (trade["tradeType"] == "ASK") is trade["isBuyerMaker"] and trade["id"] is None
            assert Decimal(trade["quoteQty"]) == Decimal(trade["price"]) * Decimal(trade["qty"])

    play(scenario)


# signatures


def test_the_recorded_signatures_are_accepted(data_dir: Path) -> None:
    vectors = json.loads((data_dir / "mexc" / "sign_vectors.json").read_text())
    spot = [vector for vector in vectors if "totalParams" in vector]
    assert len(spot) >= 4
    for vector in spot:
        total, signature, secret = vector["totalParams"], vector["signature"], vector["secret"]
        assert sign(secret, total) == signature
        check_signature(secret, f"{total}&signature={signature}", "")
        check_signature(secret, "", f"{total}&signature={signature}")
        check_signature(secret, f"signature={signature}&{total}", "")
        if "LIMITquantity" in total:
            query, body = total.split("quantity", 1)
            check_signature(secret, f"{query}&signature={signature}", f"quantity{body}")
        for wrong in ("doc_signature",):
            if vector.get(wrong) not in (None, signature):
                with pytest.raises(VenueError) as refused:
                    check_signature(secret, f"{total}&signature={vector[wrong]}", "")
                assert refused.value.code == 700002


def test_percent_escapes_are_signed_in_upper_case() -> None:
    signature = sign("s", "symbols=A%2CB")
    check_signature("s", f"symbols=A%2cB&signature={signature}", "")
    with pytest.raises(VenueError):
        check_signature("s", f"symbols=A%2cB&signature={sign('s', 'symbols=A%2cB')}", "")
    assert parse_params("symbols=A%2CB", "c=1") == {"symbols": "A,B", "c": "1"}


@pytest.mark.parametrize(
    ("code", "key", "params"),
    [
        (700001, "nonsense", {}),
        (10072, "mx0-other", {}),
        (700003, KEY, {"timestamp": 1}),
        (700003, KEY, {"timestamp": 1_700_000_002_000}),
        (10073, KEY, {"timestamp": "x"}),
        (700005, KEY, {"recvWindow": 60001}),
        (700008, KEY, {"note": "%3Cscript"}),
        (400, "", {}),
    ],
)
def test_requests_that_prove_nothing_are_refused(code: int, key: str, params: dict[str, object]) -> None:
    async def scenario(client: Client) -> None:
        url = client.signed_url("/api/v3/account", params)
        async with client.session.get(url, headers={"X-MEXC-APIKEY": key} if key else {}) as response:
            assert response.status == 400 and (await response.json())["code"] == code

    play(scenario)


def test_a_configured_key_may_have_any_form() -> None:
    async def scenario(client: Client) -> None:
        url = client.signed_url("/api/v3/account", {}, "s" * 64)
        async with client.session.get(url, headers={"X-MEXC-APIKEY": "run-17"}) as response:
            assert response.status == 200

    play(scenario, accounts=[{"api_key": "run-17", "secret": "s" * 64}])


def test_wrong_secret_wrong_type_and_mixed_query_and_body() -> None:
    async def scenario(client: Client) -> None:
        headers = {"X-MEXC-APIKEY": KEY}
        async with client.session.get(
            client.signed_url("/api/v3/account", {}, "wrong"), headers=headers
        ) as response:
            assert (await response.json())["code"] == 700002
        url = client.signed_url("/api/v3/order", {})
        bad = headers | {"Content-Type": "text/plain"}
        async with client.session.post(url, headers=bad) as response:
            assert (await response.json())["code"] == 700013
        query = "symbol=BTCUSDT&side=BUY&type=LIMIT"
        body = f"quantity=0.001&price=59900&timestamp={client.now_ms()}"
        url = f"{client.venue.rest_url}/api/v3/order?{query}&signature={sign('demo-secret', query + body)}"
        good = headers | {"Content-Type": "application/json"}
        async with client.session.post(url, data=body, headers=good) as response:
            assert response.status == 200, await response.text()

    play(scenario)


# orders


def test_the_life_of_a_limit_order() -> None:
    async def scenario(client: Client) -> None:
        status, ack = await client.order(
            "BUY", "LIMIT", quantity="0.0010", price="59900.00", newClientOrderId="c1"
        )
        assert status == 200
        assert set(ack) == {
            "symbol", "orderId", "orderListId", "price", "origQty", "type", "side", "transactTime",
        }  # fmt: skip
        assert (ack["price"], ack["origQty"], ack["orderListId"]) == ("59900", "0.001", -1)
        _, found = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="c1")
        assert (found["status"], found["clientOrderId"], found["orderId"]) == ("NEW", "c1", ack["orderId"])
        assert found["orderListId"] == "-1" and found["isWorking"] is True
        assert await client.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT") == (200, [found])
        assert (await client.signed("GET", "/api/v3/openOrders", symbol="ETHUSDT"))[1] == []
        _, account = await client.signed("GET", "/api/v3/account")
        usdt = next(balance for balance in account["balances"] if balance["asset"] == "USDT")
        assert Decimal(usdt["locked"]) == Decimal("59.9") * Decimal("1.0005")
        _, gone = await client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=ack["orderId"])
        assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", "c1")
        again = await client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=ack["orderId"])
        assert again == (400, {"code": -2011, "msg": "Unknown order sent."})
        _, history = await client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")
        assert [order["status"] for order in history] == ["CANCELED"]

    play(scenario)


def test_a_market_order_fills_and_its_price_field_is_not_the_fill_price() -> None:
    async def scenario(client: Client) -> None:
        _, ack = await client.order("BUY", "MARKET", quoteOrderQty="100", newClientOrderId="m1")
        _, order = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=ack["orderId"])
        average = Decimal(order["cummulativeQuoteQty"]) / Decimal(order["executedQty"])
        assert order["status"] == "FILLED" and Decimal(order["price"]) > average * Decimal("1.04")
        assert order["timeInForce"] is None and order["origQuoteOrderQty"] == "100"
        _, trades = await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=ack["orderId"])
        assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal(order["executedQty"])
        assert sum(Decimal(trade["quoteQty"]) for trade in trades) == Decimal(order["cummulativeQuoteQty"])
        assert set(trades[0]) == {
            "symbol", "id", "orderId", "orderListId", "price", "qty", "quoteQty", "commission", "commissionAsset",
            "time", "isBuyer", "isMaker", "isBestMatch", "isSelfTrade", "clientOrderId",
        }  # fmt: skip
        for trade in trades:
            assert Decimal(trade["commission"]) == Decimal(trade["quoteQty"]) * Decimal("0.0005")
            assert (trade["commissionAsset"], trade["isBuyer"], trade["isMaker"]) == ("USDT", True, False)

    play(scenario)


def test_own_trades_show_late_where_configured() -> None:
    async def scenario(client: Client) -> None:
        await client.order("BUY", "MARKET", quoteOrderQty="100")
        assert (await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT"))[1] == []
        await client.step(1000)
        assert (await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT"))[1] != []

    play(scenario, my_trades_delay_ms=1000)


@pytest.mark.parametrize(
    ("code", "params"),
    [
        (30002, {"side": "BUY", "type": "LIMIT", "quantity": "0.00001", "price": "59900"}),
        (30002, {"side": "BUY", "type": "LIMIT", "quantity": "0.0000001", "price": "59900"}),
        (30003, {"side": "BUY", "type": "LIMIT", "quantity": "100", "price": "59900"}),
        (30087, {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "70000"}),
        (30087, {"side": "SELL", "type": "LIMIT", "quantity": "0.001", "price": "50000"}),
        (30041, {"side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "60100"}),
        (10101, {"side": "BUY", "type": "LIMIT", "quantity": "2", "price": "59900"}),
        (30004, {"side": "SELL", "type": "LIMIT", "quantity": "2", "price": "60100"}),
        (10096, {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "59900.001"}),
        (10096, {"side": "BUY", "type": "LIMIT", "quantity": "0.0010000001", "price": "59900"}),
        (10096, {"side": "BUY", "type": "LIMIT", "quantity": "-1", "price": "59900"}),
        (10102, {"side": "BUY", "type": "LIMIT", "quantity": "0", "price": "59900"}),
        (10015, {"side": "BUY", "type": "LIMIT", "quantity": "0.001"}),
        (10015, {"side": "BUY", "type": "MARKET"}),
        (33333, {"side": "HOLD", "type": "LIMIT", "quantity": "0.001", "price": "59900"}),
        (33333, {"side": "BUY", "type": "STOP", "quantity": "0.001", "price": "59900"}),
        (
            33333,
            {"side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1", "newClientOrderId": "x" * 33},
        ),
        (-1121, {"symbol": "XXUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1"}),
    ],
)
def test_refused_orders_carry_their_code(code: int, params: dict[str, object]) -> None:
    async def scenario(client: Client) -> None:
        values = {"symbol": "BTCUSDT", **params}
        status, answer = await client.signed("POST", "/api/v3/order", **values)
        assert (status, answer["code"]) == (400, code) and answer["msg"]
        _, log = await client.get("/control/orders")
        assert [(entry["outcome"], entry["code"]) for entry in log] == [("rejected", code)]

    play(scenario)


def test_the_minimum_names_its_value_and_unit() -> None:
    async def scenario(client: Client) -> None:
        _, answer = await client.order("BUY", "LIMIT", quantity="0.00001", price="59900")
        assert answer["msg"] == "The minimum transaction volume cannot be less than:1USDT"

    play(scenario)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (30000, {"status": "paused"}),
        (-1121, {"status": "hidden"}),
        (10007, {"tradable": False}),
        (30016, {"status": "disabled"}),
        (30001, {"sides": "sell"}),
        (30001, {"sides": "none"}),
        (30027, {"suspended": "buy"}),
        (30018, {"order_types": ["LIMIT"], "market_order_code": 30018}),
        (30019, {"order_types": ["LIMIT"]}),
    ],
)
def test_symbol_states(code: int, changes: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        _, answer = await client.order("BUY", "MARKET", quoteOrderQty="100")
        assert answer["code"] == code
        _, test = await client.signed(
            "POST", "/api/v3/order/test", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100"
        )
        assert test["code"] == code
        _, info = await client.get("/api/v3/exchangeInfo?symbols=BTCUSDT,ETHUSDT")
        assert len(info["symbols"]) == (1 if changes.get("status") == "hidden" else 2)
        _, names = await client.get("/api/v3/defaultSymbols")
        assert ("BTCUSDT" in names["data"]) is not ({"status", "tradable"} & set(changes) != set())

    play(scenario, listed=paused(**changes))


@pytest.mark.parametrize(("code", "changes"), [(30001, {"sides": "buy"}), (30028, {"suspended": "sell"})])
def test_symbols_that_cannot_be_sold(code: int, changes: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        assert (await client.order("SELL", "MARKET", quantity="0.001"))[1]["code"] == code
        assert (await client.order("BUY", "MARKET", quoteOrderQty="100"))[0] == 200

    play(scenario, listed=paused(**changes))


def test_a_market_order_that_empties_the_book_ends_partially_canceled() -> None:
    async def scenario(client: Client) -> None:
        _, depth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        shown = sum(Decimal(size) for _, size in depth["asks"])
        status, ack = await client.order("BUY", "MARKET", quantity=shown + 1)
        assert status == 200
        _, order = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=ack["orderId"])
        assert (order["status"], Decimal(order["executedQty"])) == ("PARTIALLY_CANCELED", shown)
        assert (await client.order("BUY", "MARKET", quantity="0.001"))[1]["code"] == 30025

    rich = [{"api_key": KEY, "secret": "demo-secret", "balances": {"USDT": "100000000"}}]
    limits = {"max_notional": "0", "max_notional_market": "0"}
    play(scenario, accounts=rich, listed=paused(**limits))


def test_order_test_places_nothing() -> None:
    async def scenario(client: Client) -> None:
        answer = await client.signed(
            "POST",
            "/api/v3/order/test",
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            quantity="0.001",
            price="59900",
        )
        assert answer == (200, {})
        assert (await client.signed("GET", "/api/v3/openOrders"))[1] == []
        assert (await client.get("/control/orders"))[1] == []

    play(scenario)


@pytest.mark.parametrize(
    ("code", "order"),
    [
        (10101, {"side": "BUY", "type": "LIMIT", "quantity": "5000", "price": "59900"}),
        (10101, {"side": "BUY", "type": "MARKET", "quoteOrderQty": "90000000"}),
        (30004, {"side": "SELL", "type": "LIMIT", "quantity": "5000", "price": "60100"}),
        (30041, {"side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "60150"}),
        (33333, {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "59900", "newClientOrderId": "same"}),
        (33333, {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "59900", "newClientOrderId": "x" * 33}),
        (30002, {"side": "BUY", "type": "LIMIT", "quantity": "0.00001", "price": "59900"}),
        (10096, {"side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "59900.123456789"}),
        (30087, {"side": "BUY", "type": "IMMEDIATE_OR_CANCEL", "quantity": "0.001", "price": "99000"}),
    ],
)  # fmt: skip
def test_order_test_refuses_what_an_order_is_refused_for(code: int, order: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        rest = {"quantity": "0.001", "price": "59000", "newClientOrderId": "same"}
        assert (await client.order("BUY", "LIMIT", **rest))[0] == 200
        for path in ("/api/v3/order/test", "/api/v3/order"):
            status, answer = await client.signed("POST", path, symbol="BTCUSDT", **order)
            assert (status, answer.get("code")) == (400, code), (path, answer)

    limits = {"max_notional": "0", "max_notional_market": "0"}
    play(scenario, listed=paused(**limits))


@pytest.mark.parametrize("policy", ["reject", "accept"])
def test_duplicate_client_ids_follow_the_policy(policy: str) -> None:
    async def scenario(client: Client) -> None:
        order = {"quantity": "0.001", "price": "59900", "newClientOrderId": "same"}
        assert (await client.order("BUY", "LIMIT", **order))[0] == 200
        status, _ = await client.order("BUY", "LIMIT", **order)
        assert status == (400 if policy == "reject" else 200)
        _, log = await client.get("/control/orders")
        assert [entry["client_id"] for entry in log] == ["same", "same"]

    play(scenario, duplicate_client_ids=policy)


def test_cancel_all_open_orders_of_symbols() -> None:
    async def scenario(client: Client) -> None:
        await client.order("BUY", "LIMIT", quantity="0.001", price="59900")
        await client.order("BUY", "LIMIT", quantity="0.001", price="59901")
        await client.order("BUY", "LIMIT", symbol="ETHUSDT", quantity="0.1", price="2599")
        _, gone = await client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
        assert [order["price"] for order in gone] == ["59900", "59901"]
        _, left = await client.signed("GET", "/api/v3/openOrders")
        assert [order["symbol"] for order in left] == ["ETHUSDT"]
        status, answer = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT")
        assert (status, answer["code"]) == (400, 700004)
        status, answer = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="no")
        assert (status, answer["code"]) == (400, -2013)

    play(scenario)


def test_matching_latency_delays_the_answer_until_the_clock_moves() -> None:
    async def scenario(client: Client) -> None:
        waiting = asyncio.create_task(client.order("BUY", "LIMIT", quantity="0.001", price="59900"))
        log: list[Any] = []
        while not log:
            _, log = await client.get("/control/orders")
        assert (await client.signed("GET", "/api/v3/openOrders"))[1] == []
        await client.step(50)
        assert (await waiting)[0] == 200
        assert len((await client.signed("GET", "/api/v3/openOrders"))[1]) == 1

    play(scenario, matching_latency_us=20_000)


def test_fees_and_listen_keys() -> None:
    async def scenario(client: Client) -> None:
        _, fees = await client.signed("GET", "/api/v3/tradeFee", symbol="BTCUSDT")
        assert fees["data"] == {"makerCommission": 0, "takerCommission": 0.0005}
        _, made = await client.signed("POST", "/api/v3/userDataStream")
        key = made["listenKey"]
        assert (await client.signed("GET", "/api/v3/userDataStream"))[1] == {
            "total": 60,
            "listenKey": [key],
            "available": 59,
        }
        assert (await client.signed("PUT", "/api/v3/userDataStream", listenKey=key))[0] == 200
        assert (await client.signed("DELETE", "/api/v3/userDataStream", listenKey=key))[0] == 200
        assert (await client.signed("PUT", "/api/v3/userDataStream", listenKey=key))[0] == 400
        assert (await client.signed("GET", "/api/v3/userDataStream"))[1] == {
            "total": 60,
            "listenKey": [],
            "available": 60,
        }
        assert (await client.signed("GET", "/api/v3/selfSymbols"))[1]["data"] == ["BTCUSDT", "ETHUSDT"]

    play(scenario)


@pytest.mark.parametrize(("asset", "currency"), [("quote", "USDT"), ("received", "BTC"), ("MX", "MX")])
def test_fees_in_each_asset(asset: str, currency: str) -> None:
    async def scenario(client: Client) -> None:
        await client.order("BUY", "MARKET", quoteOrderQty="100")
        _, trades = await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")
        assert {trade["commissionAsset"] for trade in trades} == {currency}

    play(scenario, fee_asset=asset)


def test_the_same_seed_makes_the_same_market() -> None:
    books: list[Any] = []

    async def scenario(client: Client) -> None:
        await client.step(5000)
        books.append((await client.get("/api/v3/depth?symbol=ETHUSDT"))[1])

    for seed in (1, 1, 2):
        play(scenario, seed=seed)
    assert books[0] == books[1] != books[2]


def test_unknown_keys_and_symbols_are_refused() -> None:
    with pytest.raises(ValueError, match="portt"):
        VenueConfig.model_validate({"portt": 1})
    with pytest.raises(ValueError, match="NOPE"):
        VenueConfig(symbols=["NOPE"]).chosen_symbols()
    assert "demo-secret" not in VenueConfig().model_dump_json()
