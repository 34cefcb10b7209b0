"""A pool moved to live mark prices between two readings, exactly, and when that has to be done at all.

    linear          profit  s N (r - 1)       notional  N r          r = mark now / mark of the reading
    coin-settled    profit  s N (1 - 1 / r)   notional  N / r        (in the coin; s = +1 long, -1 short)

The requirement of a position follows its leverage tiers where known, else its notional; the sum is scaled so that at
the marks of the reading it equals the venue's own requirement. What marks alone do not move is not followed: options,
debts, and pools behind which there are coins. All pools at once, in arrays: `live_book`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from marginbot.domain.book import STABLE
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.margin import Pool, PoolState, Position
from marginbot.domain.report import PoolReport
from marginbot.domain.tiers import maintenance_margin

EARLY = 1.25  # the cushion shrinks faster than the buffer: its yardstick grows while the price falls
LEAST_STEP = 0.97
RATIO_STEP = 0.005
_NEVER = 1e18


def followable(pool: Pool) -> bool:
    """Whether mark prices say all that changes a pool between two readings."""
    known = pool.equity is not None and pool.maintenance_margin is not None and pool.state is PoolState.OK
    coins = any(coin.asset not in STABLE and coin.value for coin in pool.collateral)
    return known and not coins and not pool.has_debt and bool(pool.positions) and all(map(_followable, pool.positions))


def _followable(position: Position) -> bool:
    return position.option is None and bool(position.notional) and position.mark_price is not None


def moved(pool: Pool, marks: Mapping[str, Decimal]) -> Pool:
    """A followable pool at other marks (by symbol), exact; positions without a mark stay where they are."""
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    places = [_moved(position, marks.get(position.symbol)) for position in pool.positions]
    before = sum((_need(old, old.notional) for old in pool.positions), Decimal(0))
    after = sum((_need(old, new.notional) for old, (new, _) in zip(pool.positions, places, strict=True)), Decimal(0))
    profit = sum((gain for _, gain in places), Decimal(0))
    required = pool.maintenance_margin * after / before if before > 0 else pool.maintenance_margin
    return replace(
        pool,
        equity=pool.equity + profit,
        maintenance_margin=required,
        positions=tuple(position for position, _ in places),
        reported_ratio=None,
    )


def _moved(position: Position, mark: Decimal | None) -> tuple[Position, Decimal]:
    """The position there, and what equity gains by it."""
    assert position.notional is not None
    assert position.mark_price is not None
    if mark is None:
        return position, Decimal(0)
    ratio = mark / position.mark_price
    notional = position.notional / ratio if position.coin_settled else position.notional * ratio
    gain = position.side.sign * (notional - position.notional) * (-1 if position.coin_settled else 1)
    held = position.maintenance_margin and position.maintenance_margin * notional / position.notional
    return replace(position, notional=notional, mark_price=mark, maintenance_margin=held), gain


def _need(position: Position, notional: Decimal | None) -> Decimal:
    assert notional is not None
    assert position.notional is not None
    if position.tiers:
        return maintenance_margin(notional, position.tiers)
    return (position.maintenance_margin or Decimal(0)) * notional / position.notional


@dataclass(frozen=True, slots=True)
class Rungs:
    """When a pool is to be looked at: its ratio as high, or its buffer as small (pool's currency)."""

    ratio: float = math.inf  # infinite: never; a very large one: when no equity is left
    buffer: float = -math.inf


@dataclass(frozen=True, slots=True)
class Alarm:
    """A pool that has reached a rung at live marks."""

    account_id: Hashable
    pool: str
    equity: float
    maintenance_margin: float


def rungs_of(pool: Pool, judged: PoolReport, ladders: Ladders) -> Rungs:
    """When a pool of this grade may have risen to the next. The ratio is exact; the buffer looks a little early."""
    grade = judged.grade if judged.grade is not None else Grade.DEFICIT
    if grade >= Grade.EMERGENCY:
        return Rungs(_NEVER if grade is Grade.EMERGENCY else math.inf)
    left = float(pool.buffer or 0)
    buffer = -math.inf
    if judged.cushion:
        share = EARLY * ladders.cushion[grade] / judged.cushion
        buffer = left * min(share, LEAST_STEP) if left > 0 else -math.inf
    return Rungs(ladders.ratio[grade], buffer)


def lower(rungs: Rungs, alarm: Alarm) -> Rungs:
    """When to look again at a pool that was looked at and has not risen: after a further step."""
    left = alarm.equity - alarm.maintenance_margin
    ratio = alarm.maintenance_margin / alarm.equity if alarm.equity > 0 else math.inf
    return Rungs(max(rungs.ratio, ratio + RATIO_STEP), min(rungs.buffer, left * LEAST_STEP))
