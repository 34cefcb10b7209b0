"""What is stored about one person: all of it, found by the shape of the tables, so that no new one is forgotten.

A row belongs to a person by one of the columns below, or to one of their accounts or channels. Tables that hold
sealed secrets are left out by name; a test fails when a table is neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from marginbot.flow.ports import KnownPerson
from marginbot.store.compact import long
from marginbot.store.database import translated
from marginbot.store.rows import Row, Rows

SECRET_TABLES = frozenset({"secrets", "channel_secrets"})
IMPERSONAL_TABLES = frozenset(
    {
        "meta",
        "venue_terms",
        "history_symbols",
        "group_languages",
        "group_zones",
        "_sqlite_migrations",
        "sqlite_sequence",
    }
)
_PERSON = ("user_id", "created_by", "used_by", "owner_id", "buddy_id")
_OWNED = {
    "account_id": "SELECT id FROM accounts WHERE user_id = ?",
    "channel_id": "SELECT id FROM channels WHERE user_id = ?",
    "series_id": "SELECT s.id FROM history_series s JOIN accounts a ON a.id = s.account_id WHERE a.user_id = ?",
}


class Personal(Rows):
    """Answers for the person a row is about, and for who runs the bot."""

    def personal_data(self, user_id: int) -> dict[str, list[Row]]:
        """Every row about a person by table, documents decoded; no secret and no hash of one.

        Of history, the readings of the last minutes may still be in memory only; its packed numbers are unpacked.
        """
        symbols = {row["id"]: row["name"] for row in self._all("SELECT id, name FROM history_symbols")}
        found = {
            table: [_readable(row, symbols) for row in self._about(table, user_id)] for table in self._personal_tables()
        }
        return {table: rows for table, rows in found.items() if rows}

    def people(self) -> Sequence[KnownPerson]:
        """Everybody the bot knows, those with accounts first."""
        rows = self._all(
            "SELECT p.user_id, p.name, p.is_member, p.unreachable_since IS NOT NULL AS lost, count(a.id) AS accounts, "
            "count(a.refused) AS refused FROM people p LEFT JOIN accounts a ON a.user_id = p.user_id "
            "GROUP BY p.user_id ORDER BY accounts DESC, p.user_id"
        )
        return [
            KnownPerson(
                user_id=row["user_id"],
                name=row["name"],
                is_member=bool(row["is_member"]),
                accounts=row["accounts"],
                refused=row["refused"],
                is_unreachable=bool(row["lost"]),
            )
            for row in rows
        ]

    def end_membership(self, user_id: int) -> bool:
        """A person may register nothing more; what they have goes on. False where they were no member."""
        with self._writing() as conn:
            ended = conn.execute("UPDATE people SET is_member = 0 WHERE user_id = ? AND is_member = 1", (user_id,))
            return ended.rowcount == 1

    def _personal_tables(self) -> list[str]:
        names = sorted(set(self._db.table_names()) - SECRET_TABLES - IMPERSONAL_TABLES)
        return [name for name in names if not name.startswith("sqlite_")]

    def _about(self, table: str, user_id: int) -> list[Row]:
        columns = {column.name: column.type for column in self._db.table(table).columns}
        conditions = [f"{name} = ?" for name in _PERSON if name in columns]
        conditions += [f"{name} IN ({owned})" for name, owned in _OWNED.items() if name in columns]
        if table == "accounts":
            conditions = ["user_id = ?"]
        if not conditions:
            return []
        with translated():
            return list(self._db.table(table).rows_where(" OR ".join(conditions), [user_id] * len(conditions)))


def _readable(row: Row, symbols: Mapping[int, str]) -> Row:
    shown = {name: value for name, value in row.items() if not name.endswith("_hash") and not _is_bytes(value)}
    return dict(_field(name, value, symbols) for name, value in shown.items())


def _field(name: str, value: Any, symbols: Mapping[int, str]) -> tuple[str, Any]:
    if name == "symbol_id":
        return "symbol", symbols.get(value)
    if name.endswith("_short"):
        return name.removesuffix("_short"), long(value)
    return name, _value(value)


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes)


def _value(value: Any) -> Any:
    """Documents are stored as JSON text; shown as what they are."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
