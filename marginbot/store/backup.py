"""Copies of the database: made while it is in use, checked, and brought back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

from sqlite_utils import Database

from marginbot.domain.errors import ConfigError
from marginbot.store.database import Progress, companions, create_private, instance_lock, translated, unseen
from marginbot.store.schema import load_migrations, migrations_file, names, pending

PAGES = 1024  # of a backup that is brought back, at a time
_SQLITE_MAGIC = b"SQLite format 3\0"


def backup(db: Database, target: Path) -> None:
    """Copy the database, as it is at one moment, to a file of mode 0600; a backup of that name is replaced.

    The bot may go on meanwhile. Exchange keys in the copy stay sealed under the master key, which is not in it.
    """
    if target.exists():
        _refuse_target(db, target)
    with _new_file(target) as part:
        _copy(db.conn, part)
        part.replace(target)
        _sync_folder(target)


def restore(source: Path, target: Path, progress: Progress = unseen) -> Path | None:
    """Put a backup in place of the database, after checking it; returns where the replaced one was kept.

    No bot may run on it meanwhile. Notices that were pending in the backup may have been told since: they are
    marked as attempted, so that they go out as repeats or, where there is newer news, not at all.
    """
    if target.exists() and source.exists() and source.samefile(target):
        raise ConfigError(f"{source} is the database itself; name a backup made with `marginbot backup`")
    with instance_lock(target), _new_file(target) as part:
        with closing(_open_read_only(source)) as conn:
            _check(conn, source)
            _copy(conn, part, progress)
        _mark_repeats(part)
        kept = _set_aside(target) if target.exists() else None
        part.replace(target)
        _sync_folder(target)
        return kept


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """A private file beside the target to work on; gone afterwards, unless it was moved into place."""
    part = Path(f"{target}.part")
    try:
        part.unlink(missing_ok=True)
        create_private(part)
        yield part
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        for file in (part, Path(f"{part}-journal"), *companions(part)):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _refuse_target(db: Database, target: Path) -> None:
    own = next((row["file"] for row in db.query("PRAGMA database_list") if row["name"] == "main"), "")
    if own and target.samefile(own):
        raise ConfigError(f"{target} is the database itself; name another file for the backup")
    try:
        with target.open("rb") as file:
            is_database = file.read(len(_SQLITE_MAGIC)) in (b"", _SQLITE_MAGIC)
    except OSError:
        is_database = False
    if not is_database:
        raise ConfigError(f"{target} exists and is not a backup; name another file")


def _copy(source: sqlite3.Connection, path: Path, progress: Progress | None = None) -> None:
    """In one step, unless watched: while a bot writes, a copy in several steps would begin anew each time."""
    with translated(), closing(sqlite3.connect(path, isolation_level=None)) as copy:
        if progress is None:
            source.backup(copy)
        else:
            source.backup(copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, nothing beside it


def _open_read_only(source: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        raise ConfigError(f"{source} cannot be read; name a backup made with `marginbot backup`") from None


def _check(conn: sqlite3.Connection, source: Path) -> None:
    try:
        faults = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(1)")]
        orphans = conn.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{source} is not a usable backup: {error}; nothing was changed") from None
    if faults != ["ok"] or orphans is not None:
        raise ConfigError(f"{source} is damaged; nothing was changed; try another backup")
    try:
        missing = pending(Database(conn))
    except ConfigError as error:
        raise ConfigError(f"{source} cannot be restored: {str(error).replace('MARGINBOT_DATABASE', 'it')}") from None
    if missing == names(load_migrations(migrations_file())):
        raise ConfigError(f"{source} is empty; nothing was changed; name a backup made with `marginbot backup`")


def _mark_repeats(path: Path) -> None:
    with translated(), closing(sqlite3.connect(path, isolation_level=None)) as copy:
        if Database(copy).table("notices").exists():
            copy.execute("UPDATE notices SET attempts = 1 WHERE status = 'pending' AND attempts = 0")


def _set_aside(target: Path) -> Path:
    """Keep the database and its log under another name; the file itself stays until the new one replaces it.

    It is not opened: it may be broken. The log must go first, SQLite would apply it to the new database.
    """
    kept = next(name for n in count(1) if not (name := Path(f"{target}.replaced-{n}")).exists())
    os.link(target, kept)
    for beside, name in zip(companions(target), companions(kept), strict=True):
        if beside.exists():
            beside.rename(name)
    return kept


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
