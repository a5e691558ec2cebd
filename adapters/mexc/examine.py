"""Examines a MEXC account before it is trusted with orders: `penstock doctor --venue mexc`, and each live start.

Nothing is placed: orders go to `/api/v3/order/test` only. `/api/v3/apiKeyInfo`, `selfSymbols` and `order/test` are known
from documentation and other clients, not from recordings: where they are missing or of another shape, that is a warning.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import aiohttp

from adapters.mexc.config import MexcConfig, load_credentials
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.instruments import spec_of
from adapters.mexc.numbers import integer, scaled
from adapters.mexc.rest import Params, RestClient, parse_list, parse_object
from adapters.mexc.subscriptions import Reply, Subscriptions
from adapters.mexc.tls import client_context
from engine.config import ConfigError
from engine.core.enums import Tradable
from engine.core.instrument import ALL_SIDES, InstrumentSpec
from engine.doctor import Finding, Level
from native.decimal import format_decimal

EXPIRY_WARNING_DAYS = 14
# Symbols beyond this are checked by exchangeInfo and selfSymbols only: tradeFee weighs 20 of 500 in ten seconds.
MOST_ASKED = 20
_NS_PER_MS = 1_000_000
_PPM_DECIMALS = 6
# `VALID` is what is documented; the others are taken for the same, as the endpoint is young.
_GOOD_STATES = frozenset({"VALID", "NORMAL", "ENABLED", "ACTIVE", "1", "TRUE"})
_KEY_FACTS = frozenset({"permissions", "status", "ipWhiteList", "remainingValidity"})
_KEY_PAGE = "the website's page of API keys"
_REMEDIES = {
    700006: "Put this machine's address on the key's IP list.",
    700007: f"Give the key the permission to trade spot, on {_KEY_PAGE}.",
    10072: "Check the access key: it is not known, was deleted, or has expired.",
    700002: "Check the secret key; an expired key is refused like this, too.",
    602: "Check the secret key; an expired key is refused like this, too.",
}


async def examine(
    config: MexcConfig, symbols: Sequence[str], max_clock_skew_ms: int, *, needs_key: bool = True
) -> list[Finding]:
    """All findings. Never raises for what the venue, the network or the key's place do."""
    examination = Examination(config, symbols, max_clock_skew_ms, needs_key=needs_key)
    try:
        await examination.run()
    finally:
        await examination.close()
    return examination.findings


