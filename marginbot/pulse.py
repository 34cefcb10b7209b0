"""The bot's own state: taken from what runs, and put into words for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from marginbot import __version__
from marginbot.flow.audit import Verdict
from marginbot.health import Vitals
from marginbot.store import SqliteStore

TELEGRAM_SILENT_AFTER = timedelta(seconds=75)
BOARD_STALE_AFTER = timedelta(minutes=3)  # it is changed each minute, and waits up to one more for alerts
LATE_AFTER = timedelta(seconds=2)  # a reading later than this is told to operators
MOST_VIOLATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the running parts say of themselves; times None where the thing has not happened yet."""

    now: datetime
    started_at: datetime
    answered_at: datetime | None  # by Telegram
    completed_at: datetime | None  # of a cycle
    poll_every: timedelta
    telegram_trouble: str


def taken(moment: Moment, store: SqliteStore, verdict: Verdict, budgets_used: Mapping[str, float]) -> Vitals:
    """The state now. As quick with ten thousand accounts as with one."""
    now = moment.now
    polled, refused, blind = store.counts()
    waiting = store.waiting_since()
    boards, stale = store.count_boards(now - BOARD_STALE_AFTER)
    return Vitals(
        version=__version__,
        uptime=now - moment.started_at,
        telegram_age=_since(moment.answered_at, now),
        cycle_age=_since(moment.completed_at, now),
        cycle_limit=max(3 * moment.poll_every, timedelta(seconds=45)),
        telegram_limit=TELEGRAM_SILENT_AFTER,
        accounts=polled,
        accounts_refused=refused,
        accounts_blind=blind,
        notices_pending=store.count_pending(),
        oldest_waiting=_since(waiting, now),
        reading_ages=store.oldest_readings(now),
        audit=verdict,
        audit_age=_since(verdict.checked_at, now),
        boards=boards,
        boards_stale=stale,
        telegram_trouble=moment.telegram_trouble,
        waiting=store.waiting(now, LATE_AFTER),
        budgets_used=budgets_used,
    )


def in_words(vitals: Vitals) -> str:
    """What /health answers."""
    lines = [
        f"marginbot {vitals.version}, up {_words(vitals.uptime)}",
        f"last complete cycle: {_ago(vitals.cycle_age)}",
        f"Telegram answered: {_ago(vitals.telegram_age)}",
        *([f"trouble with Telegram: {vitals.telegram_trouble}"] if vitals.telegram_trouble else []),
        f"accounts: {vitals.accounts} watched, {vitals.accounts_blind} blind, {vitals.accounts_refused} refused",
        *_venues(vitals),
        f"notices waiting: {vitals.notices_pending}",
        f"audit, {_ago(vitals.audit_age)}: {'nothing found' if vitals.audit.ok else 'see below'}",
        *(f"! {violation}" for violation in vitals.audit.violations[:MOST_VIOLATIONS]),
    ]
    return "\n".join(lines)


def _venues(vitals: Vitals) -> list[str]:
    """Where accounts wait longer than they should, and by how much."""
    lines = []
    for venue, waiting in vitals.waiting.items():
        used = vitals.budgets_used.get(venue)
        limit = "" if used is None else f", {used:.0%} of its limit used"
        lines.append(f"{venue}: {waiting.count} accounts late, by {waiting.longest.total_seconds():.0f} s{limit}")
    return lines


def _since(at: datetime | None, now: datetime) -> timedelta | None:
    return None if at is None else now - at


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"


def _ago(age: timedelta | None) -> str:
    return "not yet" if age is None else f"{age.total_seconds():.0f} s ago"
