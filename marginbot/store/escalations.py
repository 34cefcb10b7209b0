"""Escalation steps: planned, checked and marked in one transaction, and what became of them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from marginbot.domain.alerting import ACKNOWLEDGED_FOR, AlertState, Mute, MuteKind
from marginbot.domain.escalation import (
    MOST_ATTEMPTS,
    TOGETHER_WITHIN,
    Accepted,
    Alarm,
    Channel,
    Rang,
    Ring,
    RingAgain,
    RingItem,
    RingRefused,
    Step,
    StepStatus,
    StopReason,
    acknowledgement,
    alarm_of,
    due_at,
    retry_at,
    stop_reason,
)
from marginbot.domain.grading import Grade
from marginbot.flow.escalation import OpenReceipt
from marginbot.store.alerts import note_quiet
from marginbot.store.channels import CHANNEL, LONGEST_REASON, channel_of
from marginbot.store.codec import MUTE, STATE, optional_time_of, text_of, time_of
from marginbot.store.hours import HoursRows
from marginbot.store.record import note_acknowledgement
from marginbot.store.rows import Row

log = logging.getLogger(__name__)

# Calm states need not be opened: only what is above OK can be an alarm.
_STATES = (
    "SELECT s.account_id, s.subject, s.state, s.mute, a.user_id, p.unreachable_since FROM alert_states s "
    "JOIN accounts a ON a.id = s.account_id JOIN people p ON p.user_id = a.user_id "
    "WHERE json_extract(s.state, '$.grade') >= 1 AND EXISTS ("
    "SELECT 1 FROM channels c WHERE c.user_id = a.user_id AND c.disabled_at IS NULL)"
)
_STEP = (
    "SELECT e.id, e.channel_id, e.account_id, e.subject, e.episode, e.number, e.grade, e.due_at, e.status, "
    "e.attempts, e.repeats, e.closed_at, e.receipt, a.label, a.exchange "
    "FROM escalation_steps e JOIN accounts a ON a.id = e.account_id "
)
_DUE = (
    "SELECT DISTINCT e.channel_id AS id FROM escalation_steps e JOIN channels c ON c.id = e.channel_id "
    "JOIN people p ON p.user_id = c.user_id WHERE e.status = 'waiting' AND e.closed_at IS NULL "
    "AND (e.due_at <= ? OR (p.unreachable_since IS NOT NULL AND e.attempts = 0)) ORDER BY e.channel_id"
)


class EscalationRows(HoursRows):
    """When which channel is to ring about what."""

    def plan_steps(self, now: datetime) -> int:
        """Write the steps that the present alarms call for and that are not there yet; how many."""
        with self._writing() as conn:
            planned = 0
            for row in self._all(_STATES):
                alarm = _alarm(row, now)
                if alarm is None or self._waits(row["user_id"], alarm, now):
                    continue
                for channel in self._open_channels(row["user_id"], at_once=row["unreachable_since"] is not None):
                    planned += self._plan(conn, channel, row, alarm, now)
            return planned

    def _waits(self, user_id: int, alarm: Alarm, now: datetime) -> bool:
        """In quiet hours nothing rings up to WARNING, unless it is that the account cannot be read."""
        may = alarm.grade <= Grade.WARNING and not alarm.is_blind
        return may and self.quiet_until(user_id, now) is not None

    def _open_channels(self, user_id: int, *, at_once: bool) -> list[Channel]:
        found = self._all(CHANNEL + "WHERE c.user_id = ? AND c.disabled_at IS NULL ORDER BY c.id", user_id)
        channels = [channel_of(row) for row in found]
        return [replace(channel, delay=timedelta(0)) for channel in channels] if at_once else channels

    def _plan(self, conn: sqlite3.Connection, channel: Channel, row: Row, alarm: Alarm, now: datetime) -> int:
        where = "WHERE e.channel_id = ? AND e.account_id = ? AND e.subject = ? AND e.episode = ? "
        key = (channel.id, row["account_id"], row["subject"], alarm.episode)
        last_row = self._one(_STEP + where + "ORDER BY e.number DESC LIMIT 1", *key)
        last = None if last_row is None else _step(last_row)
        if alarm.is_muted and last is not None and last.status is StepStatus.WAITING:
            # Not left until it is due: if things get worse before that, the delay begins anew.
            _close(conn, last.id, StepStatus.STOPPED, StopReason.ACKNOWLEDGED, now)
            return 0
        due = due_at(channel, alarm, last, now)
        if due is None:
            return 0
        number = 1 if last is None else last.number + 1
        conn.execute(
            "INSERT INTO escalation_steps (channel_id, account_id, subject, episode, number, grade, due_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, number, int(alarm.grade), text_of(due)),
        )
        return 1

    def due_channels(self, now: datetime) -> Sequence[int]:
        """The channels with steps that are due; all of a person whose chat cannot be reached."""
        return [int(row["id"]) for row in self._all(_DUE, text_of(now))]

    def begin_ring(self, channel_id: int, now: datetime) -> Ring | None:
        """Check each step that is due against what stands now, and mark those to ring as attempted.

        One transaction: an acknowledgement comes either before it, and the step is stopped, or after it.
        """
        with self._writing() as conn:
            channel = self._channel_of(channel_id)
            if channel is None:
                return None
            items = []
            soon = text_of(now + TOGETHER_WITHIN)
            where = (
                "JOIN people p ON p.user_id = a.user_id WHERE e.channel_id = ? AND e.status = 'waiting' "
                "AND (e.due_at <= ? OR p.unreachable_since IS NOT NULL) ORDER BY e.id"
            )
            for row in self._all(_STEP + where, channel_id, soon):
                item = self._checked(conn, channel, row, now)
                if item is not None:
                    items.append(item)
            items.sort(key=lambda item: (-item.alarm.grade, item.step.id))
            return Ring(channel=channel, items=tuple(items)) if items else None

    def _checked(self, conn: sqlite3.Connection, channel: Channel, row: Row, now: datetime) -> RingItem | None:
        step = _step(row)
        alarm = self._alarm_now(step.account_id, step.subject, now)
        reason = stop_reason(step, channel, alarm)
        if reason is not None or alarm is None:
            _close(conn, step.id, StepStatus.STOPPED, reason or StopReason.ENDED, now)
            return None
        conn.execute(
            "UPDATE escalation_steps SET status = 'ringing', attempts = attempts + 1, attempted_at = ?, grade = ? "
            "WHERE id = ?",
            (text_of(now), int(alarm.grade), step.id),
        )
        rung = replace(step, attempts=step.attempts + 1, status=StepStatus.RINGING, grade=alarm.grade)
        return RingItem(step=rung, alarm=alarm, label=row["label"], exchange=row["exchange"])

    def finish_ring(self, ring: Ring, rang: Rang, now: datetime) -> None:
        """Record what became of an attempt; a service that refuses for good is not rung again."""
        with self._writing() as conn:
            for item in ring.items:
                _finish(conn, item.step, rang, now)
            if isinstance(rang, RingRefused):
                conn.execute(
                    "UPDATE channels SET disabled_at = ?, disabled_reason = ? WHERE id = ? AND disabled_at IS NULL",
                    (text_of(now), rang.error[:LONGEST_REASON], ring.channel.id),
                )

    def resume_rings(self, now: datetime) -> None:
        """At start: what was being rung when the program died is rung once more, and not a third time."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE escalation_steps SET status = 'failed', reason = ?, closed_at = ? "
                "WHERE status = 'ringing' AND repeats >= 1",
                (StopReason.DIED, text_of(now)),
            )
            conn.execute(
                "UPDATE escalation_steps SET status = 'waiting', repeats = repeats + 1 WHERE status = 'ringing'"
            )

    def open_receipts(self, now: datetime) -> Sequence[OpenReceipt]:
        """What still rings at a service, and whether it still should."""
        where = "WHERE e.receipt IS NOT NULL AND e.receipt_closed_at IS NULL ORDER BY e.id"
        found: dict[tuple[int, str], bool] = {}
        for row in self._all(_STEP + where):
            step, channel = _step(row), self._channel_of(row["channel_id"])
            assert channel is not None
            stands = stop_reason(step, channel, self._alarm_now(step.account_id, step.subject, now)) is None
            key = (step.channel_id, row["receipt"])
            found[key] = found.get(key, False) or stands
        return [OpenReceipt(channel_id, receipt, stands) for (channel_id, receipt), stands in found.items()]

    def acknowledge_receipt(self, channel_id: int, receipt: str, now: datetime) -> int:
        """A tap at the service counts as one here, for what it showed; how many subjects became quiet."""
        with self._writing() as conn:
            where = "WHERE e.channel_id = ? AND e.receipt = ? AND e.receipt_closed_at IS NULL"
            quieted = 0
            for row in self._all(_STEP + where, channel_id, receipt):
                quieted += self._acknowledge(conn, _step(row), now)
            _close_receipt(conn, channel_id, receipt, now)
            return quieted

    def close_receipt(self, channel_id: int, receipt: str, now: datetime) -> None:
        """It rings no longer there."""
        with self._writing() as conn:
            _close_receipt(conn, channel_id, receipt, now)

    def _acknowledge(self, conn: sqlite3.Connection, step: Step, now: datetime) -> int:
        state = self._state_now(step.account_id, step.subject)
        if state is None:
            return 0
        grade = state.grade or Grade.OK
        asked = Mute(MuteKind.ACKNOWLEDGED, grade, now + ACKNOWLEDGED_FOR[grade], now)
        mute = acknowledgement(state, step.grade, asked)
        if mute is None:
            return 0
        conn.execute(
            "UPDATE alert_states SET mute = ? WHERE account_id = ? AND subject = ?",
            (MUTE.encode(mute), step.account_id, step.subject),
        )
        if mute is asked:
            note_acknowledgement(conn, step.account_id, step.subject, mute)
            channel = self._channel_of(step.channel_id)
            note_quiet(conn, step.account_id, step.subject, mute, channel.title if channel else "")
        return 1

    def _alarm_now(self, account_id: int, subject: str, now: datetime) -> Alarm | None:
        state = self._state_now(account_id, subject)
        return None if state is None else alarm_of(state, now)

    def _state_now(self, account_id: int, subject: str) -> AlertState | None:
        row = self._one(
            "SELECT account_id, subject, state, mute FROM alert_states WHERE account_id = ? AND subject = ?",
            account_id,
            subject,
        )
        return None if row is None else _state(row)

    def _channel_of(self, channel_id: int) -> Channel | None:
        row = self._one(CHANNEL + "WHERE c.id = ?", channel_id)
        return None if row is None else channel_of(row)


