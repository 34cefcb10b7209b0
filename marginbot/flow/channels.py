"""A person's further channels: added only after a test line was accepted, removed, tested, exercised."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.errors import RequestError
from marginbot.domain.escalation import Accepted, Channel, Rang, RingAgain, RingRefused
from marginbot.domain.grading import Grade
from marginbot.flow.escalation import Ringer, Teller
from marginbot.flow.ports import Person

DEFAULT_FROM = Grade.CRITICAL
DEFAULT_DELAY = timedelta(minutes=5)
LONGEST_DELAY = timedelta(hours=2)

REMIND_EVERY = timedelta(days=7)
UNPROVEN_FOR = timedelta(days=1)  # so long may a new channel wait for its first exercise

HELLO = (
    "marginbot: a test line",
    "This channel will be used when an alert is not acknowledged in time. Nothing is wrong; nothing needs to be done.",
)
EXERCISE = (
    "marginbot: an exercise, not an alert",
    "EXERCISE. No account of yours is concerned. Open Telegram and tap the button there, as you would in earnest.",
)


class Address(Protocol):
    """A usable address; its title is all that is ever shown of it."""

    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str: ...


class Addresses(Ringer, Protocol):
    """A ringer that also knows which addresses it can ring."""

    def parse(self, url: str) -> Address:
        """A `RequestError` says what is wrong with the URL, without repeating it."""


class ChannelStore(Protocol):
    """What is remembered of channels."""

    def add_channel(
        self, person: Person, title: str, url: str, *, from_grade: Grade, delay: timedelta, now: datetime
    ) -> Channel: ...
    def channels_of(self, user_id: int) -> Sequence[Channel]: ...
    def channel_url(self, channel_id: int) -> str: ...
    def remove_channel(self, channel_id: int) -> None: ...
    def prove_channel(self, channel_id: int, now: datetime) -> None: ...
    def begin_drill(self, user_id: int, now: datetime) -> int: ...
    def tap_drill(self, drill_id: int, user_id: int, now: datetime) -> timedelta | None: ...
    def people_to_remind(
        self, now: datetime, *, every: timedelta, patience: timedelta
    ) -> Sequence[tuple[int, bool]]: ...
    def note_reminder(self, user_id: int, now: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel that is asked for, not yet tried."""

    address: Address
    from_grade: Grade
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a channel did with an exercise."""

    channel: Channel
    rang: Rang

    @property
    def accepted(self) -> bool:
        """Whether the service took it."""
        return isinstance(self.rang, Accepted)


@dataclass(frozen=True, slots=True)
class ChannelDesk:
    """Everything about channels that a person may ask for; every request is about their own."""

    store: ChannelStore
    ringer: Addresses

    def of(self, user_id: int) -> Sequence[Channel]:
        """A person's channels in the order of their numbers."""
        return self.store.channels_of(user_id)

    def request(self, url: str, from_grade: Grade, delay: timedelta) -> NewChannel:
        """Check what can be checked without sending anything."""
        if from_grade is Grade.OK:
            raise RequestError("from OK", advice="From NOTICE on, at least. Nothing was stored.")
        if delay > LONGEST_DELAY:
            raise RequestError("too late", advice="After two hours at most. Nothing was stored.")
        return NewChannel(self.ringer.parse(url), from_grade, delay)

    async def add(self, person: Person, new: NewChannel, now: datetime) -> Channel:
        """Send a test line, and store the channel only if it was accepted."""
        rang = await self.ringer.say(new.address.url, *HELLO)
        if not isinstance(rang, Accepted):
            raise RequestError(
                "the test line was not accepted",
                advice=f"{new.address.title} did not take my test line: {why(rang)}. Nothing was stored. "
                "Check the address and send it again.",
            )
        return self.store.add_channel(
            person, new.address.title, new.address.url, from_grade=new.from_grade, delay=new.delay, now=now
        )

    def numbered(self, user_id: int, number: str) -> Channel:
        """The person's channel of that number."""
        mine = self.of(user_id)
        if not number.isdecimal() or not 1 <= int(number[:4]) <= len(mine):
            raise RequestError("no such channel", advice="You have no channel of that number. /channels lists yours.")
        return mine[int(number[:4]) - 1]

    def remove(self, user_id: int, number: str) -> Channel:
        """Forget a channel and its address."""
        channel = self.numbered(user_id, number)
        self.store.remove_channel(channel.id)
        return channel

    async def rehearse(self, channel: Channel, now: datetime) -> Rehearsed:
        """An exercise on one channel; where it is accepted, the channel counts as proven, and is on again."""
        rang = await self.ringer.say(self.store.channel_url(channel.id), *EXERCISE)
        if isinstance(rang, Accepted):
            self.store.prove_channel(channel.id, now)
        return Rehearsed(channel, rang)

    async def drill(self, user_id: int, now: datetime) -> Sequence[Rehearsed]:
        """An exercise on every channel, side by side; one that fails never hides the others."""
        channels = self.of(user_id)
        found = await asyncio.gather(*(self.rehearse(c, now) for c in channels), return_exceptions=True)
        return [
            done if isinstance(done, Rehearsed) else Rehearsed(channel, RingAgain(type(done).__name__))
            for channel, done in zip(channels, found, strict=True)
        ]

    def begin_drill(self, user_id: int, now: datetime) -> int:
        """Note an exercise; its number is on the button."""
        return self.store.begin_drill(user_id, now)

    def tapped(self, drill_id: int, user_id: int, now: datetime) -> timedelta | None:
        """How long the tap took; None when it is not this person's exercise."""
        return self.store.tap_drill(drill_id, user_id, now)

    async def remind(self, teller: Teller, now: datetime) -> int:
        """Ask, at most once a week, those whom nothing but Telegram is known to reach; how many."""
        whom = self.store.people_to_remind(now, every=REMIND_EVERY, patience=UNPROVEN_FOR)
        for user_id, has_channels in whom:
            self.store.note_reminder(user_id, now)
            await teller.remind(user_id, has_channels=has_channels)
        return len(whom)


def why(rang: Rang) -> str:
    """A failed attempt in a few words."""
    return rang.error if isinstance(rang, RingAgain | RingRefused) else "accepted"
