"""What is stored about a person can be shown to them whole, and be gone whole."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.store import SqliteStore
from marginbot.store.personal import _OWNED, _PERSON, IMPERSONAL_TABLES, SECRET_TABLES
from tests.store.builders import ALICE, BOB, CHARLIE, CREDENTIAL, GROUP, MINUTE, NOW, add, cycle_record


def lived_in(store: SqliteStore) -> None:
    for person in (ALICE, BOB):
        store.remember_person(person, person.user_id, NOW)
        account = add(store, f"{person.name}-canary-label", person)
        store.record(cycle_record(account))
        store.share(GROUP, account.id, amounts=False, now=NOW)
    store.create_invite("code-of-alice", ALICE.user_id, NOW, NOW + timedelta(days=1))
    store.redeem_invite("code-of-alice", BOB.user_id, NOW + MINUTE)


def test_everything_about_a_person_is_shown_and_nothing_of_another(store: SqliteStore) -> None:
    lived_in(store)
    data = store.personal_data(ALICE.user_id)
    assert {"people", "accounts", "alert_states", "latest_reports", "notices", "shares", "invites"} <= set(data)
    shown = json.dumps(data)
    assert "Alice-canary-label" in shown
    assert "Bob-canary-label" not in shown
    assert data["notices"][0]["facts"]["label"] == "Alice-canary-label"
    for secret in (CREDENTIAL.key, CREDENTIAL.secret, CREDENTIAL.passphrase, "sealed", "nonce", "_hash"):
        assert secret not in shown
    assert store.personal_data(CHARLIE.user_id) == {}


def test_every_table_is_personal_by_a_column_or_named_as_not(store: SqliteStore) -> None:
    for table in set(store._db.table_names()) - SECRET_TABLES - IMPERSONAL_TABLES:
        columns = {column.name for column in store._db.table(table).columns}
        assert columns & {*_PERSON, *_OWNED}, f"{table}: whose rows are these? see store/personal.py"


def test_a_forgotten_person_is_in_no_row_and_in_no_page(path: Path, on_disk: SqliteStore) -> None:
    lived_in(on_disk)
    on_disk.forget_person(ALICE.user_id)
    assert on_disk.personal_data(ALICE.user_id) == {}
    assert [person.user_id for person in on_disk.people()] == [BOB.user_id]
    pages = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert b"Alice-canary-label" not in pages
    assert b"Bob-canary-label" in pages


def test_operators_see_who_uses_the_bot_and_can_end_a_membership(store: SqliteStore) -> None:
    lived_in(store)
    assert [(p.user_id, p.accounts, p.is_member) for p in store.people()] == [
        (ALICE.user_id, 1, False),
        (BOB.user_id, 1, True),
    ]
    assert store.end_membership(BOB.user_id)
    assert not store.end_membership(BOB.user_id)
    assert not store.is_member(BOB.user_id)


@pytest.mark.parametrize("person", [ALICE, CHARLIE])
def test_forgetting_twice_or_a_stranger_is_harmless(store: SqliteStore, person: object) -> None:
    lived_in(store)
    for _ in range(2):
        store.forget_person(getattr(person, "user_id", 0))
    assert store.personal_data(BOB.user_id)
