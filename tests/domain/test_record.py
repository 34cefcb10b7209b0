"""From messages to episodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from marginbot.domain.record import Acknowledged, Ending, Telling, dwells, episodes, percentile
from tests.builders import T0

POOL = "cross:USDT"
SECOND = timedelta(seconds=1)


def telling(reason: Reason, grade: Grade | None, minute: float, **changes: object) -> Telling:
    at = T0 + timedelta(minutes=minute)
    told = Telling(
        account_id=1,
        label="main",
        exchange="bybit",
        subject=POOL,
        episode=1,
        reason=reason,
        grade=grade,
        is_gone=False,
        read_at=at - SECOND,
        decided_at=at,
        sent_at=at + SECOND,
        accepted_at=at + 2 * SECOND,
        dropped=None,
    )
    return replace(told, **changes)  # type: ignore[arg-type]


FALL = [telling(Reason.WORSENED, Grade.NOTICE, 0), telling(Reason.WORSENED, Grade.EMERGENCY, 3)]
BACK = telling(Reason.RECOVERED, Grade.OK, 9)


def test_an_episode_goes_from_its_first_word_to_its_end() -> None:
    [found] = episodes([*FALL, BACK], [Acknowledged(1, POOL, T0 + timedelta(minutes=4))])
    assert (found.worst, found.messages, found.accepted) == (Grade.EMERGENCY, 3, 3)
    assert found.first is FALL[0]
    assert found.acknowledged_at == T0 + timedelta(minutes=4)
    assert (found.ended_at, found.ending) == (T0 + timedelta(minutes=9), Ending.RECOVERED)


def test_what_has_not_ended_is_open() -> None:
    [found] = episodes(FALL, [])
    assert (found.ended_at, found.ending, found.acknowledged_at) == (None, Ending.OPEN, None)


def test_an_alarm_that_ended_without_a_position_says_so() -> None:
    [found] = episodes([*FALL, replace(BACK, is_gone=True)], [])
    assert found.ending is Ending.NO_POSITION


@pytest.mark.parametrize(
    "quiet",
    [
        pytest.param(Acknowledged(1, POOL, T0 - SECOND), id="before"),
        pytest.param(Acknowledged(1, POOL, T0 + timedelta(minutes=10)), id="after"),
        pytest.param(Acknowledged(2, POOL, T0 + timedelta(minutes=4)), id="another account"),
        pytest.param(Acknowledged(1, "isolated:ETH", T0 + timedelta(minutes=4)), id="another pool"),
    ],
)
def test_an_acknowledgement_of_something_else_does_not_count(quiet: Acknowledged) -> None:
    [found] = episodes([*FALL, BACK], [quiet])
    assert found.acknowledged_at is None


def test_a_relapse_is_an_episode_of_its_own_and_the_newest_comes_first() -> None:
    again = telling(Reason.WORSENED, Grade.WARNING, 20, episode=2)
    newest, oldest = episodes([*FALL, BACK, again], [])
    assert (newest.first, oldest.first) == (again, FALL[0])


def test_blindness_ends_with_sight_and_may_come_again() -> None:
    blind = [
        telling(reason, Grade.OK, minute, subject="", episode=0, read_at=None)
        for reason, minute in ((Reason.WENT_BLIND, 0), (Reason.STILL_BLIND, 60), (Reason.WENT_BLIND, 90))
    ]
    back = telling(Reason.SIGHT_BACK, Grade.OK, 70, subject="", episode=0)
    newest, oldest = episodes([blind[0], blind[1], back, blind[2]], [])
    assert (oldest.messages, oldest.ending, newest.ending) == (3, Ending.READABLE, Ending.OPEN)


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 5), (0.95, 10), (0.99, 10), (0.0, 1)])
def test_percentiles_are_values_that_occurred(share: float, seconds: int) -> None:
    assert percentile([timedelta(seconds=n) for n in range(10, 0, -1)], share) == timedelta(seconds=seconds)


def test_no_messages_have_no_percentile() -> None:
    waiting = telling(Reason.WORSENED, Grade.WARNING, 0, accepted_at=None)
    assert dwells([waiting, telling(Reason.WENT_BLIND, Grade.OK, 0, read_at=None)]) == []
    assert percentile([], 0.5) is None
    assert dwells(FALL) == [3 * SECOND, 3 * SECOND]


def test_news_that_no_grade_hangs_on_is_no_episode_that_stays_open() -> None:
    [found] = episodes([telling(Reason.UNCHANGED, None, 0, subject="liquidation 7", episode=1, read_at=None)], [])
    assert (found.ending, found.ended_at) == (Ending.TOLD, found.first.decided_at)
