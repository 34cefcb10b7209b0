"""People and invitations."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime, timedelta

from marginbot.domain.errors import BadInvite
from marginbot.domain.notices import DropReason
from marginbot.flow.ports import Person
from marginbot.store.codec import text_of, time_of
from marginbot.store.database import wipe_log
from marginbot.store.rows import Rows

TRY_AGAIN_AFTER = timedelta(hours=1)
_UNREACHABLE = "unreachable:"  # and the user's id: a note with the time and the reason

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

    def lost_contact(self, user_id: int, why: str, now: datetime) -> bool:
        """Telegram says that a person's private chat is closed to the bot: nothing more is tried there.

        What was waiting for it is dropped, and the reason is kept beside the time. False where that was known
        already, or the person is not.
        """
        with self._writing() as conn:
            row = conn.execute(
                "UPDATE people SET unreachable_since = coalesce(unreachable_since, ?) WHERE user_id = ? "
                "RETURNING private_chat_id, unreachable_since",
                (text_of(now), user_id),
            ).fetchone()
            if row is None:
                return False
            noted = conn.execute(
                "INSERT INTO meta (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
                (_unreachable(user_id), f"{row[1]} {why}"),
            )
            conn.execute(
                "UPDATE notices SET status = 'dropped', drop_reason = ?, dropped_at = ?, last_error = ?, "
                "next_attempt_at = NULL WHERE chat_id = ? AND status = 'pending'",
                (DropReason.UNREACHABLE, text_of(now), why, row[0]),
            )
            return noted.rowcount == 1

    def regained_contact(self, user_id: int) -> tuple[datetime, int] | None:
        """A person can be reached again: since when not, and how much was not told. None: nothing was amiss."""
        with self._writing() as conn:
            row = conn.execute(
                "SELECT unreachable_since, private_chat_id FROM people "
                "WHERE user_id = ? AND unreachable_since IS NOT NULL",
                (user_id,),
            ).fetchone()
            if row is None:
                return None
            conn.execute("UPDATE people SET unreachable_since = NULL WHERE user_id = ?", (user_id,))
            conn.execute("DELETE FROM meta WHERE name = ?", (_unreachable(user_id),))
            missed = conn.execute(
                "SELECT count(*) FROM notices WHERE chat_id = ? AND number >= 0 "
                "AND drop_reason = ? AND dropped_at >= ?",
                (row[1], DropReason.UNREACHABLE, row[0]),
            ).fetchone()
            return time_of(row[0]), int(missed[0])

    def is_member(self, user_id: int) -> bool:
        """Whether the person redeemed an invite."""
        row = self._one("SELECT is_member FROM people WHERE user_id = ?", user_id)
        return row is not None and bool(row["is_member"])

    def create_invite(self, code: str, by: int, now: datetime, expires_at: datetime) -> None:
        """Store the hash of a single-use code."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO invites (code_hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (code_hash(code), by, text_of(now), text_of(expires_at)),
            )

    def redeem_invite(self, code: str, user_id: int, now: datetime) -> None:
        """Make the user a member; `BadInvite` when the code is unknown, used or expired."""
        with self._writing() as conn:
            used = conn.execute(
                "UPDATE invites SET used_by = ?, used_at = ? "
                "WHERE code_hash = ? AND used_by IS NULL AND expires_at > ?",
                (user_id, text_of(now), code_hash(code), text_of(now)),
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
            conn.execute("DELETE FROM meta WHERE name = ?", (_unreachable(user_id),))
        wipe_log(self._db.conn)


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


def is_closed(conn: sqlite3.Connection, chat_id: int, now: datetime) -> bool:
    """Whether Telegram said that a private chat is closed. Once in a while it is tried all the same.

    A refused message alone is no such word: one error must not silence a person. And the word that a chat is open
    again can be lost while the bot is away, hence the trial.
    """
    row = conn.execute(
        "SELECT max(p.unreachable_since, coalesce((SELECT max(attempted_at) FROM notices n "
        "WHERE n.chat_id = p.private_chat_id), '')) FROM people p JOIN meta m ON m.name = ? || p.user_id "
        "WHERE p.private_chat_id = ? AND p.unreachable_since IS NOT NULL AND instr(m.value, p.unreachable_since) = 1",
        (_UNREACHABLE, chat_id),
    ).fetchone()
    return row is not None and row[0] is not None and now - time_of(row[0]) < TRY_AGAIN_AFTER


def _unreachable(user_id: int) -> str:
    return f"{_UNREACHABLE}{user_id}"


def code_hash(code: str) -> str:
    """What is kept of a code that somebody holds."""
    return hashlib.sha256(code.strip().encode()).hexdigest()
