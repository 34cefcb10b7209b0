"""The time zone of each person and of each group, and people's quiet hours."""

from __future__ import annotations

import logging
import sqlite3
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marginbot.domain.hours import QuietHours
from marginbot.store.codec import text_of
from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows

log = logging.getLogger(__name__)


class HoursRows(Rows):
    """What a clock shows where somebody lives."""

    def zone_of(self, chat_id: int) -> tzinfo:
        """A person's time zone, or a group's; UTC where none was set, or where this machine no longer knows it."""
        if chat_id < 0:
            row = self._one("SELECT zone FROM group_zones WHERE chat_id = ?", chat_id)
        else:
            row = self._one("SELECT zone FROM local_hours WHERE user_id = ?", chat_id)
        if row is None or row["zone"] is None or row["zone"] == "UTC":
            return UTC
        try:
            return ZoneInfo(row["zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            log.warning("the time zone of chat %s is not known on this machine: times are shown in UTC", chat_id)
            return UTC

    def set_zone(self, user_id: int, name: str, now: datetime) -> None:
        """Show times so from now on; quiet hours are of that clock."""
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute(
                "INSERT INTO local_hours (user_id, zone) VALUES (?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET zone = excluded.zone",
                (user_id, name),
            )
            self._end_holds(conn, user_id, now)

    def set_group_zone(self, chat_id: int, name: str) -> None:
        """Show times in a group so from now on."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO group_zones (chat_id, zone) VALUES (?, ?) "
                "ON CONFLICT (chat_id) DO UPDATE SET zone = excluded.zone",
                (chat_id, name),
            )

    def quiet_hours(self, user_id: int) -> QuietHours | None:
        """A person's quiet hours; None: there are none."""
        row = self._one("SELECT quiet_from, quiet_until FROM local_hours WHERE user_id = ?", user_id)
        if row is None or row["quiet_from"] is None or row["quiet_until"] is None:
            return None
        return QuietHours(row["quiet_from"], row["quiet_until"])

    def set_quiet_hours(self, user_id: int, hours: QuietHours | None, now: datetime) -> None:
        """Hold what is not grave in these hours, or (None) never."""
        start, end = (None, None) if hours is None else (hours.start, hours.end)
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute(
                "INSERT INTO local_hours (user_id, quiet_from, quiet_until) VALUES (?, ?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET quiet_from = excluded.quiet_from, "
                "quiet_until = excluded.quiet_until",
                (user_id, start, end),
            )
            self._end_holds(conn, user_id, now)

    def _end_holds(self, conn: sqlite3.Connection, user_id: int, now: datetime) -> None:
        """What is held longer than the hours now last is held until their end: after that it is late."""
        until = text_of(self.quiet_until(user_id, now) or now)
        conn.execute(
            "UPDATE notices SET held_until = ? WHERE user_id = ? AND status = 'pending' AND held_until > ?",
            (until, user_id, until),
        )

    def quiet_until(self, user_id: int, now: datetime) -> datetime | None:
        """When the quiet hours that a person is in now end; None: they are in none."""
        hours = self.quiet_hours(user_id)
        return None if hours is None else hours.until(now, self.zone_of(user_id))

    def hold_notice(self, notice_id: int, until: datetime) -> None:
        """Note that a pending notice is held back on purpose. It stays pending: whoever sends decides anew."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE notices SET held_until = ? WHERE id = ? AND status = 'pending'", (text_of(until), notice_id)
            )
