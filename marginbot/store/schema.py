"""Finding and applying the migrations; refusing databases that are not ours, or newer than we are."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

import marginbot
from marginbot.domain.errors import ConfigError
from marginbot.store.database import translated

_BOOKKEEPING = {"_sqlite_migrations"}


def migrations_file(package: Path | None = None) -> Path:
    """Where the migrations are: inside an installed package, or beside it in a source checkout."""
    package = package or Path(marginbot.__file__).parent
    candidates = (package / "_migrations" / "migrations.py", package.parent / "migrations" / "migrations.py")
    for file in candidates:
        if file.is_file():
            return file
    raise ConfigError("the installation is incomplete: its database migrations are missing; install marginbot again")


@cache
def load_migrations(file: Path) -> Migrations:
    """The migration set in a file, which is run on its own, without a package around it."""
    spec = importlib.util.spec_from_file_location("marginbot_migrations", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.migrations
    assert isinstance(found, Migrations)
    return found


def names(migrations: Migrations) -> list[str]:
    """All migrations of a set, oldest first: what an empty database lacks."""
    with Database(memory=True) as empty:
        return [migration.name for migration in migrations.pending(empty)]


def pending(db: Database) -> list[str]:
    """Names of the migrations that this database still needs; writes nothing. Refuses what `migrate` refuses."""
    with translated():
        known = load_migrations(migrations_file())
        missing = [migration.name for migration in known.pending(db)]
        _refuse_strangers(db, known)
        return missing


def migrate(db: Database) -> list[str]:
    """Bring the database to the current schema, each step whole or not at all; returns what was applied."""
    missing = pending(db)
    if missing:
        with translated():
            load_migrations(migrations_file()).apply(db)
    return missing


def _refuse_strangers(db: Database, known: Migrations) -> None:
    applied = [migration.name for migration in known.applied(db)]
    newer = sorted(set(applied) - set(names(known)))
    if newer:
        raise ConfigError(
            f"MARGINBOT_DATABASE was written by a newer marginbot (it has {', '.join(newer)}): "
            "install that version again, or restore a backup made with this one"
        )
    if not applied and set(db.table_names()) - _BOOKKEEPING:
        raise ConfigError(
            "MARGINBOT_DATABASE names a SQLite database of another program: choose another path, such as marginbot.db"
        )
