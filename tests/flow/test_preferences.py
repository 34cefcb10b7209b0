"""What people set: thresholds, quiet, shares; and what strangers cannot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.domain.alerting import ACKNOWLEDGED_FOR, DEFAULT_REMINDERS, MuteKind
from marginbot.domain.errors import (
    BadDuration,
    BadReminders,
    BadThresholds,
    NoSuchAccount,
    NotAllowed,
    RequestError,
    VenueDown,
)
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.flow.preferences import Preferences, parse_duration
from marginbot.store import StoreFailed
from tests.builders import T0, long_at
from tests.flow.conftest import ALICE, BOB, CHARLIE, World
from tests.outbox import pending as pending_in

MINUTE = timedelta(minutes=1)
CALM, CRITICAL = long_at(100), long_at(91.9)
RATIO, CUSHION = ("40", "50", "60", "70"), ("8", "6", "3", "1.5")


async def test_reminders_that_a_person_set_are_those_that_come(world: World, preferences: Preferences) -> None:
    world.register(ALICE, "main", lambda: long_at(91.9, at=world.clock.now))
    preferences.set_reminders(ALICE.user_id, {Grade.CRITICAL: timedelta(minutes=2), Grade.EMERGENCY: MINUTE})
    told = []
    for _ in range(8):
        await world.after(30)
        told.append(sum(len(record.notices) for record in world.store.written))
    assert told == [1, 1, 1, 1, 2, 2, 2, 2], "every two minutes"
    with pytest.raises(BadReminders):
        preferences.set_reminders(ALICE.user_id, {Grade.EMERGENCY: timedelta(minutes=16)})
    with pytest.raises(BadReminders):
        preferences.set_reminders(ALICE.user_id, {Grade.NOTICE: MINUTE})
    assert preferences.reminders(ALICE.user_id).critical == timedelta(minutes=2)
    assert preferences.reminders(BOB.user_id) == DEFAULT_REMINDERS


@pytest.fixture
def preferences(world: World) -> Preferences:
    return Preferences(world.store)


# --- durations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1m", 1),
        ("30m", 30),
        ("30 min", 30),
        ("2h", 120),
        ("2H", 120),
        ("1hour", 60),
        (" 3 hours ", 180),
        ("1d", 1440),
        ("7d", 7 * 1440),
        ("7days", 7 * 1440),
        ("10080m", 7 * 1440),
    ],
)
def test_parse_duration(text: str, minutes: int) -> None:
    assert parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "h", "2", "-1h", "1.5h", "two hours", "1w", "0m", "8d", "169h", "10081m", "99999999d", "1h30m", "1s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadDuration) as caught:
        parse_duration(text)
    assert "Nothing was changed." in caught.value.advice


# --- thresholds -----------------------------------------------------------------------------------


def test_thresholds_of_one_account(world: World, preferences: Preferences) -> None:
    world.register(ALICE, "main", CALM)
    world.register(ALICE, "other", CALM)
    preferences.set_thresholds(11, "main", "ratio", RATIO)
    changed = preferences.set_thresholds(11, "MAIN", "cushion", CUSHION)
    assert (changed.ratio, changed.cushion) == ((0.4, 0.5, 0.6, 0.7), (8, 6, 3, 1.5))
    assert preferences.thresholds(11, "main") == changed
    assert preferences.thresholds(11, "other") == preferences.thresholds(11, None) == DEFAULT_LADDERS


def test_thresholds_of_a_person_hold_for_all_accounts_present_and_future(
    world: World, preferences: Preferences
) -> None:
    world.register(ALICE, "main", CALM)
    world.register(BOB, "main", CALM)
    changed = preferences.set_thresholds(11, None, "ratio", RATIO)
    world.register(ALICE, "later", CALM)
    assert preferences.thresholds(11, "main") == preferences.thresholds(11, "later") == changed
    assert preferences.thresholds(22, "main") == DEFAULT_LADDERS


def test_thresholds_that_cannot_be_set_for_all_accounts_are_set_for_none(
    world: World, preferences: Preferences
) -> None:
    world.register(ALICE, "main", CALM)
    own = preferences.set_thresholds(11, "main", "ratio", RATIO)
    world.store._db.conn.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE OF ladders ON accounts WHEN NEW.ladders IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(StoreFailed):
        preferences.set_thresholds(11, None, "cushion", CUSHION)
    assert preferences.thresholds(11, "main") == own
    assert preferences.thresholds(11, None) == DEFAULT_LADDERS


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("ratio", ("40%", "50 %", "60%", "70%")),
        ("ratio", ("40,0", "50,0", "60,0", "70,0")),
        ("cushion", ("8x", "6x", "3x", "1,5x")),
    ],
)
def test_numbers_are_read_as_people_write_them(
    world: World, preferences: Preferences, kind: str, values: tuple[str, ...]
) -> None:
    changed = preferences.set_thresholds(11, None, kind, values)
    assert (changed.ratio if kind == "ratio" else changed.cushion) in ((0.4, 0.5, 0.6, 0.7), (8, 6, 3, 1.5))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        pytest.param("ratio", ("50", "40", "60", "70"), id="ratio out of order"),
        pytest.param("ratio", ("50", "50", "60", "70"), id="two alike"),
        pytest.param("ratio", ("50", "60", "70", "100"), id="at the trigger"),
        pytest.param("ratio", ("0", "60", "70", "80"), id="nothing"),
        pytest.param("ratio", ("nan", "60", "70", "80"), id="not a number"),
        pytest.param("ratio", ("50", "60", "70", "inf"), id="endless"),
        pytest.param("cushion", ("1", "2", "4", "6"), id="cushion the wrong way round"),
        pytest.param("cushion", ("6", "4", "2", "0"), id="no cushion"),
        pytest.param("cushion", ("5000", "4", "2", "1"), id="beyond reason"),
        pytest.param("ratio", ("50", "60", "70"), id="three"),
        pytest.param("ratio", ("50", "60", "70", "80", "90"), id="five"),
        pytest.param("ratio", ("a", "b", "c", "d"), id="words"),
        pytest.param("margin", RATIO, id="no such ladder"),
    ],
)
@pytest.mark.parametrize("label", ["main", None])
def test_bad_thresholds_leave_all_as_it_was(
    world: World, preferences: Preferences, label: str | None, kind: str, values: tuple[str, ...]
) -> None:
    world.register(ALICE, "main", CALM)
    before = preferences.set_thresholds(11, None, "ratio", RATIO)
    with pytest.raises(BadThresholds):
        preferences.set_thresholds(11, label, kind, values)
    assert preferences.thresholds(11, "main") == preferences.thresholds(11, None) == before


async def test_thresholds_decide_the_next_grade(world: World, preferences: Preferences) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    preferences.set_thresholds(11, "main", "cushion", ("20", "9", "2", "1"))
    await world.after(30)
    assert world.store.told(account) == ["cross:USDT worsened NOTICE"]


# --- quiet ----------------------------------------------------------------------------------------


async def test_acknowledging_quiets_what_was_announced_at_its_grade(world: World, preferences: Preferences) -> None:
    account, calm = world.register(ALICE, "main", CRITICAL), world.register(ALICE, "calm", CALM)
    other = world.register(BOB, "main", CRITICAL)
    await world.after(0)
    [quieted] = preferences.acknowledge(11, None, world.clock.now)
    assert (quieted.account.id, quieted.subject) == (account.id, "cross:USDT")
    assert (quieted.mute.kind, quieted.mute.grade) == (MuteKind.ACKNOWLEDGED, Grade.CRITICAL)
    assert quieted.mute.until == T0 + ACKNOWLEDGED_FOR[Grade.CRITICAL]
    assert world.store.states(account.id)["cross:USDT"].mute == quieted.mute
    for untouched in (calm, other):
        assert all(state.mute is None for state in world.store.states(untouched.id).values())


async def test_snoozing_lasts_as_long_as_asked_and_a_worse_grade_comes_through(
    world: World, preferences: Preferences
) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    preferences.snooze(11, "main", timedelta(hours=2), world.clock.now)
    for _ in range(20):
        await world.after(60)
    assert len(world.store.told(account)) == 1
    world.reader.accounts["11-main"] = long_at(91)
    await world.after(60)
    assert world.store.told(account)[1:] == ["cross:USDT worsened EMERGENCY"]


async def test_nothing_announced_nothing_to_quiet(world: World, preferences: Preferences) -> None:
    world.register(ALICE, "main", CALM)
    await world.after(0)
    assert preferences.acknowledge(11, None, world.clock.now) == []
    assert preferences.snooze(11, "main", timedelta(hours=1), world.clock.now) == []


async def test_an_account_that_cannot_be_read_can_be_quieted_too(world: World, preferences: Preferences) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = VenueDown("no answer")
    while not world.store.told(account):
        await world.after(30)
    [lost] = pending_in(world.store)
    assert preferences.quiet_notice(11, lost, timedelta(hours=3), world.clock.now) is not None
    for _ in range(5):
        await world.after(1800)
    assert world.store.told(account) == ["account went_blind OK"]
    for _ in range(2):
        await world.after(1800)
    assert world.store.told(account)[1:] == ["account still_blind OK"]
    assert [q.subject for q in preferences.acknowledge(11, None, world.clock.now)] == [""]


async def test_a_button_quiets_its_own_pool_while_there_is_something_to_quiet(
    world: World, preferences: Preferences
) -> None:
    world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    [notice] = pending_in(world.store)
    quieted = preferences.quiet_notice(11, notice, None, world.clock.now)
    assert quieted is not None
    assert quieted.mute.grade is Grade.CRITICAL
    world.reader.accounts["11-main"] = CALM
    await world.after(30)
    assert preferences.quiet_notice(11, notice, None, world.clock.now) is None


# --- strangers ------------------------------------------------------------------------------------


async def test_a_stranger_changes_nothing_of_another_s_account(world: World, preferences: Preferences) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    [notice] = pending_in(world.store)
    charlie, now = CHARLIE.user_id, world.clock.now
    with pytest.raises(NotAllowed):
        preferences.quiet_notice(charlie, notice, None, now)
    for attempt in (
        lambda: preferences.thresholds(charlie, "main"),
        lambda: preferences.set_thresholds(charlie, "main", "ratio", RATIO),
        lambda: preferences.acknowledge(charlie, "main", now),
        lambda: preferences.snooze(charlie, "main", timedelta(hours=1), now),
        lambda: preferences.share(charlie, -100, "main", amounts=True, now=now),
        lambda: preferences.unshare(charlie, -100, "main"),
    ):
        with pytest.raises(NoSuchAccount):
            attempt()
    assert preferences.acknowledge(charlie, None, now) == []
    assert world.store.states(account.id)["cross:USDT"].mute is None
    assert world.store.shared_with(-100) == []


def test_sharing_and_taking_back(world: World, preferences: Preferences) -> None:
    world.register(ALICE, "main", CALM)
    preferences.share(11, -100, "main", amounts=False, now=T0)
    assert [(account.label, amounts) for account, amounts in world.store.shared_with(-100)] == [("main", False)]
    preferences.unshare(11, -100, "main")
    assert world.store.shared_with(-100) == []
    with pytest.raises(RequestError) as caught:
        preferences.unshare(11, -100, "main")
    assert "not shared" in caught.value.advice
