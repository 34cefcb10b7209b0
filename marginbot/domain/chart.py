"""What a chart of an account shows: the worst of its pools over time, its gaps, its alerts, one position's price.

Nothing is drawn over a time in which nothing was seen: a line ends where knowledge ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.history import Point, folded, span_start
from marginbot.domain.record import Telling

COLUMNS = 480  # points across a picture; a phone shows little more
MARKS = frozenset({Reason.FIRST_SIGHT, Reason.WORSENED, Reason.RECOVERED, Reason.WENT_BLIND, Reason.KEY_REFUSED})
BLIND = frozenset({Reason.WENT_BLIND, Reason.KEY_REFUSED})


class Theme(StrEnum):
    """Colours of a chart."""

    DARK = "dark"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment on a line; `low` None: the line is broken here."""

    at: datetime
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing was seen, or (`partly`) one of the pools could not be judged."""

    start: datetime
    end: datetime
    partly: bool = False  # what is drawn here is true, and not all of the truth


@dataclass(frozen=True, slots=True)
class Mark:
    """An alert: `N`, `W`, `C`, `E`, `D` for its grade, `R` recovered, `S` stale; `L` a liquidation in hindsight."""

    at: datetime
    letter: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The largest position's mark price, and where it is liquidated."""

    symbol: str
    mark: Sequence[Sample]
    liquidation: Sequence[Sample]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartData:
    """Everything in a picture. Ratios are fractions, cushions multiples, up to `until`."""

    title: str
    since: datetime
    until: datetime
    ladders: Ladders
    ratio: Sequence[Sample]
    cushion: Sequence[Sample]
    gaps: Sequence[Gap]
    marks: Sequence[Mark]
    price: Price | None
    seen: bool  # the account was read at all

    @property
    def is_empty(self) -> bool:
        """There is nothing to draw: not seen, or without a position all the time."""
        return not any(sample.high is not None for sample in (*self.ratio, *self.cushion))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The time shown, and the pause after which an account counts as not seen."""

    since: datetime
    until: datetime
    patience: timedelta

    @property
    def column(self) -> timedelta:
        """What one point across the picture stands for; whole seconds."""
        return max(timedelta(seconds=1), timedelta(seconds=(self.until - self.since).total_seconds() // COLUMNS))


def combined(pools: Iterable[Sequence[Point]], frame: Frame) -> list[Point]:
    """The worst of all pools, column by column; a column in which one was not judged says so with grade None."""
    columns: dict[datetime, list[Point]] = {}
    for points in pools:
        for point in folded(points, frame.column, frame.patience):
            columns.setdefault(span_start(point.at, frame.column), []).append(point)
    return [_worst(columns[start]) for start in sorted(columns)]


def _worst(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]
    ratios, cushions = _values(points, "ratio_high"), _values(points, "cushion_low")
    grades = [point.grade for point in points]
    return Point(
        at=min(point.at for point in points),
        until=max(point.until for point in points),
        grade=None if None in grades else max(grade for grade in grades if grade is not None),
        ratio_low=max(_values(points, "ratio_low"), default=None),
        ratio_high=max(ratios, default=None),
        cushion_low=min(cushions, default=None),
        cushion_high=min(_values(points, "cushion_high"), default=None),
        unseen=max(point.unseen for point in points),
    )


def _values(points: Sequence[Point], name: str) -> list[float]:
    return [value for point in points if (value := getattr(point, name)) is not None]


def gaps(points: Sequence[Point], frame: Frame, watched_since: datetime) -> list[Gap]:
    """When nothing was seen for longer than patience, or something could not be judged."""
    found: list[Gap] = []
    last = max(frame.since, watched_since)
    for point in points:
        if point.at - last > frame.patience:
            found.append(Gap(last, point.at))
        if point.grade is None or point.unseen > frame.patience:
            end = max(point.until, point.at + frame.column)
            found.append(Gap(point.at, end, partly=point.grade is None))
        last = max(last, point.until)
    if frame.until - last > frame.patience:
        found.append(Gap(last, frame.until))
    return _joined(found)


def _joined(found: Sequence[Gap]) -> list[Gap]:
    joined: list[Gap] = []
    for gap in sorted(found, key=lambda g: g.start):
        before = joined[-1] if joined else None
        if before is not None and gap.start <= before.end and gap.partly is before.partly:
            joined[-1] = Gap(before.start, max(before.end, gap.end), gap.partly)
        else:
            joined.append(gap)
    return joined


def ratio_line(points: Sequence[Point], holes: Sequence[Gap]) -> list[Sample]:
    """The worst margin ratio; equity that is gone stands above every ratio."""
    return _broken([Sample(p.at, *_ratio(p)) for p in points], holes)


def cushion_line(points: Sequence[Point], holes: Sequence[Gap]) -> list[Sample]:
    """The least cushion; nothing where no move can breach."""
    return _broken([Sample(p.at, p.cushion_low, p.cushion_high) for p in points], holes)


def price_lines(points: Sequence[Point], frame: Frame, symbol: str) -> Price | None:
    """The price of a position and its liquidation price while it was the largest of its pool; None: never known."""
    whole = folded(points, frame.column, frame.patience)
    held = [p if p.symbol == symbol else None for p in whole]
    if not any(p is not None and p.mark_low is not None for p in held):
        return None
    holes = gaps(whole, frame, frame.since)
    prices = [Sample(w.at, p.mark_low, p.mark_high) if p else _break(w.at) for w, p in zip(whole, held, strict=True)]
    ends = [Sample(w.at, p.liquidation, p.liquidation) if p else _break(w.at) for w, p in zip(whole, held, strict=True)]
    return Price(symbol=symbol, mark=_broken(prices, holes), liquidation=_broken(ends, holes))


def _break(at: datetime) -> Sample:
    return Sample(at, None, None)


def _ratio(point: Point) -> tuple[float | None, float | None]:
    if point.grade is Grade.DEFICIT:
        return point.ratio_low, float("inf")
    return point.ratio_low, point.ratio_high


def _broken(samples: Sequence[Sample], holes: Sequence[Gap]) -> list[Sample]:
    """The samples with a break in every hole of which nothing at all is known."""
    holes = [hole for hole in holes if not hole.partly]
    outside = [s for s in samples if not any(hole.start < s.at < hole.end for hole in holes)]
    breaks = [_break(hole.start + (hole.end - hole.start) / 2) for hole in holes]
    return sorted([*outside, *breaks], key=lambda s: s.at)


def marks(tellings: Iterable[Telling], frame: Frame) -> list[Mark]:
    """The alerts of a time; of those too close to be told apart the worst."""
    found = [_mark(telling) for telling in sorted(tellings, key=lambda t: t.decided_at)]
    return thinned([mark for mark in found if mark is not None], frame)


def thinned(marks: Iterable[Mark], frame: Frame) -> list[Mark]:
    """Marks (oldest first) within a frame; of those too close to be told apart the worst."""
    found: list[Mark] = []
    near = (frame.until - frame.since) / 40
    for mark in marks:
        if not frame.since <= mark.at <= frame.until:
            continue
        if found and mark.at - found[-1].at < near:
            found[-1] = max(found[-1], mark, key=lambda m: m.rank)
        else:
            found.append(mark)
    return found


def _mark(telling: Telling) -> Mark | None:
    if telling.reason not in MARKS:
        return None
    if telling.reason is Reason.RECOVERED:
        return Mark(telling.decided_at, "R", 0)
    if telling.reason in BLIND:
        return Mark(telling.decided_at, "S", int(Grade.WARNING))
    grade = telling.grade or Grade.OK
    return None if grade is Grade.OK else Mark(telling.decided_at, grade.name[0], int(grade))
