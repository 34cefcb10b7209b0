"""Exercises, and reminders to have one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.domain.grading import Grade
from marginbot.store.codec import text_of, time_of
from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows


class DrillRows(Rows):
    """When exercises were started, and when their button was tapped."""

    def begin_drill(self, user_id: int, now: datetime) -> int:
        """Note an exercise before anything of it is sent; its id."""
        with self._writing() as conn:
            ensure_person(conn, user_id)
            added = conn.execute("INSERT INTO drills (user_id, started_at) VALUES (?, ?)", (user_id, text_of(now)))
            return int(added.lastrowid or 0)

    def tap_drill(self, drill_id: int, user_id: int, now: datetime) -> timedelta | None:
        """The time from start to the first tap; None when it is not this person's exercise."""
        with self._writing() as conn:
            row = conn.execute(
                "SELECT started_at, tapped_at FROM drills WHERE id = ? AND user_id = ?", (drill_id, user_id)
            ).fetchone()
            if row is None:
                return None
            tapped = text_of(now) if row[1] is None else row[1]
            conn.execute("UPDATE drills SET tapped_at = ? WHERE id = ?", (tapped, drill_id))
            return time_of(tapped) - time_of(row[0])

    def people_to_remind(self, now: datetime, *, every: timedelta, patience: timedelta) -> Sequence[tuple[int, bool]]:
        """Whom to ask for an exercise: (user, whether they have channels at all). Not asked since `every` ago.

        Either a channel was never proven in all its `patience`, or there is none and a pool is CRITICAL or worse.
        """
        rows = self._all(
            "SELECT p.user_id, EXISTS (SELECT 1 FROM channels c WHERE c.user_id = p.user_id) AS has_channels "
            "FROM people p LEFT JOIN channel_reminders r ON r.user_id = p.user_id "
            "WHERE p.unreachable_since IS NULL AND (r.told_at IS NULL OR r.told_at <= ?) AND ("
            "EXISTS (SELECT 1 FROM channels c WHERE c.user_id = p.user_id AND c.proven_at IS NULL "
            "AND c.created_at <= ?) "
            "OR (NOT EXISTS (SELECT 1 FROM channels c WHERE c.user_id = p.user_id) AND EXISTS ("
            "SELECT 1 FROM accounts a JOIN alert_states s ON s.account_id = a.id WHERE a.user_id = p.user_id "
            "AND s.subject <> '' AND json_extract(s.state, '$.grade') >= ?))) ORDER BY p.user_id",
            text_of(now - every),
            text_of(now - patience),
            int(Grade.CRITICAL),
        )
        return [(row["user_id"], bool(row["has_channels"])) for row in rows]

    def note_reminder(self, user_id: int, now: datetime) -> None:
        """They were asked; written before it is sent, so that a crash never makes it two."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO channel_reminders (user_id, told_at) VALUES (?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET told_at = excluded.told_at",
                (user_id, text_of(now)),
            )
