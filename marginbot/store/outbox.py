"""Notices from written to accepted. A notice is sent only when the other side said so."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from marginbot.domain.notices import DropReason, Line, Notice, shown
from marginbot.domain.outcomes import Moved, Outcome, Sent, TryAgain, Unreachable
from marginbot.store.codec import FACTS, optional_text_of, optional_time_of, text_of, time_of
from marginbot.store.rows import Row, Rows

log = logging.getLogger(__name__)

REASONS = {reason.value: reason for reason in Reason}
GRADES = frozenset(Grade)
LONGEST_ERROR = 500  # characters kept of what the other side said

_NOTICE = (
    "SELECT id, account_id, subject, episode, number, user_id, chat_id, sound, facts, created_at, attempts, "
    "next_attempt_at, held_until FROM notices "
)


# The facts are only looked into: reading them whole takes ten times as long. `Infinity` is stored as text.
_LINE = """
SELECT id, chat_id, user_id, account_id, subject, created_at, attempts, next_attempt_at, held_until,
    json_extract(told, '$.reason') AS reason,
    json_extract(told, '$.grade') AS grade,
    json_extract(told, '$.episode_worst') AS worst,
    json_extract(told, '$.cause') IS NOT NULL AS blind,
    json_extract(told, '$.note') IS NOT NULL AS is_note,
    coalesce(json_extract(told, '$.pool.cushion'), json_extract(told, '$.last_cushion')) AS cushion
FROM (SELECT *, CASE WHEN json_valid(facts) THEN facts ELSE '{}' END AS told FROM notices)
WHERE status = 'pending' AND id > ? ORDER BY id
"""
# The one that tells of the end is a message of its own, and stays as it is.
_EPISODE_MESSAGE = """
SELECT m.message_id FROM notices n JOIN notices m ON m.account_id = n.account_id AND m.subject = n.subject
    AND m.episode = n.episode AND m.chat_id = n.chat_id
WHERE n.id = ? AND m.id < n.id AND m.status = 'sent' AND m.message_id IS NOT NULL
    AND json_extract(m.facts, '$.note') IS NULL AND json_extract(m.facts, '$.reason') NOT IN ('recovered', 'liquidated')
