"""What other thresholds would have meant, by the rules that grade live readings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.alerting import AlertState, Policy, Reason, Seen
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Grade, Ladders, regrade
from marginbot.domain.history import Point
from marginbot.domain.margin import PoolState
from marginbot.domain.transition import step
from marginbot.domain.trial import tried

START = datetime(2026, 11, 1, tzinfo=UTC)
LATER = Ladders(ratio=(0.60, 0.75, 0.85, 0.93))


def reading(minute: int, ratio: float | None, grade: Grade | None = Grade.OK, cushion: float | None = None) -> Point:
    at = START + timedelta(minutes=minute)
    return Point(at=at, until=at, grade=grade, ratio_low=ratio, ratio_high=ratio, cushion_low=cushion)


def raised(points: Sequence[Point], ladders: Ladders = DEFAULT_LADDERS) -> list[int]:
    [found] = tried([points], [ladders], until=START + timedelta(days=3))
    return [found.raises[grade] for grade in RUNGS]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        pytest.param([0.3, 0.49], [0, 0, 0, 0], id="just under the rung"),
        pytest.param([0.3, 0.65], [0, 1, 0, 0], id="a rung belongs to the higher grade, and is skipped to"),
        pytest.param([0.3, 0.66, 0.64, 0.66], [0, 1, 0, 0], id="hovering is told once"),
        pytest.param([0.3, 0.66, 0.55, 0.66], [0, 2, 0, 0], id="left and reached again"),
        pytest.param([0.55], [0, 0, 0, 0], id="a notice at first sight is not told"),
        pytest.param([0.95], [0, 0, 0, 1], id="an emergency at first sight is"),
        pytest.param([0.3, 0.55, None, 0.55], [2, 0, 0, 0], id="flat in between"),
    ],
)
def test_raises(ratios: list[float | None], expected: list[int]) -> None:
    assert raised([reading(n, ratio) for n, ratio in enumerate(ratios)]) == expected


def test_what_could_not_be_judged_is_passed_over() -> None:
    assert raised([reading(0, 0.3), reading(1, 0.66), reading(2, 0.1, grade=None), reading(3, 0.66)])[1] == 1


def test_after_a_long_pause_what_is_seen_is_told_as_new() -> None:
    assert raised([reading(0, 0.3), reading(1, 0.66), reading(61, 0.66)])[1] == 1
    assert raised([reading(0, 0.3), reading(1, 0.66), reading(62, 0.66)])[1] == 2
    assert raised([reading(0, 0.3), reading(1, 0.55), reading(62, 0.55)])[0] == 2, "a notice too"


def test_equity_that_was_gone_is_no_matter_of_thresholds() -> None:
    assert raised([reading(0, 0.3), reading(1, 0.2, grade=Grade.DEFICIT)]) == [0, 0, 0, 0]


def test_the_cushion_decides_too() -> None:
    assert raised([reading(0, 0.3), reading(1, 0.3, cushion=2.6)]) == [0, 0, 1, 0]


def test_each_ladder_has_its_own_count_over_the_same_readings() -> None:
    points = [reading(0, 0.3), reading(1, 0.66), reading(2, 0.3)]
    now, other = tried([points, points], [DEFAULT_LADDERS, LATER], until=START + timedelta(days=3))
    assert (now.raises[Grade.WARNING], other.raises[Grade.WARNING], other.raises[Grade.NOTICE]) == (2, 0, 2)
    assert now.span == timedelta(days=3)
    assert now.is_enough


@pytest.mark.parametrize(("hours", "enough"), [(23, False), (24, True)])
def test_less_than_a_day_says_nothing(hours: int, enough: bool) -> None:
    [found] = tried([[reading(0, 0.3)]], [LATER], until=START + timedelta(hours=hours))
    assert found.is_enough is enough


def test_no_reading_says_nothing() -> None:
    [found] = tried([[], [reading(0, None, grade=None)]], [LATER], until=START + timedelta(days=40))
    assert not found.is_enough


@given(st.lists(st.tuples(st.floats(0, 1.2), st.floats(0.1, 20)), min_size=1, max_size=40))
def test_it_is_the_live_rule(walk: list[tuple[float, float]]) -> None:
    """Reading by reading with nothing left out, the live functions come to the same count."""
    state, expected = AlertState(), dict.fromkeys(RUNGS, 0)
    for minute, (ratio, cushion) in enumerate(walk):
        previous = state.grade or Grade.OK
        graded = regrade(PoolState.OK, Decimal(repr(ratio)), cushion, ladders=LATER, previous=previous)
        assert graded is not None
        now = START + timedelta(minutes=minute)
        decision = step(state, Seen(graded.grade, cushion), policy=Policy(stale_after=timedelta(hours=1)), now=now)
        state = decision.state
        if decision.speak and decision.reason in (Reason.FIRST_SIGHT, Reason.WORSENED):
            expected[graded.grade] += 1
    points = [reading(minute, ratio, cushion=cushion) for minute, (ratio, cushion) in enumerate(walk)]
    assert raised(points, LATER) == list(expected.values())
