"""Hyperliquid's pools: per dex, unified over the dexes, and portfolio margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference, number, price, record, rows, total
from marginbot.exchanges.venues.hyperliquid_positions import COLLATERAL, Holding, Row, holdings_of

PORTFOLIO_TRIGGER = Decimal("0.95")
IDLE_VALUE = Decimal(1)  # dollars; below it totals are rounding


@dataclass(frozen=True, slots=True)
class Dex:
    """One dex's answer, with its positions read."""

    name: str  # "" is the main one
    state: Row
    holdings: tuple[Holding, ...]

    @classmethod
    def of(cls, name: str, state: Any, reference: Reference, warnings: list[str]) -> Dex:
        """Read one answer; positions that its totals count but its list lacks make it unreadable."""
        holdings = tuple(holdings_of(state, reference, warnings))
        dex = cls(name, record(state), holdings)
        dex._check_complete(warnings)
        return dex

    @property
    def cross(self) -> tuple[Position, ...]:
        return tuple(holding.position for holding in self.holdings if not holding.isolated)

    @property
    def pool_name(self) -> str:
        return f"cross:{self.name}" if self.name else "cross"

    def age_seconds(self, now: datetime) -> float:
        """How long ago the venue took these figures."""
        taken_at = number(self.state, "time")
        return 0.0 if taken_at is None else now.timestamp() - float(taken_at) / 1000

    def cross_requirement(self, warnings: list[str]) -> Decimal | None:
        """The venue's requirement, or the sum over the positions where that is larger."""
        said = number(self.state, "crossMaintenanceMarginUsed")
        own = total(position.maintenance_margin for position in self.cross)
        if not self.cross:
            return said or Decimal(0)
        if said is None or said <= 0:
            told = "it cannot be judged" if own is None else "it is worked out from the positions"
            warnings.append(f"{self.pool_name}: Hyperliquid gives no maintenance margin, {told}")
            return own
        if own is None:
            warnings.append(f"{self.pool_name}: the maintenance margin counts unchecked")
        elif apart(said, own):
            warnings.append(
                f"{self.pool_name}: maintenance margin {said:f}, by the positions and tiers it is {own:f}; "
                "the larger counts"
            )
        return said if own is None or not apart(said, own) else max(said, own)

    def cross_equity(self, warnings: list[str]) -> Decimal | None:
        """Account value, or cash and positions where that is smaller."""
        summary = record(self.state, "crossMarginSummary")
        said, cash = number(summary, "accountValue"), number(summary, "totalRawUsd")
        signed = total(_signed(position) for position in self.cross)
        own = None if cash is None or signed is None else cash + signed
        if said is None:
            told = "cash and positions give it" if own is not None else "it cannot be judged"
            warnings.append(f"{self.pool_name}: Hyperliquid gives no account value, {told}")
            return own
        if own is None:
            warnings.append(f"{self.pool_name}: the account value counts unchecked")
        elif abs(said - own) > IDLE_VALUE and apart(said, own):
            warnings.append(f"{self.pool_name}: account value {said:f}, but cash and positions come to {own:f}")
        return said if own is None or not apart(said, own) else min(said, own)

    def _check_complete(self, warnings: list[str]) -> None:
        summary = self.state.get("marginSummary") or self.state.get("crossMarginSummary") or {}
        said = number(summary, "totalNtlPos")
        listed = total(holding.position.notional for holding in self.holdings)
        if said is None or listed is None or abs(said - listed) <= IDLE_VALUE or not apart(said, listed):
            return
        if not self.holdings:
            raise BadPayload("positions are counted in the totals, but none is listed")
        warnings.append(f"{self.pool_name}: the positions listed come to {listed:.2f}, Hyperliquid counts {said:.2f}")


def _signed(position: Position) -> Decimal | None:
    return None if position.notional is None else position.side.sign * position.notional


def dex_pools(dex: Dex, warnings: list[str]) -> list[Pool]:
    """The cross pool of a dex and its isolated positions; an unused foreign dex makes none."""
    pools = [_isolated_pool(holding, warnings) for holding in dex.holdings if holding.isolated]
    equity = dex.cross_equity(warnings)
    if dex.cross or equity or (not dex.name and not pools):
        cross = _cross_pool(dex.pool_name, COLLATERAL, equity, dex.cross_requirement(warnings), dex.cross)
        pools.insert(0, cross)
    return pools


def _cross_pool(
    name: str, currency: str, equity: Decimal | None, requirement: Decimal | None, positions: Sequence[Position]
) -> Pool:
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=equity,
        maintenance_margin=requirement,
        positions=tuple(positions),
    )


def _isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    """What backs an isolated position is `marginUsed`: its cash and its value together."""
    position = holding.position
    name = f"isolated:{position.symbol}:{position.side}"
    said, cash = number(holding.row, "marginUsed"), number(holding.row.get("leverage") or {}, "rawUsd")
    signed = _signed(position)
    own = None if cash is None or signed is None else cash + signed
    equity = said if own is None or said is None else min(said, own)
    if said is None or own is None:
        warnings.append(f"{name}: its margin could not be checked against its cash")
        equity = said if own is None else own
    elif apart(said, own):
        warnings.append(f"{name}: margin {said:f}, but cash and position come to {own:f}; the smaller counts")
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=COLLATERAL,
        equity=equity,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


