"""People and invitations."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from marginbot.domain.alerting import DEFAULT_REMINDERS, Reminders
from marginbot.domain.errors import BadInvite
from marginbot.domain.outcomes import Unreachable
from marginbot.store import SqliteStore
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, BOB, CHARLIE, GROUP, MINUTE, NOW, TABLES_OF_AN_ACCOUNT, add, cycle_record

WEEK = timedelta(days=7)


def test_an_invite_makes_one_member(store: SqliteStore) -> None:
    store.create_invite("open-sesame", ALICE.user_id, NOW, NOW + WEEK)
    store.redeem_invite(" open-sesame ", BOB.user_id, NOW + MINUTE)
    assert store.is_member(BOB.user_id)
    assert not store.is_member(CHARLIE.user_id)


@pytest.mark.parametrize(
    ("code", "late"),
    [
        pytest.param("spent-code", timedelta(0), id="used"),
        pytest.param("fresh", WEEK, id="expired on the dot"),
        pytest.param("guess", timedelta(0), id="unknown"),
    ],
)
def test_a_bad_invite_admits_nobody_and_says_the_same(store: SqliteStore, code: str, late: timedelta) -> None:
    store.create_invite("spent-code", ALICE.user_id, NOW, NOW + WEEK)
    store.create_invite("fresh", ALICE.user_id, NOW, NOW + WEEK)
    store.redeem_invite("spent-code", BOB.user_id, NOW)
    with pytest.raises(BadInvite) as caught:
        store.redeem_invite(code, CHARLIE.user_id, NOW + late)
    assert caught.value.advice.startswith("This invite code is not valid")
    assert code not in str(caught.value)
    assert not store.is_member(CHARLIE.user_id)


def test_an_invite_is_good_until_it_expires(store: SqliteStore) -> None:
    store.create_invite("fresh", ALICE.user_id, NOW, NOW + WEEK)
    store.redeem_invite("fresh", BOB.user_id, NOW + WEEK - timedelta(microseconds=1))


def test_codes_are_stored_hashed(store: SqliteStore) -> None:
    store.create_invite("open-sesame", ALICE.user_id, NOW, NOW + WEEK)
    (row,) = store._db.conn.execute("SELECT * FROM invites").fetchall()
    assert hashlib.sha256(b"open-sesame").hexdigest() in row
    assert "open-sesame" not in row


def test_membership_survives_being_remembered(store: SqliteStore) -> None:
    store.create_invite("code", ALICE.user_id, NOW, NOW + WEEK)
    store.redeem_invite("code", BOB.user_id, NOW)
    store.remember_person(BOB, BOB.user_id, NOW)
    assert store.is_member(BOB.user_id)


def test_failure_42_a_group_never_becomes_somebodys_private_chat(store: SqliteStore) -> None:
    store.remember_person(ALICE, GROUP, NOW)
    account = add(store)
    store.remember_person(ALICE, GROUP, NOW)
    assert store.account(ALICE.user_id, "main") == account
    assert account.chat_id == ALICE.user_id


def test_who_writes_can_be_reached_again(store: SqliteStore) -> None:
    store.record(cycle_record(add(store)))
    store.finish_attempts([pending_in(store)[0].id], Unreachable("blocked"), None, NOW)

    def since() -> object:
        return store._db.conn.execute("SELECT unreachable_since FROM people").fetchone()[0]

    assert since() == "2026-05-04T03:02:01.234567+00:00"
    store.remember_person(ALICE, ALICE.user_id, NOW)
    assert since() is None


def test_forgetting_a_person_leaves_nothing_of_them(store: SqliteStore) -> None:
    store.create_invite("code", ALICE.user_id, NOW, NOW + WEEK)
    store.redeem_invite("code", BOB.user_id, NOW)
    account = add(store, person=BOB)
    store.share(GROUP, account.id, amounts=True, now=NOW)
    store.record(cycle_record(account))
    store.write_history(100)
    kept = add(store)
    store.forget_person(BOB.user_id)
    for table in ("invites", *TABLES_OF_AN_ACCOUNT):
        assert store._db.table(table).count == 0, table
    assert [a.id for a in store.all_accounts()] == [kept.id]


def test_notes(store: SqliteStore) -> None:
    assert store.get_meta("offset") is None
    store.set_meta("offset", "1")
    store.set_meta("offset", "2")
    assert store.get_meta("offset") == "2"


def test_reminders_are_kept_by_person_and_what_cannot_be_read_is_the_default(store: SqliteStore) -> None:
    chosen = Reminders(timedelta(hours=2), timedelta(minutes=5), timedelta(minutes=1))
    assert store.reminders(ALICE.user_id) == DEFAULT_REMINDERS
    store.set_reminders(ALICE.user_id, chosen)
    assert (store.reminders(ALICE.user_id), store.reminders(BOB.user_id)) == (chosen, DEFAULT_REMINDERS)
    for spoiled in ("{}", "not json", '{"WARNING": 1, "CRITICAL": 5, "EMERGENCY": 9}', '{"WARNING": "x"}'):
        store._db.execute("UPDATE people SET reminders = ?", [spoiled])
        assert store.reminders(ALICE.user_id) == DEFAULT_REMINDERS
