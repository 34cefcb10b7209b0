"""Where each person is in the guided `/add`. Kept in memory only: half a key is never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from marginbot.flow.ports import VenueInfo

PATIENCE = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)  # so that a key sent too late is still recognised as one


@dataclass(slots=True)
class Dialogue:
    """The answers given so far; the first one missing is what is asked for."""

    touched_at: datetime
    venue: VenueInfo | None = None
    label: str | None = None
    parts: list[str] = field(default_factory=list, repr=False)

    @property
    def wants_secret(self) -> bool:
        """Whether the next answer is part of a credential."""
        return self.venue is not None and self.label is not None

    def step_back(self) -> None:
        """Forget the answer given last."""
        if self.parts:
            self.parts.pop()
        elif self.label is not None:
            self.label = None
        else:
            self.venue = None

    @property
    def next_field(self) -> str | None:
        """Title of the credential field to ask for; None when all are there."""
        if self.venue is None or len(self.parts) >= len(self.venue.fields):
            return None
        return self.venue.fields[len(self.parts)][1]


class Dialogues:
    """One dialogue a person, in their private chat."""

    def __init__(self) -> None:
        self._by_user: dict[int, Dialogue] = {}

    def begin(self, user_id: int, now: datetime) -> Dialogue:
        """Start over."""
        self._forget_old(now)
        self._by_user[user_id] = Dialogue(now)
        return self._by_user[user_id]

    def current(self, user_id: int, now: datetime) -> Dialogue | None:
        """The dialogue if it is still going on."""
        found = self._by_user.get(user_id)
        return found if found and now - found.touched_at <= PATIENCE else None

    def lapsed(self, user_id: int, now: datetime) -> bool:
        """Whether a dialogue was left open for too long."""
        return user_id in self._by_user and self.current(user_id, now) is None

    def wants_secret(self, user_id: int) -> bool:
        """Whether plain text of this person is, or was meant to be, part of a credential."""
        found = self._by_user.get(user_id)
        return found is not None and found.wants_secret

    def end(self, user_id: int) -> bool:
        """Forget it; whether there was one."""
        return self._by_user.pop(user_id, None) is not None

    def _forget_old(self, now: datetime) -> None:
        for user_id in [u for u, d in self._by_user.items() if now - d.touched_at > REMEMBERED]:
            del self._by_user[user_id]
