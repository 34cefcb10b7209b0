"""Kraken Futures' pools: the multi-collateral wallet, each single-collateral wallet, each isolated position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import dig, number, price, record, total
from marginbot.exchanges.venues.krakenfutures_positions import Leg, coin

Row = Mapping[str, Any]


# -- the multi-collateral wallet


def flex_pools(row: Row | None, legs: Sequence[Leg], warnings: list[str]) -> list[Pool]:
    """The wallet's cross pool, and a pool for each isolated position in it; none without wallet and positions."""
    if row is None and not legs:
        return []
    cross = [leg.position for leg in legs if leg.fixed_leverage is None]
    if row is None:
        warnings.append("cross: positions are held, but Kraken gives no multi-collateral wallet")
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=_flex_equity(row or {}, warnings),
        maintenance_margin=Decimal(0),
        positions=tuple(cross),
        collateral=_collateral(row or {}, warnings) if cross else (),
    )
    isolated = [_isolated_pool(leg, warnings) for leg in legs if leg.fixed_leverage is not None]
    return [_judged(pool, number(row or {}, "maintenanceMargin"), warnings), *isolated]


def _flex_equity(row: Row, warnings: list[str]) -> Decimal | None:
    """Collateral after haircuts and the profit that counts; Kraken's sum and its parts check each other."""
    told = number(row, "marginEquity")
    parts = total((number(row, "collateralValue"), number(row, "totalUnrealizedAsMargin")))
    if told is None or parts is None:
        known = parts if told is None else told
        how = "it is unknown" if known is None else "it counts unchecked"
        warnings.append(f"cross: a part of the margin equity is missing, {how}")
        return known
    if apart(told, parts):
        warnings.append(f"cross: margin equity is {told:.2f}, its parts come to {parts:.2f}; the smaller counts")
        return min(told, parts)
    return told


def _collateral(row: Row, warnings: list[str]) -> tuple[Collateral, ...]:
    found = []
    currencies = dig(row, "currencies")
    for name in currencies if isinstance(currencies, dict) else ():
        held = record(currencies, name)
        asset, full = coin(str(name)), number(held, "value")
        value = number(held, "collateralValue", "collateral")
        if asset in STABLE or (not full and not value):
            continue
        if value is None or full is None or value * full < 0 or abs(value) > abs(full):
            warnings.append(
                f"cross: Kraken's figures for {asset} as collateral are odd, the larger one counts for room"
            )
            value = max((part for part in (value, full) if part is not None), key=abs)
        found.append(Collateral(asset=asset, value=value))
    return tuple(found)


def _netted(positions: Sequence[Position]) -> Decimal | None:
    """Per underlying the larger of what longs and shorts require."""
    sides: dict[tuple[str, Side], Decimal] = {}
    for position in positions:
        if position.maintenance_margin is None:
            return None
        key = (position.underlying, position.side)
        sides[key] = sides.get(key, Decimal(0)) + position.maintenance_margin
    names = {underlying for underlying, _ in sides}
    return sum((max(sides.get((name, side), Decimal(0)) for side in Side) for name in names), Decimal(0))


# -- isolated


def _isolated_pool(leg: Leg, warnings: list[str]) -> Pool:
    """Kraken does not say what backs an isolated position: the value at entry over its leverage, and its profit."""
    position, leverage = leg.position, leg.fixed_leverage
    entry, mark, notional = position.entry_price, position.mark_price, position.notional
    equity = None
    if entry is not None and mark is not None and notional is not None and leverage is not None:
        cost = notional * entry / mark
        equity = cost / leverage + position.side.sign * (notional - cost)
    warnings.append(
        f"{position.symbol}: Kraken does not tell the margin of this isolated position, it is taken as its value at "
        "entry over the leverage"
    )
    return Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency="USD",
        equity=equity,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


# -- single-collateral wallets


def single_pool(name: str, row: Any, legs: Sequence[Leg], warnings: list[str]) -> Pool:
    """A wallet of one coin with its inverse contracts."""
    wallet: Row = row if isinstance(row, dict) else {}
    if not wallet:
        warnings.append(f"{name}: positions are held, but Kraken does not list this wallet")
    trigger = price(_part(wallet, "triggerEstimates"), "mm")
    positions = tuple(replace(leg.position, liquidation_price=trigger) for leg in legs)
    margins = _part(wallet, "marginRequirements")
    needed, threshold = number(margins, "mm"), number(margins, "lt")
    if needed and threshold and threshold > needed:
        warnings.append(
            f"{name}: Kraken's liquidation threshold {threshold:.4f} lies above the maintenance margin {needed:.4f}; "
            "the ratio is that of the maintenance margin"
        )
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=coin(str(wallet.get("currency") or name.removeprefix("fi_").removesuffix("usd"))),
        equity=_single_equity(name, wallet, warnings),
        maintenance_margin=Decimal(0),
        positions=positions,
    )
    return _judged(pool, needed, warnings)


def _single_equity(name: str, wallet: Row, warnings: list[str]) -> Decimal | None:
    """What the wallet is worth with its profit; its balance and profit check the sum."""
    auxiliary = _part(wallet, "auxiliary")
    told, profit = number(auxiliary, "pv"), number(auxiliary, "pnl")
    parts = total((number(_part(wallet, "balances"), str(wallet.get("currency"))), profit))
    if told is not None and parts is not None and apart(told, parts):
        warnings.append(f"{name}: the wallet is worth {told:.4f}, its parts come to {parts:.4f}; the smaller counts")
        return min(told, parts)
    if wallet and (told is None or parts is None):
        warnings.append(f"{name}: a part of the wallet's worth is missing, so it counts unchecked or is unknown")
    return parts if told is None else told


def _part(wallet: Row, name: str) -> Row:
    found = wallet.get(name)
    return found if isinstance(found, dict) else {}


# -- shared


def _judged(pool: Pool, needed: Decimal | None, warnings: list[str]) -> Pool:
    """The pool with its requirement: Kraken's, checked by the margin levels of the positions."""
    if not pool.positions and not needed:
        return pool
    equity = pool.equity
    reported = needed / equity if needed and equity else None
    if equity is not None and equity <= 0 and needed:
        return replace(pool, maintenance_margin=needed)
    own = _netted(pool.positions) if pool.positions else None
    counted = requirement(pool.name, equity, own=own, reported=reported, warnings=warnings)
    if counted and not pool.positions:
        warnings.append(f"{pool.name}: margin is required, but no position is listed; room is unknown")
    return replace(
        pool, maintenance_margin=counted, reported_ratio=reported, has_debt=counted is None and not pool.positions
    )
