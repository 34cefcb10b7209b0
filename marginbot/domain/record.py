"""The record: what was told, step by step, put together to episodes. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.alerting import ACCOUNT, Reason
from marginbot.domain.grading import Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One message: when what it says was read, decided, last handed over, and accepted."""

    account_id: int
    label: str
    exchange: str
    subject: str  # pool; "" is the account itself
    episode: int
    reason: Reason
    grade: Grade | None
    is_gone: bool  # no position is left
    read_at: datetime | None
    decided_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    dropped: str | None  # why it was given up

    @property
    def dwell(self) -> timedelta | None:
        """From the reading to the acceptance."""
        return None if self.read_at is None or self.accepted_at is None else self.accepted_at - self.read_at


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody asked for quiet about a subject."""

    account_id: int
    subject: str
    at: datetime


class Ending(StrEnum):
    """How an episode ended."""

    OPEN = "open"
    RECOVERED = "recovered"
    NO_POSITION = "no position left"
    LIQUIDATED = "perhaps liquidated"
    READABLE = "readable again"
    TOLD = "told once"  # news that no grade hangs on


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """From the first word about a danger (or a blindness) to its end."""

    first: Telling
    worst: Grade | None
    messages: int
    accepted: int
    acknowledged_at: datetime | None
    ended_at: datetime | None
    ending: Ending


def episodes(tellings: Iterable[Telling], quiets: Iterable[Acknowledged]) -> list[Episode]:
    """The episodes that messages (oldest first) belong to, newest first."""
    acknowledged: dict[tuple[int, str], list[datetime]] = defaultdict(list)
    for quiet in quiets:
        acknowledged[quiet.account_id, quiet.subject].append(quiet.at)
    found = [_episode(story, acknowledged) for story in _stories(tellings)]
    return sorted(found, key=lambda episode: episode.first.decided_at, reverse=True)


def _stories(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Pools have numbered episodes; an account's blindness lasts from its first word to sight."""
    stories: list[list[Telling]] = []
    current: dict[tuple[int, str], list[Telling]] = {}
    for telling in tellings:
        key = telling.account_id, telling.subject
        story = current.get(key)
        if story is None or story[0].episode != telling.episode or _ended(story[-1]) is not Ending.OPEN:
            story = current[key] = []
            stories.append(story)
        story.append(telling)
    return stories


def _ended(last: Telling) -> Ending:
    if last.reason is Reason.SIGHT_BACK and (last.subject == ACCOUNT or last.grade is Grade.OK):
        return Ending.READABLE
    if last.reason is Reason.UNCHANGED:
        return Ending.TOLD  # an alert never says that nothing has changed
    if last.reason is Reason.LIQUIDATED:
        return Ending.LIQUIDATED
    if last.reason is Reason.RECOVERED:
        return Ending.NO_POSITION if last.is_gone else Ending.RECOVERED
    return Ending.OPEN


def _episode(story: Sequence[Telling], acknowledged: Mapping[tuple[int, str], Sequence[datetime]]) -> Episode:
    first, last = story[0], story[-1]
    ending = _ended(last)
    ended_at = None if ending is Ending.OPEN else last.decided_at
    quiets = acknowledged.get((first.account_id, first.subject), ())
    within = [at for at in quiets if at >= first.decided_at and (ended_at is None or at <= ended_at)]
    return Episode(
        first=first,
        worst=max((telling.grade for telling in story if telling.grade is not None), default=None),
        messages=len(story),
        accepted=sum(telling.accepted_at is not None for telling in story),
        acknowledged_at=min(within, default=None),
        ended_at=ended_at,
        ending=ending,
    )


def percentile(spans: Sequence[timedelta], share: float) -> timedelta | None:
    """The smallest span that at least this share of all do not exceed; None of none."""
    if not spans:
        return None
    return sorted(spans)[max(0, math.ceil(share * len(spans)) - 1)]


def dwells(tellings: Iterable[Telling]) -> list[timedelta]:
    """All times from reading to acceptance; messages that rest on no reading have none."""
    return [telling.dwell for telling in tellings if telling.dwell is not None]
