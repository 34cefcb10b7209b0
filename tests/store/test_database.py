"""The file: private, durable, one bot at a time; and clear words for what is wrong with it."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from marginbot.domain.errors import ConfigError, MarginbotError
from marginbot.store import SqliteStore, StoreFailed, instance_lock, open_database, open_store
from marginbot.store.database import companions, transaction, translated
from tests.store.builders import ALICE, CREDENTIAL, KEY, NOW, add, cycle_record


def in_another_thread(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as other:
        other.submit(work).result()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_files_are_private_from_the_start_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(path, KEY)
        add(store)
        files = [path, *companions(path)]
        assert [mode(file) for file in files] == [0o600] * 3
        store.close()
    finally:
        os.umask(before)


def test_an_open_file_is_closed_to_others_and_said_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.touch()
    path.chmod(0o644)
    wal = companions(path)[0]
    wal.touch()
    wal.chmod(0o664)
    with caplog.at_level(logging.WARNING):
        open_database(path).close()
    assert mode(path) == 0o600
    assert "could be read by others" in caplog.text


def test_settings_of_the_connection(on_disk: SqliteStore) -> None:
    def pragma(name: str) -> object:
        return on_disk._db.conn.execute(f"PRAGMA {name}").fetchone()[0]

    names = ("journal_mode", "foreign_keys", "synchronous", "secure_delete", "busy_timeout")
    assert [pragma(name) for name in names] == ["wal", 1, 2, 1, 5000]
    add(on_disk)
    on_disk.remove_account(ALICE.user_id, "main")
    assert pragma("busy_timeout") == 5000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: path.write_bytes(b"no database" * 100), "not a SQLite database", id="other file"),
        pytest.param(lambda path: path.mkdir(), "not a file", id="folder"),
    ],
)
def test_unusable_paths_are_named(path: Path, make: object, words: str) -> None:
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=words) as caught:
        open_database(path)
    assert "MARGINBOT_DATABASE" in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        open_database(tmp_path / "nowhere" / "marginbot.db")
    with pytest.raises(ConfigError, match="does not exist"), instance_lock(tmp_path / "nowhere" / "marginbot.db"):
        pass


def test_a_look_does_not_create(path: Path) -> None:
    with pytest.raises(ConfigError, match="no database"):
        open_database(path, create=False)
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="may not be written"):
        open_database(folder / "marginbot.db")


def test_a_read_only_file_is_noticed_at_opening(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(path, KEY).close()
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda file, **options: connect(f"file:{file}?mode=ro", uri=True, **options)
    )
    with pytest.raises(ConfigError, match="may not be written"):
        open_database(path)


def test_one_bot_per_database(path: Path) -> None:
    with instance_lock(path):
        with pytest.raises(ConfigError, match="another marginbot"), instance_lock(path):
            pass
        with instance_lock(path.with_name("another.db")):
            pass
    with instance_lock(path):
        assert mode(Path(f"{path}.lock")) == 0o600


def test_memory_needs_no_lock() -> None:
    with instance_lock(":memory:"), instance_lock(":memory:"):
        pass


def test_a_database_held_by_another_is_waited_for_not_half_written(path: Path, on_disk: SqliteStore) -> None:
    on_disk._db.conn.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="SQLITE_BUSY"):
        add(on_disk)
    other.execute("ROLLBACK")
    other.close()
    assert add(on_disk).label == "main"


def test_sqlite_errors_become_ours() -> None:
    with pytest.raises(MarginbotError, match="the database failed") as caught, translated():
        raise sqlite3.OperationalError("database or disk is full")
    assert "Nothing was changed" in caught.value.advice


def test_a_failed_transaction_leaves_the_connection_usable(on_disk: SqliteStore) -> None:
    conn = on_disk._db.conn
    with pytest.raises(RuntimeError), transaction(conn):
        conn.execute("INSERT INTO meta (name, value) VALUES ('a', 'b')")
        raise RuntimeError
    assert not conn.in_transaction
    assert on_disk.get_meta("a") is None


def test_open_store_closes_what_it_cannot_use(path: Path) -> None:
    store = open_store(path, KEY)
    store.add_account(ALICE, ALICE.user_id, "bybit", "main", CREDENTIAL, NOW)
    store.record(cycle_record(store.account(ALICE.user_id, "main")))
    store.close()
    assert not companions(path)[0].exists()  # the last to close takes the log in
    with pytest.raises(MarginbotError):
        open_store(path, bytes(32))
    assert not companions(path)[0].exists()


def test_the_log_is_written_back_beside_the_bot_and_begun_anew(path: Path, on_disk: SqliteStore) -> None:
    def in_the_file_alone() -> bool:
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        with closing(sqlite3.connect(copy)) as conn:
            return conn.execute("SELECT 1 FROM meta WHERE name = 'x'").fetchone() is not None

    in_another_thread(on_disk.write_back)
    on_disk.set_meta("x", "written")
    assert not in_the_file_alone()
    in_another_thread(on_disk.write_back)
    assert in_the_file_alone()
    before = Path(f"{path}-wal").stat().st_size
    for number in range(200):
        on_disk.set_meta("x", str(number))
        in_another_thread(on_disk.write_back)
    assert Path(f"{path}-wal").stat().st_size <= before + 50_000, "its room is used again"


def test_a_log_that_cannot_be_written_back_is_said(path: Path, on_disk: SqliteStore) -> None:
    path.rename(path.with_name("gone.db"))
    with pytest.raises(StoreFailed):
        in_another_thread(on_disk.write_back)


def test_in_memory_there_is_no_log() -> None:
    store = open_store(":memory:", bytes(32))
    store.write_back()
    store.close()
