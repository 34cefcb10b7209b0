"""The auditor against a real database: each hole is planted by hand, and exactly it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from marginbot.domain.alerting import AlertState, Reason, Reminders
from marginbot.domain.errors import Cause
from marginbot.domain.escalation import Accepted, Channel, Rang, RingAgain, RingRefused
from marginbot.domain.grading import Grade
from marginbot.domain.holes import AuditRules, Kind, Violation
from marginbot.domain.hours import QuietHours
from marginbot.domain.notices import DropReason, NewNotice
from marginbot.domain.outcomes import Sent, TryAgain
from marginbot.flow.ports import Account
from marginbot.store import SqliteStore, StoreFailed
from marginbot.store.audit import AuditFile, holes
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, BOB, MINUTE, NOW, POOL, account_report, add, cycle_record, mute, notice, state

RULES = AuditRules(poll_interval=timedelta(seconds=30), stale_after=timedelta(seconds=180))
SECOND = timedelta(seconds=1)
CALM = AlertState(grade=Grade.OK, seen_at=NOW, cushion=9.0)


def found(store: SqliteStore, now: datetime = NOW + SECOND) -> list[Violation]:
    return holes(store._db.conn, RULES, now)


def kinds(store: SqliteStore, now: datetime = NOW + SECOND) -> list[Kind]:
    return [violation.kind for violation in found(store, now)]


def accept(store: SqliteStore, at: datetime = NOW) -> None:
    for pending in pending_in(store):
        store.finish_attempts([pending.id], Sent(pending.id), None, at)


def told(store: SqliteStore, label: str = "main") -> Account:
    """An account with a critical pool, whose owner was told."""
    account = add(store, label)
    store.record(cycle_record(account))
    accept(store)
    return account


def calm(store: SqliteStore, label: str = "calm") -> Account:
    account = add(store, label, BOB)
    store.record(cycle_record(account, states={"": CALM, POOL: CALM}, notices=[]))
    return account


def about_blindness(account: Account, reason: Reason = Reason.WENT_BLIND) -> NewNotice:
    told = notice(account, subject="", episode=0)
    facts = replace(told.facts, reason=reason, cause=Cause.VENUE_DOWN, grade=Grade.OK, pool=None)
    return replace(told, facts=facts)


def test_a_healthy_busy_database_yields_nothing(store: SqliteStore) -> None:
    for number in range(5):
        told(store, f"told-{number}")
        calm(store, f"calm-{number}")
    pending = add(store, "pending")
    store.record(cycle_record(pending))
    blind = add(store, "blind")
    unseen = AlertState(
        grade=Grade.OK, seen_at=NOW - 9 * MINUTE, blind_since=NOW - 9 * MINUTE, blind_spoke_at=NOW, number=1
    )
    store.record(cycle_record(blind, report=None, states={"": unseen}, notices=[about_blindness(blind)]))
    refused = add(store, "refused")
    news = about_blindness(refused, Reason.KEY_REFUSED)
    store.record(cycle_record(refused, states={"": unseen}, notices=[news], refused=Cause.KEY_REFUSED))
    assert found(store) == []


def test_an_alert_without_a_message(store: SqliteStore) -> None:
    account = told(store)
    calm(store)
    store._db.conn.execute("DELETE FROM notices")
    assert found(store) == [
        Violation(kind=Kind.UNTOLD, about=f"account {account.id} (bybit), {POOL}", detail="episode 1, message 1")
    ]


def test_a_message_of_another_episode_does_not_count(store: SqliteStore) -> None:
    told(store)
    store._db.conn.execute("UPDATE notices SET episode = 0")
    assert kinds(store) == [Kind.UNTOLD]


def test_a_message_to_somebody_else_does_not_count(store: SqliteStore) -> None:
    told(store)
    store._db.conn.execute("UPDATE notices SET user_id = 4711")
    assert kinds(store) == [Kind.UNTOLD]


def test_a_last_message_that_gave_way_to_none_does_not_count(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    [pending] = pending_in(store)
    store.drop_notice(pending.id, DropReason.OVERTAKEN, NOW)
    assert kinds(store) == [Kind.UNTOLD]


@pytest.mark.parametrize("reason", [DropReason.UNREACHABLE, DropReason.ACKNOWLEDGED])
def test_a_message_given_up_for_cause_has_an_outcome(store: SqliteStore, reason: DropReason) -> None:
    store.record(cycle_record(add(store)))
    store.drop_notice(pending_in(store)[0].id, reason, NOW)
    assert kinds(store) == []


@pytest.mark.parametrize(
    ("grade", "cause", "within"),
    [
        pytest.param(Grade.NOTICE, None, 15 * MINUTE, id="notice"),
        pytest.param(Grade.WARNING, None, 5 * MINUTE, id="warning"),
        pytest.param(Grade.CRITICAL, None, MINUTE, id="critical"),
        pytest.param(Grade.DEFICIT, None, MINUTE, id="deficit"),
        pytest.param(None, None, 15 * MINUTE, id="never judged"),
        pytest.param(Grade.OK, Cause.VENUE_DOWN, 5 * MINUTE, id="blind"),
        pytest.param(Grade.CRITICAL, Cause.VENUE_DOWN, MINUTE, id="blind in danger"),
    ],
)
def test_a_message_not_accepted_in_time(
    store: SqliteStore, grade: Grade | None, cause: Cause | None, within: timedelta
) -> None:
    account = add(store)
    late = notice(account)
    late = replace(late, facts=replace(late.facts, grade=grade, cause=cause))
    at = NOW + within
    fresh = account_report(taken_at=at)
    store.record(cycle_record(account, notices=[late], states={"": CALM, POOL: CALM}, report=fresh))
    assert kinds(store, at) == []
    [violation] = found(store, at + SECOND)
    assert (violation.kind, violation.detail) == (Kind.OVERDUE, f"notice 1, {within.seconds + 1} s old")


def test_a_flood_wait_is_named_as_such(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    [pending] = pending_in(store)
    asked = TryAgain("RetryAfter: Flood control exceeded. Retry in 300 seconds", timedelta(seconds=300))
    store.finish_attempts([pending.id], asked, NOW + 5 * MINUTE, NOW)
    assert kinds(store, NOW + 61 * SECOND) == [Kind.FLOOD_WAIT]


@pytest.mark.parametrize(
    ("grade", "limit"),
    [
        pytest.param(Grade.CRITICAL, 20 * MINUTE, id="critical"),
        pytest.param(Grade.EMERGENCY, 6 * MINUTE, id="emergency"),
        pytest.param(Grade.DEFICIT, 6 * MINUTE, id="deficit"),
    ],
)
def test_a_standing_alarm_whose_reminders_stopped(store: SqliteStore, grade: Grade, limit: timedelta) -> None:
    account = add(store)
    at = NOW + limit
    states = {"": replace(CALM, seen_at=at), POOL: state(grade)}
    store.record(cycle_record(account, states=states))
    accept(store)
    store.record(cycle_record(account, states=states, report=account_report(taken_at=at), notices=[], at=at))
    assert kinds(store, at - SECOND) == []
    assert kinds(store, at + SECOND) == [Kind.UNREMINDED]
    store.set_mute(account.id, POOL, mute(grade, limit + MINUTE))
    assert kinds(store, at + SECOND) == [], "acknowledged"
    assert kinds(store, at + MINUTE + limit - SECOND) == [Kind.UNREAD], "a quiet that ended starts the clock again"
    store.set_mute(account.id, POOL, mute(Grade.WARNING, limit + MINUTE))
    assert kinds(store, at + SECOND) == [Kind.UNREMINDED], "acknowledged at a calmer grade"


def test_reminders_stopped_by_the_interval_that_the_owner_chose(store: SqliteStore) -> None:
    account = add(store)
    at = NOW + 2 * timedelta(hours=1)
    store.record(cycle_record(account, states={"": replace(CALM, seen_at=at), POOL: state(Grade.CRITICAL)}))
    accept(store)
    store.record(cycle_record(account, states={"": replace(CALM, seen_at=at)}, notices=[],
                              report=account_report(taken_at=at), at=at))  # fmt: skip
    assert kinds(store, at - SECOND) == [Kind.UNREMINDED]
    hourly = Reminders(timedelta(hours=1), timedelta(hours=1), timedelta(minutes=15))
    store.set_reminders(account.user_id, hourly)
    assert kinds(store, at - SECOND) == []
    assert kinds(store, at + SECOND) == [Kind.UNREMINDED]


def channel(store: SqliteStore, *, minutes: int = 5, grade: Grade = Grade.CRITICAL) -> Channel:
    return store.add_channel(ALICE, "one", "json://one", from_grade=grade, delay=minutes * MINUTE, now=NOW)


def ring(store: SqliteStore, number: int, rang: Rang, at: datetime) -> None:
    ringing = store.begin_ring(number, at)
    assert ringing is not None
    store.finish_ring(ringing, rang, at)


@pytest.mark.parametrize("rang", [Accepted(), RingRefused("gone")])
def test_an_alarm_that_nobody_acknowledged_and_no_channel_was_rung_about(store: SqliteStore, rang: Rang) -> None:
    one = channel(store)
    told(store)
    assert Kind.UNRUNG not in kinds(store, NOW + 7 * MINUTE - SECOND)
    assert Kind.UNRUNG in kinds(store, NOW + 7 * MINUTE + SECOND), "never planned"
    store.plan_steps(NOW + 8 * MINUTE)
    assert Kind.UNRUNG in kinds(store, NOW + 8 * MINUTE), "planned too late, and not rung"
    ring(store, one.id, rang, NOW + 8 * MINUTE)
    assert Kind.UNRUNG not in kinds(store, NOW + 8 * MINUTE), "the ladder is exhausted"


def test_a_step_that_waits_for_its_service_is_no_hole_until_it_is_late(store: SqliteStore) -> None:
    one = channel(store)
    told(store)
    store.plan_steps(NOW)
    ring(store, one.id, RingAgain("busy"), NOW + 5 * MINUTE)
    assert Kind.UNRUNG not in kinds(store, NOW + 7 * MINUTE + SECOND), "tried, and to be tried again"
    assert Kind.UNRUNG in kinds(store, NOW + 8 * MINUTE), "left alone"


def test_acknowledged_calmer_than_the_channel_or_switched_off_nothing_need_ring(store: SqliteStore) -> None:
    account = told(store)
    channel(store, grade=Grade.EMERGENCY)
    assert Kind.UNRUNG not in kinds(store, NOW + 9 * MINUTE)
    one = channel(store)
    assert Kind.UNRUNG in kinds(store, NOW + 9 * MINUTE)
    store.set_mute(account.id, POOL, mute(Grade.CRITICAL, 10 * MINUTE))
    assert Kind.UNRUNG not in kinds(store, NOW + 9 * MINUTE), "acknowledged"
    assert Kind.UNRUNG not in kinds(store, NOW + 16 * MINUTE), "the clock starts anew when that has ended"
    assert Kind.UNRUNG in kinds(store, NOW + 18 * MINUTE)
    store._db.execute("UPDATE channels SET disabled_at = ?, disabled_reason = 'x' WHERE id = ?", ["2026", one.id])
    assert Kind.UNRUNG not in kinds(store, NOW + 18 * MINUTE)


def test_blind_after_danger_and_no_channel_was_rung(store: SqliteStore) -> None:
    channel(store)
    account = add(store)
    at = NOW + 3 * MINUTE
    began = NOW + timedelta(microseconds=999_900)
    blind = AlertState(grade=Grade.WARNING, seen_at=NOW, blind_since=began, blind_spoke_at=at, number=1)
    store.record(cycle_record(account, report=None, states={"": blind}, notices=[about_blindness(account)], at=at))
    accept(store)
    assert Kind.UNRUNG not in kinds(store, at + 7 * MINUTE - SECOND)
    assert Kind.UNRUNG in kinds(store, at + 7 * MINUTE + SECOND)
    store.plan_steps(at + 7 * MINUTE)
    ring(store, 1, Accepted(), at + 7 * MINUTE)
    assert Kind.UNRUNG not in kinds(store, at + 7 * MINUTE + SECOND), "its episode is found"


@pytest.mark.parametrize(("cushion", "limit"), [(None, 180), (9.0, 180), (3.0, 90), (0.5, 45), (float("inf"), 180)])
def test_an_account_that_is_not_read_and_nobody_told(store: SqliteStore, cushion: float | None, limit: int) -> None:
    account = add(store)
    watched = replace(CALM, cushion=cushion)
    store.record(cycle_record(account, states={"": watched, POOL: CALM}, notices=[]))
    slack = RULES.slack.total_seconds()
    assert kinds(store, NOW + timedelta(seconds=limit + slack - 1)) == []
    assert kinds(store, NOW + timedelta(seconds=limit + slack + 1)) == [Kind.UNREAD]


def test_blind_in_the_books_but_never_said(store: SqliteStore) -> None:
    account = calm(store)
    later = NOW + 9 * MINUTE
    blind = replace(CALM, blind_since=NOW, blind_spoke_at=later, number=1)
    store.record(cycle_record(account, report=None, states={"": blind}, notices=[], at=later))
    assert kinds(store, later) == [Kind.UNREAD]
    store.record(cycle_record(account, report=None, states={"": blind}, notices=[about_blindness(account)], at=later))
    assert kinds(store, later) == []
    accept(store)
    assert kinds(store, later + 3 * 60 * MINUTE) == [Kind.UNREMINDED], "blind, and silent ever since"


def test_an_account_that_was_never_read(store: SqliteStore) -> None:
    add(store)
    assert kinds(store, NOW + 4 * MINUTE) == []
    assert kinds(store, NOW + 5 * MINUTE) == [Kind.UNREAD]


def test_a_refused_key_whose_owner_was_not_told(store: SqliteStore) -> None:
    account = calm(store)
    refused = cycle_record(account, states={"": CALM, POOL: CALM}, notices=[], refused=Cause.KEY_REFUSED)
    store.record(refused)
    assert kinds(store) == [Kind.REFUSED_UNTOLD]
    store.record(replace(refused, notices=[about_blindness(account, Reason.KEY_REFUSED)]))
    assert kinds(store) == []


def damaged(path: Path) -> None:
    path.write_bytes(b"no database")


@pytest.mark.parametrize("harm", [Path.unlink, damaged])
def test_a_database_that_cannot_be_read_is_an_error(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    path = tmp_path / "other.db"
    path.touch()
    harm(path)
    with pytest.raises(StoreFailed):
        AuditFile(path).holes(RULES, NOW)


def test_the_file_is_read_beside_the_running_bot_and_never_written(on_disk: SqliteStore, path: Path) -> None:
    told(on_disk)
    assert AuditFile(path).holes(RULES, NOW + SECOND) == []
    on_disk._db.conn.execute("DELETE FROM notices")
    assert [hole.kind for hole in AuditFile(path).holes(RULES, NOW + SECOND)] == [Kind.UNTOLD]
    on_disk.record(cycle_record(add(on_disk, "next")))


def test_a_message_held_for_quiet_hours_is_late_only_after_their_end(store: SqliteStore) -> None:
    account = add(store)
    held = notice(account)
    held = replace(held, facts=replace(held.facts, grade=Grade.WARNING))
    ends = NOW + 60 * MINUTE
    fresh = account_report(taken_at=ends + 5 * MINUTE)
    store.record(cycle_record(account, notices=[held], states={"": CALM, POOL: CALM}, report=fresh))
    store.hold_notice(pending_in(store)[0].id, ends)
    assert kinds(store, ends + 5 * MINUTE) == []
    assert kinds(store, ends + 5 * MINUTE + SECOND) == [Kind.OVERDUE]


EARLIER, HELD_UNTIL, LATER = (NOW.replace(second=0, microsecond=0) + n * MINUTE for n in (20, 60, 90))


def hours_until(at: datetime) -> QuietHours:
    """Quiet hours, in UTC, that began a minute ago."""
    began = (NOW - MINUTE).time()
    return QuietHours(began.hour * 60 + began.minute, at.hour * 60 + at.minute)


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        pytest.param(lambda store, user: store.set_quiet_hours(user, None, NOW), NOW, id="ended"),
        pytest.param(lambda store, user: store.set_quiet_hours(user, hours_until(EARLIER), NOW), EARLIER, id="shorter"),
        pytest.param(lambda store, user: store.set_quiet_hours(user, hours_until(LATER), NOW), HELD_UNTIL, id="longer"),
        pytest.param(lambda store, user: store.set_zone(user, "Asia/Tokyo", NOW), NOW, id="by another clock"),
    ],
)
def test_quiet_hours_that_end_early_excuse_no_lateness_after_that(
    store: SqliteStore, change: Callable[[SqliteStore, int], None], ends: datetime
) -> None:
    account = add(store)
    store.set_quiet_hours(account.user_id, hours_until(HELD_UNTIL), NOW)
    held = notice(account)
    held = replace(held, facts=replace(held.facts, grade=Grade.WARNING))
    late = ends + 5 * MINUTE
    fresh = account_report(taken_at=late)
    store.record(cycle_record(account, notices=[held], states={"": CALM, POOL: CALM}, report=fresh))
    store.hold_notice(pending_in(store)[0].id, HELD_UNTIL)
    change(store, account.user_id)
    assert kinds(store, late) == []
    assert kinds(store, late + SECOND) == [Kind.OVERDUE]