class Examination:
    """One examination; `findings` grow in the order in which their remedies make sense."""

    def __init__(
        self, config: MexcConfig, symbols: Sequence[str], max_clock_skew_ms: int, *, needs_key: bool = True
    ) -> None:
        self.findings: list[Finding] = []
        self._config = config
        self._symbols = list(symbols)
        self._max_clock_skew_ms = max_clock_skew_ms
        self._needs_key = needs_key
        self._rest = RestClient(config, None)

    async def run(self) -> None:
        """Everything; without a usable key only what is public."""
        try:
            credentials = load_credentials(self._config)
        except ConfigError as error:
            credentials = None
            self._note("key", "failure", str(error.problems[0].what), error.problems[0].remedy)
        else:
            if credentials is None and self._needs_key:
                self._note(
                    "key", "failure", "no key is named", "Set api_key_env and api_secret_env in [adapter]."
                )
        self._rest = RestClient(self._config, credentials)
        await self._rest.open()
        if not await self._reach():
            return
        specs = await self._exchange_info()
        if credentials is not None and await self._key(credentials.access_key):
            await self._self_symbols()
            await self._order_tests(specs)
            await self._fees(specs)
            await self._private_feed()
        await self._websocket()

    async def close(self) -> None:
        """Close what was opened."""
        await self._rest.close()

    def _note(self, check: str, level: Level, text: str, remedy: str = "") -> None:
        self.findings.append(Finding(check, level, text, remedy))

    def _note_error(self, check: str, what: str, error: VenueError, level: Level = "failure") -> None:
        if error.error_class is ErrorClass.WAF:
            text = f"{what}: the web firewall's page came in place of an answer (http {error.http_status})"
            self._note(
                "reach",
                "failure",
                text,
                "Ask less often, from another address, or wait: it is not about the key.",
            )
            return
        remedy = _REMEDIES.get(error.code, "See docs/going-live.md, and try again later.")
        self._note(check, level, f"{what}: {error.text} (code {error.code})", remedy)

    async def _reach(self) -> bool:
        """REST is there, and how far its clock is from ours."""
        try:
            await self._rest.measure_clock()
        except VenueError as error:
            what = f"{self._config.rest_url} does not answer"
            self._note_error("reach", what, error)
            return False
        clock = self._rest.clock
        self._note("reach", "ok", f"{self._config.rest_url}, round trip {clock.rtt_ns / _NS_PER_MS:.1f} ms")
        skew_ms = -clock.offset_ns / _NS_PER_MS
        error_ms = clock.error_ns(time.time_ns()) / _NS_PER_MS
        text = f"our clock is {skew_ms:+.1f} ms from the venue's, known to {error_ms:.1f} ms"
        if abs(skew_ms) > self._max_clock_skew_ms:
            limit = f"risk.max_clock_skew_ms is {self._max_clock_skew_ms}"
            self._note(
                "clock", "failure", f"{text}; {limit}", "Switch an NTP client on: timedatectl set-ntp true"
            )
        else:
            self._note("clock", "ok", text)
        return True

    # The key.

    async def _key(self, access_key: str) -> bool:
        """Whether the key is taken at all, and what it may do."""
        try:
            account = parse_object(await self._rest.signed("GET", "/api/v3/account", {}), "account")
        except VenueError as error:
            self._note_error("key", "the account cannot be read", error)
            return False
        if account.get("canTrade") is False:
            self._note("key", "failure", "the account may not trade", "Ask the venue's support.")
        await self._key_info(access_key)
        return True

    async def _key_info(self, access_key: str) -> None:
        try:
            body = await self._rest.signed("GET", "/api/v3/apiKeyInfo", {"accessKey": access_key})
            answer = parse_object(body, "apiKeyInfo")
        except VenueError as error:
            if error.error_class is ErrorClass.WAF:
                self._note_error("key", "apiKeyInfo", error)
                return
            text = f"the venue does not tell the key's permissions, IP list and expiry: {error.text} (code {error.code})"
            self._note("key", "warning", text, f"Look at them on {_KEY_PAGE}.")
            return
        data = answer.get("data", answer)
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        if not isinstance(data, dict) or not _KEY_FACTS & set(data):
            text = "apiKeyInfo has another shape than known: permissions, IP list and expiry were not read"
            self._note("key", "warning", text, f"Look at them on {_KEY_PAGE}.")
            return
        self._permissions(data)
        self._addresses(_words(data.get("ipWhiteList")))
        self._expiry(data.get("remainingValidity"))

    def _permissions(self, info: Mapping[str, object]) -> None:
        status = str(info.get("status", "")).upper()
        if status and status not in _GOOD_STATES:
            remedy = f"Enable it, or make another, on {_KEY_PAGE}."
            self._note("key", "failure", f"the key's status is {status[:24]}", remedy)
        words = [word.upper() for word in _words(info.get("permissions"))]
        shown = ", ".join(words)[:200]
        may = [word for word in words if not word.endswith(("_READ", "_R"))]
        if not words:
            remedy = f"Look at them on {_KEY_PAGE}."
            self._note("key", "warning", "the key's permissions are not told", remedy)
        elif any("WITHDRAW" in word or "TRANSFER" in word for word in may):
            remedy = "Make a key without it: nothing here moves funds away, and whoever steals the key could."
            self._note("key", "failure", f"the key may withdraw or transfer: {shown}", remedy)
        elif not any(word in ("SPOT", "TRADE") or "SPOT_DEAL" in word for word in may):
            self._note("key", "failure", f"the key may not trade spot: {shown}", _REMEDIES[700007])
        else:
            self._note("key", "ok", f"permissions: {shown}")

    def _addresses(self, addresses: list[str]) -> None:
        if addresses:
            self._note(
                "key",
                "ok",
                f"usable from {len(addresses)} listed address{'es' if len(addresses) > 1 else ''}",
            )
        else:
            text = "the key has no IP list: it works from anywhere, and expires after 90 days"
            self._note("key", "warning", text, f"Put this machine's address on its list, on {_KEY_PAGE}.")

    def _expiry(self, told: object) -> None:
        try:
            days = integer(told, "remainingValidity")
        except ValueError:
            self._note("key", "warning", "when the key expires is not told", f"Look at it on {_KEY_PAGE}.")
            return
        renew = f"Make a new key in time, on {_KEY_PAGE}."
        if days < 0:
            text = f"the venue tells {days} days for the key: whether it expires is not known"
            self._note("key", "warning", text, f"Look at it on {_KEY_PAGE}.")
        elif days == 0:
            self._note("key", "failure", "the key has expired, or expires today", renew)
        elif days < EXPIRY_WARNING_DAYS:
            self._note("key", "warning", f"the key expires in {days} days", renew)
        else:
            self._note("key", "ok", f"valid for {days} days")

    # The symbols.

    async def _exchange_info(self) -> list[InstrumentSpec]:
        """The configured symbols that may be traded by API."""
        if not self._symbols:
            return []
        try:
            body = await self._rest.public("/api/v3/exchangeInfo", {"symbols": ",".join(self._symbols)})
            listed = parse_list(parse_object(body, "exchangeInfo").get("symbols"), "exchangeInfo symbols")
        except VenueError as error:
            self._note_error("symbols", "exchangeInfo", error)
            return []
        rows = {str(row.get("symbol")): row for row in listed}
        found = []
        for symbol in self._symbols:
            spec, problem = _read(symbol, rows.get(symbol))
            if problem or spec is None:
                self._note(
                    "symbols",
                    "failure",
                    f"{symbol}: {problem}",
                    "Take it out of symbols, or wait until it opens.",
                )
            else:
                found.append(spec)
        if found:
            self._note("symbols", "ok", f"open to the API: {', '.join(spec.symbol for spec in found)}")
        return found

    async def _self_symbols(self) -> None:
        try:
            answer = parse_object(await self._rest.signed("GET", "/api/v3/selfSymbols", {}), "selfSymbols")
            names = answer.get("data")
            if not isinstance(names, list):
                raise VenueError(ErrorClass.BAD_BODY, "no list of symbols")
        except VenueError as error:
            self._note_error("symbols", "the key's own list of symbols", error, "warning")
            return
        missing = [symbol for symbol in self._symbols if symbol not in set(map(str, names))]
        if missing:
            text = f"this key may not trade {', '.join(missing)} (selfSymbols)"
            self._note(
                "symbols",
                "failure",
                text,
                "Take them out of symbols, or ask the venue to open them to the key.",
            )

    async def _order_tests(self, specs: Sequence[InstrumentSpec]) -> None:
        passed = []
        for spec in specs[:MOST_ASKED]:
            try:
                bid = await self._best_bid(spec)
                if not bid:
                    self._note(
                        "orders",
                        "warning",
                        f"{spec.symbol}: its book is empty, no order was tested",
                        "Try later.",
                    )
                    continue
                await self._rest.signed("POST", "/api/v3/order/test", _least_order(spec, bid))
                passed.append(spec.symbol)
            except VenueError as error:
                if error.error_class is ErrorClass.BALANCE:
                    text = f"{spec.symbol}: the smallest order is refused for want of {spec.quote}"
                    self._note("orders", "warning", text, "Fund the account, with little at first.")
                else:
                    self._note_error("orders", f"{spec.symbol}: a test order is refused", error)
        if passed:
            self._note("orders", "ok", f"test orders are taken: {', '.join(passed)}")
        if len(specs) > MOST_ASKED:
            self._note(
                "orders",
                "ok",
                f"{len(specs) - MOST_ASKED} symbols more were not tested: order/test, tradeFee",
            )

    async def _best_bid(self, spec: InstrumentSpec) -> int:
        """The best bid in ticks, 0 where there is none."""
        body = await self._rest.public("/api/v3/depth", {"symbol": spec.symbol, "limit": 5})
        bids = parse_object(body, "depth").get("bids")
        if not isinstance(bids, list) or not bids:
            return 0
        try:
            return scaled(bids[0][0], spec.price_decimals, "bid")
        except (ValueError, IndexError, TypeError) as error:
            raise VenueError(ErrorClass.BAD_BODY, f"depth: {error}") from None

    async def _fees(self, specs: Sequence[InstrumentSpec]) -> None:
        """The gate reckons with the list fees: an account that pays more must be known before."""
        same = []
        for spec in specs[:MOST_ASKED]:
            try:
                maker_ppm, taker_ppm = await self._account_fees(spec.symbol)
            except VenueError as error:
                self._note_error("fees", f"{spec.symbol}: the account's fees are not told", error, "warning")
                continue
            told = f"{spec.symbol}: maker {_percent(maker_ppm)}, taker {_percent(taker_ppm)}"
            if maker_ppm > spec.maker_fee_ppm or taker_ppm > spec.taker_fee_ppm:
                listed = f"listed are {_percent(spec.maker_fee_ppm)} and {_percent(spec.taker_fee_ppm)}"
                remedy = "Allow for it in risk.max_fees_per_day and in the strategy: the gate reckons with the list fees."
                self._note("fees", "warning", f"{told}; {listed}", remedy)
            else:
                same.append(told)
        if same:
            self._note("fees", "ok", "; ".join(same))

    async def _account_fees(self, symbol: str) -> tuple[int, int]:
        """Maker and taker fee of the account, millionths."""
        answer = parse_object(
            await self._rest.signed("GET", "/api/v3/tradeFee", {"symbol": symbol}), "tradeFee"
        )
        data = answer.get("data")
        if not isinstance(data, dict):
            raise VenueError(ErrorClass.BAD_BODY, "tradeFee: no data")
        try:
            maker, taker = (_rate_ppm(data.get(name)) for name in ("makerCommission", "takerCommission"))
        except ValueError as error:
            raise VenueError(ErrorClass.BAD_BODY, f"tradeFee: {error}") from None
        return maker, taker

    # The feeds.

    async def _private_feed(self) -> None:
        """A listen key can be had: without one, fills are not pushed."""
        path = "/api/v3/userDataStream"
        try:
            key = parse_object(await self._rest.signed("POST", path, {}), "userDataStream").get("listenKey")
            if not isinstance(key, str) or not key:
                raise VenueError(ErrorClass.BAD_BODY, "no listen key")
            params: Params = {"listenKey": key}
            await self._rest.signed("DELETE", path, params)
        except VenueError as error:
            self._note_error("feeds", "the private feed", error)
        else:
            self._note("feeds", "ok", "a listen key for the private feed was given")

    async def _websocket(self) -> None:
        """A market channel is confirmed by its name in `msg`: a refusal has code 0, too."""
        symbol = self._symbols[0] if self._symbols else "BTCUSDT"
        channel = f"spot@public.aggre.deals.v3.api.pb@{self._config.channel_speed}@{symbol}"
        url, remedy = self._config.ws_url, "Check ws_url, the network, and whether the venue moved its feeds."
        try:
            async with asyncio.timeout(self._config.subscribe_timeout_s):
                refusal = await _subscribe(url, channel, self._config.ca_file)
        except TimeoutError:
            text = f"{url} did not confirm a subscription within {self._config.subscribe_timeout_s:g} s"
            self._note("feeds", "failure", text, remedy)
        except (aiohttp.ClientError, OSError) as error:
            self._note("feeds", "failure", f"{url} cannot be connected to: {type(error).__name__}", remedy)
        else:
            if refusal:
                self._note("feeds", "failure", f"{url} refused {channel}: {refusal}", remedy)
            else:
                self._note("feeds", "ok", f"{url} confirmed {channel}")


