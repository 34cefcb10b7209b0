"""Addresses of channels at rest, and what deletes them."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.errors import LimitReached, RequestError, SealBroken, WrongMasterKey
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.store import SqliteStore, Vault, backup, open_database, open_store, rotate
from marginbot.store.channels import MOST_CHANNELS
from marginbot.store.database import companions
from tests.store.builders import ALICE, BOB, CREDENTIAL, KEY, MINUTE, NOW, OTHER_KEY, add, cycle_record, rows

URL = "pover://uCanaryUserKey0000000000000000@aCanaryToken000000000000000000"
CANARY = b"Canary"


def channel(store: SqliteStore, *, url: str = URL, from_grade: Grade = Grade.CRITICAL, minutes: int = 5) -> Channel:
    return store.add_channel(ALICE, "Pushover (pover://…)", url, from_grade=from_grade, delay=minutes * MINUTE, now=NOW)


def pages(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (path, *companions(path)) if file.exists())


def test_an_address_is_opened_again_and_shown_never(store: SqliteStore) -> None:
    made = channel(store)
    assert store.channel_url(made.id) == URL
    assert list(store.channels_of(ALICE.user_id)) == [made]
    assert list(store.channels_of(BOB.user_id)) == []
    assert "Canary" not in repr(made)
    assert (made.from_grade, made.delay, made.proven_at) == (Grade.CRITICAL, timedelta(minutes=5), None)


def test_failure_35_no_address_in_any_page_or_backup(path: Path, on_disk: SqliteStore, tmp_path: Path) -> None:
    channel(on_disk)
    backup(on_disk._db, tmp_path / "copy.db")
    assert CANARY not in pages(path)
    assert CANARY not in (tmp_path / "copy.db").read_bytes()


def test_what_was_removed_or_forgotten_is_gone_from_every_page(path: Path, on_disk: SqliteStore) -> None:
    first, _second = channel(on_disk), channel(on_disk)
    sealed = [blob for (blob,) in on_disk._db.conn.execute("SELECT sealed FROM channel_secrets ORDER BY channel_id")]
    on_disk.remove_channel(first.id)
    assert sealed[0] not in pages(path)
    assert sealed[1] in pages(path)
    on_disk.forget_person(ALICE.user_id)
    assert sealed[1] not in pages(path)
    assert rows(path, "channels") == rows(path, "channel_secrets") == []
    with pytest.raises(RequestError):
        on_disk.channel(first.id)


def test_an_address_moved_to_another_row_does_not_open(store: SqliteStore) -> None:
    mine, theirs = channel(store), channel(store, url="ntfys://other")
    conn = store._db.conn
    conn.execute("DELETE FROM channel_secrets WHERE channel_id = ?", (theirs.id,))
    conn.execute("UPDATE channel_secrets SET channel_id = ? WHERE channel_id = ?", (theirs.id, mine.id))
    for each in (mine, theirs):
        with pytest.raises(SealBroken):
            store.channel_url(each.id)


def test_rotation_seals_addresses_anew(path: Path) -> None:
    with closing(open_store(path, KEY)) as store:
        account, made = add(store), channel(store)
        assert rotate(store._db.conn, old=KEY, new=OTHER_KEY) == 3 + 1
        assert rotate(store._db.conn, old=KEY, new=OTHER_KEY) == 0
    with pytest.raises(WrongMasterKey):
        open_store(path, KEY)
    with closing(open_store(path, OTHER_KEY)) as store:
        assert store.channel_url(made.id) == URL
        assert store.credential(account.id) == CREDENTIAL


def test_the_key_is_checked_even_where_only_addresses_are_sealed(path: Path) -> None:
    with closing(open_store(path, KEY)) as store:
        channel(store)
    with pytest.raises(WrongMasterKey):
        open_store(path, OTHER_KEY)
    with closing(open_database(path)) as db:
        db.conn.execute("DELETE FROM meta")
        with pytest.raises(WrongMasterKey):
            Vault(OTHER_KEY, db.conn)


def test_only_a_handful(store: SqliteStore) -> None:
    for _ in range(MOST_CHANNELS):
        channel(store)
    with pytest.raises(LimitReached):
        channel(store)
    assert len(store.channels_of(ALICE.user_id)) == MOST_CHANNELS


def test_failure_27_who_is_reminded_of_an_exercise(store: SqliteStore) -> None:
    week, day = timedelta(days=7), timedelta(days=1)

    def asked(after: timedelta) -> list[tuple[int, bool]]:
        return list(store.people_to_remind(NOW + after, every=week, patience=day))

    account = add(store)
    assert asked(day) == []
    store.record(cycle_record(account))  # critical, and Telegram alone
    assert asked(day) == [(ALICE.user_id, False)]
    store.note_reminder(ALICE.user_id, NOW + day)
    assert asked(2 * day) == []
    assert asked(day + week) == [(ALICE.user_id, False)]
    made = channel(store)
    assert asked(day + week) == [(ALICE.user_id, True)]
    store.prove_channel(made.id, NOW + day)
    assert asked(day + week) == []


def test_an_exercise_is_timed_to_its_first_tap_and_by_its_owner_only(store: SqliteStore) -> None:
    drill = store.begin_drill(ALICE.user_id, NOW)
    assert store.tap_drill(drill, BOB.user_id, NOW + MINUTE) is None
    assert store.tap_drill(drill, ALICE.user_id, NOW + MINUTE) == MINUTE
    assert store.tap_drill(drill, ALICE.user_id, NOW + 9 * MINUTE) == MINUTE
