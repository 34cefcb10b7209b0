"""Bitget's unified account: one cross pool in dollars, and one for each isolated position.

The equity is `effEquity`, after discounts; the requirement `mmr` is an amount here, while that of a position is a rate.
Bitget documents no direction for `mgnRatio`, so the ratio is worked out from the two amounts, and `mgnRatio` only
checks it. Whether `mmr` holds the taker fee is not documented either: ours may lie between both readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import number, rows, total
from marginbot.exchanges.venues.bitget_classic import isolated_equity
from marginbot.exchanges.venues.bitget_rows import Held

Row = Mapping[str, Any]

_ROUGH = Decimal("0.20")


def unified_pools(account: Row, held: Sequence[Held], warnings: list[str]) -> list[Pool]:
    """The account's pool and those of isolated positions."""
    isolated = [_isolated_pool(position, warnings) for position in held if position.is_isolated]
    cross = _cross_pool(account, [position for position in held if not position.is_isolated], warnings)
    idle = not cross.positions and not cross.maintenance_margin and not cross.has_debt
    return isolated if isolated and idle else [cross, *isolated]


def _cross_pool(account: Row, cross: Sequence[Held], warnings: list[str]) -> Pool:
    assets = rows(account, "assets")
    equity, told = _equity(account, warnings), number(account, "mmr")
    owed = [str(row.get("coin")) for row in assets if number(row, "debt")]
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=tuple(position.position for position in cross),
        has_debt=bool(owed),
    )
    if not cross and not owed and not told:
        return pool
    if owed and not told:
        warnings.append(f"cross: {', '.join(owed)} is owed, and what the debt needs is not told")
        return replace(pool, maintenance_margin=None)
    own = _own_requirement(told, cross, warnings)
    reported = told / equity if told and equity and equity > 0 else None
    needed = told if equity is not None and equity <= 0 and told else None
    if needed is None:
        needed = requirement(pool.name, equity, own=own, reported=reported, warnings=warnings)
    _check_ratio(account, reported, warnings)
    return replace(
        pool,
        maintenance_margin=needed,
        reported_ratio=reported,
        collateral=_collateral(equity, assets, cross, warnings),
        has_debt=bool(owed) or (needed is None and not cross),
    )


def _equity(account: Row, warnings: list[str]) -> Decimal | None:
    """Equity after discounts, which can only be less than the full one."""
    told, full = number(account, "effEquity"), number(account, "accountEquity")
    if told is None:
        warnings.append("cross: the effective equity is missing, so it is unknown")
        return None
    if full is None or (told > full and apart(told, full)):
        how = "it counts unchecked" if full is None else "the smaller counts"
        warnings.append(f"cross: the account's full equity is missing or less than the effective one, {how}")
        return told if full is None else min(told, full)
    return told


def _own_requirement(told: Decimal | None, cross: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """What the positions add up to, with or without the fee: the reading that fits Bitget's total, else the larger."""
    with_fee = total(held.position.maintenance_margin for held in cross) if cross else None
    without = total(held.requirement_without_fee for held in cross) if cross else None
    if with_fee is None or without is None:
        return None
    if told and not apart(told, min(max(told, without), with_fee)):
        return told
    if any(held.position.coin_settled for held in cross):
        warnings.append("cross: coin-margined positions are not in dollars, so ours is not comparable")
        return told or None
    return with_fee


def _check_ratio(account: Row, reported: Decimal | None, warnings: list[str]) -> None:
    ratio = number(account, "mgnRatio")
    if not reported or not ratio:
        if reported:
            warnings.append("cross: Bitget gives no margin ratio, so its amounts count unchecked")
        return
    if apart(ratio, reported) and apart(1 / ratio, reported):
        warnings.append(f"cross: Bitget's margin ratio {ratio} does not follow from its amounts ({reported:.2%})")


def _collateral(
    equity: Decimal | None, assets: Sequence[Row], cross: Sequence[Held], warnings: list[str]
) -> tuple[Collateral, ...]:
    """What coins are worth to the account: their full value times the share of it that the equity shows."""
    values = {str(row.get("coin")): number(row, "usdValue") for row in assets}
    if any(value is None for value in values.values()):
        warnings.append("cross: the value of a coin is missing, so room leaves its price moves out")
    known = {coin: value for coin, value in values.items() if value}
    owed = {str(row.get("coin")) for row in assets if number(row, "debt")}
    if any(value < 0 and coin not in owed for coin, value in known.items()):
        warnings.append("cross: a coin has a negative value although nothing of it is owed")
    coins = {coin: value for coin, value in known.items() if coin not in STABLE}
    full = sum(coins.values(), Decimal(0))
    if equity is None or not coins or full <= 0:
        return tuple(Collateral(asset=coin, value=value) for coin, value in coins.items())
    profit = total(held.position.unrealized_pnl for held in cross) or Decimal(0)
    counted = equity - (sum(known.values(), Decimal(0)) - full) - profit
    share = min(max(counted / full, Decimal(0)), Decimal(1))
    return tuple(Collateral(asset=coin, value=value * share) for coin, value in coins.items() if share)


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    """Margin and profit; the liquidation price, which Bitget draws with a fixed requirement, checks them."""
    position = held.position
    equity, needed = isolated_equity(held), position.maintenance_margin
    implied = _implied(held)
    known = [value for value in (equity, implied) if value is not None]
    name = f"isolated:{position.symbol}:{position.side}"
    if len(known) == 2 and apart(known[0], known[1], _ROUGH):
        warnings.append(f"{name}: equity is {known[0]:.2f}, by the liquidation price {known[1]:.2f}; the smaller one")
    elif len(known) < 2:
        warnings.append(f"{name}: what backs it could not be checked")
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=held.coin,
        equity=min(known, default=None),
        maintenance_margin=needed,
        positions=(position,),
    )


def _implied(held: Held) -> Decimal | None:
    position = held.position
    mark, liquidation, notional = position.mark_price, position.liquidation_price, position.notional
    if mark is None or liquidation is None or notional is None or position.maintenance_margin is None:
        return None
    growth = mark / liquidation - 1 if position.coin_settled else 1 - liquidation / mark
    return position.maintenance_margin + position.side.sign * notional * growth
