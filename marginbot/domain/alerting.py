"""What is remembered of a subject, what may be observed of it, what people may ask for, and what is decided.

A *subject* is a pool, or the account itself (subject ""). What follows from what is in `transition`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade

ACCOUNT = ""  # the subject that stands for the account itself

# How long an acknowledgement keeps reminders quiet. Where it matters most it is short: it runs out unless
# things improve, because a tap at three in the morning is not a plan.
ACKNOWLEDGED_FOR = {
    Grade.OK: timedelta(hours=12),  # not being able to read a calm account
    Grade.NOTICE: timedelta(hours=12),
    Grade.WARNING: timedelta(hours=4),
    Grade.CRITICAL: timedelta(minutes=15),
    Grade.EMERGENCY: timedelta(minutes=15),
    Grade.DEFICIT: timedelta(minutes=15),
}

REMINDER_AFTER = {
    Grade.WARNING: timedelta(hours=1),
    Grade.CRITICAL: timedelta(minutes=10),
    Grade.EMERGENCY: timedelta(minutes=3),
    Grade.DEFICIT: timedelta(minutes=3),
}


class Reason(StrEnum):
    """Why `step` decided as it did; reaches the record and the message."""

    FIRST_SIGHT = "first_sight"
    WORSENED = "worsened"
    REMINDER_DUE = "reminder_due"
    UNCHANGED = "unchanged"
    EASED = "eased"
    RECOVERED = "recovered"
    LIQUIDATED = "liquidated"  # perhaps: no position is left, and what backed them is gone
    NOT_YET_BLIND = "not_yet_blind"
    WENT_BLIND = "went_blind"
    KEY_REFUSED = "key_refused"
    STILL_BLIND = "still_blind"
    SIGHT_BACK = "sight_back"
    MUTED = "muted"


BLINDNESS = frozenset({Reason.WENT_BLIND, Reason.STILL_BLIND, Reason.KEY_REFUSED})


class MuteKind(StrEnum):
    """How a person asked for quiet."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"


@dataclass(frozen=True, slots=True)
class Mute:
    """Quiet for `grade` and calmer until `until`; a worse grade always comes through."""

    kind: MuteKind
    grade: Grade
    until: datetime
    at: datetime | None = None  # when it was asked for

    def covers(self, grade: Grade, now: datetime) -> bool:
        """Whether news of `grade` is kept quiet now."""
        return now < self.until and grade <= self.grade


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Everything remembered about a subject between two observations."""

    grade: Grade | None = None  # None: never observed
    announced: Grade | None = None  # the grade of the episode's last message; None: nothing told in it
    spoke_at: datetime | None = None
    episode: int = 0
    number: int = 0  # of the last message within the episode
    seen_at: datetime | None = None  # last time the subject could be judged
    cushion: float | None = None  # as last known
    blind_since: datetime | None = None
    blind_cause: Cause | None = None
    blind_spoke_at: datetime | None = None
    mute: Mute | None = None
    episode_worst: Grade | None = None  # the worst grade since the episode began; None outside of one
    afresh: Grade | None = None  # as last seen without hysteresis: the pace of reminders

    @property
    def worst(self) -> Grade:
        """The worst grade of the episode; older rows have only the present one."""
        return max(self.episode_worst or Grade.OK, self.grade or Grade.OK)

    @property
    def is_settled(self) -> bool:
        """Calm, nothing left to take back: a pool that is gone needs no further word."""
        return self.grade is Grade.OK and self.announced is None and self.blind_since is None


@dataclass(frozen=True, slots=True)
class Seen:
    """The subject was judged: a pool's grade after hysteresis, or (account) the worst of them."""

    grade: Grade
    cushion: float | None = None
    is_gone: bool = False  # calm only because nothing is left: closed, or liquidated
    is_lost: bool = False  # and what backed it went with it
    afresh: Grade | None = None  # what it would be were it not for hysteresis; None: the same


@dataclass(frozen=True, slots=True)
class Unseen:
    """The subject could not be judged, and why."""

    cause: Cause


Observation = Seen | Unseen


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an observation: the new state, and whether and how loudly to speak."""

    state: AlertState
    reason: Reason
    speak: bool
    sound: bool


# What people may choose: an interval at CRITICAL and worse is no longer than an acknowledgement lasts there.
REMINDER_RANGE = {
    Grade.WARNING: (timedelta(minutes=5), timedelta(hours=24)),
    Grade.CRITICAL: (timedelta(minutes=1), timedelta(hours=1)),
    Grade.EMERGENCY: (timedelta(minutes=1), timedelta(minutes=15)),
}


@dataclass(frozen=True, slots=True)
class Reminders:
    """How often an alert that nobody acknowledged is repeated; DEFICIT as often as EMERGENCY.

    `ValueError` outside of `REMINDER_RANGE`, or when a worse grade would be repeated less often.
    """

    warning: timedelta = REMINDER_AFTER[Grade.WARNING]
    critical: timedelta = REMINDER_AFTER[Grade.CRITICAL]
    emergency: timedelta = REMINDER_AFTER[Grade.EMERGENCY]

    def __post_init__(self) -> None:
        for grade, (least, most) in REMINDER_RANGE.items():
            after = self.after(grade)
            if after is None or not least <= after <= most:
                raise ValueError(f"reminders of {grade.name} are out of range")
        if not self.warning >= self.critical >= self.emergency:
            raise ValueError("a worse grade is to be repeated at least as often")

    def after(self, grade: Grade) -> timedelta | None:
        """The interval of a grade; None: it is not repeated."""
        if grade >= Grade.EMERGENCY:
            return self.emergency
        return {Grade.WARNING: self.warning, Grade.CRITICAL: self.critical}.get(grade)


DEFAULT_REMINDERS = Reminders()


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that bear on alerts."""

    stale_after: timedelta
    reminders: Reminders = DEFAULT_REMINDERS
