"""Contracts in the shapes in which MEXC's futures endpoints answer (recorded 2025-12-31), as exact JSON numbers."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.mexc.venue.candles import DAY_S
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.futures_contracts import FUNDING_CYCLE_MS, Commit, Contract, ContractDeal, Levels
from adapters.mexc.venue.numbers import padded, trimmed
from adapters.mexc.venue.private import coin_id

BAND_PERCENT = 10
FUNDING_RATE = orjson.Fragment("0.0001")
_HUNDRED = 100


def number(value: int, decimals: int) -> orjson.Fragment:
    """A scaled integer as a JSON number."""
    return orjson.Fragment(trimmed(value, decimals))


def levels(contract: Contract, side: Levels, limit: int, *, best_first: bool) -> list[list[Any]]:
    """[price, contracts, orders], best first; `best_first` says whether the greatest price is the best."""
    rows = sorted(side.items(), reverse=best_first)[:limit]
    return [[number(price, contract.price_decimals), *level] for price, level in rows]


def changes(contract: Contract, commit: Commit) -> dict[str, Any]:
    """A change of the book."""
    decimals = contract.price_decimals
    return {
        "asks": [[number(price, decimals), *level] for price, *level in commit.asks],
        "bids": [[number(price, decimals), *level] for price, *level in commit.bids],
        "version": commit.version,
    }


def deal(contract: Contract, made: ContractDeal) -> dict[str, Any]:
    """One trade."""
    return {
        "p": number(made.price_ticks, contract.price_decimals),
        "v": made.contracts,
        "T": made.taker_side,
        "O": 3,  # whether a position was opened: not said
        "M": 2,  # not a trade with oneself
        "t": made.time_ms,
        "i": str(made.number),
    }


def funding(contract: Contract, now_ms: int) -> dict[str, Any]:
    """The funding rate, which is constant here."""
    return {
        "symbol": contract.symbol,
        "fundingRate": FUNDING_RATE,
        "maxFundingRate": orjson.Fragment("0.0018"),
        "minFundingRate": orjson.Fragment("-0.0018"),
        "collectCycle": FUNDING_CYCLE_MS // 3_600_000,
        "nextSettleTime": next_settlement_ms(now_ms),
        "timestamp": now_ms,
    }


def next_settlement_ms(now_ms: int) -> int:
    """When funding is paid next: every eight hours UTC."""
    return (now_ms // FUNDING_CYCLE_MS + 1) * FUNDING_CYCLE_MS


def index_price(contract: Contract, feed: SymbolFeed | None) -> orjson.Fragment:
    """The spot price."""
    ticks = feed.book.reference_ticks() if feed is not None else 0
    return number(ticks, contract.config.price_decimals)


def ticker(contract: Contract, feed: SymbolFeed | None, now_ms: int) -> dict[str, Any]:
    """A contract's prices and its last day, the latter from the spot market's trades."""
    decimals = contract.price_decimals
    bid, ask = contract.best
    fair = contract.fair_ticks
    day = feed.candles.since(now_ms // 1000 - DAY_S) if feed is not None else None
    spot_decimals = contract.config.price_decimals
    turnover_decimals = spot_decimals + contract.config.size_decimals
    rate = orjson.Fragment(padded((day.close - day.open) * 10_000 // day.open, 4) if day else "0")
    move = orjson.Fragment(padded(day.close - day.open, spot_decimals) if day else "0")
    return {
        "contractId": contract.number,
        "symbol": contract.symbol,
        "lastPrice": number(contract.last_ticks, decimals),
        "bid1": number(bid, decimals),
        "ask1": number(ask, decimals),
        "volume24": day.lots // contract.lots_per_contract if day else 0,
        "amount24": number(day.turnover, turnover_decimals) if day else 0,
        "holdVol": 1000 * contract.number,
        "lower24Price": number(day.low, spot_decimals) if day else 0,
        "high24Price": number(day.high, spot_decimals) if day else 0,
        "riseFallRate": rate,
        "riseFallValue": move,
        "indexPrice": index_price(contract, feed),
        "fairPrice": number(fair, decimals),
        "fundingRate": FUNDING_RATE,
        "maxBidPrice": number(fair * (_HUNDRED + BAND_PERCENT) // _HUNDRED, decimals),
        "minAskPrice": number(fair * (_HUNDRED - BAND_PERCENT) // _HUNDRED, decimals),
        "timestamp": now_ms,
        "riseFallRates": {
            "zone": "UTC+8", "r": rate, "v": move, "r7": rate, "r30": rate, "r90": rate, "r180": rate, "r365": rate,
        },
        "riseFallRatesOfTimezone": [rate, rate, rate],
    }  # fmt: skip


# The same for every contract: leverage, fees, risk and limits.
_RULES: dict[str, Any] = {
    "minLeverage": 1,
    "maxLeverage": 200,
    "countryConfigContractMaxLeverage": 0,
    "isMaxLeverage": False,
    "bidLimitPriceRate": orjson.Fragment("0.1"),
    "askLimitPriceRate": orjson.Fragment("0.1"),
    "takerFeeRate": orjson.Fragment("0.0002"),
    "makerFeeRate": 0,
    "maintenanceMarginRate": orjson.Fragment("0.004"),
    "initialMarginRate": orjson.Fragment("0.005"),
    "liquidationFeeRate": orjson.Fragment("0.0004"),
    "feeRateMode": "NORMAL",
    "leverageFeeRates": [],
    "tieredFeeRates": [],
    "isZeroFeeRate": False,
    "isZeroFeeSymbol": False,
    "riskBaseVol": 1_000_000,
    "riskIncrVol": 0,
    "riskIncrMmr": 0,
    "riskIncrImr": 0,
    "riskLevelLimit": 1,
    "riskLimitType": "BY_VOLUME",
    "riskLimitMode": "CUSTOM",
    "riskLimitCustom": [],
    "riskLongShortSwitch": 0,
    "priceCoefficientVariation": orjson.Fragment("0.004"),
    "marketOrderMaxLevel": 20,
    "marketOrderPriceLimitRate1": orjson.Fragment("0.2"),
    "marketOrderPriceLimitRate2": orjson.Fragment("0.005"),
    "triggerProtect": orjson.Fragment("0.1"),
    "appraisal": 0,
    "showAppraisalCountdown": 0,
    "automaticDelivery": 0,
    "indexOrigin": ["MEXC"],
    "conceptPlate": [],
    "conceptPlateId": [],
    "maxNumOrders": [200, 50],
    "threshold": 0,
    "stopOnlyFair": False,
    "isHot": False,
    "isHidden": False,
    "preMarket": False,
    "openingCountdownOption": 1,
    "showBeforeOpen": True,
}


def detail(contract: Contract) -> dict[str, Any]:
    """A row of contract/detail, and what push.contract tells."""
    config = contract.config
    unit = number(1, contract.price_decimals)
    return {
        "symbol": contract.symbol,
        "id": contract.number,
        "displayName": f"{contract.symbol} PERPETUAL",
        "displayNameEn": f"{contract.symbol} PERPETUAL",
        "positionOpenType": 3,
        "baseCoin": config.base,
        "baseCoinId": coin_id(config.base),
        "baseCoinName": config.base,
        "baseCoinIconUrl": "",
        "quoteCoin": config.quote,
        "quoteCoinName": config.quote,
        "settleCoin": config.quote,
        "futureType": 1,
        "type": 1,
        "contractSize": number(1, contract.size_decimals),
        "priceScale": contract.price_decimals,
        "volScale": 0,
        "amountScale": 4,
        "priceUnit": unit,
        "volUnit": 1,
        "minVol": 1,
        "maxVol": 1_000_000,
        "limitMaxVol": 2_500_000,
        **_RULES,
        "depthStepList": [trimmed(10**step, contract.price_decimals) for step in range(4)],
        "vid": coin_id(config.quote),
        "state": 0,
        "apiAllowed": contract.api_allowed,
        "isNew": contract.opening_ms > 0,
        "createTime": contract.create_ms,
        "openingTime": contract.opening_ms,
    }
