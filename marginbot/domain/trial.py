"""What other thresholds would have meant: kept readings graded anew by the very rules that grade live ones. Pure.

Readings older than two days are kept as the worst of five minutes, and after two weeks of an hour (`history.TIERS`).
Each such span is one observation here, so that a grade which was left and reached again within it counts once.
What could not be judged says nothing and is passed over; nobody is taken to have quieted anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marginbot.domain.alerting import AlertState, Policy, Reason, Seen
from marginbot.domain.grading import RUNGS, Grade, Ladders, regrade
from marginbot.domain.history import Point
from marginbot.domain.margin import PoolState
from marginbot.domain.transition import step

LEAST = timedelta(days=1)  # of a shorter time nothing is said
AFRESH_AFTER = timedelta(hours=1)  # without a reading: what is seen then is told as new
_POLICY = Policy(stale_after=AFRESH_AFTER)
_RAISES = frozenset({Reason.FIRST_SIGHT, Reason.WORSENED})


@dataclass(frozen=True, slots=True)
class Trial:
    """How often each grade would have been raised in a time, over all pools."""

    raises: Mapping[Grade, int]
    span: timedelta  # from the first reading that is kept to now

    @property
    def is_enough(self) -> bool:
        """Whether that is long enough to say anything."""
        return self.span >= LEAST


def tried(pools: Iterable[Sequence[Point]], ladders: Sequence[Ladders], *, until: datetime) -> list[Trial]:
    """A trial for each of the ladders over the same readings (oldest first in each pool). Slow: not on the loop."""
    raises = [dict.fromkeys(RUNGS, 0) for _ladder in ladders]
    span = timedelta(0)
    for points in pools:
        judged = [point for point in points if point.grade is not None]
        span = max([span, *(until - point.at for point in judged[:1])])
        for count, each in zip(raises, ladders, strict=True):
            for grade in _raised(judged, each):
                count[grade] += 1
    return [Trial(count, span) for count in raises]


def _raised(points: Iterable[Point], ladders: Ladders) -> Iterator[Grade]:
    state, seen_at = AlertState(), None
    for point in points:
        if seen_at is not None and point.at - seen_at > AFRESH_AFTER:
            state = AlertState(grade=Grade.OK)
        seen_at = point.until
        grade = _graded(point, ladders, state.grade or Grade.OK)
        if grade is state.grade:
            continue  # nothing is raised
        decision = step(state, Seen(grade, point.cushion_low), policy=_POLICY, now=point.at)
        state = decision.state
        if decision.speak and decision.reason in _RAISES and grade in RUNGS:
            yield grade


def _graded(point: Point, ladders: Ladders, previous: Grade) -> Grade:
    """As `regrade` says of the worst of the span; equity was gone by what was seen, not by any threshold."""
    ratio = point.ratio_high
    if point.grade is Grade.DEFICIT:
        return Grade.DEFICIT
    state = PoolState.FLAT if ratio is None else PoolState.OK
    exact = None if ratio is None else Decimal(repr(ratio))
    found = regrade(state, exact, point.cushion_low, ladders=ladders, previous=previous)
    assert found is not None  # only an unknown pool has no grade
    return found.grade
