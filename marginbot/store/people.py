"""People, invitations, and the database's own notes."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime

from marginbot.domain.errors import BadInvite
from marginbot.flow.ports import Person
from marginbot.store.codec import text_of
from marginbot.store.database import wipe_log
from marginbot.store.rows import Rows

# The same words for unknown, used and expired: a guesser learns nothing.
_BAD_INVITE = (
    "This invite code is not valid: it is unknown, was used already, or has expired. Nothing was changed. "
    "Ask the person who runs this bot for a new one."
)


class People(Rows):
    """Who may use the bot, and how to reach them in private."""

    def remember_person(self, person: Person, chat_id: int, now: datetime) -> None:
        """Note a person who wrote to the bot; who writes can be reached again."""
        with self._writing() as conn:
            upsert_person(conn, person, chat_id)

    def is_member(self, user_id: int) -> bool:
        """Whether the person redeemed an invite."""
        row = self._one("SELECT is_member FROM people WHERE user_id = ?", user_id)
        return row is not None and bool(row["is_member"])

    def create_invite(self, code: str, by: int, now: datetime, expires_at: datetime) -> None:
        """Store the hash of a single-use code."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO invites (code_hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (_hash(code), by, text_of(now), text_of(expires_at)),
            )

    def redeem_invite(self, code: str, user_id: int, now: datetime) -> None:
        """Make the user a member; `BadInvite` when the code is unknown, used or expired."""
        with self._writing() as conn:
            used = conn.execute(
                "UPDATE invites SET used_by = ?, used_at = ? "
                "WHERE code_hash = ? AND used_by IS NULL AND expires_at > ?",
                (user_id, text_of(now), _hash(code), text_of(now)),
            )
            if used.rowcount != 1:
                raise BadInvite("the invite code is unknown, used or expired", advice=_BAD_INVITE)
            ensure_person(conn, user_id)
            conn.execute("UPDATE people SET is_member = 1 WHERE user_id = ?", (user_id,))

    def forget_person(self, user_id: int) -> None:
        """Delete a person with all their accounts, and their name from the invites."""
        with self._writing() as conn:
            conn.execute("DELETE FROM people WHERE user_id = ?", (user_id,))
            conn.execute("DELETE FROM invites WHERE used_by = ? OR created_by = ?", (user_id, user_id))
        wipe_log(self._db.conn)

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


def upsert_person(conn: sqlite3.Connection, person: Person, chat_id: int) -> None:
    """Note name and private chat of a person; a group (its id is negative) is nobody's private chat."""
    ensure_person(conn, person.user_id)
    conn.execute(
        "UPDATE people SET name = ?, unreachable_since = CASE WHEN ? > 0 THEN NULL ELSE unreachable_since END, "
        "private_chat_id = CASE WHEN ? > 0 THEN ? ELSE private_chat_id END WHERE user_id = ?",
        (person.name, chat_id, chat_id, chat_id, person.user_id),
    )


def ensure_person(conn: sqlite3.Connection, user_id: int) -> None:
    """A row for the person, if there is none: in Telegram a private chat has the id of its person."""
    conn.execute(
        "INSERT INTO people (user_id, name, private_chat_id) VALUES (?, '', ?) ON CONFLICT (user_id) DO NOTHING",
        (user_id, user_id),
    )


def _hash(code: str) -> str:
    return hashlib.sha256(code.strip().encode()).hexdigest()
