"""One account, told by nine venues in their own words.

Cross: 0.5 BTC long from 60,000, now 62,000; 4 ETH short from 3,000, now 2,900; 10,000 of cash. So the profit is
1,000 + 400, the equity 11,400 and the value 31,000 + 11,600 = 42,600. Where a venue has isolated positions there is one
in SOL at 145, opened at 150.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.exchanges.venue import Payloads

D = Decimal


def dydx_row(market: str, size: str, entry: str, profit: str) -> dict[str, Any]:
    side = "SHORT" if size.startswith("-") else "LONG"
    return {"market": market, "side": side, "size": size, "entryPrice": entry, "unrealizedPnl": profit}


def dydx() -> Payloads:
    """Initial margin 2 %, maintenance 1.2 %; SOL 5 % and 3 %, in the first child of sub-account 0."""
    held = {"BTC-USD": dydx_row("BTC-USD", "0.5", "60000", "1000"), "ETH-USD": dydx_row("ETH-USD", "-4", "3000", "400")}
    main = {
        "subaccountNumber": 0,
        "equity": "11400",
        "freeCollateral": "10548",
        "openPerpetualPositions": held,
        "assetPositions": {"USDC": {"size": "8000", "side": "SHORT"}},
    }
    child = {
        "subaccountNumber": 128,
        "equity": "250",
        "freeCollateral": "177.5",
        "openPerpetualPositions": {"SOL-USD": dydx_row("SOL-USD", "10", "150", "-50")},
        "assetPositions": {"USDC": {"size": "1200", "side": "SHORT"}},
    }
    fractions = {"BTC": "0.012", "ETH": "0.012", "SOL": "0.03"}
    return {
        "accounts": {"subaccounts": [main, child]},
        "markets": {"markets": {f"{coin}-USD": {"maintenanceMarginFraction": f} for coin, f in fractions.items()}},
        "whole": True,
    }


def lighter_row(market: int, symbol: str, sign: int, size: str, *prices: str, **more: Any) -> dict[str, Any]:
    names = ("avg_entry_price", "position_value", "unrealized_pnl", "liquidation_price")
    row = {"market_id": market, "symbol": symbol, "sign": sign, "position": size, "margin_mode": 0}
    return row | dict(zip(names, prices, strict=True)) | {"allocated_margin": "0"} | more


def lighter() -> Payloads:
    """Fractions of 1.2 % and, for SOL, 3 %. SOL ends where 1500 + 500 - 100 (L - 145) = 3 % of 100 L."""
    account = {
        "account_index": 1077,
        "collateral": "10000",
        "cross_asset_value": "11400",
        "cross_maintenance_margin_requirement": "511.2",
        "assets": [],
        "positions": [
            lighter_row(1, "BTC", 1, "0.5", "60000", "31000", "1000", "40000"),
            lighter_row(0, "ETH", -1, "4", "3000", "11600", "400", "5600"),
            lighter_row(
                2, "SOL", -1, "100", "150", "14500", "500", "160.194175", margin_mode=1, allocated_margin="1500"
            ),
        ],
    }
    fractions = {0: 120, 1: 120, 2: 300}
    return {
        "accounts": {"code": 200, "accounts": [account]},
        "markets": {
            "order_book_details": [
                {"market_id": market, "maintenance_margin_fraction": fraction} for market, fraction in fractions.items()
            ]
        },
    }


def derive() -> Payloads:
    """Standard margin: 5 % of the index for perpetuals, unsettled profit inside; 1 ETH counts as 2,400 of 3,000."""
    positions = [
        derive_row("perp", "BTC-PERP", "-0.05", ("63000", "62000"), "12.5", margin="-142.5"),
        derive_row("option", "BTC-20270924-85000-C", "-0.1", ("4000", "5000"), "-500", margin="-1200"),
    ]
    return {
        "portfolios": {
            "result": [
                {
                    "subaccount_id": 7,
                    "failed_to_fetch": False,
                    "margin_type": "SM",
                    "is_under_liquidation": False,
                    "positions_maintenance_margin": "-1342.5",
                    "collaterals_maintenance_margin": "7400",
                    "maintenance_margin": "6057.5",
                    "positions": positions,
                    "collaterals": [
                        {"asset_name": "USDC", "amount": "5000", "maintenance_margin": "5000"},
                        {"asset_name": "ETH", "amount": "1", "maintenance_margin": "2400"},
                    ],
                }
            ]
        }
    }


def derive_row(
    kind: str, name: str, amount: str, prices: tuple[str, str], value: str, *, margin: str
) -> dict[str, Any]:
    entry, mark = prices
    row = {"instrument_type": kind, "instrument_name": name, "amount": amount, "mark_value": value}
    profit = str(D(amount) * (D(mark) - D(entry)))
    return row | {
        "maintenance_margin": margin,
        "mark_price": mark,
        "index_price": "62000",
        "average_price": entry,
        "unrealized_pnl": profit,
    }


def paradex() -> Payloads:
    """Maintenance is half of 2 %."""
    rows = [
        paradex_row("BTC-USD-PERP", "LONG", "0.5", "60000", "1000"),
        paradex_row("ETH-USD-PERP", "SHORT", "4", "3000", "400"),
    ]
    parameters = {"imf_base": "0.02", "imf_shift": "0", "imf_factor": "0", "mmf_factor": "0.5"}
    markets = [{"symbol": row["market"], "delta1_cross_margin_params": parameters} for row in rows]
    return {
        "summary": {"account_value": "11400", "maintenance_margin_requirement": "426", "margin_cushion": "10974"},
        "positions": {"results": rows},
        "modes": {"configs": [{"market": "BTC-USD-PERP", "margin_type": "CROSS"}]},
        "markets": {"results": markets},
        "balance": None,
    }


def paradex_row(market: str, side: str, size: str, entry: str, profit: str, liquidation: str = "") -> dict[str, Any]:
    cost = str(D(size) * D(entry))
    row = {"market": market, "status": "OPEN", "side": side, "size": size, "average_entry_price": entry, "cost": cost}
    return row | {"unrealized_pnl": profit, "liquidation_price": liquidation}


def extended() -> Payloads:
    """Initial margin 2 %, maintenance half of it."""
    rows = [
        extended_row("BTC-USD", "LONG", "0.5", "60000", "62000", "1000"),
        extended_row("ETH-USD", "SHORT", "4", "3000", "2900", "400"),
    ]
    balance = {
        "balance": "10000",
        "equity": "11400",
        "unrealisedPnl": "1400",
        "availableForTrade": "10548",
        "initialMargin": "852",
        "marginRatio": str(D(426) / D(11400)),
    }
    return {
        "balance": {"status": "OK", "data": balance},
        "positions": {"status": "OK", "data": rows},
        "coins": {"status": "OK", "data": [extended_coin("USDC", "10000", "1", "1")]},
        "markets": extended_markets(),
    }


def extended_markets() -> dict[str, Any]:
    factors = [{"upperBound": "4000000", "riskFactor": "0.02"}, {"upperBound": "8000000", "riskFactor": "0.04"}]
    config = {"riskFactorConfig": factors}
    return {"data": [{"name": name, "tradingConfig": config} for name in ("BTC-USD", "ETH-USD")]}


def extended_row(
    market: str, side: str, size: str, entry: str, mark: str, profit: str, end: str = ""
) -> dict[str, Any]:
    value = str(D(size) * D(mark))
    row = {"market": market, "side": side, "size": size, "openPrice": entry, "markPrice": mark, "value": value}
    return row | {"unrealisedPnl": profit, "liquidationPrice": end}


def extended_coin(asset: str, balance: str, price: str, factor: str) -> dict[str, Any]:
    value = str(D(balance) * D(price) * D(factor))
    row = {"asset": asset, "balance": balance, "indexPrice": price, "contributionFactor": factor}
    return row | {"equityContribution": value}


def backpack() -> Payloads:
    """Both positions are small enough for the base of 1.25 %."""
    rows = [
        backpack_row("BTC_USDC_PERP", "0.5", "60000", "62000", "1000"),
        backpack_row("ETH_USDC_PERP", "-4", "3000", "2900", "400"),
    ]
    collateral = {
        "netEquity": "11400",
        "mmf": "0.0125",
        "marginFraction": str(D(11400) / D(42600)),
        "netExposureFutures": "42600",
        "borrowLiability": "0",
        "collateral": [{"symbol": "SOL", "totalQuantity": "10", "collateralValue": "1300"}],
    }
    return {"positions": rows, "collateral": collateral}


def backpack_row(symbol: str, quantity: str, entry: str, mark: str, profit: str, end: str = "0") -> dict[str, Any]:
    size = D(quantity)
    return {
        "symbol": symbol,
        "netQuantity": quantity,
        "netExposureQuantity": str(abs(size)),
        "netExposureNotional": str(abs(size) * D(mark)),
        "netCost": str(size * D(entry)),
        "entryPrice": entry,
        "markPrice": mark,
        "pnlUnrealized": profit,
        "estLiquidationPrice": end,
        "mmf": "0.0125",
        "mmfFunction": {"base": "0.0125", "factor": "0.00005", "type": "sqrt"},
    }


def woo() -> Payloads:
    """Collateral over exposure 11,400 / 42,600, maintenance 3 %; SOL at five times ends at 136.4."""
    rows = [
        woo_row("PERP_BTC_USDT", "0.5", "60000", "62000"),
        woo_row("PERP_ETH_USDT", "-4", "3000", "2900"),
        woo_row("PERP_SOL_USDT", "10", "150", "145", marginMode="ISOLATED", isolatedMarginAmount="300", leverage=5)
        | {"isolatedMarginToken": "USDT", "estLiqPrice": "136.4101"},
    ]
    account = {
        "accountMode": "FUTURES",
        "marginRatio": str(D(11400) / D(42600)),
        "maintenanceMarginRatio": "0.03",
        "totalCollateral": "11400",
    }
    return {"account": {"success": True, "data": account}, "positions": {"data": {"positions": rows}}, "balances": None}


def woo_row(symbol: str, holding: str, entry: str, mark: str, **more: Any) -> dict[str, Any]:
    row = {"symbol": symbol, "holding": holding, "averageOpenPrice": entry, "settlePrice": entry, "markPrice": mark}
    usual = {"positionSide": "BOTH", "marginMode": "CROSS", "isolatedMarginAmount": "0", "estLiqPrice": "0"}
    return row | usual | {"leverage": 20} | more


def blofin() -> Payloads:
    """0.5 % maintenance, 1 % for SOL, and the fee of 0.06 %."""
    cross = str(D(11400) / (D(213) + D("25.56")))
    rows = [
        blofin_row("BTC-USDT", "500", "60000", "62000", "1000", maintenanceMargin="155", marginRatio=cross),
        blofin_row("ETH-USDT", "-400", "3000", "2900", "400", maintenanceMargin="58", marginRatio=cross),
        blofin_row("SOL-USDT", "10", "150", "145", "-50", maintenanceMargin="14.5", margin="300", marginMode="isolated")
        | {"marginRatio": str(D(250) / (D("14.5") + D("0.87")))},
    ]
    details = [{"currency": "USDT", "equity": "11650", "isolatedEquity": "250"}]
    return {"balance": {"data": {"details": details}}, "positions": {"data": rows}}


def blofin_row(market: str, contracts: str, entry: str, mark: str, profit: str, **more: Any) -> dict[str, Any]:
    row = {"instId": market, "positions": contracts, "averagePrice": entry, "markPrice": mark, "unrealizedPnl": profit}
    return row | {"positionSide": "net", "marginMode": "cross", "liquidationPrice": ""} | more


def whitebit() -> Payloads:
    """BTC alone, 2.5 % maintenance: it ends where 11,000 - 31,000 + 0.5 L = 2.5 % of 0.5 L."""
    row = {
        "market": "BTC_PERP",
        "amount": "0.5",
        "basePrice": "60000",
        "pnl": "1000",
        "liquidationPrice": "41025.641",
        "liquidationState": None,
        "margin": "1550",
        "freeMargin": "9450",
    }
    summary = {
        "equity": "10000",
        "pnl": "1000",
        "unrealizedFunding": "0",
        "margin": "1550",
        "freeMargin": "9450",
        "marginFraction": str(D(11000) / D(31000)),
        "maintenanceMarginFraction": "0.025",
    }
    return {"positions": [row], "summary": summary}
