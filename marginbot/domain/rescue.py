"""What would bring a pool back: collateral to add, or share of the positions to close."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_UP, Decimal

from marginbot.domain.grading import RATIO_RELEASE, RUNGS, Grade, Ladders
from marginbot.domain.margin import MarginMode, Pool, PoolState, Position
from marginbot.domain.room import withstands
from marginbot.domain.volatility import Volatility

_BISECTIONS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Either of the two suffices, by the same model that grades; None: that way alone does not."""

    target: Grade
    top_up: Decimal | None  # pool currency
    close_share: Decimal | None  # fraction of every position in the pool


def way_back(
    pool: Pool, volatilities: Mapping[str, Volatility], *, ladders: Ladders, graded: Grade, now: datetime
) -> WayBack | None:
    """Least top-up, and least share to close, after which the pool is calm (NOTICE) or nearly so (worse)."""
    known = pool.equity is not None and pool.maintenance_margin is not None and bool(pool.positions)
    if graded <= Grade.OK or not known or any(position.notional is None for position in pool.positions):
        return None
    target = Grade.OK if graded is Grade.NOTICE else Grade.NOTICE
    rung = RUNGS.index(Grade(target + 1))
    ratio, cushion = ladders.ratio[rung] - RATIO_RELEASE, ladders.cushion_releases[rung]

    def calm(candidate: Pool) -> bool:
        if candidate.state is PoolState.FLAT:
            return True
        if candidate.state is not PoolState.OK or candidate.margin_ratio is None:
            return False
        return float(candidate.margin_ratio) < ratio and withstands(candidate, volatilities, cushion, now)

    return WayBack(target=target, top_up=_top_up(pool, calm), close_share=_close_share(pool, calm))


def _top_up(pool: Pool, calm: Callable[[Pool], bool]) -> Decimal | None:
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    stake = sum((p.notional or Decimal(0) for p in pool.positions), pool.maintenance_margin) + abs(pool.equity)
    equity = pool.equity

    def with_share(share: float) -> Pool:
        return replace(pool, equity=equity + stake * Decimal(share))

    share = _least(lambda s: calm(with_share(s)))
    return None if share is None else _round_up(stake * Decimal(share))


def _close_share(pool: Pool, calm: Callable[[Pool], bool]) -> Decimal | None:
    if pool.margin_mode is MarginMode.ISOLATED:
        return None  # closing a part releases its share of the margin too, which leaves the ratio where it was
    share = _least(lambda s: calm(_scaled(pool, Decimal(1) - Decimal(s))))
    return None if share is None else Decimal(share).quantize(Decimal("0.01"), rounding=ROUND_UP)


def _scaled(pool: Pool, factor: Decimal) -> Pool:
    if factor <= 0:
        return replace(pool, positions=(), maintenance_margin=Decimal(0))
    assert pool.maintenance_margin is not None
    positions = tuple(_scaled_position(position, factor) for position in pool.positions)
    return replace(pool, positions=positions, maintenance_margin=pool.maintenance_margin * factor)


def _scaled_position(position: Position, factor: Decimal) -> Position:
    margin = None if position.maintenance_margin is None else position.maintenance_margin * factor
    notional = None if position.notional is None else position.notional * factor
    return replace(position, contracts=position.contracts * factor, notional=notional, maintenance_margin=margin)


def _least(suffices: Callable[[float], bool]) -> float | None:
    if not suffices(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


def _round_up(amount: Decimal) -> Decimal:
    """Three significant digits, upwards: advice that is followed must suffice."""
    if amount <= 0:
        return Decimal(0)
    return amount.quantize(Decimal(1).scaleb(amount.adjusted() - 2), rounding=ROUND_UP)
