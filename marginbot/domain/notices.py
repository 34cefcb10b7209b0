"""Notices: what is to be told to whom, in which order, and when it has lost its point.

A notice is unique by (account, subject, episode, number, recipient). Its text is rendered from the facts
recorded with it, never from live state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.alerting import MuteKind, Reason
from marginbot.domain.errors import Cause
from marginbot.domain.forced import ForcedClose
from marginbot.domain.grading import Grade
from marginbot.domain.losses import Loss
from marginbot.domain.margin import PoolState
from marginbot.domain.passport import KeyNews
from marginbot.domain.report import PoolReport
from marginbot.domain.tier_changes import TermsNews

# A notice overtaken by a newer one of the same subject is still sent while it is fresh: the order of events
# is part of the story. After this it would only be in the way.
OVERTAKEN_AFTER = timedelta(seconds=30)
OVERTAKEN_BY_CALM_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """Another account that is not read either, as last known."""

    account_id: int
    label: str
    grade: Grade | None
    cushion: float | None


class NoteKind(StrEnum):
    """What a note adds to a message that was sent already."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    OVER = "over"

    @classmethod
    def of(cls, mute: MuteKind) -> NoteKind:
        """The note of somebody's quiet."""
        return cls.ACKNOWLEDGED if mute is MuteKind.ACKNOWLEDGED else cls.SNOOZED


@dataclass(frozen=True, slots=True)
class Note:
    """What happened to an alert after it was told, for the foot of its message."""

    kind: NoteKind
    by: str = ""  # who asked for quiet; empty: nobody in particular
    until: datetime | None = None  # how long the quiet lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a message says, as it was when it was decided."""

    label: str
    exchange: str
    mode: str
    reason: Reason
    at: datetime  # of the decision
    read_at: datetime | None = None  # of the reading it rests on; None: not known, or there was none
    grade: Grade | None  # None: never judged
    previous: Grade | None = None
    pool: PoolReport | None = None
    positions: tuple[str, ...] = ()  # "long 0.5 BTC/USDT:USDT" ...
    cause: Cause | None = None
    advice: str = ""
    blind_since: datetime | None = None
    last_cushion: float | None = None
    warnings: tuple[str, ...] = ()
    key_news: tuple[KeyNews, ...] = ()  # the notice is about the key, and margin is as it was
    key_expires_at: datetime | None = None
    terms: TermsNews | None = None  # the notice is about what the venue requires, and margin is as it was
    forced: ForcedClose | None = None  # the notice is about what the venue traded; the grade is told by itself
    others: tuple[Companion, ...] = ()  # accounts of the same owner and venue that share this blindness
    episode_worst: Grade | None = None  # of the episode, up to this observation; None: never judged before
    venue_says: str = ""  # set: the venue's own warning, and the account could not be read
    unread_because: Cause | None = None
    projected_from: datetime | None = None  # set: worked out at live marks from what was read then, not read now
    loss: Loss | None = None  # the positions went together with what backed them
    note: Note | None = None  # set: no message of its own, only a line at the foot of the episode's message

    @property
    def known_at(self) -> datetime:
        """When what it says was so: at the reading, or else at the decision."""
        return self.read_at or self.at

    @property
    def worst_before(self) -> Grade:
        """The worst that the episode saw before this."""
        return max(self.episode_worst or Grade.OK, self.previous or Grade.OK)

    @property
    def left_with_nothing(self) -> bool:
        """The alarm ended because the positions are gone: perhaps closed, perhaps liquidated."""
        if self.loss is not None:
            return True
        gone = self.pool is None or self.pool.state is PoolState.FLAT
        return gone and self.worst_before >= Grade.WARNING and self.reason in (Reason.RECOVERED, Reason.SIGHT_BACK)


