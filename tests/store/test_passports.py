"""What is kept of a key's rights: exactly, with its account, and together with what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.passport import Passport, checked
from marginbot.flow.ports import Credential
from marginbot.store import SqliteStore
from tests.outbox import pending as pending_in
from tests.store.builders import NOW, add, notice

PASSPORT = Passport(
    can_read=True, can_trade=False, can_withdraw=None, ip_restricted=True, expires_at=NOW, notes=("a", "b")
)
CHECK = checked(PASSPORT, None, NOW)


def test_a_look_can_be_read_back_and_is_replaced_by_the_next(store: SqliteStore) -> None:
    account = add(store)
    assert store.key_check(account.id) is None
    store.record_key_check(account.id, CHECK)
    assert store.key_check(account.id) == CHECK
    later = checked(replace(PASSPORT, can_withdraw=True), CHECK, NOW + timedelta(days=1))
    store.record_key_check(account.id, later, [notice(account)])
    assert store.key_check(account.id) == later
    assert len(pending_in(store)) == 1


def test_what_is_told_and_what_is_known_are_written_together_or_not_at_all(store: SqliteStore) -> None:
    account = add(store)
    store.remove_account(account.user_id, account.label)
    with pytest.raises(NoSuchAccount):
        store.record_key_check(account.id, CHECK, [notice(account)])
    assert not pending_in(store)


def test_a_new_key_starts_without_a_passport_and_a_removed_account_leaves_none(store: SqliteStore) -> None:
    account = add(store)
    store.record_key_check(account.id, CHECK)
    store.replace_credential(account.id, Credential("new", "secret"), NOW)
    assert store.key_check(account.id) is None
    store.record_key_check(account.id, CHECK)
    store.remove_account(account.user_id, account.label)
    assert list(store._db.query("SELECT * FROM key_checks")) == []


def test_a_look_that_cannot_be_read_counts_as_none(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    account = add(store)
    store.record_key_check(account.id, CHECK)
    store._db.conn.execute("UPDATE key_checks SET checked = 'x'")
    assert store.key_check(account.id) is None
    assert "cannot be read" in caplog.text
