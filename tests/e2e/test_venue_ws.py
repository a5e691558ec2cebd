"""The local venue's websocket over real sockets: control replies, public streams, private messages."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal

from adapters.mexc.schema import PushDataV3ApiWrapper
from backtest.exchange_types import CancelRequest
from tests.e2e.venue_client import Client, FollowedBook, Socket, play

DEPTH = "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"
SLOW_DEPTH = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
DEALS = "spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"
LIMIT = "spot@public.limit.depth.v3.api.pb@BTCUSDT@5"
ORDERS = "spot@private.orders.v3.api.pb"
PRIVATE_DEALS = "spot@private.deals.v3.api.pb"
ACCOUNT = "spot@private.account.v3.api.pb"


# control


def test_control_replies_are_all_code_0() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            assert await socket.ask("PING") == {"id": 0, "code": 0, "msg": "PONG"}
            assert await socket.ask("SUBSCRIPTION", [DEPTH, TICKER], 7) == {
                "id": 7, "code": 0, "msg": f"{DEPTH},{TICKER}",
            }  # fmt: skip
            old = "spot@public.deals.v3.api.pb@BTCUSDT"
            assert await socket.ask("SUBSCRIPTION", [old]) == {
                "id": 0, "code": 0, "msg": f"Not Subscribed successfully! [{old}].  Reason： Blocked! ",
            }  # fmt: skip
            assert "Blocked" in (await socket.ask("SUBSCRIPTION", [ORDERS]))["msg"]
            assert "Blocked" in (await socket.ask("SUBSCRIPTION", [DEPTH.replace("BTC", "XYZ")]))["msg"]
            assert (await socket.ask("UNSUBSCRIPTION", [DEPTH], 9)) == {"id": 9, "code": 0, "msg": DEPTH}
            for broken in (
                "{",
                "[]",
                '"x"',
                '{"method":"SUBSCRIPTION"}',
                '{"method":"SUBSCRIPTION","params":[1]}',
            ):
                await socket.socket.send_str(broken)
                assert (await socket.text())["msg"] == "msg format invalid"

    play(scenario)


def test_thirty_subscriptions_and_no_more() -> None:
    async def scenario(client: Client) -> None:
        names = [
            f"spot@public.aggre.{kind}.v3.api.pb@{ms}ms@{symbol}"
            for kind in ("depth", "deals", "bookTicker")
            for ms in (10, 100)
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "MXUSDT")
        ] + [
            f"spot@public.limit.depth.v3.api.pb@{symbol}@5"
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "MXUSDT")
        ]
        names += [
            f"spot@public.limit.depth.v3.api.pb@{symbol}@10" for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        ]
        assert len(names) == 31
        async with client.socket() as socket:
            assert (await socket.ask("SUBSCRIPTION", names[:30]))["msg"] == ",".join(names[:30])
            refused = await socket.ask("SUBSCRIPTION", names[30:])
            assert refused["code"] == 0 and refused["msg"].startswith("Not Subscribed successfully!")
            assert (await socket.ask("SUBSCRIPTION", names[:1]))["msg"] == names[0]

    play(scenario, symbols=[])


def test_idle_connections_are_closed_and_a_ping_keeps_one_alive() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as idle:
            await asyncio.wait_for(idle.until_closed(), 5)
        async with client.socket() as quiet, client.socket() as pinging:
            await quiet.ask("SUBSCRIPTION", [DEPTH])
            await pinging.ask("SUBSCRIPTION", [DEPTH])
            closed = asyncio.create_task(quiet.until_closed())
            while not closed.done():
                assert (await pinging.ask("PING"))["msg"] == "PONG"
                await asyncio.sleep(0.02)

    play(scenario, limits={"time_scale": 40, "messages_per_s": 1000})


def test_a_client_that_talks_too_much_is_cut() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            for _ in range(6):
                await socket.socket.send_json({"method": "PING"})
            await asyncio.wait_for(socket.until_closed(), 5)

    play(scenario, limits={"messages_per_s": 5})


def test_a_bad_listen_key_is_said_as_plain_text() -> None:
    async def scenario(client: Client) -> None:
        async with client.session.ws_connect(client.venue.ws_url + "?listenKey=nonsense") as socket:
            assert (await socket.receive(timeout=5)).data == "Invalid listen key"
            await Socket(socket).until_closed()

    play(scenario)


def test_a_client_that_does_not_keep_up_is_cut() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            await client.step(2000)  # all of it before the writer gets a turn
            await asyncio.wait_for(socket.until_closed(), 5)
        assert (await client.get("/control/state"))[1]["overflows"] == 1

    play(scenario, limits={"send_queue_frames": 8})


def test_connections_have_a_limit() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket(), client.session.get(client.venue.rest_url + "/ws") as refused:
            assert refused.status == 503

    play(scenario, limits={"connections": 1})


# public streams


def test_the_book_follows_by_the_documented_procedure() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            await client.step(500)
            _, snapshot = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
            await client.step(3000)
            _, truth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
            book, applied, widest = FollowedBook(snapshot), 0, 0
            while book.version < truth["lastUpdateId"]:
                message = await socket.message()
                delta = message.publicAggreDepths
                assert message.channel == DEPTH and message.symbol == "BTCUSDT"
                assert delta.eventType == "spot@public.aggre.depth.v3.api.pb@10ms"
                applied += book.apply(delta)
                widest = max(widest, int(delta.toVersion) - int(delta.fromVersion))
            assert applied > 50 and widest > 0
            for side in ("bids", "asks"):
                assert book.sides[side] == dict(truth[side])

    play(scenario)


def test_slow_and_fast_intervals_tell_the_same_and_best_prices_trim() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [SLOW_DEPTH, DEALS, TICKER, LIMIT])
            await client.step(2000)
            _, truth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=5")
            _, trades = await client.get("/api/v3/trades?symbol=BTCUSDT&limit=1000")
            assert (await socket.ask("PING"))["msg"] == "PONG"  # everything before it has arrived
            messages = [PushDataV3ApiWrapper.FromString(frame) for frame in socket.frames]
            by_channel = {
                name: [m for m in messages if m.channel == name]
                for name in (SLOW_DEPTH, DEALS, TICKER, LIMIT)
            }
            assert 15 <= len(by_channel[SLOW_DEPTH]) <= 20
            versions = [
                (int(m.publicAggreDepths.fromVersion), int(m.publicAggreDepths.toVersion))
                for m in by_channel[SLOW_DEPTH]
            ]
            assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(versions))
            deals = [deal for m in by_channel[DEALS] for deal in m.publicAggreDeals.deals]
            newest = [(t["price"], t["qty"], t["time"]) for t in reversed(trades[: len(deals)])]
            assert deals and [(d.price, d.quantity, d.time) for d in deals] == newest
            best = by_channel[TICKER][-1].publicAggreBookTicker
            assert Decimal(best.bidPrice) == Decimal(truth["bids"][0][0])
            assert Decimal(best.askQuantity) == Decimal(truth["asks"][0][1])
            tickers = [m.publicAggreBookTicker for m in by_channel[TICKER]]
            assert not any(t.bidQuantity.endswith("0") and "." in t.bidQuantity for t in tickers)
            top = by_channel[LIMIT][-1].publicLimitDepths
            assert [[level.price, level.quantity] for level in top.bids] == truth["bids"]
            assert int(top.version) == truth["lastUpdateId"]

    play(scenario)


def test_an_empty_side_gives_empty_texts() -> None:
    async def scenario(client: Client) -> None:
        state = client.venue.state
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [TICKER])
            maker = state.exchange.accounts["market-maker"]
            for order in [
                o for o in maker.open_orders.values() if o.side == 2 and o.spec.symbol == "BTCUSDT"
            ]:
                state.exchange.cancel(state.clock.now_ns(), CancelRequest("market-maker", order.order_no))
            await client.step(10)
            best = (await socket.message()).publicAggreBookTicker
            assert (best.askPrice, best.askQuantity) == ("", "") and best.bidPrice

    play(scenario, seeded={"maker_rate_hz": 0, "taker_rate_hz": 0})


# private streams


def test_private_messages_of_a_fill() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket(private=True) as socket, client.socket() as stranger:
            await socket.ask("SUBSCRIPTION", [ORDERS, PRIVATE_DEALS, ACCOUNT])
            await stranger.ask("SUBSCRIPTION", [DEPTH])
            _, depth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=3")
            shown = sum(Decimal(size) for _, size in depth["asks"])
            order = {"quantity": shown + 1, "price": depth["asks"][-1][0], "newClientOrderId": "i1"}
            _, ack = await client.order("BUY", "IMMEDIATE_OR_CANCEL", **order)
            assert (await socket.ask("PING"))["msg"] == "PONG"
            messages = [PushDataV3ApiWrapper.FromString(frame) for frame in socket.frames]
            orders = [m.privateOrders for m in messages if m.channel == ORDERS]
            deals = [m.privateDeals for m in messages if m.channel == PRIVATE_DEALS]
            accounts = [m.privateAccount for m in messages if m.channel == ACCOUNT]
            assert [o.status for o in orders] == [1, 3, 3, 3, 5] and len(deals) == 3
            assert {o.id for o in orders} == {ack["orderId"]} and {o.clientId for o in orders} == {"i1"}
            assert orders[0].orderType == 3 and orders[0].tradeType == 1
            filled = sum(Decimal(deal.quantity) for deal in deals)
            spent = sum(Decimal(deal.amount) for deal in deals)
            assert (Decimal(orders[-1].cumulativeQuantity), Decimal(orders[-1].cumulativeAmount)) == (
                filled,
                spent,
            )
            assert abs(Decimal(orders[-1].avgPrice) - spent / filled) < Decimal("0.000001")
            _, trades = await client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")
            assert sorted(t["id"] for t in trades) == sorted(deal.tradeId for deal in deals)
            assert [deal.clientOrderId for deal in deals] == ["i1"] * len(deals)
            _, account = await client.signed("GET", "/api/v3/account")
            balances = {entry["asset"]: entry for entry in account["balances"]}
            last = {a.vcoinName: a for a in accounts}
            assert last["USDT"].balanceAmount == balances["USDT"]["free"]
            assert last["USDT"].frozenAmount == balances["USDT"]["locked"] == "0"
            assert last["BTC"].balanceAmount == balances["BTC"]["free"]
            assert accounts[0].type == "ENTRUST_PLACE" and Decimal(accounts[0].balanceAmountChange) < 0
            assert (await stranger.ask("PING"))["msg"] == "PONG" and stranger.frames == []

    play(scenario)


def test_a_cancel_is_told_and_an_expired_key_is_not_let_in() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket(private=True) as socket:
            await socket.ask("SUBSCRIPTION", [ORDERS])
            await client.order("SELL", "LIMIT_MAKER", quantity="0.001", price="60100", newClientOrderId="s1")
            await client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="s1")
            statuses = [(await socket.message()).privateOrders for _ in range(2)]
            assert [(o.status, o.orderType, o.tradeType) for o in statuses] == [(1, 2, 2), (4, 2, 2)]
        client.venue.config.limits.listen_key_life_s = 0
        _, made = await client.signed("POST", "/api/v3/userDataStream")
        async with client.session.ws_connect(f"{client.venue.ws_url}?listenKey={made['listenKey']}") as late:
            assert (await late.receive(timeout=5)).data == "Invalid listen key"

    play(scenario)


def test_fault_ack_after_fill() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket(private=True) as socket:
            await socket.ask("SUBSCRIPTION", [ORDERS])
            await client.fault("ack_after_fill", count=1, delay_ms=400)
            answer = asyncio.create_task(client.order("BUY", "MARKET", quoteOrderQty="10"))
            statuses = []
            while 2 not in statuses:
                statuses.append((await socket.message()).privateOrders.status)
            assert not answer.done()
            assert (await answer)[0] == 200

    play(scenario)
