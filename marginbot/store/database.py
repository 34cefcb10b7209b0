"""Opening the database file: private to its owner, durable, and never by two bots at once."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from marginbot.domain.errors import ConfigError, MarginbotError

log = logging.getLogger(__name__)

IN_MEMORY = ":memory:"
PRIVATE = 0o600
TIMES = 5  # that a log is written back while more is written to it; with nothing left, it is begun anew
_writing_back = threading.Lock()
BUSY_SECONDS = 5.0  # how long to wait for another process, such as a backup

# foreign_keys is off until asked for. FULL: what was committed survives a power cut, WAL or not. secure_delete
# overwrites what is deleted. temp_store: nothing of ours in temporary files. wal_autocheckpoint: who commits waits for
# it, so it comes only where `write_back` does not keep up.
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA wal_autocheckpoint = 8000",
)


Progress = Callable[[int, int], None]  # (done so far, of how many); called from the work itself


def unseen(done: int, total: int) -> None:
    """The progress of work that nobody watches."""


class StoreFailed(MarginbotError):
    """The database could not do what was asked (disk full, damaged, locked); nothing of it was written."""

    advice = (
        "My database does not work at the moment. Nothing was changed. "
        "Please try again; if it stays so, tell the person who runs this bot."
    )


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as ours; the name of the error goes to the log, never a value."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StoreFailed(f"the database failed: {name}: {error}") from error


@contextmanager
def part(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, within a transaction that goes on either way."""
    conn.execute("SAVEPOINT part")
    try:
        yield conn
        conn.execute("RELEASE part")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK TO part")
            conn.execute("RELEASE part")
        raise


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing. Never await inside: another task's statements would join in."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield conn
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def open_database(path: Path | str, *, create: bool = True) -> Database:
    """Open (or create, mode 0600) the database; `ConfigError` says what is wrong with the path."""
    if str(path) != IN_MEMORY:
        _make_private(Path(path), create=create)
    conn = _connect(path)
    try:
        for pragma in PRAGMAS:
            conn.execute(pragma)
        _prove_writable(conn)
        return Database(conn)
    except sqlite3.Error as error:
        conn.close()
        raise _unusable(path, error) from error
    except BaseException:
        conn.close()
        raise


def wipe_log(conn: sqlite3.Connection) -> None:
    """Empty the write-ahead log, which still holds pages as they were before something was deleted.

    Where another process is just reading, the log stays until the next time; we do not wait for it.
    """
    with translated(), _writing_back:
        conn.execute("PRAGMA busy_timeout = 0")
        try:
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            conn.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def write_back(path: Path) -> bool:
    """Bring what is in the write-ahead log into the database; whether all of it is. For a thread of its own.

    It waits for the disk, which takes ten milliseconds or more; readers and writers go on meanwhile.
    """
    with (
        translated(),
        _writing_back,
        closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)) as conn,
    ):
        for _ in range(TIMES):
            busy, in_log, written = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if not busy and in_log == written:
                return True
        return False


@contextmanager
def instance_lock(path: Path | str) -> Iterator[None]:
    """Hold while running on a database: two bots on one database would tell everything twice."""
    if str(path) == IN_MEMORY:
        yield
        return
    lock = Path(f"{path}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise ConfigError(_no_file(Path(path), error)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"MARGINBOT_DATABASE: {path} is in use by another marginbot: stop that one first"
            ) from None
        yield
    finally:
        os.close(descriptor)  # releases the lock; the file stays, removing it would be a race


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read, from its first moment on; FileExistsError if it exists."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))


def companions(path: Path) -> tuple[Path, Path]:
    """The files SQLite keeps beside a database: write-ahead log and shared memory."""
    return Path(f"{path}-wal"), Path(f"{path}-shm")


def _connect(path: Path | str) -> sqlite3.Connection:
    try:
        # No implicit transactions: every one of ours begins and ends in `transaction`.
        return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _prove_writable(conn: sqlite3.Connection) -> None:
    conn.execute("BEGIN IMMEDIATE")  # waits for others, but is granted on a read-only file as well
    try:
        conn.execute("PRAGMA user_version = 0")
    finally:
        conn.execute("ROLLBACK")


def _make_private(path: Path, *, create: bool) -> None:
    try:
        if not create and not path.exists():
            raise ConfigError(f"MARGINBOT_DATABASE: there is no database at {path}; `marginbot migrate` makes one")
        try:
            create_private(path)
        except FileExistsError:
            # An existing file is never opened and closed here: closing would drop SQLite's locks in this process.
            _tighten(path)
    except OSError as error:
        raise ConfigError(_no_file(path, error)) from None


def _tighten(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"MARGINBOT_DATABASE: {path} is not a file; name one, such as marginbot.db")
    for file in (path, *companions(path)):
        if not file.exists() or not stat.S_IMODE(file.stat().st_mode) & 0o077:
            continue
        try:
            file.chmod(PRIVATE)
            log.warning("%s could be read by others; its mode is now 0600", file)
        except OSError:
            log.warning("%s can be read by others and its mode cannot be changed; run: chmod 600 %s", file, file)


def _no_file(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = f"the folder {path.parent} does not exist"
    elif isinstance(error, PermissionError):
        reason = f"the folder {path.parent} or the file may not be written by this user"
    else:
        reason = error.strerror or type(error).__name__
    return f"MARGINBOT_DATABASE: {path} cannot be used: {reason}; set it to a path in a folder that can be written"


def _unusable(path: Path | str, error: sqlite3.Error) -> ConfigError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_NOTADB"):
        reason = "it is not a SQLite database; choose another path"
    elif name.startswith("SQLITE_CORRUPT"):
        reason = "it is damaged; bring a backup back with `marginbot restore`"
    elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        reason = "the file or its folder may not be written by this user"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        reason = "another process holds it; stop that one first"
    else:
        reason = f"{name or type(error).__name__}: {error}"
    return ConfigError(f"MARGINBOT_DATABASE: {path} cannot be used: {reason}")
