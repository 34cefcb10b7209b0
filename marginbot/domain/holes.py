"""What an audit can find: places where somebody ought to have been told, and was not. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from marginbot.domain.alerting import REMINDER_AFTER
from marginbot.domain.grading import Grade

# How long a notice may wait to be accepted, by its grade; blindness counts as WARNING at least.
ACCEPTED_WITHIN = {
    Grade.OK: timedelta(minutes=15),
    Grade.NOTICE: timedelta(minutes=15),
    Grade.WARNING: timedelta(minutes=5),
    Grade.CRITICAL: timedelta(seconds=60),
    Grade.EMERGENCY: timedelta(seconds=60),
    Grade.DEFICIT: timedelta(seconds=60),
}
LONGEST_PAUSE = timedelta(seconds=60)  # what a venue that asked for less is given
RUNG_WITHIN = timedelta(minutes=2)  # after a channel's delay: planning, an attempt that hangs, a short stop of the bot
READING_TAKES_AT_MOST = timedelta(seconds=35)  # a reading that hangs, its second opinion, and a busy moment


class Kind(StrEnum):
    """The name of a hole; reaches the report, the metrics and the log."""

    UNTOLD = "untold"
    OVERDUE = "overdue"
    FLOOD_WAIT = "flood_wait"
    UNREMINDED = "unreminded"
    UNRUNG = "unrung"
    UNREAD = "unread"
    REFUSED_UNTOLD = "refused_untold"
    AUDIT_FAILED = "audit_failed"
    AUDIT_DEAD = "audit_dead"


# What was found and what to do about it, in one line without names or amounts.
ADVICE = {
    Kind.UNTOLD: "An alert was decided, but no message of it is on record. Look at the account; tell its owner.",
    Kind.OVERDUE: "A message is not accepted in time. Check the connection to Telegram and the log.",
    Kind.FLOOD_WAIT: "Telegram makes a chat wait, its messages are late. Reach the owner in another way if need be.",
    Kind.UNREMINDED: "An alarm stands, nobody acknowledged it, and its reminders have stopped. Look at the log; "
    "restart the bot.",
    Kind.UNRUNG: "An alarm stands, nobody acknowledged it, and a further channel was not rung about it. Look at the "
    "log; reach the owner in another way.",
    Kind.UNREAD: "An account was not read in time, and its owner was not told. Look at the log; restart the bot.",
    Kind.REFUSED_UNTOLD: "A key was refused, and its owner was not told. Tell them to send /add again.",
    Kind.AUDIT_FAILED: "The database could not be checked, so nothing is known to be well. Look at disk and log.",
    Kind.AUDIT_DEAD: "The check has not run for minutes, so nothing is known to be well. Restart the bot.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One hole. `about` names what it is in, without labels, amounts or secrets."""

    kind: Kind
    about: str = ""  # "account 3 (bybit), cross:USDT"
    detail: str = ""  # "notice 17, 75 s old"

    @property
    def advice(self) -> str:
        """What it means and what to do."""
        return ADVICE[self.kind]

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.kind), self.about, self.detail) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """The settings that bear on deadlines."""

    poll_interval: timedelta
    stale_after: timedelta

    @property
    def patience(self) -> timedelta:
        """How long a calm account may stay unread, as the alerts see it: at least two missed readings."""
        return max(self.stale_after, 2 * self.poll_interval)

    @property
    def slack(self) -> timedelta:
        """What passes between a deadline and the reading that finds it passed."""
        return max(self.poll_interval, LONGEST_PAUSE) + READING_TAKES_AT_MOST

    def reminded_within(self, every: timedelta) -> timedelta:
        """The oldest a reminder may be: twice its interval, or one interval and a late reading."""
        return max(2 * every, every + self.patience)

    def reminders(self) -> dict[Grade, timedelta]:
        """The same for every grade that must be repeated until somebody acknowledges it."""
        return {g: self.reminded_within(every) for g, every in REMINDER_AFTER.items() if g >= Grade.CRITICAL}