def _finish(conn: sqlite3.Connection, step: Step, rang: Rang, now: datetime) -> None:
    match rang:
        case Accepted(receipt):
            conn.execute(
                "UPDATE escalation_steps SET status = 'accepted', accepted_at = ?, closed_at = ?, receipt = ? "
                "WHERE id = ?",
                (text_of(now), text_of(now), receipt or None, step.id),
            )
        case RingRefused():
            _close(conn, step.id, StepStatus.FAILED, StopReason.REFUSED, now)
        case RingAgain() if step.attempts >= MOST_ATTEMPTS:
            _close(conn, step.id, StepStatus.FAILED, StopReason.GAVE_UP, now)
        case RingAgain(_, after):
            conn.execute(
                "UPDATE escalation_steps SET status = 'waiting', due_at = ? WHERE id = ?",
                (text_of(retry_at(after, step.attempts, now)), step.id),
            )


def _close(conn: sqlite3.Connection, step_id: int, status: StepStatus, reason: StopReason, now: datetime) -> None:
    conn.execute(
        "UPDATE escalation_steps SET status = ?, reason = ?, closed_at = ? WHERE id = ?",
        (status, reason, text_of(now), step_id),
    )


def _close_receipt(conn: sqlite3.Connection, channel_id: int, receipt: str, now: datetime) -> None:
    conn.execute(
        "UPDATE escalation_steps SET receipt_closed_at = ? WHERE channel_id = ? AND receipt = ? "
        "AND receipt_closed_at IS NULL",
        (text_of(now), channel_id, receipt),
    )


def _state(row: Row) -> AlertState | None:
    """One state that cannot be read must not keep the others from ringing."""
    try:
        mute = None if row["mute"] is None else MUTE.decode(row["mute"])
        return replace(STATE.decode(row["state"]), mute=mute)
    except ValueError:
        log.error("account %s: the stored alert state cannot be read", row["account_id"])
        return None


def _alarm(row: Row, now: datetime) -> Alarm | None:
    state = _state(row)
    return None if state is None else alarm_of(state, now)


def _step(row: Row) -> Step:
    return Step(
        id=row["id"],
        channel_id=row["channel_id"],
        account_id=row["account_id"],
        subject=row["subject"],
        episode=row["episode"],
        number=row["number"],
        grade=Grade(row["grade"]),
        due_at=time_of(row["due_at"]),
        status=StepStatus(row["status"]),
        attempts=row["attempts"],
        repeats=row["repeats"],
        closed_at=optional_time_of(row["closed_at"]),
    )
