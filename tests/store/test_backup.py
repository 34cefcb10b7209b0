"""Copies: complete, private, checked before they replace anything."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
from pathlib import Path

import pytest

from marginbot.domain.errors import ConfigError, WrongMasterKey
from marginbot.store import SqliteStore, backup, instance_lock, open_store, restore
from marginbot.store.database import companions
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, CREDENTIAL, KEY, OTHER_KEY, add, cycle_record, dies_at, rows


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "monday.db"


@pytest.fixture(autouse=True)
def folder(copy: Path) -> None:
    copy.parent.mkdir()


def labels(path: Path, key: bytes = KEY) -> list[str]:
    store = open_store(path, key)
    try:
        return [account.label for account in store.all_accounts()]
    finally:
        store.close()


def test_a_backup_of_a_running_database_is_whole_private_and_one_file(on_disk: SqliteStore, copy: Path) -> None:
    account = add(on_disk)
    on_disk.record(cycle_record(account))
    backup(on_disk._db, copy)
    assert [file.name for file in copy.parent.iterdir()] == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert len(rows(copy, "notices")) == 1
    assert CREDENTIAL.secret.encode() not in copy.read_bytes()
    copied = open_store(copy, KEY)
    assert copied.credential(account.id) == CREDENTIAL
    copied.close()
    with pytest.raises(WrongMasterKey):
        open_store(copy, OTHER_KEY)


def test_a_backup_replaces_the_one_before(on_disk: SqliteStore, copy: Path) -> None:
    backup(on_disk._db, copy)
    add(on_disk)
    backup(on_disk._db, copy)
    assert labels(copy) == ["main"]


def test_a_backup_overwrites_nothing_else(path: Path, on_disk: SqliteStore, copy: Path) -> None:
    copy.write_text("my notes")
    with pytest.raises(ConfigError, match="not a backup"):
        backup(on_disk._db, copy)
    with pytest.raises(ConfigError, match="the database itself"):
        backup(on_disk._db, path)
    assert copy.read_text() == "my notes"


def test_a_backup_to_nowhere_is_told(on_disk: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        backup(on_disk._db, tmp_path / "nowhere" / "copy.db")


def test_restoring_brings_back_and_keeps_what_it_replaces(path: Path, copy: Path) -> None:
    store = open_store(path, KEY)
    add(store, "old")
    backup(store._db, copy)
    store.remove_account(ALICE.user_id, "old")
    add(store, "new")
    store.close()
    kept = restore(copy, path)
    assert kept is not None
    assert (labels(path), labels(kept)) == (["old"], ["new"])
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert restore(copy, path) != kept
    assert not list(path.parent.glob("*.part*"))


def test_restoring_where_nothing_was(path: Path, copy: Path, on_disk: SqliteStore) -> None:
    add(on_disk)
    backup(on_disk._db, copy)
    elsewhere = path.with_name("elsewhere.db")
    assert restore(copy, elsewhere) is None
    assert labels(elsewhere) == ["main"]


def test_failure_26_restored_pending_notices_go_out_as_repeats(path: Path, copy: Path, on_disk: SqliteStore) -> None:
    on_disk.record(cycle_record(add(on_disk)))
    backup(on_disk._db, copy)
    elsewhere = path.with_name("elsewhere.db")
    restore(copy, elsewhere)
    store = open_store(elsewhere, KEY)
    assert [n.attempts for n in pending_in(store)] == [1]
    store.close()


def test_nothing_is_restored_under_a_running_bot(path: Path, copy: Path, on_disk: SqliteStore) -> None:
    backup(on_disk._db, copy)
    with instance_lock(path), pytest.raises(ConfigError, match="in use"):
        restore(copy, path)


def damaged(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    copy.write_bytes(content)


def of_another_program(copy: Path) -> None:
    copy.unlink()
    with sqlite3.connect(copy) as conn:
        conn.execute("CREATE TABLE songs (title TEXT)")
    conn.close()


def of_a_newer_version(copy: Path) -> None:
    with sqlite3.connect(copy) as conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('marginbot', 'm900_later', '')"
        )
    conn.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(damaged, "damaged|not a usable backup", id="damaged"),
        pytest.param(lambda copy: copy.write_bytes(b"text" * 2000), "not a usable backup", id="no database"),
        pytest.param(lambda copy: copy.write_bytes(b""), "is empty", id="empty"),
        pytest.param(lambda copy: copy.unlink(), "cannot be read", id="missing"),
        pytest.param(of_another_program, "another program", id="of another program"),
        pytest.param(of_a_newer_version, "newer marginbot", id="of a newer version"),
    ],
)
def test_a_bad_backup_changes_nothing(path: Path, copy: Path, spoil: object, words: str) -> None:
    store = open_store(path, KEY)
    backup(store._db, copy)
    add(store)
    store.close()
    spoil(copy)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=words):
        restore(copy, path)
    assert labels(path) == ["main"]
    assert not list(path.parent.glob("*.part*")) + list(path.parent.glob("*.replaced*"))


def test_the_database_is_no_backup_of_itself(path: Path, on_disk: SqliteStore) -> None:
    with pytest.raises(ConfigError, match="the database itself"):
        restore(path, path)


def test_a_plain_copy_of_a_closed_database_can_be_restored(path: Path, copy: Path) -> None:
    store = open_store(path, KEY)
    add(store)
    store.close()
    copy.write_bytes(path.read_bytes())
    restore(copy, path.with_name("elsewhere.db"))
    assert labels(path.with_name("elsewhere.db")) == ["main"]
    assert copy.read_bytes() == path.read_bytes()


def test_a_database_that_was_killed_is_kept_with_what_only_its_log_holds(path: Path, copy: Path) -> None:
    store = open_store(path, KEY)
    backup(store._db, copy)
    store.close()

    def work(_: object) -> None:
        add(open_store(path, KEY), "last")
        os.kill(os.getpid(), signal.SIGKILL)

    assert dies_at(0, work)
    assert companions(path)[0].stat().st_size > 0
    kept = restore(copy, path)
    assert kept is not None
    assert (labels(path), labels(kept)) == ([], ["last"])


def test_a_broken_database_is_replaced_and_kept_with_its_log(path: Path, copy: Path) -> None:
    store = open_store(path, KEY)
    add(store)
    backup(store._db, copy)
    store.close()
    path.write_bytes(b"broken" * 1000)
    log = companions(path)[0]
    log.write_bytes(b"its log")
    kept = restore(copy, path)
    assert kept is not None
    assert labels(path) == ["main"]
    assert kept.read_bytes().startswith(b"broken")
    assert companions(kept)[0].read_bytes() == b"its log"
