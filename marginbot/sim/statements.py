"""An account as the Binance USD-M futures REST API shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from marginbot.sim.book import Account
from marginbot.sim.instruments import MARGIN_ASSETS, Instrument
from marginbot.sim.listings import Json, amount8, amount_or_zero
from marginbot.sim.positions import ZERO, Position, PositionSide

Amount = Callable[[Position], Decimal]


def account_v3(account: Account) -> Json:
    """Has no mode flags, and only the symbols with a position."""
    return {
        **_totals(account),
        "assets": [_asset(account, asset) for asset in _listed_assets(account)],
        "positions": [_account_position(account, p) for p in account.positions],
    }


def account_v2(account: Account) -> Json:
    """v3 plus the mode flag and, for each symbol, position or not, its entry price and leverage."""
    return {
        **account_config(account),
        **_totals(account),
        "assets": [{**_asset(account, a), "marginAvailable": True} for a in _listed_assets(account)],
        "positions": [_account_position_v2(account, p) for p in _slots(account)],
    }


def account_config(account: Account) -> Json:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedge,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def balances(account: Account) -> list[Json]:
    rows = []
    for asset in _listed_assets(account):
        row = _asset(account, asset)
        kept = ("asset", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount")
        rows.append(
            {
                "accountAlias": "SgsR",
                **{name: row[name] for name in kept},
                "balance": row["walletBalance"],
                "marginAvailable": True,
                "updateTime": row["updateTime"],
            }
        )
    return rows


def position_risk_v3(account: Account, position: Position) -> Json:
    return {
        "symbol": position.symbol,
        "positionSide": position.position_side,
        "positionAmt": f"{position.amount:f}",
        **_prices(account, position),
        "isolatedMargin": amount_or_zero(_isolated_margin(account, position)),
        "notional": amount8(account.notional(position)),
        "marginAsset": position.asset,
        "isolatedWallet": amount_or_zero(position.isolated_wallet or ZERO),
        "initialMargin": amount8(account.initial_margin_of(position)),
        "maintMargin": amount8(account.maintenance_margin_of(position)),
        "positionInitialMargin": amount8(account.initial_margin_of(position)),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms,
    }


def position_risk_v2(account: Account, position: Position) -> Json:
    bracket = position.instrument.bracket(abs(account.notional(position)))
    return {
        "symbol": position.symbol,
        "positionAmt": f"{position.amount:f}",
        **_prices(account, position),
        "leverage": str(position.leverage),
        "maxNotionalValue": str(int(bracket.cap)),
        "marginType": "cross" if position.is_cross else "isolated",
        "isolatedMargin": amount8(_isolated_margin(account, position)),
        "isAutoAddMargin": "false",
        "positionSide": position.position_side,
        "notional": amount_or_zero(account.notional(position)),
        "isolatedWallet": amount_or_zero(position.isolated_wallet or ZERO),
        "updateTime": position.updated_ms,
        "isolated": not position.is_cross,
        "adlQuantile": 1,
    }


def flat_risk_v2(account: Account, instrument: Instrument) -> list[Json]:
    """v2 lists symbols without a position too."""
    return [position_risk_v2(account, empty) for empty in _empties(account, instrument)]


def symbol_config(account: Account, instrument: Instrument) -> Json:
    held = [p for p in account.positions if p.symbol == instrument.symbol]
    return {
        "symbol": instrument.symbol,
        "marginType": "CROSSED" if all(p.is_cross for p in held) else "ISOLATED",
        "isAutoAddMargin": "false",
        "leverage": held[0].leverage if held else 20,
        "maxNotionalValue": str(int(instrument.brackets[-1].cap)),
    }


# -- inside


def _listed_assets(account: Account) -> list[str]:
    return list(dict.fromkeys([*account.assets(), *MARGIN_ASSETS]))


def _sum(amount: Amount, positions: Iterable[Position]) -> Decimal:
    return sum((amount(position) for position in positions), ZERO)


def _asset_amounts(account: Account, asset: str) -> dict[str, Decimal]:
    """The figures of one asset row; maintenance and initial margin include isolated positions."""
    held = [p for p in account.positions if p.asset == asset]
    wallet = account.wallets.get(asset, ZERO)
    isolated = sum((p.isolated_wallet or ZERO for p in account.isolated_positions(asset)), ZERO)
    profit = _sum(account.unrealized_pnl, held)
    initial = _sum(account.initial_margin_of, held)
    return {
        "walletBalance": wallet + isolated,
        "unrealizedProfit": profit,
        "marginBalance": wallet + isolated + profit,
        "maintMargin": _sum(account.maintenance_margin_of, held),
        "initialMargin": initial,
        "positionInitialMargin": initial,
        "openOrderInitialMargin": ZERO,
        "crossWalletBalance": wallet,
        "crossUnPnl": _sum(account.unrealized_pnl, account.cross_positions(asset)),
    }


def _available(account: Account, asset: str) -> Decimal:
    """What could be withdrawn or used as margin, in this asset."""
    if account.multi_assets:
        return _dollars_available(account) / account.market.asset_index(asset).ask_rate
    used = _sum(account.initial_margin_of, account.cross_positions(asset))
    return max(ZERO, account.cross_equity(asset) - used)


def _dollars_available(account: Account) -> Decimal:
    used = _sum(
        lambda p: account.initial_margin_of(p) * account.market.asset_index(p.asset).ask_rate,
        account.positions,
    )
    return max(ZERO, account.pool("cross:USD").equity - used)


def _asset(account: Account, asset: str) -> Json:
    available = amount8(_available(account, asset))
    touched = asset in account.assets()
    return {
        "asset": asset,
        **{name: amount8(value) for name, value in _asset_amounts(account, asset).items()},
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "updateTime": account.updated_ms if touched else 0,
    }


_REQUIREMENTS = ("maintMargin", "initialMargin", "positionInitialMargin", "openOrderInitialMargin")
_TOTAL_NAMES = {
    "initialMargin": "totalInitialMargin",
    "maintMargin": "totalMaintMargin",
    "walletBalance": "totalWalletBalance",
    "unrealizedProfit": "totalUnrealizedProfit",
    "marginBalance": "totalMarginBalance",
    "positionInitialMargin": "totalPositionInitialMargin",
    "openOrderInitialMargin": "totalOpenOrderInitialMargin",
    "crossWalletBalance": "totalCrossWalletBalance",
    "crossUnPnl": "totalCrossUnPnl",
}


def _totals(account: Account) -> Json:
    """Dollars over all assets in multi-assets mode; otherwise the USDT row alone."""
    if account.multi_assets:
        totals, available = _dollar_totals(account), _dollars_available(account)
    else:
        totals, available = _asset_amounts(account, "USDT"), _available(account, "USDT")
    return {
        **{total: amount8(totals[name]) for name, total in _TOTAL_NAMES.items()},
        "availableBalance": amount8(available),
        "maxWithdrawAmount": amount8(available),
    }


def _dollar_totals(account: Account) -> dict[str, Decimal]:
    totals = dict.fromkeys(_TOTAL_NAMES, ZERO)
    for asset in account.assets():
        index = account.market.asset_index(asset)
        for name, value in _asset_amounts(account, asset).items():
            rate = index.ask_rate if name in _REQUIREMENTS else account.asset_rate(asset)
            totals[name] += value * rate
    return totals


def _account_position(account: Account, position: Position) -> Json:
    return {
        "symbol": position.symbol,
        "positionSide": position.position_side,
        "positionAmt": f"{position.amount:f}",
        "unrealizedProfit": amount8(account.unrealized_pnl(position)),
        "isolatedMargin": amount_or_zero(_isolated_margin(account, position)),
        "notional": amount8(account.notional(position)),
        "isolatedWallet": amount_or_zero(position.isolated_wallet or ZERO),
        "initialMargin": amount8(account.initial_margin_of(position)),
        "maintMargin": amount8(account.maintenance_margin_of(position)),
        "updateTime": position.updated_ms,
    }


def _account_position_v2(account: Account, position: Position) -> Json:
    return {
        **_account_position(account, position),
        "positionInitialMargin": amount_or_zero(account.initial_margin_of(position)),
        "openOrderInitialMargin": "0",
        "leverage": str(position.leverage),
        "isolated": not position.is_cross,
        "entryPrice": f"{position.entry_price:f}",
        "maxNotional": str(int(position.instrument.brackets[-1].cap)),
        "bidNotional": "0",
        "askNotional": "0",
    }


def _slots(account: Account) -> list[Position]:
    """Open positions, then the empty ones of every listed symbol."""
    listed = account.market.instruments.values()
    return [*account.positions, *(empty for i in listed for empty in _empties(account, i))]


def _empties(account: Account, instrument: Instrument) -> list[Position]:
    """The position sides of a symbol that hold nothing."""
    return [
        Position(
            instrument=instrument,
            amount=ZERO,
            entry_price=ZERO,
            position_side=side,
            isolated_wallet=None,
            leverage=20,
            updated_ms=0,
        )
        for side in _sides(account)
        if not any(p.symbol == instrument.symbol and p.position_side == side for p in account.positions)
    ]


def _sides(account: Account) -> tuple[PositionSide, ...]:
    return ("LONG", "SHORT") if account.hedge else ("BOTH",)


def _isolated_margin(account: Account, position: Position) -> Decimal:
    """Unlike the isolated wallet, this includes the unrealised profit."""
    if position.isolated_wallet is None:
        return ZERO
    return position.isolated_wallet + account.unrealized_pnl(position)


def _prices(account: Account, position: Position) -> Json:
    liquidation = account.liquidation_price(position) if position.amount else None
    return {
        "entryPrice": f"{position.entry_price:f}",
        "breakEvenPrice": f"{position.entry_price:f}",
        "markPrice": amount8(account.market.mark(position.symbol)),
        "unRealizedProfit": amount8(account.unrealized_pnl(position)),
        "liquidationPrice": "0" if liquidation is None else amount8(liquidation),
    }