# -- modes in which the spot wallet backs everything


def unified_pools(dexes: Sequence[Dex], spot: Any, warnings: list[str]) -> list[Pool]:
    """Spot USDC without what isolated positions hold, against the cross requirements of all dexes."""
    isolated = [_isolated_pool(h, warnings) for dex in dexes for h in dex.holdings if h.isolated]
    needed = total(dex.cross_requirement(warnings) for dex in dexes)
    apart_from = total(pool.equity for pool in isolated)
    held, left = _spot_total(spot, COLLATERAL), _available(spot, COLLATERAL)
    equity = None if held is None or apart_from is None else held - apart_from
    cross = tuple(position for dex in dexes for position in dex.cross)
    if not cross and equity is None:
        equity = held or Decimal(0)
    if cross:
        warnings.append("Hyperliquid documents unified accounts little: equity and ratio are estimates")
    if cross and equity is None:
        warnings.append(f"cross: no {COLLATERAL} balance is shown in the spot wallet, it cannot be judged")
    reported = None if left is None or not needed or left + needed <= 0 else needed / (left + needed)
    return [
        Pool(
            name="cross",
            margin_mode=MarginMode.CROSS,
            currency=COLLATERAL,
            equity=equity,
            maintenance_margin=needed,
            positions=cross,
            reported_ratio=reported,
        ),
        *isolated,
    ]


def _spot_total(spot: Any, coin: str) -> Decimal | None:
    row = next((row for row in rows(spot, "balances") if row.get("coin") == coin), None)
    return None if row is None else number(row, "total")


def _available(spot: Any, coin: str) -> Decimal | None:
    """What the venue says is left of a token after maintenance margin."""
    token = next((row.get("token") for row in rows(spot, "balances") if row.get("coin") == coin), 0)
    pairs = spot.get("tokenToAvailableAfterMaintenance") or []
    return next((number({"left": pair[1]}, "left") for pair in pairs if len(pair) == 2 and pair[0] == token), None)


def portfolio_pools(dexes: Sequence[Dex], spot: Any, mids: Any, warnings: list[str]) -> list[Pool]:
    """The venue's own ratio decides; equity is what the requirement of the positions makes of it."""
    isolated = [_isolated_pool(h, warnings) for dex in dexes for h in dex.holdings if h.isolated]
    cross = tuple(position for dex in dexes for position in dex.cross)
    said = number(record(spot), "portfolioMarginRatio")
    reported = None if said is None else said / PORTFOLIO_TRIGGER
    needed = total(dex.cross_requirement(warnings) for dex in dexes)
    borrowed = any((number(row, "total") or Decimal(0)) < 0 for row in rows(spot, "balances"))
    warnings.append("Hyperliquid's portfolio margin is not verified here: ratio as it reports it, the rest estimated")
    collateral = _spot_collateral(spot, mids, warnings) if cross or reported else ()
    idle = not cross and not borrowed and not reported
    equity = _spot_total(spot, COLLATERAL) if idle else None
    if reported and reported > 0:
        # What is needed for loans is not given: without positions the wallet's value stands for the equity.
        equity = needed / reported if needed else _wallet_value(spot, collateral)
        needed = None if equity is None else equity * reported
    elif not idle:
        warnings.append("cross: Hyperliquid gives no usable portfolio margin ratio, it cannot be judged")
        needed = None
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.PORTFOLIO,
        currency=COLLATERAL,
        equity=equity,
        maintenance_margin=needed,
        positions=cross,
        collateral=collateral,
        has_debt=borrowed or bool(reported),
        reported_ratio=reported or None,
    )
    return [pool, *isolated]


def _wallet_value(spot: Any, collateral: Sequence[Collateral]) -> Decimal | None:
    stable = (number(row, "total") for row in rows(spot, "balances") if row.get("coin") in STABLE)
    cash = total(stable)
    return None if cash is None else cash * PORTFOLIO_TRIGGER + sum((c.value for c in collateral), Decimal(0))


def _spot_collateral(spot: Any, mids: Any, warnings: list[str]) -> tuple[Collateral, ...]:
    """Each token at the mid price of its perpetual (UBTC is BTC), scaled as the ratio is."""
    entries = []
    for row in rows(spot, "balances"):
        token, held = str(row.get("coin")), number(row, "total")
        if token in STABLE or held == 0:
            continue
        asset = token.removeprefix("U") if token in ("UBTC", "UETH", "USOL") else token
        mid = price(mids, asset) if isinstance(mids, dict) else None
        if held is None or mid is None:
            warnings.append(f"{token}: no price or balance at hand, room leaves this collateral out")
            continue
        if held < 0:
            warnings.append(f"{token}: a debt in a coin that moves; room takes it for one")
        per_coin = mid * PORTFOLIO_TRIGGER
        entries.append(Collateral(asset=asset, value=held * per_coin, per_coin=per_coin))
    return tuple(entries)
