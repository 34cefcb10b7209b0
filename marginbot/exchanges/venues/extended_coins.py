"""What backs an Extended account coin by coin, and the upper bound of its requirement by the markets' risk factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.implied import proportional
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position
from marginbot.domain.room import STABLE
from marginbot.exchanges.assembly import Row, weighed
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import dig, number, rows, total

CASH = "USDC"
Bounds = Mapping[str, Sequence[Row]]  # risk factors by market


def pool_of(
    equity: Decimal | None, needed: Decimal | None, positions: tuple[Position, ...], ratio: Decimal | None = None
) -> Pool:
    """The account's only pool."""
    return Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=needed,
        positions=positions,
        reported_ratio=ratio,
    )


def pool_of_coins(
    coins: Sequence[Row], positions: tuple[Position, ...], bound: Decimal | None, warnings: list[str]
) -> Pool:
    """The pool of an account whose balance is told as coins, without a margin ratio."""
    # Positions backed by nothing at all cannot be: an empty list says that the coins were not told.
    backing = total(number(coin, "equityContribution") for coin in coins) if coins else None
    profit = total(position.unrealized_pnl for position in positions)
    equity = None if backing is None or profit is None else backing + profit
    for coin in coins:
        _check_coin(coin, warnings)
    if not positions:
        return pool_of(equity, Decimal(0), positions)
    how = "is unknown" if bound is None else "counts as its initial margin, the real one is lower"
    warnings.append(f"cross: Extended gives no margin ratio; the requirement {how}")
    value = total(position.notional for position in positions)
    rate = None if bound is None or not value else bound / value
    return weighed(pool_of(equity, bound, positions), None if rate is None else proportional(rate), warnings)


def _check_coin(coin: Row, warnings: list[str]) -> None:
    """Balance, price and factor make the contribution."""
    parts = [number(coin, name) for name in ("balance", "indexPrice", "contributionFactor")]
    told = number(coin, "equityContribution")
    known = [part for part in parts if part is not None]
    due = known[0] * known[1] * known[2] if len(known) == 3 else None
    if due is None or told is None or apart(due, told):
        warnings.append(f"{coin.get('asset')}: its contribution to equity does not follow from its balance and price")


def bounds_of(answer: Any) -> Bounds:
    """Risk factors of every market, out of the market list."""
    if not isinstance(answer, dict):
        return {}
    found = {}
    for row in rows(answer, "data"):
        config = dig(row, "tradingConfig", "riskFactorConfig")
        if isinstance(config, list) and all(isinstance(one, dict) for one in config):
            found[str(row.get("name"))] = config
    return found


def sum_of_bounds(listed: Sequence[Row], positions: Sequence[Position], bounds: Bounds) -> Decimal | None:
    """What the positions require at most; None as soon as a market's factors are not known."""
    return total(
        _bound(position.notional, bounds.get(str(row.get("market")), ()))
        for row, position in zip(listed, positions, strict=True)
    )


def _bound(value: Decimal | None, factors: Sequence[Row]) -> Decimal | None:
    """The value's risk factor in its tier; beyond the last tier, the last one."""
    if value is None:
        return None
    known = [(number(one, "upperBound"), number(one, "riskFactor")) for one in factors]
    fitting = [factor for limit, factor in known if limit is not None and value <= limit]
    factor = fitting[0] if fitting else known[-1][1] if known else None
    return None if factor is None or factor <= 0 else value * factor


def with_collateral(pool: Pool, coins: Sequence[Row]) -> Pool:
    """The pool with the coins that back it and move with their own price."""
    found = []
    for coin in coins:
        asset, value = str(coin.get("asset")), number(coin, "equityContribution")
        if asset not in STABLE and value:
            found.append(Collateral(asset=asset, value=value))
    debt = any((number(coin, "balance") or 0) < 0 and str(coin.get("asset")) not in STABLE for coin in coins)
    return replace(pool, collateral=tuple(found), has_debt=debt)
