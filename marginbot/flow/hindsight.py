"""Would I have been warned? An account of today in days gone by: what is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.history import Point
from marginbot.flow.ports import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPool:
    """What a pool would have gone through."""

    name: str
    breach_at: datetime | None  # when it would have been liquidated
    announced: Mapping[Grade, datetime | None]  # since when each grade or worse had been told, up to the end
    alerts: Sequence[tuple[datetime, Grade]]  # each grade as it was raised; OK: it was over
    lines: Sequence[Sequence[Point]]  # readings, oldest first, of each part that is liquidated by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What an account would have gone through within [since, until), read every `pause`."""

    since: datetime
    until: datetime
    pause: timedelta
    ladders: Ladders
    pools: Sequence[PastPool]
    notes: Sequence[str]  # what could not be carried over


class Hindsight(Protocol):
    """Reads an account now and replays it over past days."""

    def period(self, text: str) -> tuple[datetime, datetime]:
        """The days meant, or an error that says what they should look like."""

    async def look(self, account: Account, period: tuple[datetime, datetime]) -> Past:
        """The account in those days; takes a while. A `MarginbotError` says why not."""
