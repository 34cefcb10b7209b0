"""What the Binance USD-M futures REST API tells anybody: contracts, prices, asset indexes, brackets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.sim.instruments import LISTED_MS, MARGIN_ASSETS, Instrument, Market, truncated

Json = dict[str, Any]


def amount8(value: Decimal) -> str:
    return f"{truncated(value):f}"


def amount_or_zero(value: Decimal) -> str:
    """Per position the venue writes a bare 0 where there is nothing."""
    return amount8(value) if value else "0"


def exchange_info(market: Market, now_ms: int) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in MARGIN_ASSETS],
        "symbols": [_symbol(instrument) for instrument in market.instruments.values()],
    }


def _symbol(instrument: Instrument) -> Json:
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": LISTED_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.margin_asset,
        "marginAsset": instrument.margin_asset,
        "pricePrecision": _decimals(instrument.tick),
        "quantityPrecision": _decimals(instrument.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(instrument),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(instrument: Instrument) -> list[Json]:
    tick, step = str(instrument.tick), str(instrument.step)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120", "stepSize": step},
        {"filterType": "MIN_NOTIONAL", "notional": str(instrument.min_notional)},
    ]


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def premium_index(market: Market, symbol: str, now_ms: int) -> Json:
    mark = amount8(market.mark(symbol))
    eight_hours = 8 * 3_600_000
    return {
        "symbol": symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": "0.00010000",
        "interestRate": "0.00010000",
        "nextFundingTime": (now_ms // eight_hours + 1) * eight_hours,
        "time": now_ms,
    }


def asset_index(market: Market, asset: str, now_ms: int) -> Json:
    index = market.asset_index(asset)
    bid, ask = amount8(index.bid_rate), amount8(index.ask_rate)
    return {
        "symbol": f"{asset}USD",
        "time": now_ms,
        "index": amount8(index.index),
        "bidBuffer": amount8(index.bid_buffer),
        "askBuffer": amount8(index.ask_buffer),
        "bidRate": bid,
        "askRate": ask,
        "autoExchangeBidBuffer": amount8(index.bid_buffer / 2),
        "autoExchangeAskBuffer": amount8(index.ask_buffer / 2),
        "autoExchangeBidRate": amount8(index.index * (1 - index.bid_buffer / 2)),
        "autoExchangeAskRate": amount8(index.index * (1 + index.ask_buffer / 2)),
    }


def leverage_bracket(instrument: Instrument) -> Json:
    rows = [
        {
            "bracket": bracket.number,
            "initialLeverage": bracket.max_leverage,
            "notionalCap": int(bracket.cap),
            "notionalFloor": int(bracket.floor),
            "maintMarginRatio": float(bracket.rate),
            "cum": float(bracket.deduction),
        }
        for bracket in instrument.brackets
    ]
    return {"symbol": instrument.symbol, "notionalCoef": 1.0, "brackets": rows}
