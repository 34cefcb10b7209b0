"""The time zone of each person, and their quiet hours."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marginbot.domain.hours import QuietHours
from marginbot.store.codec import text_of
from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows

log = logging.getLogger(__name__)


class HoursRows(Rows):
    """What a clock shows where somebody lives."""

    def zone_of(self, user_id: int) -> tzinfo:
        """A person's time zone; UTC where none was set, or where this machine no longer knows it."""
        row = self._one("SELECT zone FROM local_hours WHERE user_id = ?", user_id)
        if row is None or row["zone"] is None or row["zone"] == "UTC":
            return UTC
        try:
            return ZoneInfo(row["zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            log.warning("the time zone of user %s is not known on this machine: times are shown in UTC", user_id)
            return UTC

    def set_zone(self, user_id: int, name: str) -> None:
        """Show times so from now on."""
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute(
                "INSERT INTO local_hours (user_id, zone) VALUES (?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET zone = excluded.zone",
                (user_id, name),
            )

    def quiet_hours(self, user_id: int) -> QuietHours | None:
        """A person's quiet hours; None: there are none."""
        row = self._one("SELECT quiet_from, quiet_until FROM local_hours WHERE user_id = ?", user_id)
        if row is None or row["quiet_from"] is None or row["quiet_until"] is None:
            return None
        return QuietHours(row["quiet_from"], row["quiet_until"])

    def set_quiet_hours(self, user_id: int, hours: QuietHours | None) -> None:
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
