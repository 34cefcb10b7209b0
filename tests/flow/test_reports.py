"""Daily reports: at the hour chosen, once a day, over restarts; and stories of episodes that are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marginbot.domain.digest import AccountDay, NearMiss
from marginbot.domain.grading import Grade
from marginbot.domain.outcomes import Outcome, Sent, TryAgain
from marginbot.flow.ports import Credential
from marginbot.flow.reports import Reports
from marginbot.flow.status import Status
from marginbot.store import SqliteStore, open_store
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, World

MORNING = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
EIGHT = 8 * 60
HOUR = timedelta(hours=1)


@dataclass
class Told:
    """A teller that remembers."""

    outcome: Outcome = field(default_factory=lambda: Sent(1))
    days: list[tuple[int, Sequence[AccountDay]]] = field(default_factory=list)
    stories: list[tuple[int, NearMiss]] = field(default_factory=list)

    async def daily(self, user_id: int, days: Sequence[AccountDay], now: datetime) -> Outcome:
        self.days.append((user_id, days))
        return self.outcome

    async def near_miss(self, user_id: int, story: NearMiss, now: datetime) -> Outcome:
        self.stories.append((user_id, story))
        return self.outcome


def reports(store: SqliteStore) -> Reports:
    return Reports(store=store, status=Status(store), pause=timedelta(minutes=3))


@pytest.fixture
def told() -> Told:
    return Told()


async def test_a_report_comes_once_a_day_at_its_time(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    desk = reports(world.store)
    desk.choose(ALICE.user_id, EIGHT, MORNING)
    times = [MORNING + timedelta(minutes=m) for m in (0, 59, 60, 61, 700)]
    assert [await desk.send_due(told, at) for at in times] == [0, 0, 1, 0, 0]
    assert await desk.send_due(told, MORNING + 25 * HOUR) == 1
    assert [user_id for user_id, _ in told.days] == [ALICE.user_id] * 2


def test_a_day_is_claimed_once_and_people_who_cannot_be_reached_wait(world: World) -> None:
    world.register(ALICE, "main", long_at(100.0))
    store, at = world.store, MORNING + HOUR
    store.set_report_time(ALICE.user_id, EIGHT, MORNING)
    assert store.due_reports(at) == [ALICE.user_id]
    store.lost_contact(ALICE.user_id, "blocked", at)
    assert store.due_reports(at) == []
    store.regained_contact(ALICE.user_id)
    assert store.claim_report(ALICE.user_id, at.date())
    assert not store.claim_report(ALICE.user_id, at.date())
    assert store.due_reports(at) == []


async def test_a_time_that_has_passed_today_begins_tomorrow(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    desk = reports(world.store)
    desk.choose(ALICE.user_id, EIGHT, MORNING + 2 * HOUR)
    assert await desk.send_due(told, MORNING + 3 * HOUR) == 0
    assert await desk.send_due(told, MORNING + 25 * HOUR) == 1


async def test_no_second_report_on_a_day_however_the_time_is_changed(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    desk = reports(world.store)
    desk.choose(ALICE.user_id, EIGHT, MORNING)
    assert await desk.send_due(told, MORNING + HOUR) == 1
    desk.choose(ALICE.user_id, EIGHT + 120, MORNING + HOUR)
    assert await desk.send_due(told, MORNING + 4 * HOUR) == 0
    desk.choose(ALICE.user_id, None, MORNING + 4 * HOUR)
    desk.choose(ALICE.user_id, EIGHT + 360, MORNING + 5 * HOUR)
    assert await desk.send_due(told, MORNING + 10 * HOUR) == 0
    desk.choose(ALICE.user_id, None, MORNING + 10 * HOUR)
    assert await desk.send_due(told, MORNING + 30 * HOUR) == 0


async def test_what_was_sent_survives_a_restart_and_what_was_missed_is_sent_the_same_day(
    tmp_path: Path, told: Told
) -> None:
    path, key = tmp_path / "bot.db", bytes(32)
    store = open_store(path, key)
    store.add_account(ALICE, ALICE.user_id, "bybit", "main", Credential("k"), MORNING)
    reports(store).choose(ALICE.user_id, EIGHT, MORNING)
    store.close()
    again = open_store(path, key)
    assert await reports(again).send_due(told, MORNING + 5 * HOUR) == 1
    again.close()
    once_more = open_store(path, key)
    assert await reports(once_more).send_due(told, MORNING + 6 * HOUR) == 0
    once_more.close()


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        pytest.param(TryAgain("flood", timedelta(seconds=5)), 1, id="surely not taken"),
        pytest.param(TryAgain("timed out", line=True), 0, id="perhaps taken"),
    ],
)
async def test_only_what_was_surely_not_taken_is_sent_again(
    world: World, told: Told, outcome: Outcome, again: int
) -> None:
    world.register(ALICE, "main", long_at(100.0))
    desk = reports(world.store)
    desk.choose(ALICE.user_id, EIGHT, MORNING)
    told.outcome = outcome
    await desk.send_due(told, MORNING + HOUR)
    assert await desk.send_due(told, MORNING + 2 * HOUR) == again


async def test_a_report_is_about_ones_own_accounts(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    world.register(BOB, "desk", long_at(100.0))
    await world.cycle.run()
    [day] = await reports(world.store).day(BOB.user_id, world.clock.now)
    assert day.label == "desk"
    assert await reports(world.store).day(999, world.clock.now) == []


async def test_the_day_comes_from_the_history(world: World) -> None:
    world.register(ALICE, "main", long_at(100.0))
    for price in (100.0, 92.0, 100.0):
        world.reader.accounts[f"{ALICE.user_id}-main"] = long_at(price, at=world.clock.now)
        await world.after(60)
    [day] = await reports(world.store).day(ALICE.user_id, world.clock.now)
    [pool] = day.pools
    assert pool.worst is not None and pool.worst >= Grade.WARNING
    assert pool.ratio_worst is not None and pool.now.margin_ratio is not None
    assert pool.ratio_worst > float(pool.now.margin_ratio)
    assert pool.leverage is not None
    assert day.unseen == timedelta(0)


async def episode(world: World, low: float) -> None:
    """Calm, in danger, calm again."""
    key = f"{ALICE.user_id}-main"
    for price in (100.0, low, low, 140.0, 140.0):
        world.reader.accounts[key] = long_at(price, at=world.clock.now)
        await world.after(60)


async def test_a_bad_episode_is_told_about_once_when_it_is_over(world: World, told: Told) -> None:
    desk = reports(world.store)
    await desk.send_stories(told, world.clock.now)
    world.register(ALICE, "main", long_at(100.0))
    await episode(world, 92.0)
    world.store._db.execute("UPDATE notices SET status = 'sent', accepted_at = created_at")
    assert [await desk.send_stories(told, world.clock.now) for _ in range(3)] == [1, 0, 0]
    [(user_id, story)] = told.stories
    assert (user_id, story.label) == (ALICE.user_id, "main")
    assert story.first_critical is not None
    assert story.first_critical.top_up or story.first_critical.close_share


async def test_the_story_waits_for_the_message_that_it_is_over_but_not_for_ever(world: World, told: Told) -> None:
    desk = reports(world.store)
    await desk.send_stories(told, world.clock.now)
    world.register(ALICE, "main", long_at(100.0))
    await episode(world, 92.0)
    assert await desk.send_stories(told, world.clock.now) == 0
    assert await desk.send_stories(told, world.clock.now + timedelta(minutes=11)) == 1


async def test_a_database_of_before_tells_no_old_stories(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    await episode(world, 92.0)
    later = world.clock.now + timedelta(days=1)
    assert await reports(world.store).send_stories(told, later) == 0
    await episode(world, 92.0)
    assert await reports(world.store).send_stories(told, world.clock.now + timedelta(days=1)) == 1


async def test_an_episode_that_was_never_critical_has_no_story(world: World, told: Told) -> None:
    desk = reports(world.store)
    await desk.send_stories(told, world.clock.now)
    world.register(ALICE, "main", long_at(140.0))
    await world.after(60)
    assert await desk.send_stories(told, world.clock.now + timedelta(days=1)) == 0


async def test_the_time_of_a_report_is_by_its_readers_own_clock(world: World, told: Told) -> None:
    world.register(ALICE, "main", long_at(100.0))
    world.store.set_zone(ALICE.user_id, "Asia/Tokyo", world.clock())
    desk = reports(world.store)
    desk.choose(ALICE.user_id, EIGHT, MORNING)  # 16:00 in Tokyo: today's has passed
    before, due = MORNING + 15 * HOUR + timedelta(minutes=59), MORNING + 16 * HOUR
    assert [await desk.send_due(told, at) for at in (before, due, due + HOUR)] == [0, 1, 0]
