"""Notices from written to accepted. A notice is sent only when the other side said so."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from marginbot.domain.notices import DropReason, Moved, Notice, Outcome, Sent, TryAgain, Unreachable
from marginbot.store.codec import FACTS, optional_text_of, optional_time_of, text_of, time_of
from marginbot.store.rows import Row, Rows

log = logging.getLogger(__name__)

LONGEST_ERROR = 500  # characters kept of what the other side said

_NOTICE = (
    "SELECT id, account_id, subject, episode, number, user_id, chat_id, sound, facts, created_at, attempts, "
    "next_attempt_at FROM notices "
)


class Outbox(Rows):
    """What is still to be told, and what became of it. A notice whose account is gone is gone as well."""

    def pending_notices(self) -> Sequence[Notice]:
        """All notices that are neither sent nor dropped and are due or not, oldest first."""
        return _readable(self._all(_NOTICE + "WHERE status = 'pending' ORDER BY id"))

    def account_notices(self, account_ids: Sequence[int], since: datetime) -> Sequence[Notice]:
        """Notices about accounts as a whole (not a pool) written since, without those given up."""
        where = "WHERE account_id = ? AND subject = '' AND created_at >= ? AND status <> 'dropped' ORDER BY id"
        return [n for number in account_ids for n in _readable(self._all(_NOTICE + where, number, text_of(since)))]

    def begin_attempt(self, notice_id: int, now: datetime) -> None:
        """Written before the request leaves, so that a repeat after a crash can be marked as one."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE notices SET attempts = attempts + 1, attempted_at = ? WHERE id = ?", (text_of(now), notice_id)
            )

    def finish_attempt(self, notice_id: int, outcome: Outcome, next_attempt_at: datetime | None, now: datetime) -> None:
        """Record what became of an attempt. `Sent` closes it, `Unreachable` drops it.

        After `Moved` (see `move_chat`) it is pending again. A notice removed meanwhile is left alone; one that was
        dropped meanwhile stays so, unless it turns out to have been accepted.
        """
        with self._writing() as conn:
            match outcome:
                case Sent(message_id):
                    _close_sent(conn, notice_id, message_id, now)
                case Unreachable(error):
                    _close_dropped(conn, notice_id, DropReason.UNREACHABLE, now)
                    _note_error(conn, notice_id, error, None)
                    _note_unreachable(conn, notice_id, now)
                case TryAgain(error):
                    _note_error(conn, notice_id, error, next_attempt_at)
                case Moved(chat_id):
                    _note_error(conn, notice_id, f"moved to {chat_id}", next_attempt_at)

    def drop_notice(self, notice_id: int, reason: DropReason, now: datetime) -> None:
        """Give a pending notice up, for a recorded reason."""
        with self._writing() as conn:
            _close_dropped(conn, notice_id, reason, now)

    def notice_of_message(self, chat_id: int, message_id: int) -> Notice | None:
        """The notice that a message in a chat carried, for replies and buttons."""
        where = "WHERE chat_id = ? AND message_id = ? ORDER BY id DESC LIMIT 1"
        return _first(self._all(_NOTICE + where, chat_id, message_id))

    def notice(self, notice_id: int) -> Notice | None:
        """A notice by its id, whatever its status."""
        return _first(self._all(_NOTICE + "WHERE id = ?", notice_id))

    def move_chat(self, old: int, new: int) -> Sequence[int]:
        """A group became a supergroup: rewrite its id everywhere in one transaction; ids of the accounts it sees.

        Once moved, nothing stands under the old id, so a second word of the same change returns nothing.
        What stands under the new id already stays. The messages of the old group have other numbers in the new one,
        so they can no longer be found by number.
        """
        if old == new:
            return ()
        with self._writing() as conn:
            seen = conn.execute(
                "SELECT account_id FROM shares WHERE chat_id = ? ORDER BY account_id", (old,)
            ).fetchall()
            conn.execute("UPDATE people SET private_chat_id = ? WHERE private_chat_id = ?", (new, old))
            conn.execute("UPDATE OR IGNORE shares SET chat_id = ? WHERE chat_id = ?", (new, old))
            conn.execute("DELETE FROM shares WHERE chat_id = ?", (old,))
            conn.execute("UPDATE OR IGNORE notices SET chat_id = ?, message_id = NULL WHERE chat_id = ?", (new, old))
            conn.execute("DELETE FROM notices WHERE chat_id = ?", (old,))
        return [row[0] for row in seen]


def _close_sent(conn: sqlite3.Connection, notice_id: int, message_id: int, now: datetime) -> None:
    conn.execute(
        "UPDATE notices SET status = 'sent', accepted_at = ?, message_id = ?, next_attempt_at = NULL, "
        "last_error = NULL, dropped_at = NULL, drop_reason = NULL WHERE id = ?",
        (text_of(now), message_id, notice_id),
    )
    conn.execute(
        "UPDATE people SET unreachable_since = NULL WHERE unreachable_since IS NOT NULL "
        "AND private_chat_id = (SELECT chat_id FROM notices WHERE id = ?)",
        (notice_id,),
    )


def _close_dropped(conn: sqlite3.Connection, notice_id: int, reason: DropReason, now: datetime) -> None:
    conn.execute(
        "UPDATE notices SET status = 'dropped', drop_reason = ?, dropped_at = ?, next_attempt_at = NULL "
        "WHERE id = ? AND status = 'pending'",
        (reason, text_of(now), notice_id),
    )


def _note_error(conn: sqlite3.Connection, notice_id: int, error: str, next_attempt_at: datetime | None) -> None:
    conn.execute(
        "UPDATE notices SET last_error = ?, next_attempt_at = ? WHERE id = ? AND status <> 'sent'",
        (error[:LONGEST_ERROR], optional_text_of(next_attempt_at), notice_id),
    )


def _note_unreachable(conn: sqlite3.Connection, notice_id: int, now: datetime) -> None:
    conn.execute(
        "UPDATE people SET unreachable_since = coalesce(unreachable_since, ?) "
        "WHERE private_chat_id = (SELECT chat_id FROM notices WHERE id = ?)",
        (text_of(now), notice_id),
    )


def _readable(rows: Sequence[Row]) -> list[Notice]:
    """One notice that cannot be read must not hold up the others."""
    found = []
    for row in rows:
        try:
            found.append(_notice(row))
        except ValueError:
            log.error("notice %s cannot be read and stays pending", row["id"])
    return found


def _first(rows: Sequence[Row]) -> Notice | None:
    return next(iter(_readable(rows)), None)


def _notice(row: Row) -> Notice:
    return Notice(
        id=row["id"],
        account_id=row["account_id"],
        subject=row["subject"],
        episode=row["episode"],
        number=row["number"],
        user_id=row["user_id"],
        chat_id=row["chat_id"],
        sound=bool(row["sound"]),
        facts=FACTS.decode(row["facts"]),
        created_at=time_of(row["created_at"]),
        attempts=row["attempts"],
        next_attempt_at=optional_time_of(row["next_attempt_at"]),
    )