ORDER BY m.id DESC LIMIT 1
"""
_AMONG = "id IN (SELECT value FROM json_each(?))"


class Outbox(Rows):
    """What is still to be told, and what became of it. A notice whose account is gone is gone as well."""

    def account_notices(self, account_ids: Sequence[int], since: datetime) -> Sequence[Notice]:
        """Notices about accounts as a whole (not a pool) written since, without those given up."""
        where = "WHERE account_id = ? AND subject = '' AND created_at >= ? AND status <> 'dropped' ORDER BY id"
        return [n for number in account_ids for n in _readable(self._all(_NOTICE + where, number, text_of(since)))]

    def count_pending(self) -> int:
        """How many notices are neither sent nor dropped."""
        row = self._one("SELECT count(*) AS found FROM notices WHERE status = 'pending'")
        return 0 if row is None else int(row["found"])

    def waiting_since(self) -> datetime | None:
        """When the oldest of those was written; None where there is none."""
        row = self._one("SELECT created_at FROM notices WHERE status = 'pending' ORDER BY id LIMIT 1")
        return None if row is None else time_of(row["created_at"])

    def pending_lines(self, after: int) -> Sequence[Line]:
        """What decides the turn of each pending notice with an id above `after`, oldest first."""
        return [_line(row) for row in self._all(_LINE, after)]

    def begin_attempts(self, notice_ids: Sequence[int], now: datetime, until: datetime) -> Sequence[Notice]:
        """Take those that are pending and due for sending, in one transaction, until `until`; the others are left out.

        Written before the request leaves: a repeat after a crash can be marked as one, and nobody else sends them
        meanwhile. The answer is as they were before, in the order asked for.
        """
        with self._writing() as conn:
            due = "AND status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= ?)"
            rows = self._all(f"{_NOTICE} WHERE {_AMONG} {due}", _listed(notice_ids), text_of(now))
            taken = {notice.id: notice for notice in _readable(rows)}
            conn.execute(
                f"UPDATE notices SET attempts = attempts + 1, attempted_at = ?, next_attempt_at = ? WHERE {_AMONG}",  # noqa: S608
                (text_of(now), text_of(until), _listed(taken)),
            )
        return [taken[wanted] for wanted in notice_ids if wanted in taken]

    def finish_attempts(
        self, notice_ids: Sequence[int], outcome: Outcome, next_attempt_at: datetime | None, now: datetime
    ) -> None:
        """Record what became of one message, for all the notices it carried, in one transaction.

        `Sent` closes them, `Unreachable` drops them; after `Moved` (see `move_chat`) they are pending again. A notice
        removed meanwhile is left alone; one that was dropped meanwhile stays so, unless it turns out to have been
        accepted.
        """
        with self._writing() as conn:
            for notice_id in notice_ids:
                _note_outcome(conn, notice_id, outcome, next_attempt_at, now)

    def hasten(self, notice_ids: Sequence[int], now: datetime) -> None:
        """Pending notices that were to wait longer are due now."""
        with self._writing() as conn:
            conn.execute(
                f"UPDATE notices SET next_attempt_at = ? WHERE {_AMONG} AND status = 'pending' AND next_attempt_at > ?",  # noqa: S608
                (text_of(now), _listed(notice_ids), text_of(now)),
            )

    def notices_with(self, notice_id: int) -> Sequence[Notice]:
        """What the message that carried this one tells now: of each story the last word."""
        where = (
            "WHERE id = ? OR (chat_id, message_id) = (SELECT chat_id, message_id FROM notices WHERE id = ?) ORDER BY id"
        )
        found = _readable(self._all(_NOTICE + where, notice_id, notice_id))
        return sorted((one.notice for one in shown(found)), key=lambda notice: notice.id)

    def episode_message(self, notice_id: int) -> int | None:
        """The message that last told of a pending notice's episode, in its chat; None: there is none."""
        row = self._one(_EPISODE_MESSAGE, notice_id)
        return None if row is None else int(row["message_id"])

    def carried(self, chat_id: int, message_id: int) -> Sequence[Notice]:
        """Every notice and note that a message carries, oldest first."""
        return _readable(self._all(_NOTICE + "WHERE chat_id = ? AND message_id = ? ORDER BY id", chat_id, message_id))

    def drop_notice(self, notice_id: int, reason: DropReason, now: datetime) -> None:
        """Give a pending notice up, for a recorded reason."""
        with self._writing() as conn:
            _close_dropped(conn, notice_id, reason, now)

    def notice_of_message(self, chat_id: int, message_id: int) -> Notice | None:
        """The notice that a message in a chat carried, the worst of several, for replies and buttons."""
        found = shown(self.carried(chat_id, message_id))
        return found[0].notice if found else None

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
            for table in ("group_languages", "group_zones"):
                conn.execute(f"UPDATE OR IGNORE {table} SET chat_id = ? WHERE chat_id = ?", (new, old))  # noqa: S608
                conn.execute(f"DELETE FROM {table} WHERE chat_id = ?", (old,))  # noqa: S608
            conn.execute(
                "UPDATE OR IGNORE boards SET chat_id = ?, message_id = NULL, shown_at = NULL WHERE chat_id = ?",
                (new, old),
            )
            conn.execute("DELETE FROM boards WHERE chat_id = ?", (old,))
            conn.execute("UPDATE OR IGNORE notices SET chat_id = ?, message_id = NULL WHERE chat_id = ?", (new, old))
            conn.execute("DELETE FROM notices WHERE chat_id = ?", (old,))
        return [row[0] for row in seen]


def _note_outcome(
    conn: sqlite3.Connection, notice_id: int, outcome: Outcome, next_attempt_at: datetime | None, now: datetime
) -> None:
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


def _listed(ids: Iterable[int]) -> str:
    return json.dumps(list(ids))


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
        held_until=optional_time_of(row["held_until"]),
    )


def _line(row: Row) -> Line:
    grade, worst, cushion = row["grade"], row["worst"], row["cushion"]
    return Line(
        id=row["id"],
        chat_id=row["chat_id"],
        account_id=row["account_id"],
        subject=row["subject"],
        reason=REASONS.get(row["reason"]),
        grade=Grade(grade) if grade in GRADES else None,
        worst=Grade(worst) if worst in GRADES else None,
        user_id=row["user_id"],
        held_until=optional_time_of(row["held_until"]),
        cushion=None if cushion is None else float(cushion),
        blind=bool(row["blind"]),
        created_at=time_of(row["created_at"]),
        attempts=row["attempts"],
        next_attempt_at=optional_time_of(row["next_attempt_at"]),
        is_note=bool(row["is_note"]),
    )
