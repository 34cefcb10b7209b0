"""What becomes of a notice: when it has lost its point, what goes first."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.domain.notices import OVERTAKEN_AFTER, OVERTAKEN_BY_CALM_AFTER, Line, is_urgent, overtaken, urgency
from marginbot.domain.report import PoolReport, assess
from tests.builders import HOURLY, T0, long_at

SECOND = timedelta(seconds=1)


def judged(price: float) -> PoolReport:
    return assess(long_at(price), HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0).pools[0]


def line(
    id_: int = 1,
    *,
    grade: Grade | None = Grade.CRITICAL,
    pool: PoolReport | None = None,
    cause: Cause | None = None,
    attempts: int = 0,
    reason: Reason = Reason.WORSENED,
    is_note: bool = False,
) -> Line:
    return Line(
        id=id_,
        chat_id=7,
        account_id=1,
        subject="cross",
        reason=reason,
        grade=grade,
        cushion=pool.cushion if pool else None,
        blind=cause is not None,
        created_at=T0,
        attempts=attempts,
        is_note=is_note,
    )


TICK = timedelta(microseconds=1)
WORSE, SAME, CALMER = Grade.EMERGENCY, Grade.CRITICAL, Grade.WARNING


@pytest.mark.parametrize(
    ("newer", "attempts", "age", "expected"),
    [
        pytest.param(None, 5, OVERTAKEN_AFTER * 99, False, id="the newest never is"),
        pytest.param(WORSE, 0, OVERTAKEN_AFTER, False, id="fresh enough to tell the story"),
        pytest.param(WORSE, 0, OVERTAKEN_AFTER + TICK, True, id="late"),
        pytest.param(WORSE, 1, timedelta(0), True, id="tried already"),
        pytest.param(SAME, 1, timedelta(0), True, id="tried already, and as bad"),
        pytest.param(CALMER, 3, OVERTAKEN_BY_CALM_AFTER, False, id="that it eased does not undo the danger"),
        pytest.param(CALMER, 0, OVERTAKEN_BY_CALM_AFTER + TICK, True, id="but old danger is no news"),
    ],
)
def test_overtaken(newer: Grade | None, attempts: int, age: timedelta, expected: bool) -> None:
    told = line(1, attempts=attempts)
    story = [told] if newer is None else [told, line(2, grade=newer)]
    assert overtaken(told, story, T0 + age) is expected


def test_danger_in_between_overtakes_though_it_has_eased_since() -> None:
    story = [line(1, attempts=1), line(2, grade=WORSE), line(3, grade=Grade.OK)]
    assert overtaken(story[0], story, T0)


def test_a_note_overtakes_nothing_and_gives_way_to_everything() -> None:
    told, note, eased = line(1, attempts=1), line(2, is_note=True), line(2, reason=Reason.EASED)
    assert not overtaken(told, [told, note], T0 + OVERTAKEN_BY_CALM_AFTER * 2)
    for waiting in (note, eased):
        assert overtaken(waiting, [waiting, line(3, grade=Grade.OK)], T0)
        assert not overtaken(waiting, [waiting, line(3, is_note=True)], T0)


def test_worst_grade_first_then_smallest_cushion_then_oldest() -> None:
    deficit = line(9, grade=Grade.DEFICIT)
    near = line(8, pool=judged(92.0))
    far = line(7, pool=judged(94.0))
    endless = line(5)
    endless_later = line(6)
    blind_but_calm = line(4, grade=Grade.OK, cause=Cause.VENUE_DOWN)
    eased = line(3, grade=Grade.NOTICE)
    recovered = line(2, grade=Grade.OK)
    never_judged = line(1, grade=None)
    wanted = [deficit, near, far, endless, endless_later, blind_but_calm, eased, recovered, never_judged]
    for order in list(permutations(wanted))[::1009]:
        assert sorted(order, key=urgency) == wanted


def test_blindness_in_danger_keeps_the_danger_s_place() -> None:
    blind = line(2, grade=Grade.EMERGENCY, cause=Cause.VENUE_DOWN)
    assert sorted([line(1), blind], key=urgency) == [blind, line(1)]


@pytest.mark.parametrize(
    ("grade", "blind", "expected"),
    [
        pytest.param(Grade.WARNING, False, False, id="a warning can wait for its slot"),
        pytest.param(Grade.CRITICAL, False, True, id="critical cannot"),
        pytest.param(Grade.DEFICIT, False, True, id="nor can what is worse"),
        pytest.param(Grade.WARNING, True, True, id="nor can not seeing an account in danger"),
        pytest.param(Grade.NOTICE, True, False, id="not seeing a calm one can"),
        pytest.param(None, True, False, id="and so can one never seen"),
    ],
)
def test_what_goes_in_the_free_lane(grade: Grade | None, blind: bool, expected: bool) -> None:
    told = line(grade=grade, cause=Cause.VENUE_DOWN if blind else None)
    assert is_urgent(urgency(told)) is expected
