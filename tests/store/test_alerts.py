"""States, reports, and `record`: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.alerting import AlertState, Mute, MuteKind
from marginbot.domain.grading import Grade
from marginbot.domain.tiers import LeverageTier
from marginbot.flow.ports import LastReading
from marginbot.store import SqliteStore, StoreFailed, open_store
from marginbot.store.alerts import kept_mute
from tests.builders import D, position, snapshot
from tests.builders import pool as one_pool
from tests.outbox import pending as pending_in
from tests.store.builders import (
    KEY,
    MINUTE,
    NOW,
    POOL,
    account_report,
    add,
    cycle_record,
    dies_at,
    last_reading,
    mute,
    notice,
    rows,
    state,
)

TABLES = ("alert_states", "latest_reports", "latest_snapshots", "latest_tiers", "notices")


def test_a_record_can_be_read_back(store: SqliteStore) -> None:
    account = add(store)
    record = cycle_record(account)
    store.record(record)
    standing = store.standing(account)
    assert standing.report == record.report
    assert standing.states == record.states == store.states(account.id)
    assert [(n.facts, n.sound, n.created_at) for n in pending_in(store)] == [(notice(account).facts, True, NOW)]
    assert store.active_accounts()[0].next_due_at == NOW + MINUTE


def test_an_unreadable_account_keeps_its_last_report_and_pools(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    blind = AlertState(grade=Grade.CRITICAL, seen_at=NOW, blind_since=NOW)
    store.record(cycle_record(account, report=None, states={"": blind}, notices=[]))
    assert store.standing(account).report == account_report()
    assert store.states(account.id) == {"": blind, POOL: state()}


def test_the_last_reading_is_kept_in_full_with_every_digit(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    kept = store.last_reading(account.id)
    assert kept == last_reading()
    assert kept is not None
    assert str(kept.snapshot.pools[0].collateral[0].value) == "12.340"
    newer = last_reading(NOW + MINUTE)
    store.record(cycle_record(account, reading=newer))
    store.record(cycle_record(account, report=None, reading=None))
    assert store.last_reading(account.id) == newer


def test_the_tiers_of_a_reading_are_written_when_they_change(store: SqliteStore) -> None:
    account = add(store)
    other = replace(position(), tiers=(LeverageTier(D(0), None, D("0.01")),))
    first, second = (LastReading(snapshot(one_pool(one)), {}) for one in (position(), other))
    store.record(cycle_record(account, reading=first))
    store._db.execute("CREATE TRIGGER never BEFORE UPDATE ON latest_tiers BEGIN SELECT RAISE(ABORT, 'written'); END")
    store.record(cycle_record(account, reading=first))
    assert store.last_reading(account.id) == first
    with pytest.raises(StoreFailed):
        store.record(cycle_record(account, reading=second))
    store._db.execute("DROP TRIGGER never")
    store.record(cycle_record(account, reading=second))
    assert store.last_reading(account.id) == second


def test_a_reading_beside_the_tiers_of_another_is_unknown_not_wrong(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    store._db.execute("UPDATE latest_tiers SET digest = 'another'")
    assert store.last_reading(account.id) is None
    store._db.execute("DELETE FROM latest_tiers")
    assert store.last_reading(account.id) is None


def test_a_reading_of_another_version_is_unknown_not_wrong(store: SqliteStore) -> None:
    account = add(store)
    assert store.last_reading(account.id) is None
    store.record(cycle_record(account))
    store._db.execute("UPDATE latest_snapshots SET reading = '{}'")
    assert store.last_reading(account.id) is None


def test_the_same_notice_is_written_once(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    account = add(store)
    store.record(cycle_record(account))
    store.record(cycle_record(account))
    assert len(pending_in(store)) == 1
    assert "exists already" in caplog.text
    more = [notice(account, number=2), notice(account, episode=2), notice(account, subject="")]
    store.record(cycle_record(account, notices=more))
    assert len(pending_in(store)) == 4


def test_a_report_of_another_time_is_unknown_not_wrong(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    store._db.execute("UPDATE latest_reports SET report = '{}'")
    assert store.standing(account).report is None


def test_an_unreadable_state_is_an_error_not_a_fresh_start(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    store._db.execute("UPDATE alert_states SET state = '[]'")
    with pytest.raises(StoreFailed):
        store.states(account.id)


# --- quiet -----------------------------------------------------------------------------------------

LATER = mute(wait=60 * MINUTE)


@pytest.mark.parametrize(
    ("stored", "decided", "expected"),
    [
        pytest.param(None, state(), None, id="never any"),
        pytest.param(mute(), state(mute=mute()), mute(), id="unchanged"),
        pytest.param(LATER, state(mute=mute()), LATER, id="replaced meanwhile"),
        pytest.param(None, state(mute=mute()), None, id="lifted meanwhile"),
        pytest.param(mute(), state(), mute(), id="set meanwhile, at this grade"),
        pytest.param(mute(Grade.EMERGENCY), state(), mute(Grade.EMERGENCY), id="set meanwhile, for worse"),
        pytest.param(mute(Grade.WARNING), state(), None, id="ended by a worse grade"),
        pytest.param(mute(), state(Grade.OK), None, id="ended by recovery"),
        pytest.param(mute(wait=timedelta(0)), state(), None, id="its time is up"),
        pytest.param(mute(), AlertState(), mute(), id="never judged"),
    ],
)
def test_which_mute_is_kept(stored: Mute | None, decided: AlertState, expected: Mute | None) -> None:
    assert kept_mute(stored, decided, NOW) == expected


def test_failure_28_a_mute_set_while_an_account_is_read_survives_the_record(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    decided_before = cycle_record(account, states=store.states(account.id), notices=[])
    store.set_mute(account.id, POOL, LATER)
    store.record(decided_before)
    assert store.states(account.id)[POOL] == replace(state(), mute=LATER)


def test_a_mute_lifted_while_an_account_is_read_stays_lifted(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    store.set_mute(account.id, POOL, LATER)
    decided_before = cycle_record(account, states=store.states(account.id), notices=[])
    store.set_mute(account.id, POOL, None)
    store.record(decided_before)
    assert store.states(account.id)[POOL].mute is None


def test_muting_leaves_the_state_alone_and_needs_none(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    snooze = Mute(MuteKind.SNOOZED, Grade.CRITICAL, NOW + MINUTE)
    store.set_mute(account.id, POOL, snooze)
    store.set_mute(account.id, "isolated:new", snooze)
    states = store.states(account.id)
    assert states[POOL] == replace(state(), mute=snooze)
    assert states["isolated:new"] == AlertState(mute=snooze)


# --- dying here ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_a_failing_statement_leaves_nothing_of_the_record(store: SqliteStore, table: str) -> None:
    account = add(store)
    store._db.execute(
        f"CREATE TEMP TRIGGER dies BEFORE INSERT ON main.{table} BEGIN SELECT RAISE(ABORT, 'dies here'); END"
    )
    with pytest.raises(StoreFailed, match="dies here"):
        store.record(cycle_record(account))
    assert [store._db.table(name).count for name in TABLES] == [0] * len(TABLES)
    assert store.account(account.user_id, "main").next_due_at is None
    store._db.execute("DROP TRIGGER dies")
    store.record(cycle_record(account))
    assert len(pending_in(store)) == 1


def test_failure_02_killed_anywhere_in_a_record_it_is_there_whole_or_not_at_all(path: Path) -> None:
    store = open_store(path, KEY)
    account = add(store)
    store.close()

    def work(arm: Callable[..., None]) -> None:
        inside = open_store(path, KEY)
        arm(inside._db.conn)
        inside.record(cycle_record(account))

    deaths = 0
    while dies_at(deaths + 1, work):
        deaths += 1
        assert [len(rows(path, table)) for table in TABLES] == [0] * len(TABLES)
    assert deaths >= 10
    assert [len(rows(path, table)) for table in TABLES] == [2, 1, 1, 1, 1]


def test_killed_anywhere_in_several_records_all_are_there_or_none(path: Path) -> None:
    store = open_store(path, KEY)
    accounts = [add(store, label=label) for label in ("one", "two")]
    store.close()

    def work(arm: Callable[..., None]) -> None:
        inside = open_store(path, KEY)
        arm(inside._db.conn)
        with inside.together():
            for account in accounts:
                inside.record(cycle_record(account))

    deaths = 0
    while dies_at(deaths + 1, work):
        deaths += 1
        assert [len(rows(path, table)) for table in TABLES] == [0] * len(TABLES)
    assert deaths >= 20
    assert [len(rows(path, table)) for table in TABLES] == [4, 2, 2, 2, 2]


def test_an_account_s_mute_does_not_outlive_its_blindness_even_if_set_meanwhile(store: SqliteStore) -> None:
    account = add(store)
    blind = AlertState(grade=Grade.CRITICAL, blind_since=NOW)
    store.record(cycle_record(account, states={"": blind}, notices=[]))
    store.set_mute(account.id, "", LATER)
    store.record(cycle_record(account, states={"": blind}, notices=[]))
    assert store.states(account.id)[""].mute == LATER
    store.record(cycle_record(account, states={"": replace(blind, blind_since=None)}, notices=[]))
    assert store.states(account.id)[""].mute is None
