"""Links to the one-time web form, by which a key reaches the bot without passing through Telegram.

A link belongs to the person and the account it was made for, works once and for ten minutes. Kept in memory, and
only as a hash: a restart ends them all.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from marginbot.flow.ports import Person, VenueInfo
from marginbot.logs import redact

PATIENCE = timedelta(minutes=10)
MOST_OPEN = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a form asks for, and who asked to give it."""

    person: Person
    chat_id: int
    venue: VenueInfo
    label: str
    asked_at: datetime
    language: str | None = None  # that of who asked


class WebLinks:
    """The open links; one a person. Without a base address there are none."""

    def __init__(self, base: str = "") -> None:
        self._base = base.rstrip("/")
        self._open: dict[str, Wanted] = {}

    def offer(self, wanted: Wanted) -> str | None:
        """The address of a new form; an older one of this person is void. None: there is no web form here."""
        if not self._base:
            return None
        self.drop(wanted.person.user_id)
        while len(self._open) >= MOST_OPEN:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(32)
        redact(token)
        self._open[_hash(token)] = wanted
        return f"{self._base}/{token}"

    def wanted(self, token: str, now: datetime) -> Wanted | None:
        """What this link is for; None for one that is unknown, used or too old."""
        # Looked up by its hash: how long that takes says nothing about the link itself.
        found = self._open.get(_hash(token))
        return found if found is not None and now - found.asked_at <= PATIENCE else None

    def take(self, token: str, now: datetime) -> Wanted | None:
        """The same, and the link is used up by it."""
        found = self.wanted(token, now)
        self._open.pop(_hash(token), None)
        return found

    def drop(self, user_id: int) -> None:
        """Void the link of a person."""
        self._open = {key: wanted for key, wanted in self._open.items() if wanted.person.user_id != user_id}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
