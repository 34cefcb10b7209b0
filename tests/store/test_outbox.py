"""Notices from written to accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.notices import DropReason, Notice
from marginbot.domain.outcomes import Moved, Sent, TryAgain, Unreachable
from marginbot.store import SqliteStore
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, GROUP, MINUTE, NOW, POOL, add, cycle_record, notice


def one(store: SqliteStore) -> Notice:
    store.record(cycle_record(add(store)))
    (pending,) = pending_in(store)
    return pending


def column(store: SqliteStore, name: str) -> object:
    return store._db.conn.execute(f"SELECT {name} FROM notices").fetchone()[0]


def test_failure_01_only_an_accepted_notice_counts_as_sent(store: SqliteStore) -> None:
    written = one(store)
    store.begin_attempts([written.id], NOW, NOW)
    assert [n.attempts for n in pending_in(store)] == [1]
    store.finish_attempts([written.id], TryAgain("timed out"), NOW + MINUTE, NOW)
    (again,) = pending_in(store)
    assert (again.attempts, again.next_attempt_at) == (1, NOW + MINUTE)
    assert column(store, "last_error") == "timed out"
    store.begin_attempts([written.id], NOW + MINUTE, NOW + MINUTE)
    store.finish_attempts([written.id], Sent(77), None, NOW + MINUTE)
    assert pending_in(store) == []
    assert column(store, "accepted_at") is not None
    accepted = store.notice_of_message(ALICE.user_id, 77)
    assert accepted is not None
    assert (accepted.id, accepted.attempts) == (written.id, 2)
    assert store.notice(written.id) == accepted


def test_a_stranger_cannot_find_a_notice_by_its_number(store: SqliteStore) -> None:
    written = one(store)
    store.finish_attempts([written.id], Sent(77), None, NOW)
    assert store.notice_of_message(GROUP, 77) is None
    assert store.notice_of_message(ALICE.user_id, 78) is None
    assert store.notice(written.id + 1) is None


def test_unreachable_drops_the_notice_and_nothing_else(store: SqliteStore) -> None:
    written = one(store)
    store.finish_attempts([written.id], Unreachable("bot was blocked"), None, NOW)
    assert pending_in(store) == []
    assert column(store, "drop_reason") == "unreachable"
    assert column(store, "last_error") == "bot was blocked"
    assert len(store.accounts_of(ALICE.user_id)) == 1  # failure 8: never delete data because of a send error


def test_dropping_records_why_and_happens_once(store: SqliteStore) -> None:
    written = one(store)
    store.drop_notice(written.id, DropReason.ACKNOWLEDGED, NOW)
    store.drop_notice(written.id, DropReason.OVERTAKEN, NOW + MINUTE)
    assert (column(store, "status"), column(store, "drop_reason")) == ("dropped", "acknowledged")


def test_a_late_answer_to_a_dropped_notice(store: SqliteStore) -> None:
    written = one(store)
    store.drop_notice(written.id, DropReason.OVERTAKEN, NOW)
    store.finish_attempts([written.id], TryAgain("timed out"), NOW, NOW)
    assert column(store, "status") == "dropped"
    store.finish_attempts([written.id], Sent(5), None, NOW)
    assert (column(store, "status"), column(store, "drop_reason")) == ("sent", None)


def test_what_was_accepted_stays_accepted(store: SqliteStore) -> None:
    written = one(store)
    store.finish_attempts([written.id], Sent(5), None, NOW)
    store.finish_attempts([written.id], Unreachable("late"), None, NOW)
    store.drop_notice(written.id, DropReason.OVERTAKEN, NOW)
    assert (column(store, "status"), column(store, "last_error")) == ("sent", None)


def test_an_answer_about_a_removed_account_is_no_error(store: SqliteStore) -> None:
    written = one(store)
    store.remove_account(ALICE.user_id, "main")
    for outcome in (Sent(1), TryAgain("x"), Unreachable("x"), Moved(GROUP)):
        store.finish_attempts([written.id], outcome, None, NOW)
    assert store.notice(written.id) is None


def test_failure_07_a_moved_group_is_followed_everywhere(store: SqliteStore) -> None:
    written = one(store)
    account = store.accounts_of(ALICE.user_id)[0]
    store.share(GROUP, account.id, amounts=True, now=NOW)
    store._db.execute("UPDATE notices SET chat_id = ?", [GROUP])
    store.finish_attempts([written.id], Sent(9), None, NOW)
    store.record(cycle_record(account, notices=[notice(account, number=2)]))
    store._db.execute("UPDATE notices SET chat_id = ?", [GROUP])
    (pending,) = pending_in(store)
    store.move_chat(GROUP, GROUP - 1)
    store.finish_attempts([pending.id], Moved(GROUP - 1), NOW, NOW)
    assert [n.chat_id for n in pending_in(store)] == [GROUP - 1]
    assert store.shared_with(GROUP) == []
    assert store.shared_with(GROUP - 1) == [(account, True)]
    assert store.notice_of_message(GROUP - 1, 9) is None  # numbers of messages do not move along


def test_moving_into_a_group_that_is_known_already(store: SqliteStore) -> None:
    account = add(store)
    store.share(GROUP, account.id, amounts=False, now=NOW)
    store.share(GROUP - 1, account.id, amounts=True, now=NOW)
    store.move_chat(GROUP, GROUP - 1)
    store.move_chat(GROUP - 1, GROUP - 1)
    assert store.shared_with(GROUP - 1) == [(account, True)]


def test_failure_09_a_notice_that_cannot_be_read_holds_up_no_other(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    broken = one(store)
    store._db.execute("UPDATE notices SET facts = '{}'")
    account = store.accounts_of(ALICE.user_id)[0]
    store.record(cycle_record(account, at=NOW + timedelta(seconds=1), notices=[notice(account, number=2)]))
    assert [n.number for n in pending_in(store)] == [2]
    assert f"notice {broken.id} cannot be read" in caplog.text


def test_lines_say_what_decides_the_turn_without_reading_the_facts(store: SqliteStore) -> None:
    account = add(store)
    store.record(cycle_record(account))
    [whole] = pending_in(store)
    [line] = store.pending_lines(0)
    pool = whole.facts.pool
    assert pool is not None
    assert (line.id, line.chat_id, line.account_id, line.subject) == (whole.id, whole.chat_id, account.id, POOL)
    assert (line.reason, line.grade, line.cushion, line.blind) == (
        whole.facts.reason,
        whole.facts.grade,
        pool.cushion,
        False,
    )
    assert (line.created_at, line.attempts, line.next_attempt_at) == (whole.created_at, 0, None)
    assert store.pending_lines(line.id) == []
    assert store.count_pending() == 1


def test_facts_that_cannot_be_read_hold_up_no_other_line(store: SqliteStore) -> None:
    written = one(store)
    store._db.execute("UPDATE notices SET facts = 'not json'")
    [line] = store.pending_lines(0)
    assert (line.id, line.reason, line.grade) == (written.id, None, None)
    assert store.begin_attempts([written.id], NOW, NOW + MINUTE) == []
    assert column(store, "attempts") == 0


def test_what_is_being_sent_is_not_taken_again_before_its_lease_is_over(store: SqliteStore) -> None:
    written = one(store)
    [taken] = store.begin_attempts([written.id], NOW, NOW + MINUTE)
    assert (taken.id, taken.attempts) == (written.id, 0)
    assert store.begin_attempts([written.id], NOW, NOW + MINUTE) == []
    [again] = store.begin_attempts([written.id, 999], NOW + MINUTE, NOW + 2 * MINUTE)
    assert again.attempts == 1, "a repeat can be marked as one"


def test_one_message_closes_all_it_carried_at_once(store: SqliteStore) -> None:
    account = add(store)
    store.record(replace(cycle_record(account), notices=[notice(account, subject=name) for name in "abc"]))
    ids = [line.id for line in store.pending_lines(0)]
    store.begin_attempts(ids[:2], NOW, NOW + MINUTE)
    store.finish_attempts(ids[:2], Sent(7), None, NOW)
    assert [n.id for n in store.notices_with(ids[1])] == ids[:2]
    assert [n.id for n in store.notices_with(ids[2])] == ids[2:], "what no message carried stands for itself"
    assert [line.id for line in store.pending_lines(0)] == ids[2:]


def test_waiting_notices_can_be_hastened(store: SqliteStore) -> None:
    written = one(store)
    store.begin_attempts([written.id], NOW, NOW + MINUTE)
    store.finish_attempts([written.id], TryAgain("no"), NOW + MINUTE, NOW)
    store.hasten([written.id], NOW)
    assert [line.next_attempt_at for line in store.pending_lines(0)] == [NOW]
