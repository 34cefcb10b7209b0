"""What is done next about a live board."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.board import Board, Seen, Step, step, told_after, worsened
from marginbot.domain.grading import Grade

NOW = datetime(2026, 11, 22, 3, 24, tzinfo=UTC)
SEEN = Seen("same", {1: Grade.NOTICE, 2: Grade.CRITICAL})
BOARD = Board(
    chat_id=-500,
    thread_id=None,
    user_id=7,
    message_id=41,
    shown="same",
    shown_at=NOW - timedelta(seconds=20),
    told=dict(SEEN.grades),
)


def seen(digest: str = "same", **grades: Grade) -> Seen:
    return Seen(digest, {int(name[1:]): grade for name, grade in grades.items()})


def shown_ago(seconds: float) -> Board:
    return replace(BOARD, shown_at=NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("board", "what", "expected"),
    [
        pytest.param(replace(BOARD, ending=True), SEEN, Step.END, id="somebody ended it"),
        pytest.param(BOARD, None, Step.END, id="nothing is shared any more"),
        pytest.param(replace(BOARD, message_id=None, ending=True), SEEN, Step.END, id="ended before it was posted"),
        pytest.param(replace(BOARD, message_id=None), SEEN, Step.POST, id="not posted yet"),
        pytest.param(BOARD, SEEN, Step.WAIT, id="nothing new"),
        pytest.param(shown_ago(14.9), seen("other", a1=Grade.NOTICE, a2=Grade.CRITICAL), Step.WAIT, id="too soon"),
        pytest.param(shown_ago(15), seen("other", a1=Grade.NOTICE, a2=Grade.CRITICAL), Step.EDIT, id="other figures"),
        pytest.param(shown_ago(59.9), SEEN, Step.WAIT, id="its time is fresh enough"),
        pytest.param(shown_ago(60), SEEN, Step.EDIT, id="its time moves on"),
        pytest.param(replace(BOARD, shown_at=None), SEEN, Step.EDIT, id="asked for now"),
        pytest.param(shown_ago(-5), SEEN, Step.EDIT, id="the clock was set back"),
        pytest.param(BOARD, seen(a1=Grade.WARNING, a2=Grade.CRITICAL), Step.WORSE, id="WARNING is told"),
        pytest.param(shown_ago(1), seen("other", a2=Grade.EMERGENCY), Step.WORSE, id="worse does not wait"),
        pytest.param(replace(BOARD, told={1: Grade.OK}), seen(a1=Grade.NOTICE), Step.WAIT, id="NOTICE is on the board"),
        pytest.param(BOARD, seen(a1=Grade.OK, a2=Grade.CRITICAL), Step.WAIT, id="calmer is no news"),
        pytest.param(replace(BOARD, told={}), seen(a1=Grade.CRITICAL), Step.WAIT, id="newly shared is no news"),
    ],
)
def test_step(board: Board, what: Seen | None, expected: Step) -> None:
    assert step(board, what, NOW) is expected


def test_the_worst_news_come_first() -> None:
    board = replace(BOARD, told={1: Grade.OK, 2: Grade.OK, 3: Grade.OK})
    assert worsened(board, seen(a1=Grade.WARNING, a2=Grade.DEFICIT, a3=Grade.WARNING)) == [2, 1, 3]


grades = st.dictionaries(st.integers(1, 5), st.sampled_from(Grade), max_size=5)


@given(grades, grades)
def test_what_is_noted_never_swallows_what_is_worse(told: dict[int, Grade], now: dict[int, Grade]) -> None:
    board, what = replace(BOARD, told=told), Seen("same", now)
    news = worsened(board, what)
    noted = replace(board, told=told_after(board, what))
    assert worsened(noted, what) == news
    assert all(noted.told[account_id] < now[account_id] for account_id in news)
    assert told_after(noted, what) == dict(noted.told)
