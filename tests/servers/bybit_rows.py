"""A Bybit unified account and its market as the V5 API writes them."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from tests.servers.bybit_book import (
    COINS,
    GRID,
    LISTED_MS,
    STABLES,
    ZERO,
    BybitAccount,
    BybitMarket,
    BybitPosition,
    Contract,
    RiskLimit,
)

Row = dict[str, Any]
OPTION_DELIVERY_MS = 1_813_910_400_000  # 25 June 2027, 08:00 UTC


def money(amount: Decimal) -> str:
    """Eight decimals at most, without trailing zeros."""
    text = f"{amount.quantize(Decimal('1e-8'), rounding=ROUND_DOWN):f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def rate4(numerator: Decimal, denominator: Decimal) -> str:
    """A rate as the venue publishes it: cut to four decimals."""
    if denominator <= 0:
        return "0"
    return money((numerator / denominator).quantize(Decimal("0.0001"), rounding=ROUND_DOWN))


# -- public


def instrument_row(contract: Contract) -> Row:
    row: Row = {
        "symbol": contract.symbol,
        "status": "Trading",
        "baseCoin": contract.base,
        "quoteCoin": contract.quote,
        "settleCoin": contract.settle,
        "launchTime": str(LISTED_MS),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceFilter": {"minPrice": contract.tick, "maxPrice": "1999999.80", "tickSize": contract.tick},
        "lotSizeFilter": {"maxOrderQty": "1000000", "minOrderQty": contract.step, "qtyStep": contract.step},
    }
    if contract.category == "option":
        kind = "Call" if contract.symbol.endswith("C") else "Put"
        return {**row, "optionsType": kind, "deliveryTime": str(OPTION_DELIVERY_MS), "deliveryFeeRate": "0.00015"}
    return {
        **row,
        "contractType": "InversePerpetual" if contract.is_inverse else "LinearPerpetual",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "copyTrading": "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
    }


def spot_row(coin: str) -> Row:
    return {
        "symbol": f"{coin}USDT",
        "baseCoin": coin,
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.00000001",
            "minOrderQty": "0.00001",
            "maxOrderQty": "100",
            "minOrderAmt": "5",
            "maxOrderAmt": "1000000",
        },
        "priceFilter": {"tickSize": "0.01"},
    }


def ticker_row(market: BybitMarket, contract: Contract, now_ms: int) -> Row:
    mark = f"{market.mark(contract.symbol):f}"
    index = f"{market.coin_prices[contract.base]:f}"
    prices = {"lastPrice": mark, "markPrice": mark, "indexPrice": index, "bid1Price": mark, "ask1Price": mark}
    row = {"symbol": contract.symbol, **prices, "bid1Size": "1", "ask1Size": "1", "volume24h": "0", "turnover24h": "0"}
    if contract.category == "option":
        return {
            **row,
            "markIv": "0.5",
            "underlyingPrice": index,
            "delta": "0.5",
            "gamma": "0",
            "vega": "0",
            "theta": "0",
        }
    hours = 8 * 3_600_000
    funding = {"fundingRate": "0.0001", "nextFundingTime": str((now_ms // hours + 1) * hours)}
    return {**row, **funding, "openInterest": "0", "deliveryTime": "0"}


def spot_ticker_row(market: BybitMarket, coin: str) -> Row:
    price = f"{market.coin_prices[coin]:f}"
    sizes = {"bid1Size": "1", "ask1Size": "1", "volume24h": "0", "turnover24h": "0"}
    return {"symbol": f"{coin}USDT", "lastPrice": price, "bid1Price": price, "ask1Price": price, **sizes}


def risk_limit_row(contract: Contract, limit: RiskLimit) -> Row:
    return {
        "id": limit.number,
        "symbol": contract.symbol,
        "riskLimitValue": money(limit.cap),
        "maintenanceMargin": money(limit.rate),
        "initialMargin": money(limit.rate * 2),
        "isLowestRisk": int(limit.number == 1),
        "maxLeverage": f"{limit.max_leverage:f}",
        "mmDeduction": "" if limit.deduction == 0 else money(limit.deduction),
    }


def collateral_tiers_row(market: BybitMarket, coin: str) -> Row:
    tier = {"minQty": "0", "maxQty": "", "collateralRatio": money(market.collateral_ratios[coin])}
    return {"currency": coin, "collateralRatioList": [tier]}


# -- private


def wallet_row(account: BybitAccount) -> Row:
    told = {
        "totalEquity": money(account.equity),
        "accountIMRate": rate4(account.initial_margin, account.backing),
        "totalMarginBalance": money(account.margin_balance),
        "totalInitialMargin": money(account.initial_margin),
        "totalAvailableBalance": money(max(ZERO, account.backing - account.initial_margin)),
        "accountMMRate": rate4(account.maintenance_margin, account.backing),
        "totalPerpUPL": money(account.perp_value),
        "totalWalletBalance": money(account.wallet_value),
        "totalMaintenanceMargin": money(account.maintenance_margin),
    }
    for name in ("accountIMRate", "accountMMRate", "totalInitialMargin", "totalMaintenanceMargin"):
        told[f"{name}ByMp"] = told[name]
    if account.mode == "ISOLATED_MARGIN":
        kept = ("totalEquity", "totalPerpUPL", "totalWalletBalance")
        told = {name: value if name in kept else "" for name, value in told.items()}
    coins = [coin_row(account, coin) for coin in account.coins()]
    return {"accountType": "UNIFIED", "accountLTV": "", **told, "coin": coins}


def coin_row(account: BybitAccount, coin: str) -> Row:
    held = [p for p in account.positions if p.contract.settle == coin]
    portfolio = account.mode == "PORTFOLIO_MARGIN"
    im = money(sum((account.initial_margin_of(p) for p in held), ZERO))
    mm = money(sum((account.maintenance_margin_of(p) for p in held), ZERO))
    loan = money(account.loans.get(coin, ZERO))
    equity = account.coin_equity(coin)
    return {
        "coin": coin,
        "equity": money(equity),
        "usdValue": money(equity * account.market.coin_prices[coin]),
        "walletBalance": money(account.wallets.get(coin, ZERO)),
        "unrealisedPnl": money(account.perp_pnl(coin) + account.option_value(coin)),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "locked": "0",
        "borrowAmount": loan,
        "spotBorrow": loan,
        "accruedInterest": "0",
        "availableToBorrow": "",
        "availableToWithdraw": "",
        "totalOrderIM": "0",
        "totalPositionIM": "" if portfolio else im,
        "totalPositionMM": "" if portfolio else mm,
        "spotHedgingQty": "0",
        "marginCollateral": True,
        "collateralSwitch": coin not in account.not_collateral,
    }


def position_row(account: BybitAccount, position: BybitPosition) -> Row:
    liquidation = account.liquidation_price(position)
    row = {
        **_position_head(position),
        **_margins(account, position),
        "side": position.side,
        "size": money(position.size),
        "avgPrice": money(position.entry_price),
        "positionValue": money(position.contract.value(position.size, position.entry_price)),
        "markPrice": money(account.mark(position)),
        "liqPrice": "" if liquidation is None else money(liquidation.quantize(Decimal("0.01"))),
        "unrealisedPnl": money(account.pnl(position)),
        "breakEvenPrice": money(position.entry_price),
        "adlRankIndicator": 2,
        "updatedTime": str(position.updated_ms),
    }
    if account.mode == "PORTFOLIO_MARGIN":
        row.update(dict.fromkeys(("leverage", "riskLimitValue"), ""), riskId=0)
    return row


def empty_position_row(account: BybitAccount, contract: Contract) -> Row:
    """What asking for a symbol without a position brings."""
    nothing = BybitPosition(
        contract=contract, side="Buy", size=ZERO, entry_price=ZERO, leverage=Decimal(10), margin=ZERO
    )
    zeros = dict.fromkeys(("size", "avgPrice", "positionMM", "positionIM", "positionBalance"), "0")
    blanks = dict.fromkeys(("side", "positionValue", "liqPrice", "unrealisedPnl"), "")
    mark = money(account.market.mark(contract.symbol))
    return {**_position_head(nothing), **zeros, **blanks, "markPrice": mark, "updatedTime": str(LISTED_MS)}


def _position_head(position: BybitPosition) -> Row:
    limits = position.contract.limits
    return {
        "positionIdx": position.index,
        "riskId": 1,
        "riskLimitValue": money(limits[-1].cap) if limits else "",
        "symbol": position.contract.symbol,
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "leverage": money(position.leverage),
        "bustPrice": "",
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "curRealisedPnl": "0",
        "cumRealisedPnl": "0",
        "sessionAvgPrice": "",
        "seq": 1,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "createdTime": str(LISTED_MS),
    }


def _margins(account: BybitAccount, position: BybitPosition) -> Row:
    """Blank in portfolio margin; `positionBalance`, once the margin set aside, is blank everywhere."""
    if account.mode == "PORTFOLIO_MARGIN":
        im = mm = ""
    elif account.mode == "ISOLATED_MARGIN":
        im, mm = money(position.margin), money(account.maintenance_margin_of(position))
    else:
        im, mm = money(account.initial_margin_of(position)), money(account.maintenance_margin_of(position))
    return {"positionIM": im, "positionIMByMp": im, "positionMM": mm, "positionMMByMp": mm, "positionBalance": ""}


def collateral_info_row(account: BybitAccount, coin: str) -> Row:
    return {
        "currency": coin,
        "collateralRatio": money(account.market.collateral_ratios[coin]),
        "collateralSwitch": coin not in account.not_collateral,
        "marginCollateral": True,
        "borrowable": True,
        "borrowAmount": money(account.loans.get(coin, ZERO)),
        "availableToBorrow": "",
        "maxBorrowingAmount": "1000000",
        "freeBorrowAmount": "0",
        "freeBorrowingAmount": "",
        "freeBorrowingLimit": "0",
        "otherBorrowAmount": "0",
        "borrowUsageRate": "0",
        "hourlyBorrowRate": "0.00000147",
    }


def coin_info_row(coin: str) -> Row:
    chain = {"chain": coin, "chainType": coin, "chainDeposit": "1", "chainWithdraw": "1", "minAccuracy": "8"}
    fees = {"withdrawFee": "0.1", "depositMin": "0", "withdrawMin": "1", "confirmation": "10"}
    return {"name": coin, "coin": coin, "remainAmount": "1000000", "chains": [{**chain, **fees}]}


def portfolio_row(account: BybitAccount, bases: list[str]) -> Row:
    wallet = {
        "equity": money(account.equity),
        "cashBalance": money(account.wallet_value),
        "marginBalance": money(account.margin_balance),
        "availableBalance": money(max(ZERO, account.equity - account.initial_margin)),
        "accountIM": money(account.initial_margin),
        "accountMM": money(account.maintenance_margin),
        "accountMMRate": rate4(account.maintenance_margin, account.equity),
        "accountIMRate": rate4(account.initial_margin, account.equity),
    }
    return {"wallet": wallet, "assetPnlRange": [_asset_range(account, base) for base in bases]}


def _asset_range(account: BybitAccount, base: str) -> Row:
    mine = [p for p in account.positions if p.contract.base == base]
    mm = account.asset_mm(base)
    totals = {move: sum((account.grid_pnl(p, move) for p in mine), ZERO) for move in GRID}
    worst = min(GRID, key=lambda move: totals[move])
    return {
        "baseCoin": base,
        "totalPnlRanges": {"ALL": {"pnlRanges": [_grid_row(move, pnl) for move, pnl in totals.items()]}},
        "perpPositionPnlRanges": [_position_range(account, p) for p in mine if p.contract.category != "option"],
        "optionPositionPnlRanges": [_position_range(account, p) for p in mine if p.contract.category == "option"],
        "contingency": {"contingencyComponents": money(mm + min(ZERO, totals[worst]))},
        "asset": {"coin": base, "assetIM": money(mm * Decimal("1.2")), "assetMM": money(mm)},
        "maxLossPriceMove": money(worst),
        "maxLossIvShock": "0",
    }


def _position_range(account: BybitAccount, position: BybitPosition) -> Row:
    return {
        "symbolName": position.contract.symbol,
        "position": money(position.sign * position.size),
        "markPrice": money(account.mark(position)),
        "settleCoin": position.contract.settle,
        "pnlRanges": [_grid_row(move, account.grid_pnl(position, move)) for move in GRID],
    }


def _grid_row(move: Decimal, pnl: Decimal) -> Row:
    return {"priceScale": str(move), "pnls": [money(pnl)]}


def spot_coins() -> list[str]:
    return [coin for coin in COINS if coin not in STABLES]
