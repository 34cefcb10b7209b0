"""A flood of commands from one person costs the others nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from marginbot.bot.budget import MOST_BUCKETS, STRANGER, Allowance, Budget
from marginbot.bot.build import TelegramSide
from tests.bot.builders import ALICE, CHARLIE
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

T0 = datetime(2026, 11, 23, 12, tzinfo=UTC)
SMALL = Allowance(3, timedelta(seconds=10))


def test_a_burst_then_one_each_interval() -> None:
    budget = Budget()
    assert [budget.allows(1, SMALL, T0) for _ in range(4)] == [True, True, True, False]
    assert not budget.allows(1, SMALL, T0 + timedelta(seconds=9))
    assert budget.allows(1, SMALL, T0 + timedelta(seconds=10))
    assert budget.allows(2, SMALL, T0)


def test_too_much_is_told_once_a_minute() -> None:
    budget = Budget()
    budget.allows(1, SMALL, T0)
    told = [budget.is_to_be_told(1, T0 + timedelta(seconds=second)) for second in (0, 30, 59, 60)]
    assert told == [True, False, False, True]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-5, 5)), max_size=60))
def test_never_more_than_the_burst_and_what_has_grown_since(steps: list[tuple[int, int]]) -> None:
    budget, at, granted = Budget(), T0, 0
    for seconds, back in steps:
        at += timedelta(seconds=max(0, seconds + back))
        granted += budget.allows(1, SMALL, at)
        assert granted <= SMALL.burst + (at - T0) / SMALL.every


def test_the_buckets_are_bounded() -> None:
    budget = Budget()
    for who in range(MOST_BUCKETS + 10):
        budget.allows(who, SMALL, T0)
    assert len(budget._buckets) == MOST_BUCKETS


async def test_a_stranger_who_floods_is_told_once_and_alice_is_answered(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    for _ in range(STRANGER.burst + 5):
        tg.private(CHARLIE, "/help")
    asked = tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?", after=asked)
    await tg.wait_for(CHARLIE, "a lot at once")
    assert len([text for text in tg.texts(CHARLIE) if "a lot at once" in text]) == 1
    assert len(tg.texts(CHARLIE)) <= STRANGER.burst + 1
