"""Quiet hours: what is not grave waits and comes together; nothing is lost, and what gets worse is told at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.domain.alerting import Mute, MuteKind, Reason
from marginbot.domain.grading import Grade
from marginbot.domain.hours import QuietHours
from marginbot.flow.deliver import Delivery
from tests.builders import Clock
from tests.flow.conftest import ALICE, BOB, Ledger
from tests.flow.test_deliver import Post


def quiet_for(post: Post, ahead: timedelta = timedelta(hours=2)) -> None:
    """Quiet hours of Alice's that began a minute ago."""
    now = post.clock.now
    start, end = now - timedelta(minutes=1), now + ahead
    hours = QuietHours(start.hour * 60 + start.minute, end.hour * 60 + end.minute)
    post.store.set_quiet_hours(ALICE.user_id, hours, post.clock.now)


@pytest.fixture
def post(store: Ledger, clock: Clock) -> Post:
    return Post(store, clock)


def told(post: Post) -> list[Grade | None]:
    return [notice.facts.grade for notice in post.messenger.accepted]


async def test_what_is_mild_waits_and_comes_as_one_message_when_it_ends(post: Post) -> None:
    one, two = post.account(ALICE, "one"), post.account(ALICE, "two")
    quiet_for(post)
    post.write(one, Grade.WARNING)
    post.write(two, Grade.NOTICE)
    await post.after(60)
    await post.after(3600)
    assert told(post) == []
    assert len(post.pending) == 2
    await post.after(3600)
    assert told(post) == [Grade.WARNING, Grade.NOTICE]
    assert post.messenger.messages == 1
    assert post.pending == []
    assert all(notice.held_until is not None for notice in post.messenger.accepted)


@pytest.mark.parametrize("grade", [Grade.CRITICAL, Grade.EMERGENCY, Grade.DEFICIT])
async def test_what_is_worse_never_waits(post: Post, grade: Grade) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    post.write(account, grade)
    await post.after(0)
    assert told(post) == [grade]


async def test_a_held_grade_that_gets_worse_is_told_at_once(post: Post) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    held = post.write(account, Grade.WARNING)
    await post.after(1)
    post.write(account, Grade.CRITICAL)
    await post.after(1)
    assert told(post) == [Grade.CRITICAL]
    assert post.dropped() == {held: "overtaken"}


async def test_what_passed_meanwhile_is_told_as_passed(post: Post) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    post.write(account, Grade.WARNING)
    await post.after(1)
    post.write(account, Grade.OK, Reason.RECOVERED)
    await post.after(7300)
    assert told(post) == [Grade.OK]


async def test_what_was_acknowledged_meanwhile_is_not_told(post: Post) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    held = post.write(account, Grade.WARNING)
    await post.after(1)
    mute = Mute(MuteKind.ACKNOWLEDGED, Grade.WARNING, post.clock.now + timedelta(hours=9), post.clock.now)
    post.store.set_mute(account.id, "cross", mute)
    await post.after(7300)
    assert told(post) == []
    assert post.dropped()[held] == "acknowledged"


async def test_a_kill_in_the_quiet_loses_nothing_and_tells_nothing_early(post: Post) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    post.write(account, Grade.WARNING)
    await post.after(1)
    post.delivery = Delivery(post.store, post.messenger, clock=post.clock)
    await post.after(1)
    assert told(post) == []
    await post.after(7300)
    assert told(post) == [Grade.WARNING]


async def test_hours_that_are_ended_early_end_at_once(post: Post) -> None:
    account = post.account(ALICE)
    quiet_for(post)
    post.write(account, Grade.WARNING)
    await post.after(1)
    post.store.set_quiet_hours(ALICE.user_id, None, post.clock.now)
    await post.after(60)
    assert told(post) == [Grade.WARNING]


async def test_one_person_s_quiet_is_nobody_else_s(post: Post) -> None:
    other = post.account(BOB)
    post.account(ALICE)
    quiet_for(post)
    post.write(other, Grade.WARNING)
    await post.after(0)
    assert told(post) == [Grade.WARNING]
