"""The history of a pool: what is kept of each reading, and how old readings are folded without losing a spike.

History is for looking back and never decides anything, so its figures are float64 and rounded where they are
stored. Folding keeps the worst and the best of a span, never an average, and remembers how long nothing was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marginbot.domain.grading import Grade
from marginbot.domain.report import AccountReport, PoolReport

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A reading of a pool, or all its readings from `at` to `until` folded into one."""

    at: datetime  # of the first reading
    until: datetime  # of the last one; the same for a single reading
    grade: Grade | None  # the worst; None: could not be judged
    ratio_low: float | None = None
    ratio_high: float | None = None  # the worst
    cushion_low: float | None = None  # the worst
    cushion_high: float | None = None
    room: float | None = None  # where the cushion was least; a signed fraction
    equity_low: float | None = None  # in the pool's currency
    equity: float | None = None  # at `until`
    symbol: str | None = None  # the largest position: "BTC/USDT:USDT long"
    mark_low: float | None = None  # of that position, as the following ones
    mark_high: float | None = None
    liquidation: float | None = None  # where it was nearest
    unseen: timedelta = NEVER  # the longest time without a judged reading in between, if it was long


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is kept of one pool, oldest first: old parts folded, the newest reading by reading."""

    pool: str
    currency: str
    load: Callable[[], Sequence[Point]]  # takes milliseconds for thousands of points; safe in any thread


@dataclass(frozen=True, slots=True)
class Tier:
    """From an age on, readings are kept folded into spans of this size."""

    size: timedelta
    after: timedelta


# Single readings for two days; then ever coarser. A picture on a phone has about a thousand columns.
TIERS = (
    Tier(timedelta(minutes=5), timedelta(hours=48)),
    Tier(timedelta(hours=1), timedelta(days=14)),
    Tier(timedelta(hours=6), timedelta(days=90)),
)


def points_of(report: AccountReport) -> Iterator[tuple[PoolReport, Point]]:
    """What is kept of a reading, pool by pool."""
    for pool in report.pools:
        ratio, cushion, equity = _float(pool.margin_ratio), pool.cushion, _float(pool.equity)
        held = [p for p in report.positions if p.pool == pool.name]
        largest = max(held, key=lambda p: p.notional or Decimal(0), default=None)
        mark = _float(largest.mark_price) if largest else None
        yield (
            pool,
            Point(
                at=report.taken_at,
                until=report.taken_at,
                grade=pool.grade,
                ratio_low=ratio,
                ratio_high=ratio,
                cushion_low=cushion,
                cushion_high=cushion,
                room=pool.room,
                equity_low=equity,
                equity=equity,
                symbol=f"{largest.symbol} {largest.side}" if largest else None,
                mark_low=mark,
                mark_high=mark,
                liquidation=_float(largest.liquidation_price) if largest else None,
            ),
        )


def folded(points: Iterable[Point], size: timedelta, patience: timedelta) -> list[Point]:
    """Points (oldest first) as one point a span of `size`; a pause longer than `patience` is remembered."""
    found: list[Point] = []
    group: list[Point] = []
    for point in points:
        if group and span_start(point.at, size) != span_start(group[0].at, size):
            found.append(_fold(group, patience))
            group = []
        group.append(point)
    return [*found, _fold(group, patience)] if group else found


def span_start(at: datetime, size: timedelta) -> datetime:
    """Where the span that holds a moment begins; spans are counted from 1970."""
    return at - (at - EPOCH) % size


def _fold(group: Sequence[Point], patience: timedelta) -> Point:
    """The worst and the best of a group. What could not be judged is a pause, unless there is nothing else."""
    judged = [point for point in group if point.grade is not None]
    if len(group) == 1 or not judged:
        return replace(group[0], until=group[-1].until)
    worst = min(judged, key=lambda p: float("inf") if p.cushion_low is None else p.cushion_low)
    return replace(
        _prices([p for p in judged if p.symbol == judged[-1].symbol]),
        at=group[0].at,
        until=group[-1].until,
        grade=max(point.grade for point in judged if point.grade is not None),
        ratio_low=_least(p.ratio_low for p in judged),
        ratio_high=_most(p.ratio_high for p in judged),
        cushion_low=worst.cushion_low,
        cushion_high=_most(p.cushion_high for p in judged),
        room=worst.room,
        equity_low=_least(p.equity_low for p in judged),
        equity=judged[-1].equity,
        unseen=_longest_pause(group, judged, patience),
    )


def _prices(same: Sequence[Point]) -> Point:
    """The last point, with the range of its position's price and the nearest liquidation price."""
    near = [p for p in same if p.liquidation is not None and p.mark_low]
    nearest = min(near, key=_distance, default=same[-1])
    return replace(
        same[-1],
        mark_low=_least(p.mark_low for p in same),
        mark_high=_most(p.mark_high for p in same),
        liquidation=nearest.liquidation,
    )


def _distance(point: Point) -> float:
    assert point.liquidation is not None
    marks = [mark for mark in (point.mark_low, point.mark_high) if mark]
    return min(abs(point.liquidation / mark - 1) for mark in marks)


def _longest_pause(group: Sequence[Point], judged: Sequence[Point], patience: timedelta) -> timedelta:
    edges = [group[0].at, *(moment for p in judged for moment in (p.at, p.until)), group[-1].until]
    pauses = [later - earlier for earlier, later in zip(edges[::2], edges[1::2], strict=True)]
    return max([pause for pause in pauses if pause > patience] + [p.unseen for p in judged])


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
