"""What becomes of a notice: when it is tried again, when it has lost its point, what goes first."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.domain.notices import OVERTAKEN_AFTER, Facts, Notice, TryAgain, overtaken, retry_at, urgency
from marginbot.domain.report import PoolReport, assess
from tests.builders import HOURLY, T0, long_at

SECOND = timedelta(seconds=1)


def judged(price: float) -> PoolReport:
    return assess(long_at(price), HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0).pools[0]


def notice(
    id_: int = 1,
    *,
    grade: Grade | None = Grade.CRITICAL,
    pool: PoolReport | None = None,
    cause: Cause | None = None,
    attempts: int = 0,
) -> Notice:
    facts = Facts(
        label="main", exchange="bybit", mode="", reason=Reason.WORSENED, at=T0, grade=grade, pool=pool, cause=cause
    )
    return Notice(
        id=id_,
        account_id=1,
        subject="cross",
        episode=1,
        number=id_,
        user_id=7,
        chat_id=7,
        sound=True,
        facts=facts,
        created_at=T0,
        attempts=attempts,
    )


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [
        pytest.param(1, None, 1, id="soon at first"),
        pytest.param(2, None, 2, id="then later"),
        pytest.param(6, None, 32, id="and later"),
        pytest.param(7, None, 60, id="never more than a minute"),
        pytest.param(10_000, None, 60, id="for ever"),
        pytest.param(0, None, 1, id="never at once"),
        pytest.param(1, 35.0, 35, id="as long as was asked"),
        pytest.param(9, 300.0, 300, id="even if that is long"),
        pytest.param(1, 0.0, 1, id="but not at once"),
    ],
)
def test_retry_at(attempts: int, asked: float | None, seconds: float) -> None:
    after = None if asked is None else timedelta(seconds=asked)
    assert retry_at(TryAgain("no", after), attempts, T0) == T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("newest", "attempts", "age", "expected"),
    [
        pytest.param(1, 5, OVERTAKEN_AFTER * 99, False, id="the newest never is"),
        pytest.param(2, 0, OVERTAKEN_AFTER, False, id="fresh enough to tell the story"),
        pytest.param(2, 0, OVERTAKEN_AFTER + timedelta(microseconds=1), True, id="late"),
        pytest.param(2, 1, timedelta(0), True, id="tried already"),
    ],
)
def test_overtaken(newest: int, attempts: int, age: timedelta, expected: bool) -> None:
    assert overtaken(notice(1, attempts=attempts), newest, T0 + age) is expected


def test_worst_grade_first_then_smallest_cushion_then_oldest() -> None:
    deficit = notice(9, grade=Grade.DEFICIT)
    near = notice(8, pool=judged(92.0))
    far = notice(7, pool=judged(94.0))
    endless = notice(5)
    endless_later = notice(6)
    blind_but_calm = notice(4, grade=Grade.OK, cause=Cause.VENUE_DOWN)
    eased = notice(3, grade=Grade.NOTICE)
    recovered = notice(2, grade=Grade.OK)
    never_judged = notice(1, grade=None)
    wanted = [deficit, near, far, endless, endless_later, blind_but_calm, eased, recovered, never_judged]
    for order in list(permutations(wanted))[::1009]:
        assert sorted(order, key=urgency) == wanted


def test_blindness_in_danger_keeps_the_danger_s_place() -> None:
    blind = notice(2, grade=Grade.EMERGENCY, cause=Cause.VENUE_DOWN)
    assert sorted([notice(1), blind], key=urgency) == [blind, notice(1)]