async def _subscribe(url: str, channel: str, ca_file: str) -> str:
    """Ask for one channel; why it was refused, or an empty text where it was confirmed."""
    subscriptions = Subscriptions([channel], lambda refusals: 0.0)
    tls = client_context(ca_file) if url.startswith("wss") else True
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=1 << 20, ssl=tls) as link,
    ):
        for request in subscriptions.requests_due(0.0):
            await link.send_str(request.decode())
        async for message in link:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            reply = subscriptions.take(message.data, 0.0)
            if reply is Reply.CONFIRMED:
                return ""
            if reply is Reply.REFUSED:
                return subscriptions.last_refusal
    return "the connection was closed"


def _read(symbol: str, row: Mapping[str, object] | None) -> tuple[InstrumentSpec | None, str]:
    """A symbol's spec, and what stands against trading it by API."""
    if row is None:
        return None, "not listed, or hidden from the API"
    try:
        spec = spec_of(row, 0)
    except ValueError as error:
        return None, f"its row cannot be read: {error}"
    if str(row.get("isSpotTradingAllowed")).lower() not in ("true", "1"):
        return spec, "not open to the API (isSpotTradingAllowed)"
    if spec.tradable != Tradable.YES:
        return spec, f"not trading now (status {str(row.get('status'))[:16]})"
    if spec.sides != ALL_SIDES:
        return spec, "open to one side only (tradeSideType)"
    return spec, ""


def _least_order(spec: InstrumentSpec, bid_ticks: int) -> Params:
    """The smallest buy that the filters take, at the best bid."""
    lots = max(spec.min_lots, -(-spec.min_notional // spec.notional(bid_ticks, 1)))
    lots = -(-lots // spec.lot_step) * spec.lot_step
    return {
        "symbol": spec.symbol,
        "side": "BUY",
        "type": "LIMIT",
        "quantity": format_decimal(lots, spec.size_decimals),
        "price": format_decimal(bid_ticks, spec.price_decimals),
    }


def _rate_ppm(value: object) -> int:
    """A fee rate in millionths, rounded up; MEXC sends it as a JSON number here and as a string there."""
    if isinstance(value, float):
        return -(-round(value * 10**9) // 1000)
    return scaled(value, _PPM_DECIMALS, "fee")


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000:04d}".rstrip("0").rstrip(".") + " %"


def _words(value: object) -> list[str]:
    """A list of words that comes as a list here and as one comma-separated text there."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(word) for word in value] if isinstance(value, list) else []
