"""Migrations: append-only, self-contained, and what they make is written down in `golden/schema.sql`.

After a deliberate change: `python -m tests.test_migrations > tests/golden/schema.sql`.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

import pytest
from sqlite_utils import Database

import marginbot
from marginbot.domain.errors import ConfigError
from marginbot.store.database import open_database
from marginbot.store.schema import load_migrations, migrate, migrations_file, names, pending

GOLDEN = Path(__file__).parent / "golden" / "schema.sql"
SOURCE = Path(marginbot.__file__).parent.parent / "migrations" / "migrations.py"


def schema_of(db: Database) -> str:
    rows = db.query("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '%sqlite%' ORDER BY rowid")
    return "".join(f"{row['sql']};\n\n" for row in rows)


def migrated() -> Database:
    db = open_database(":memory:")
    migrate(db)
    return db


def test_the_schema_is_the_one_written_down() -> None:
    with migrated() as db:
        assert schema_of(db) == GOLDEN.read_text(encoding="utf-8")


def test_names_carry_the_order() -> None:
    known = names(load_migrations(migrations_file()))
    assert known
    for number, name in enumerate(known, start=1):
        assert re.fullmatch(rf"m{number:03d}_[a-z_]+", name)


def test_applying_twice_is_applying_once() -> None:
    with open_database(":memory:") as db:
        assert pending(db) == migrate(db) == names(load_migrations(migrations_file()))
        before = schema_of(db)
        assert pending(db) == migrate(db) == []
        assert schema_of(db) == before


def test_looking_writes_nothing(tmp_path: Path) -> None:
    with open_database(tmp_path / "new.db") as db:
        assert pending(db)
        assert db.table_names() == []


def test_every_table_is_strict_and_every_cascade_has_an_index() -> None:
    with migrated() as db:
        for row in db.query("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"):
            assert row["strict"] or "sqlite" in row["name"], row["name"]
        for table in db.tables:
            for key in table.foreign_keys:
                indexed = {index.columns[0] for index in table.indexes} | {table.pks[0]}
                assert key.column in indexed, f"{table.name}.{key.column}"


def test_the_migrations_stand_alone() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"sqlite_utils", "sqlite_utils.migrations"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_found_in_a_source_checkout() -> None:
    assert migrations_file() == SOURCE


def test_found_in_an_installed_package(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "marginbot"
    inside = package / "_migrations" / "migrations.py"
    inside.parent.mkdir(parents=True)
    with pytest.raises(ConfigError, match="install marginbot again"):
        migrations_file(package)
    shutil.copy(SOURCE, inside)
    assert migrations_file(package) == inside
    assert names(load_migrations(inside)) == names(load_migrations(SOURCE))


def test_a_newer_database_is_refused_untouched() -> None:
    with migrated() as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "marginbot", "name": "m900_later", "applied_at": "2099-01-01"}
        )
        for attempt in (pending, migrate):
            with pytest.raises(ConfigError, match=r"newer marginbot \(it has m900_later\)"):
                attempt(db)


def test_the_database_of_another_program_is_refused_untouched() -> None:
    with open_database(":memory:") as db:
        db.execute("CREATE TABLE songs (title TEXT)")
        with pytest.raises(ConfigError, match="another program"):
            migrate(db)
        assert db.table_names() == ["songs"]


def test_a_migration_that_dies_is_not_half_there() -> None:
    with open_database(":memory:") as db:
        db.execute("CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set, name UNIQUE, applied_at)")
        db.execute(
            "CREATE TEMP TRIGGER dies BEFORE INSERT ON main._sqlite_migrations WHEN NEW.name LIKE 'm002%' "
            "BEGIN SELECT RAISE(ABORT, 'dies here'); END"
        )
        with pytest.raises(Exception, match="dies here"):
            migrate(db)
        assert "people" in db.table_names()
        assert "accounts" not in db.table_names()
        db.execute("DROP TRIGGER dies")
        assert migrate(db) == names(load_migrations(migrations_file()))[1:]


if __name__ == "__main__":
    with migrated() as fresh:
        sys.stdout.write(schema_of(fresh))