UNNUMBERED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """A notice about to be written, in the same transaction as the state that caused it."""

    account_id: int
    subject: str  # pool name; "" is the account itself
    episode: int
    number: int  # notes are numbered downwards from -1, by the store: `UNNUMBERED` asks for the next
    user_id: int
    chat_id: int
    sound: bool
    facts: Facts
    dropped: DropReason | None = None  # set: recorded, but not to be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(NewNotice):
    """A stored notice. `attempts` > 0 on a notice that is still pending means it may have arrived already."""

    id: int
    created_at: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    held_until: datetime | None = None  # set: it was held back for quiet hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A pending notice in the few words that decide its turn; its facts are read when it is sent."""

    id: int
    chat_id: int
    account_id: int
    subject: str
    reason: Reason | None  # None: the facts cannot be read
    grade: Grade | None
    cushion: float | None
    blind: bool
    created_at: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None  # of one being sent: when it may be taken for lost
    user_id: int = 0
    worst: Grade | None = None  # of its episode
    held_until: datetime | None = None  # set: it was held back for quiet hours
    is_note: bool = False

    @property
    def amends(self) -> bool:
        """Whether it changes the episode's message instead of being one.

        An edit does not ring: what gets worse, is repeated, or ends, is a message of its own.
        """
        return self.is_note or self.reason is Reason.EASED

    @property
    def story(self) -> tuple[int, str]:
        """What its order is kept within: a subject of an account."""
        return self.account_id, self.subject

    def is_due(self, now: datetime) -> bool:
        """Whether it may be tried now."""
        return self.next_attempt_at is None or self.next_attempt_at <= now


class DropReason(StrEnum):
    """Why a notice was given up without being accepted."""

    OVERTAKEN = "overtaken"
    ACKNOWLEDGED = "acknowledged"
    UNREACHABLE = "unreachable"
    VENUE_OUTAGE_TOLD = "venue_outage_told"
    NOTHING_TO_NOTE_IT_ON = "nothing_to_note_it_on"


@dataclass(frozen=True, slots=True)
class Shown:
    """One story of a message: what it tells of it last, and what happened to that since."""

    notice: Notice
    note: Note | None = None


def shown(carried: Iterable[Notice]) -> list[Shown]:
    """What a message that carries these notices has to show: of each story the last word and the last note on it.

    The worst first. A note on what was told before the last word is void.
    """
    told: dict[tuple[int, str], Notice] = {}
    notes: dict[tuple[int, str], Note] = {}
    for notice in sorted(carried, key=lambda notice: notice.id):
        story = notice.account_id, notice.subject
        if notice.facts.note is not None:
            notes[story] = notice.facts.note
        else:
            told[story] = notice
            notes.pop(story, None)
    found = [Shown(notice, notes.get(story)) for story, notice in told.items()]
    return sorted(found, key=lambda one: (-(one.notice.facts.grade or Grade.OK), one.notice.id))


def overtaken(line: Line, story: Iterable[Line], now: datetime) -> bool:
    """Whether a pending notice has lost its point: its story has newer news.

    As bad or worse news takes its place when it is late or was tried before. Calmer news does so only much later: that
    there was danger is told even if it has eased since. What was held back for quiet hours gives way to any news. What
    only changes a message never keeps news waiting, and a note is no news.
    """
    newer = [other for other in story if other.id > line.id and not other.is_note]
    if not newer or line.amends:
        return bool(newer)
    if line.held_until is not None:
        return True
    age = now - line.created_at
    if any(_at_least(other, line) for other in newer):
        return line.attempts > 0 or age > OVERTAKEN_AFTER
    return age > OVERTAKEN_BY_CALM_AFTER


def _at_least(one: Line, other: Line) -> bool:
    return (one.grade or Grade.OK) >= (other.grade or Grade.OK)


def quieted_grade(line: Line) -> Grade | None:
    """The grade at which an acknowledgement takes the point out of a waiting notice; None: it is told regardless."""
    if line.reason in (Reason.REMINDER_DUE, Reason.STILL_BLIND) and not line.is_note:
        return line.grade or Grade.OK
    return None


Urgency = tuple[int, float, int]  # ascending: the smallest goes first


def urgency(line: Line) -> Urgency:
    """Sort key: worst grade first, then smallest cushion, then oldest.

    Not seeing an account is at least a warning; of one that was in danger it counts as critical.
    """
    grade = Grade.OK if line.grade is None else line.grade
    rank = -1 if line.grade is None else int(grade)
    if line.blind:
        rank = max(rank, Grade.CRITICAL if grade >= Grade.WARNING else Grade.WARNING)
    return -rank, float("inf") if line.cushion is None else line.cushion, line.id


def is_urgent(key: Urgency) -> bool:
    """Whether it goes in the lane that is always kept free."""
    return -key[0] >= Grade.CRITICAL
