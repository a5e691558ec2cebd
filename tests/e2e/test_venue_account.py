"""What the local venue says of a key and its account, and what it refuses to one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.venue_client import KEY, Client, play


def account(**changes: Any) -> list[dict[str, Any]]:
    return [{"api_key": KEY, "secret": "demo-secret", "balances": {"USDT": "1000"}, **changes}]


def test_a_key_tells_about_itself() -> None:
    async def scenario(client: Client) -> None:
        status, uid = await client.signed("GET", "/api/v3/uid")
        assert status == 200 and uid["uid"].isdecimal()
        status, info = await client.signed("GET", "/api/v3/apiKeyInfo", accessKey=KEY)
        assert status == 200 and info == {
            "note": "", "accessKey": KEY, "createTime": "2023-11-14T22:13:20.000+00:00",
            "permissions": "SPOT_ACCOUNT_READ,SPOT_DEAL_READ", "remainingValidity": 12,
            "ipWhiteList": "127.0.0.1", "status": "VALID",
        }  # fmt: skip
        _, other = await client.signed("GET", "/api/v3/apiKeyInfo", accessKey="mx0-other")
        assert other["code"] == 10072

    changes = {"permissions": ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"], "ip_white_list": ["127.0.0.1"]}
    play(scenario, accounts=account(days_valid=12, **changes))


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("SPOT_ACCOUNT_READ", "GET", "/api/v3/account"),
        ("SPOT_ACCOUNT_READ", "GET", "/api/v3/selfSymbols"),
        ("SPOT_DEAL_READ", "GET", "/api/v3/openOrders"),
        ("SPOT_DEAL_READ", "GET", "/api/v3/myTrades"),
        ("SPOT_DEAL_WRITE", "POST", "/api/v3/order"),
        ("SPOT_DEAL_WRITE", "DELETE", "/api/v3/openOrders"),
    ],
)
def test_an_endpoint_needs_its_permission(permission: str, method: str, path: str) -> None:
    all_of_them = {"SPOT_ACCOUNT_READ", "SPOT_DEAL_READ", "SPOT_DEAL_WRITE"}

    async def scenario(client: Client) -> None:
        status, answer = await client.signed(method, path, symbol="BTCUSDT")
        assert (status, answer["code"]) == (400, 700007)
        assert (await client.signed("GET", "/api/v3/uid"))[0] == 200

    play(scenario, accounts=account(permissions=sorted(all_of_them - {permission})))


@pytest.mark.parametrize(
    ("code", "changes"), [(700006, {"ip_white_list": ["10.1.2.3"]}), (700002, {"is_expired": True})]
)
def test_a_key_from_elsewhere_or_expired_is_refused(code: int, changes: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        status, answer = await client.signed("GET", "/api/v3/account")
        assert (status, answer["code"]) == (400, code)

    play(scenario, accounts=account(**changes))


def test_self_symbols_are_the_keys_own() -> None:
    async def scenario(client: Client) -> None:
        assert (await client.signed("GET", "/api/v3/selfSymbols"))[1] == {
            "code": 200, "data": ["ETHUSDT"], "msg": None,
        }  # fmt: skip
        assert "BTCUSDT" in (await client.get("/api/v3/defaultSymbols"))[1]["data"]

    play(scenario, accounts=account(symbols=["ETHUSDT", "DOGEUSDT"]))


@pytest.mark.parametrize("shown", [False, True])
def test_balances_of_zero_are_left_out_or_shown(shown: bool) -> None:
    async def scenario(client: Client) -> None:
        _, answer = await client.signed("GET", "/api/v3/account")
        assets = {balance["asset"]: balance["free"] for balance in answer["balances"]}
        assert assets == ({"USDT": "1000", "BTC": "0"} if shown else {"USDT": "1000"})

    play(scenario, accounts=account(balances={"USDT": "1000", "BTC": "0"}), show_zero_balances=shown)


def test_fees_in_mx_can_be_switched_on() -> None:
    async def scenario(client: Client) -> None:
        path = "/api/v3/mxDeduct/enable"
        assert (await client.signed("GET", path))[1]["data"] == {"mxDeductEnable": False}
        assert (await client.signed("POST", path, mxDeductEnable="true"))[1]["data"] == {
            "mxDeductEnable": True
        }
        await client.order("BUY", "MARKET", quoteOrderQty="100")
        _, trades = await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")
        assert {trade["commissionAsset"] for trade in trades} == {"MX"}
        assert (await client.signed("POST", path, mxDeductEnable="maybe"))[1]["code"] == 33333

    play(scenario, accounts=account(balances={"USDT": "1000", "MX": "10"}))


def test_coins_are_those_of_the_symbols() -> None:
    async def scenario(client: Client) -> None:
        _, coins = await client.signed("GET", "/api/v3/capital/config/getall")
        assert [coin["coin"] for coin in coins] == ["BTC", "ETH", "USDT"]

    play(scenario)


def test_a_private_connection_ends_with_its_listen_key() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket(private=True) as deleted, client.socket(private=True) as expiring:
            _, keys = await client.signed("GET", "/api/v3/userDataStream")
            assert keys["available"] == 58 and len(keys["listenKey"]) == 2
            gone = keys["listenKey"][0]
            assert (await client.signed("DELETE", "/api/v3/userDataStream", listenKey=gone))[0] == 200
            await asyncio.wait_for(deleted.until_closed(), 5)
            await asyncio.wait_for(expiring.until_closed(), 5)
        assert (await client.signed("GET", "/api/v3/userDataStream"))[1]["listenKey"] == []

    play(scenario, limits={"listen_key_life_s": 1})


def test_listen_keys_and_their_connections_have_limits() -> None:
    async def scenario(client: Client) -> None:
        _, made = await client.signed("POST", "/api/v3/userDataStream")
        assert (await client.signed("POST", "/api/v3/userDataStream"))[0] == 200
        assert (await client.signed("POST", "/api/v3/userDataStream"))[0] == 400
        url = f"{client.venue.ws_url}?listenKey={made['listenKey']}"
        async with client.session.ws_connect(url) as first:
            await first.send_json({"method": "PING"})
            assert (await first.receive_json())["msg"] == "PONG"
            async with client.session.ws_connect(url) as second:
                assert (await second.receive(timeout=5)).data == "Invalid listen key"

    play(scenario, limits={"listen_keys": 2, "connections_per_key": 1})
