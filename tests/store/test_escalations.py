"""Steps in the database: checked in the transaction that marks them, and never lost or rung twice by a kill."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from marginbot.domain.alerting import AlertState
from marginbot.domain.errors import Cause
from marginbot.domain.escalation import MOST_ATTEMPTS, Accepted, Channel, Ring, RingAgain, RingRefused
from marginbot.domain.grading import Grade
from marginbot.domain.hours import QuietHours
from marginbot.domain.outcomes import Unreachable
from marginbot.flow.ports import Account
from marginbot.store import SqliteStore, open_store
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, KEY, MINUTE, NOW, POOL, add, cycle_record, dies_at, mute, state
from tests.store.test_channels import channel

LATER = NOW + 5 * MINUTE


def observed(store: SqliteStore, account: Account, *states: tuple[str, AlertState], at: datetime = NOW) -> None:
    store.record(cycle_record(account, states=dict(states), notices=[], at=at))


def alarmed(store: SqliteStore, grade: Grade = Grade.CRITICAL) -> tuple[Account, Channel]:
    account, made = add(store), channel(store)
    observed(store, account, (POOL, state(grade)))
    return account, made


def steps(store: SqliteStore) -> list[tuple[str, str | None]]:
    return list(store._db.conn.execute("SELECT status, reason FROM escalation_steps ORDER BY id"))


def rung(store: SqliteStore, made: Channel, at: datetime = LATER) -> Ring:
    assert list(store.due_channels(at)) == [made.id]
    ring = store.begin_ring(made.id, at)
    assert ring is not None
    return ring


def test_planned_once_and_rung_when_due(store: SqliteStore) -> None:
    _, made = alarmed(store)
    assert [store.plan_steps(NOW), store.plan_steps(NOW), store.plan_steps(NOW + MINUTE)] == [1, 0, 0]
    assert list(store.due_channels(LATER - timedelta(seconds=1))) == []
    ring = rung(store, made)
    assert [(i.label, i.alarm.grade, i.step.attempts) for i in ring.items] == [("main", Grade.CRITICAL, 1)]
    assert store.begin_ring(made.id, LATER) is None
    store.finish_ring(ring, Accepted(), LATER)
    assert steps(store) == [("accepted", None)]
    assert store.plan_steps(LATER) == 0
    assert store.plan_steps(LATER + 10 * MINUTE) == 1


@pytest.mark.parametrize(
    ("now_is", "reason"),
    [
        pytest.param(state(Grade.WARNING), "eased", id="eased"),
        pytest.param(replace(state(Grade.OK), announced=None), "ended", id="recovered"),
        pytest.param(replace(state(), episode=2), "ended", id="another episode"),
    ],
)
def test_what_no_longer_stands_is_not_rung(store: SqliteStore, now_is: AlertState, reason: str) -> None:
    account, made = alarmed(store)
    store.plan_steps(NOW)
    observed(store, account, (POOL, now_is), at=NOW + MINUTE)
    assert store.begin_ring(made.id, LATER) is None
    assert steps(store) == [("stopped", reason)]


def test_failure_28_an_acknowledgement_stops_every_further_step(store: SqliteStore) -> None:
    account, first = alarmed(store)
    second = channel(store, minutes=6)
    store.plan_steps(NOW)
    store.finish_ring(rung(store, first), RingAgain("busy"), LATER)  # would be tried again
    store.set_mute(account.id, POOL, mute())
    assert store.begin_ring(first.id, LATER + MINUTE) is None
    assert store.begin_ring(second.id, LATER + MINUTE) is None
    assert steps(store) == [("stopped", "acknowledged")] * 2
    assert store.plan_steps(LATER + MINUTE) == 0
    assert store.plan_steps(NOW + 15 * MINUTE) == 2  # the quiet ran out and it is as bad as before
    assert list(store.due_channels(NOW + 20 * MINUTE)) == [first.id]


def test_an_acknowledgement_of_a_calmer_grade_stops_nothing(store: SqliteStore) -> None:
    account, made = alarmed(store, Grade.EMERGENCY)
    store.plan_steps(NOW)
    store.set_mute(account.id, POOL, mute(Grade.CRITICAL))
    assert rung(store, made).grade is Grade.EMERGENCY


def test_one_ringing_tells_all_alarms_worst_first(store: SqliteStore) -> None:
    account, made = alarmed(store)
    other = add(store, "desk")
    observed(store, other, ("a", state(Grade.EMERGENCY)), ("b", replace(state(), spoke_at=NOW + MINUTE / 3)))
    observed(store, account, (POOL, state()), ("late", replace(state(), spoke_at=NOW + 3 * MINUTE)))
    assert store.plan_steps(NOW) == 4
    ring = rung(store, made)
    assert [(i.label, i.step.subject) for i in ring.items] == [("desk", "a"), ("main", POOL), ("desk", "b")]


def test_an_unreachable_chat_is_not_waited_for(store: SqliteStore) -> None:
    account, made = add(store), channel(store)
    store.record(cycle_record(account))
    store.plan_steps(NOW)
    assert list(store.due_channels(NOW)) == []
    [pending] = pending_in(store)
    store.finish_attempts([pending.id], Unreachable("blocked"), None, NOW)
    assert rung(store, made, NOW + MINUTE / 60).items


def test_blind_after_danger_is_rung(store: SqliteStore) -> None:
    account, made = add(store), channel(store)
    blind = AlertState(
        grade=Grade.WARNING, seen_at=NOW - MINUTE, blind_since=NOW - MINUTE, blind_spoke_at=NOW, number=1
    )
    observed(store, account, ("", replace(blind, blind_cause=Cause.VENUE_DOWN)))
    assert store.plan_steps(NOW) == 1
    assert rung(store, made).items[0].alarm.is_blind


def test_a_service_that_refuses_is_off_until_proven(store: SqliteStore) -> None:
    _, made = alarmed(store)
    store.plan_steps(NOW)
    store.finish_ring(rung(store, made), RingRefused("the service answered 401"), LATER)
    assert steps(store) == [("failed", "refused")]
    assert store.channel(made.id).disabled_reason == "the service answered 401"
    assert store.plan_steps(LATER + 10 * MINUTE) == 0
    store.prove_channel(made.id, LATER + 10 * MINUTE)
    assert store.plan_steps(LATER + 10 * MINUTE) == 1


def test_attempts_are_limited(store: SqliteStore) -> None:
    _, made = alarmed(store)
    store.plan_steps(NOW)
    for attempt in range(MOST_ATTEMPTS):
        at = LATER + attempt * MINUTE
        store.finish_ring(rung(store, made, at), RingAgain("busy"), at)
    assert steps(store) == [("failed", "gave_up")]


def test_a_tap_elsewhere_is_an_acknowledgement_here(store: SqliteStore) -> None:
    account, made = alarmed(store)
    other = channel(store, minutes=7)
    store.plan_steps(NOW)
    store.finish_ring(rung(store, made), Accepted("r1"), LATER)
    [receipt] = store.open_receipts(LATER)
    assert (receipt.channel_id, receipt.receipt, receipt.stands) == (made.id, "r1", True)
    assert store.acknowledge_receipt(made.id, "r1", LATER) == 1
    found = store.states(account.id)[POOL].mute
    assert found is not None
    assert (found.grade, found.until) == (Grade.CRITICAL, LATER + 15 * MINUTE)
    assert list(store.open_receipts(LATER)) == []
    assert store.begin_ring(other.id, NOW + 7 * MINUTE) is None


def test_what_rings_elsewhere_no_longer_stands_after_an_acknowledgement_here(store: SqliteStore) -> None:
    account, made = alarmed(store)
    store.plan_steps(NOW)
    store.finish_ring(rung(store, made), Accepted("r1"), LATER)
    store.set_mute(account.id, POOL, mute())
    [receipt] = store.open_receipts(LATER)
    assert not receipt.stands
    store.close_receipt(made.id, "r1", LATER)
    assert list(store.open_receipts(LATER)) == []


def test_removing_account_or_channel_takes_the_steps_along(store: SqliteStore) -> None:
    _, made = alarmed(store)
    channel(store)
    store.plan_steps(NOW)
    store.remove_channel(made.id)
    assert len(steps(store)) == 1
    store.remove_account(ALICE.user_id, "main")
    assert steps(store) == []


def test_killed_anywhere_nothing_is_lost_and_at_most_one_ringing_is_repeated(path: Path) -> None:
    with closing(open_store(path, KEY)) as store:
        _, made = alarmed(store)
    sent = path.with_suffix(".sent")

    def work(arm: object) -> None:
        inside = open_store(path, KEY)
        arm(inside._db.conn)  # type: ignore[operator]
        inside.resume_rings(LATER)
        inside.plan_steps(LATER)
        ring = inside.begin_ring(made.id, LATER)
        if ring is not None:
            with sent.open("a") as file:
                file.write("x")
            inside.finish_ring(ring, Accepted(), LATER)

    deaths = 0
    while dies_at(deaths + 1, work):
        deaths += 1
        with closing(open_store(path, KEY)) as store:
            if steps(store) == [("accepted", None)]:
                break
            before = sent.read_text() if sent.exists() else ""
            assert len(before) <= 1
            if before:  # died between sending and recording: rung once more, marked, and that is all
                store.resume_rings(LATER)
                assert rung(store, made).items[0].step.repeats == 1
                store.resume_rings(LATER)
                store.resume_rings(LATER)
                assert list(store.due_channels(LATER)) == []
                break
    assert deaths >= 10


@pytest.mark.parametrize(("grade", "planned"), [(Grade.WARNING, 0), (Grade.CRITICAL, 1)])
def test_in_quiet_hours_only_what_is_grave_rings(store: SqliteStore, grade: Grade, planned: int) -> None:
    account, _ = add(store), channel(store, from_grade=Grade.WARNING)
    observed(store, account, (POOL, state(grade)))
    minute = NOW.hour * 60 + NOW.minute
    store.set_quiet_hours(account.user_id, QuietHours((minute - 1) % 1440, (minute + 60) % 1440), NOW)
    assert store.plan_steps(NOW) == planned
    store.set_quiet_hours(account.user_id, None, NOW)
    assert store.plan_steps(NOW) == 1 - planned
