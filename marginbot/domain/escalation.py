"""Escalation: when an alert is not acknowledged in time, ring another way.

An *alarm* is what an alert state calls for now; a *step* is one ringing of one channel about one alarm. Steps are
planned as soon as the alarm is announced and rung when they are due, unless by then the alarm no longer stands.

    alarm of a pool       announced and above OK                    its grade
    alarm of blindness    blind, last grade WARNING or worse        the last grade, CRITICAL at least
    no alarm              calm, never announced, or calm and blind

    last step of the channel in the episode  the alarm now            next step
    none, or stopped                         from_grade or worse      `delay` after it was announced
    accepted or failed                       worse than the step's    `delay` after it was announced
    accepted or failed                       same or calmer           RING_AGAIN_AFTER later, MOST_RINGS in all
    waiting or ringing                       any                      none
    any                                      muted, or calmer         none
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.grading import Grade
from marginbot.domain.outcomes import doubled

RING_AGAIN_AFTER = timedelta(minutes=10)  # as often as a CRITICAL alert is repeated
MOST_RINGS = 8  # about one alarm at one channel; after that only a worse grade rings
MOST_ATTEMPTS = 10  # of one step, where the service says to try again
TOGETHER_WITHIN = timedelta(seconds=30)  # steps due so soon ride along with one that is due
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(seconds=60)

LEAST_BLIND_GRADE = Grade.CRITICAL  # what cannot be seen and was in danger may be anything by now


class StepStatus(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RINGING = "ringing"
    ACCEPTED = "accepted"
    STOPPED = "stopped"
    FAILED = "failed"


class StopReason(StrEnum):
    """Why a step was not, or is no longer, carried out."""

    ACKNOWLEDGED = "acknowledged"
    EASED = "eased"  # calmer than the channel is for
    ENDED = "ended"  # recovered, seen again, or another episode
    CHANNEL_OFF = "channel_off"
    REFUSED = "refused"  # by the service, for good
    GAVE_UP = "gave_up"  # the service never accepted it
    DIED = "died"  # twice in the middle of an attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A further way to reach a person; its address is sealed elsewhere."""

    id: int
    user_id: int
    title: str  # the service and the masked address
    from_grade: Grade
    delay: timedelta
    created_at: datetime
    proven_at: datetime | None = None  # last time an exercise was accepted
    disabled_at: datetime | None = None
    disabled_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What a subject calls for now."""

    grade: Grade
    episode: int  # of the alert; of blindness, the moment it began
    since: datetime  # when its owner was told, or when their acknowledgement ran out
    is_blind: bool
    is_muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One ringing of a channel about an alarm."""

    id: int
    channel_id: int
    account_id: int
    subject: str
    episode: int
    number: int
    grade: Grade
    due_at: datetime
    status: StepStatus
    attempts: int = 0
    repeats: int = 0  # times that an attempt was cut short by the end of the program
    closed_at: datetime | None = None


def alarm_of(state: AlertState, now: datetime) -> Alarm | None:
    """The alarm that a subject's state calls for; the table is above."""
    grade = state.grade or Grade.OK
    if state.blind_since is not None:
        if grade < Grade.WARNING or state.blind_spoke_at is None:
            return None
        began = int(state.blind_since.timestamp())
        return _alarm(state, max(grade, LEAST_BLIND_GRADE), began, state.blind_spoke_at, now)
    if state.announced is None or state.spoke_at is None or grade is Grade.OK:
        return None
    return _alarm(state, grade, state.episode, state.spoke_at, now)


def _alarm(state: AlertState, grade: Grade, episode: int, since: datetime, now: datetime) -> Alarm:
    mute, blind = state.mute, state.blind_since is not None
    if mute is not None and mute.until <= now:
        since = max(since, mute.until)
    muted = mute is not None and mute.covers(state.grade or Grade.OK, now)
    return Alarm(grade=grade, episode=episode, since=since, is_blind=blind, is_muted=muted)


def due_at(channel: Channel, alarm: Alarm, last: Step | None, now: datetime) -> datetime | None:
    """When the channel's next step about the alarm is due; None: there is none. The table is above."""
    if alarm.is_muted or alarm.grade < channel.from_grade or channel.disabled_at is not None:
        return None
    afresh = alarm.since + channel.delay
    if last is None or last.status is StepStatus.STOPPED:
        return afresh
    if last.closed_at is None:
        return None
    if alarm.grade > last.grade:
        return afresh
    if last.number >= MOST_RINGS or now < last.closed_at + RING_AGAIN_AFTER:
        return None
    return max(now, afresh)


def stop_reason(step: Step, channel: Channel, alarm: Alarm | None) -> StopReason | None:
    """Why a step that is due is not to be carried out; None: ring."""
    if channel.disabled_at is not None:
        return StopReason.CHANNEL_OFF
    if alarm is None or alarm.episode != step.episode:
        return StopReason.ENDED
    if alarm.grade < channel.from_grade:
        return StopReason.EASED
    return StopReason.ACKNOWLEDGED if alarm.is_muted else None


def retry_at(asked: timedelta | None, attempts: int, now: datetime) -> datetime:
    """When to try again: what was asked for within reason, else ever later."""
    if asked is not None:
        return now + min(max(asked, FIRST_RETRY), 2 * LONGEST_RETRY)
    return now + min(LONGEST_RETRY, doubled(FIRST_RETRY, attempts))


def acknowledgement(state: AlertState, seen: Grade, mute: Mute) -> Mute | None:
    """The mute that a tap at another service makes; None when things are worse than what it showed, or calm."""
    grade = state.grade or Grade.OK
    if grade > seen or (grade is Grade.OK and state.blind_since is None):
        return None
    if state.mute is not None and state.mute.until >= mute.until and state.mute.grade >= mute.grade:
        return state.mute
    return mute


# --- what became of an attempt -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took it; `receipt` names it there, where it can be asked about."""

    receipt: str = ""


@dataclass(frozen=True, slots=True)
class RingAgain:
    """Not accepted, or not known to be; `after` is the wait the service asked for."""

    error: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RingRefused:
    """The service will not take it until a person changes something."""

    error: str


Rang = Accepted | RingAgain | RingRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class RingItem:
    """One alarm of a ringing, as it was in the transaction that marked the attempt."""

    step: Step
    alarm: Alarm
    label: str
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """What one attempt at a channel tells: all its alarms, the worst first."""

    channel: Channel
    items: tuple[RingItem, ...]

    @property
    def grade(self) -> Grade:
        """The worst of it."""
        return max(item.alarm.grade for item in self.items)
