"""The shapes Hyperliquid answers with, in its field names; amounts are text with at least one decimal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.servers.hyperliquid_book import COINS, Coin, Held, HyperliquidBook, HyperliquidMarket
from tests.servers.quotes import Candle, plain

Row = dict[str, Any]
TOKENS = ("USDC", "PURR", "HYPE", "UBTC", "UETH")  # a token's index is its place
SPOT_PAIRS = ("PURR/USDC", "@1", "@2", "@3")  # each token but the first, against USDC
DEPLOYER = "0x00000000000000000000000000000000000000d1"


def text(value: Decimal, places: int = 6) -> str:
    number = plain(value, places)
    return number if "." in number else f"{number}.0"


def meta(dex: str) -> Row:
    coins = [coin for coin in COINS if coin.dex == dex]
    tables = {coin.table: coin.tiers for coin in coins}
    return {
        "universe": [_universe_row(coin) for coin in coins],
        "marginTables": [
            [
                number,
                {
                    "description": f"tiered {tiers[0].max_leverage}x" if len(tiers) > 1 else "",
                    "marginTiers": [
                        {"lowerBound": text(tier.lower_bound), "maxLeverage": tier.max_leverage} for tier in tiers
                    ],
                },
            ]
            for number, tiers in tables.items()
        ],
        "collateralToken": 0,
    }


def _universe_row(coin: Coin) -> Row:
    row: Row = {
        "name": coin.name,
        "szDecimals": coin.size_decimals,
        "maxLeverage": coin.max_leverage,
        "marginTableId": coin.table,
    }
    return row | ({"onlyIsolated": True, "marginMode": "strictIsolated"} if coin.only_isolated else {})


def asset_contexts(market: HyperliquidMarket, dex: str) -> list[Row]:
    return [_context(text(market.mark(coin.name), 8)) for coin in COINS if coin.dex == dex]


def _context(price: str) -> Row:
    return dict.fromkeys(("markPx", "midPx", "oraclePx", "prevDayPx"), price) | {
        "funding": "0.0000125",
        "openInterest": "1000.0",
        "dayNtlVlm": "1000000.0",
        "dayBaseVlm": "100.0",
        "premium": "0.0",
        "impactPxs": [price, price],
    }


def spot_meta() -> Row:
    tokens = [
        {
            "name": name,
            "index": index,
            "szDecimals": 2,
            "weiDecimals": 8,
            "tokenId": f"0x{index:032x}",
            "isCanonical": index < 2,
            "evmContract": None,
            "fullName": f"Unit {name}" if name in ("UBTC", "UETH") else None,
        }
        for index, name in enumerate(TOKENS)
    ]
    universe = [
        {"name": name, "index": index, "tokens": [index + 1, 0], "isCanonical": index == 0}
        for index, name in enumerate(SPOT_PAIRS)
    ]
    return {"tokens": tokens, "universe": universe}


def spot_contexts(market: HyperliquidMarket) -> list[Row]:
    rows = []
    for pair, token in zip(SPOT_PAIRS, TOKENS[1:], strict=True):
        price = text(market.spot(token), 8)
        rows.append(dict.fromkeys(("markPx", "midPx", "prevDayPx"), price) | {"coin": pair, "dayNtlVlm": "1.0"})
    return rows


def dex_row(name: str) -> Row:
    return {
        "name": name,
        "fullName": name.upper(),
        "deployer": DEPLOYER,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": [[coin.name, "25000000.0"] for coin in COINS if coin.dex == name],
    }


def clearinghouse_state(book: HyperliquidBook, dex: str, now_ms: int) -> Row:
    cross, everything = book.cross(dex), book.rows(dex)
    cross_value = book.cross_value(dex)
    margin_used = sum((h.margin_used for h in cross), Decimal(0))
    free = Decimal(0) if book.account.pooled else max(cross_value - margin_used, Decimal(0))
    return {
        "marginSummary": _margin_summary(everything, cross_value + book.isolated_margin(dex)),
        "crossMarginSummary": _margin_summary(cross, cross_value),
        "crossMaintenanceMarginUsed": text(sum((h.mm for h in cross), Decimal(0))),
        "withdrawable": text(free),
        "assetPositions": [{"type": "oneWay", "position": _position(book, held)} for held in everything],
        "time": now_ms,
    }


def _margin_summary(rows: list[Held], account_value: Decimal) -> Row:
    signed = sum((h.position.size * h.mark for h in rows), Decimal(0))
    return {
        "accountValue": text(account_value),
        "totalNtlPos": text(sum((h.value for h in rows), Decimal(0))),
        "totalRawUsd": text(account_value - signed),
        "totalMarginUsed": text(sum((h.margin_used for h in rows), Decimal(0))),
    }


def _position(book: HyperliquidBook, held: Held) -> Row:
    position = held.position
    leverage: Row = {"type": "isolated" if position.isolated else "cross", "value": position.leverage}
    if position.isolated:
        leverage["rawUsd"] = text(held.raw_usd)
    price = book.liquidation_price(held)
    opened_with = abs(position.size) * position.entry_price / position.leverage
    return {
        "coin": held.coin.name,
        "szi": text(position.size, 8),
        "leverage": leverage,
        "entryPx": text(position.entry_price, 8),
        "positionValue": text(held.value),
        "unrealizedPnl": text(held.upl),
        "returnOnEquity": text(held.upl / opened_with, 10),
        "liquidationPx": None if price is None else text(price, 10),
        "marginUsed": text(held.margin_used),
        "maxLeverage": held.coin.max_leverage,
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }


def spot_state(book: HyperliquidBook) -> Row:
    tokens = dict.fromkeys([*(["USDC"] if book.account.pooled else []), *book.account.spot])
    row: Row = {"balances": [_spot_balance(book, token) for token in tokens]}
    if book.account.abstraction != "portfolioMargin":
        return row
    collateral, pool = book.collateral(), book.cross_pool()
    ratio = pool.mm / collateral if collateral > 0 else Decimal(0)
    return row | {
        "portfolioMarginEnabled": True,
        "portfolioMarginRatio": text(ratio, 8),
        "tokenToAvailableAfterMaintenance": [[0, text(max(collateral - pool.mm, Decimal(0)))]],
    }


def _spot_balance(book: HyperliquidBook, token: str) -> Row:
    hold = Decimal(0)
    if token == "USDC" and book.account.pooled:
        hold = sum((h.margin_used for h in book.held), Decimal(0))
    return {
        "coin": token,
        "token": TOKENS.index(token),
        "total": text(book.spot_total(token), 8),
        "hold": text(hold),
        "entryNtl": "0.0",
    }


def candle_row(coin: str, interval: str, opens_at: int, step_ms: int, candle: Candle) -> Row:
    prices = {name[0]: text(getattr(candle, name), 6) for name in ("open", "high", "low", "close")}
    ends = {"t": opens_at, "T": opens_at + step_ms - 1}
    return ends | prices | {"s": coin, "i": interval, "v": text(candle.volume), "n": 10}
