"""When people want their report, what was sent, and which episodes were told about when they were over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Facts
from marginbot.flow.reports import Ended
from marginbot.store.codec import FACTS, time_of
from marginbot.store.hours import HoursRows
from marginbot.store.people import ensure_person
from marginbot.store.rows import Row

log = logging.getLogger(__name__)

CURSOR = "stories_after_notice"

# Only the owner's copy of a message: an episode is told about once. Notes on earlier messages have numbers below zero.
_ENDED = (
    "SELECT n.id, n.account_id, n.user_id, n.subject, n.episode, n.status, n.created_at FROM notices n "
    "WHERE n.id > ? AND n.number > 0 AND n.subject NOT IN ('', 'key') AND json_valid(n.facts) "
    "AND json_extract(n.facts, '$.reason') IN (?, ?) AND json_extract(n.facts, '$.grade') = 0 "
    "AND json_extract(n.facts, '$.episode_worst') >= ? "
    "AND n.id = (SELECT max(m.id) FROM notices m WHERE m.account_id = n.account_id AND m.subject = n.subject "
    "AND m.episode = n.episode AND m.number > 0) ORDER BY n.id LIMIT ?"
)


class ReportRows(HoursRows):
    """Reports by day and by episode."""

    def report_time(self, user_id: int) -> int | None:
        """The minute of their local day; None: no daily report."""
        row = self._one("SELECT minute_of_day FROM report_times WHERE user_id = ?", user_id)
        return None if row is None else row["minute_of_day"]

    def set_report_time(self, user_id: int, minute: int | None, now: datetime) -> None:
        """From now on at this minute, today only if it is yet to come; None: never again.

        A day that had its report has no second one, whatever is chosen: turning it off keeps the day.
        """
        here = now.astimezone(self.zone_of(user_id))
        today, passed = here.date().isoformat(), minute is not None and minute <= here.hour * 60 + here.minute
        with self._writing() as conn:
            ensure_person(conn, user_id)
            if minute is None:
                conn.execute("UPDATE report_times SET minute_of_day = NULL WHERE user_id = ?", (user_id,))
                return
            conn.execute(
                "INSERT INTO report_times (user_id, minute_of_day, sent_on) VALUES (?, ?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET minute_of_day = excluded.minute_of_day, "
                "sent_on = coalesce(excluded.sent_on, sent_on)",
                (user_id, minute, today if passed else None),
            )

    def due_reports(self, now: datetime) -> Sequence[int]:
        """Whose report of today is due and not claimed; people who cannot be reached wait."""
        tomorrow = (now + timedelta(days=1)).date().isoformat()  # the latest day that it is anywhere
        rows = self._all(
            "SELECT r.user_id, r.minute_of_day, coalesce(r.sent_on, '') AS sent_on FROM report_times r "
            "JOIN people p ON p.user_id = r.user_id WHERE r.minute_of_day IS NOT NULL "
            "AND coalesce(r.sent_on, '') < ? AND p.unreachable_since IS NULL ORDER BY r.user_id",
            tomorrow,
        )
        return [row["user_id"] for row in rows if self._is_due(row, now)]

    def _is_due(self, row: Row, now: datetime) -> bool:
        here = now.astimezone(self.zone_of(row["user_id"]))
        return bool(row["minute_of_day"] <= here.hour * 60 + here.minute and row["sent_on"] < here.date().isoformat())

    def claim_report(self, user_id: int, day: date) -> bool:
        """Take a day's report for sending; False: it was taken before."""
        with self._writing() as conn:
            return (
                conn.execute(
                    "UPDATE report_times SET sent_on = ? WHERE user_id = ? AND coalesce(sent_on, '') < ?",
                    (day.isoformat(), user_id, day.isoformat()),
                ).rowcount
                == 1
            )

    def release_report(self, user_id: int, day: date) -> None:
        """It was surely not delivered: it may be taken again."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE report_times SET sent_on = NULL WHERE user_id = ? AND sent_on = ?", (user_id, day.isoformat())
            )

    def ended_episodes(self, limit: int) -> Sequence[Ended]:
        """Episodes that were critical and are over, not yet passed, oldest first."""
        reasons, cursor, newest = (Reason.RECOVERED.value, Reason.SIGHT_BACK.value), self._cursor(), self._newest()
        rows = self._all(_ENDED, cursor, *reasons, int(Grade.CRITICAL), limit) if newest > cursor else []
        if not rows and newest > cursor:
            self._set_cursor(newest)  # nothing up to here is looked at again
        return [
            Ended(
                notice_id=row["id"],
                account_id=row["account_id"],
                user_id=row["user_id"],
                subject=row["subject"],
                episode=row["episode"],
                told=row["status"] != "pending",
                at=time_of(row["created_at"]),
            )
            for row in rows
        ]

    def pass_episode(self, ended: Ended) -> None:
        """It is dealt with, and so is everything before it."""
        self._set_cursor(ended.notice_id)

    def episode_facts(self, account_id: int, subject: str, episode: int) -> Sequence[Facts]:
        """What the messages of an episode said, oldest first; those that cannot be read are left out."""
        rows = self._all(
            "SELECT id, facts FROM notices WHERE account_id = ? AND subject = ? AND episode = ? AND number > 0 "
            "ORDER BY number, id",
            account_id,
            subject,
            episode,
        )
        found = []
        for row in rows:
            try:
                found.append(FACTS.decode(row["facts"]))
            except ValueError:
                log.warning("notice %s: the facts cannot be read", row["id"])
        return found

    def _cursor(self) -> int:
        """The last message that was looked at. A database of before begins now: old stories are not told."""
        kept = self.get_meta(CURSOR)
        if kept is not None:
            return int(kept)
        newest = self._newest()
        self._set_cursor(newest)
        return newest

    def _newest(self) -> int:
        row = self._one("SELECT coalesce(max(id), 0) AS newest FROM notices")
        return 0 if row is None else int(row["newest"])

    def _set_cursor(self, notice_id: int) -> None:
        self.set_meta(CURSOR, str(notice_id))
