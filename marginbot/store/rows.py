"""What all parts of the store share: the connection, transactions, rows as dictionaries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlite_utils import Database

from marginbot.store.database import StoreFailed, part, transaction, translated
from marginbot.store.vault import Vault

Row = dict[str, Any]


class Rows:
    """A migrated database and its vault. Methods are synchronous; each public one is one transaction."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault
        self._is_together = False

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction around several methods, each of which stays all or nothing. Never await inside."""
        with translated(), transaction(self._db.conn):
            self._is_together = True
            try:
                yield
            finally:
                self._is_together = False

    def get_meta(self, name: str) -> str | None:
        """A note of the bot about itself."""
        row = self._one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    def set_meta(self, name: str, value: str) -> None:
        """Write such a note, replacing the one before."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._is_together and not self._db.conn.in_transaction:
            raise StoreFailed("the transaction was lost")  # SQLite gives a whole one up when the disk is full
        with translated(), (part if self._is_together else transaction)(self._db.conn) as conn:
            yield conn

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with translated():
            yield self._db.conn

    def _all(self, sql: str, *values: object) -> list[Row]:
        with translated():
            found = self._db.conn.execute(sql, values)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    def _one(self, sql: str, *values: object) -> Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None
