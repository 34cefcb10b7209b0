"""Where the work is counted. What counts it is none of the work's business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.notices import Notice, Shown
from marginbot.domain.outcomes import Moved, NotEditable, Outcome, Sent, TryAgain, Unreachable
from marginbot.flow.ports import Messenger


class Meter(Protocol):
    """Counts what happens. Never fails, never waits."""

    def reading(self, venue: str, outcome: str) -> None:
        """An account was read: "ok", or the cause why not."""

    def cycle(self, took: timedelta) -> None:
        """All accounts that were due have been read and written down."""

    def send(self, outcome: str) -> None:
        """A notice was handed to the other side: "sent", "try_again", "unreachable" …"""

    def dwell(self, took: timedelta) -> None:
        """A notice was accepted, so long after the reading it rests on."""

    def board(self, step: str, outcome: str) -> None:
        """A live board was to be changed: "post", "edit" …, and what became of it."""


class Unmetered:
    """Counts nothing."""

    def reading(self, venue: str, outcome: str) -> None:
        """Not counted."""

    def cycle(self, took: timedelta) -> None:
        """Not counted."""

    def send(self, outcome: str) -> None:
        """Not counted."""

    def dwell(self, took: timedelta) -> None:
        """Not counted."""

    def board(self, step: str, outcome: str) -> None:
        """Not counted."""


OUTCOMES = {
    Sent: "sent",
    TryAgain: "try_again",
    Unreachable: "unreachable",
    Moved: "moved",
    NotEditable: "not_editable",
}


class MeteredMessenger:
    """A `Messenger` whose sends are counted."""

    def __init__(self, messenger: Messenger, meter: Meter, *, clock: Callable[[], datetime]) -> None:
        self._messenger = messenger
        self._meter = meter
        self._clock = clock

    async def send(self, notice: Notice, now: datetime) -> Outcome:
        """Send, and count what became of it."""
        return await self._counted(self._messenger.send(notice, now), [notice])

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        """Send several as one message, and count each."""
        return await self._counted(self._messenger.send_bundle(notices, now), notices)

    async def amend(self, message_id: int, told: Sequence[Shown], now: datetime) -> Outcome | NotEditable:
        """Change a message, and count that."""
        outcome = await self._messenger.amend(message_id, told, now)
        self._meter.send("amended" if isinstance(outcome, Sent) else OUTCOMES[type(outcome)])
        return outcome

    async def _counted(self, sending: Awaitable[Outcome], notices: Sequence[Notice]) -> Outcome:
        try:
            outcome = await sending
        except Exception:
            for _ in notices:
                self._meter.send("failed")
            raise
        for notice in notices:
            self._meter.send(OUTCOMES[type(outcome)])
            if isinstance(outcome, Sent):
                self._meter.dwell(self._clock() - notice.facts.known_at)
        return outcome
