"""Pools of Bitget's classic futures account: one per product and margin coin, one per isolated position.

    pool        equity                                               ratio by Bitget
    cross       accountEquity less what isolated positions hold      crossedRiskRate, repeated in the cross positions
    isolated    marginSize + unrealizedPL                            marginRatio

In union mode coins back the USDT-margined positions together: `unionTotalMagin` (so spelled) and `unionMm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, Pool
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import number, total
from marginbot.exchanges.venues.bitget_rows import Held

Row = Mapping[str, Any]


def classic_pools(accounts: Sequence[tuple[str, Row]], held: Sequence[Held], warnings: list[str]) -> list[Pool]:
    """All pools at stake; where nothing is, the balances as flat pools."""
    isolated = [isolated_pool(position, warnings) for position in held if position.is_isolated]
    keys = dict.fromkeys((product, str(row.get("marginCoin"))) for product, row in accounts)
    keys.update(dict.fromkeys((position.product, position.coin) for position in held if not position.is_isolated))
    cross = []
    for product, coin in keys:
        row = next((row for at, row in accounts if (at, str(row.get("marginCoin"))) == (product, coin)), None)
        settled = [position for position in held if (position.product, position.coin) == (product, coin)]
        # A margin coin may have a wallet in two products: names of pools are unique.
        shared = sum(coin == other for _, other in keys) > 1
        name = f"cross:{coin}" + (f":{product}" if shared else "")
        cross.append(_cross_pool(name, row, settled, coin=coin, warnings=warnings))
    staked = [pool for pool in [*cross, *isolated] if pool.positions or pool.maintenance_margin or pool.has_debt]
    return staked or [pool for pool in cross if pool.equity]


def _cross_pool(name: str, row: Row | None, settled: Sequence[Held], *, coin: str, warnings: list[str]) -> Pool:
    cross = [position for position in settled if not position.is_isolated]
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=coin,
        equity=None,
        maintenance_margin=Decimal(0),
        positions=tuple(position.position for position in cross),
    )
    if row is None:
        warnings.append(f"{name}: positions are held, but Bitget gives no balance")
    rate = _reported(name, row or {}, cross, warnings)
    if row is not None and row.get("assetMode") == "union" and (cross or rate):
        return _union_pool(pool, row, rate, warnings)
    equity = None if row is None else _cross_equity(name, row, settled, warnings)
    if not cross and not rate:
        return replace(pool, equity=equity)
    own = total(position.position.maintenance_margin for position in cross) if cross else None
    return judged(replace(pool, equity=equity, reported_ratio=rate), own, warnings)


def _reported(name: str, row: Row, cross: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """Bitget's own ratio, by the account and by its positions: the worst of them."""
    told = [number(row, "crossedRiskRate"), *(number(position.row, "marginRatio") for position in cross)]
    known = [ratio for ratio in told if ratio]
    if known and apart(min(known), max(known)):
        warnings.append(f"{name}: Bitget gives the ratio {min(known):.2%} and {max(known):.2%}; the worse one counts")
    if cross and len(known) < len(told):
        warnings.append(f"{name}: Bitget gives its ratio only in a part of the places")
    return max(known, default=None)


def _cross_equity(name: str, row: Row, settled: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """Equity with profit, less the margin and profit of isolated positions. What can be used is a lower bound."""
    equity = number(row, "accountEquity")
    isolated = total(isolated_equity(position) for position in settled if position.is_isolated)
    if equity is None or isolated is None:
        warnings.append(f"{name}: the equity is missing")
        return None
    in_dollars = number(row, "usdtEquity")
    if in_dollars is not None and row.get("marginCoin") == "USDT" and apart(equity, in_dollars):
        warnings.append(f"{name}: equity is {equity:.2f} and {in_dollars:.2f} by Bitget; the smaller counts")
        equity = min(equity, in_dollars)
    return equity - max(isolated, Decimal(0))


def _union_pool(pool: Pool, row: Row, rate: Decimal | None, warnings: list[str]) -> Pool:
    """All coins together, in dollars."""
    equity = _readable(row, "unionTotalMagin", pool.name, warnings)
    margin = _readable(row, "unionMm", pool.name, warnings)
    own = total(position.maintenance_margin for position in pool.positions) if pool.positions else None
    if margin and own is not None and margin < own and apart(margin, own):
        warnings.append(f"{pool.name}: the positions require more than Bitget's total says; the larger figure counts")
    largest = max((value for value in (margin, own) if value), default=None)
    warnings.append(f"{pool.name}: union mode, which coins back it is not told, so room leaves their moves out")
    return judged(replace(pool, equity=equity, reported_ratio=rate, currency="USD"), largest, warnings)


def _readable(row: Row, field: str, name: str, warnings: list[str]) -> Decimal | None:
    try:
        return number(row, field)
    except BadPayload:
        warnings.append(f"{name}: Bitget's {field} is no number")
        return None


# -- isolated


def isolated_equity(held: Held) -> Decimal | None:
    """Margin and profit of an isolated position."""
    margin, profit = number(held.row, "marginSize", "positionBalance"), held.position.unrealized_pnl
    return None if margin is None or profit is None else margin + profit


def isolated_pool(held: Held, warnings: list[str]) -> Pool:
    """The pool of an isolated position."""
    position = held.position
    pool = Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=held.coin,
        equity=isolated_equity(held),
        maintenance_margin=Decimal(0),
        positions=(position,),
        reported_ratio=number(held.row, "marginRatio"),
    )
    return judged(pool, position.maintenance_margin, warnings)


def judged(pool: Pool, own: Decimal | None, warnings: list[str]) -> Pool:
    """The pool with its requirement: Bitget's ratio against ours."""
    equity, reported = pool.equity, pool.reported_ratio or None
    if equity is None and own and reported:
        equity = own / reported
        warnings.append(f"{pool.name}: equity is worked out from Bitget's ratio")
    if equity is not None and equity <= 0 and own:
        return replace(pool, equity=equity, maintenance_margin=own)
    needed = requirement(pool.name, equity, own=own, reported=reported, warnings=warnings)
    return replace(
        pool,
        equity=equity,
        maintenance_margin=needed,
        reported_ratio=reported,
        has_debt=needed is None and not pool.positions,
    )
