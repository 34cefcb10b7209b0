"""Pools of Gate's classic futures wallets: one per settlement currency, one per isolated position.

    mode            equity                                                maintenance margin
    new classic     cross_margin_balance                                  cross_maintenance_margin
    classic         total + unrealised_pnl less isolated positions        added up from the positions

`cross_mmr` has no documented direction; it only checks the ratio of the two amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import MarginMode, Pool
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import number, price, total
from marginbot.exchanges.venues.gate_rows import Held, required

Row = Mapping[str, Any]


def wallet_pool(name: str, row: Row, held: Sequence[Held], *, settle: str, warnings: list[str]) -> Pool:
    """The cross pool of a futures wallet; `held` are all its positions."""
    cross = [position for position in held if not position.is_isolated]
    margin, needed = number(row, "cross_margin_balance"), price(row, "cross_maintenance_margin")
    told = needed is not None or bool(margin)
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=settle.upper(),
        equity=margin if told else _old_equity(name, row, held, warnings),
        maintenance_margin=Decimal(0),
        positions=tuple(position.position for position in cross),
    )
    needed = needed or price(row, "maintenance_margin")
    if not cross and not needed:
        return pool
    if told:
        pool = _checked(pool, row, held, warnings)
    return judged(pool, needed, required(cross) if cross else None, warnings)


def _old_equity(name: str, row: Row, held: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """Balance and profit, less what isolated positions hold; the smaller of two ways to add profit up."""
    balance, told = number(row, "total"), number(row, "unrealised_pnl")
    summed = total(position.position.unrealized_pnl for position in held)
    isolated = total(_backing(position) for position in held if position.is_isolated)
    profits = [value for value in (told, summed) if value is not None]
    if balance is None or not profits or isolated is None:
        if row or held:
            warnings.append(f"{name}: a part of the balance is missing, so the equity is unknown")
        return None
    parts = total((number(row, "available"), number(row, "position_margin"), number(row, "order_margin")))
    if parts is None or apart(balance, parts):
        warnings.append(f"{name}: the balance does not fit its parts, or they are missing; the smaller figure counts")
        balance = min(balance, parts) if parts is not None else balance
    if len(profits) < 2 or (max(profits) - min(profits) > abs(balance) / 50):
        warnings.append(f"{name}: the profit of wallet and positions differs or is missing; the smaller one counts")
    return balance + min(profits) - max(isolated, Decimal(0))


def _backing(held: Held) -> Decimal | None:
    return total((number(held.row, "margin"), held.position.unrealized_pnl))


def _checked(pool: Pool, row: Row, held: Sequence[Held], warnings: list[str]) -> Pool:
    """The new classic mode: the balance checked by the older fields, the ratio by `cross_mmr`."""
    equity, needed, ratio = pool.equity, price(row, "cross_maintenance_margin"), price(row, "cross_mmr")
    parts = total((number(row, "total"), number(row, "cross_unrealised_pnl")))
    if equity is not None and parts is not None and equity > parts and apart(equity, parts):
        warnings.append(f"{pool.name}: the margin balance exceeds balance and profit; the smaller figure counts")
        equity = parts
    elif equity is None or parts is None:
        warnings.append(f"{pool.name}: the margin balance is missing or could not be checked")
        equity = parts if equity is None else equity
    if equity and needed and ratio and equity > 0:
        readings = (ratio, ratio / 100, 1 / ratio, 100 / ratio)
        if all(apart(reading, needed / equity) for reading in readings):
            warnings.append(f"{pool.name}: Gate's cross_mmr {ratio} does not follow from its amounts")
    return replace(pool, equity=equity)


def judged(pool: Pool, told: Decimal | None, own: Decimal | None, warnings: list[str]) -> Pool:
    """The pool with its requirement: Gate's amount against the sum over the positions."""
    equity = pool.equity
    if equity is not None and equity <= 0 and (told or own):
        return replace(pool, maintenance_margin=max(value for value in (told, own) if value))
    reported = told / equity if told and equity else None
    needed = requirement(pool.name, equity, own=own, reported=reported, warnings=warnings)
    if needed and not pool.positions and not pool.has_debt:
        warnings.append(f"{pool.name}: margin is required, but no position is listed; room is unknown")
    return replace(
        pool,
        maintenance_margin=needed,
        reported_ratio=reported,
        has_debt=pool.has_debt or (needed is None and not pool.positions),
    )


def unread_pool(name: str, settle: str) -> Pool:
    """A wallet that could not be read: unknown, not empty."""
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=settle.upper(),
        equity=None,
        maintenance_margin=None,
        has_debt=True,
    )
