"""Where each person is in the guided `/add`.

The exchange and the label are also kept in the database, so that a dialogue which was left, or cut off by a restart,
can be gone on with. What comes after them is part of a key: that is in memory only, and half a key is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.flow.ports import Left, VenueInfo

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


class Keeper(Protocol):
    """Where the answers before a secret are kept."""

    def keep_dialogue(self, user_id: int, left: Left) -> None: ...
    def kept_dialogue(self, user_id: int) -> Left | None: ...
    def drop_dialogue(self, user_id: int) -> None: ...


class Dialogues:
    """One dialogue a person, in their private chat."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self._by_user: dict[int, Dialogue] = {}
        self._keeper = keeper  # None: a restart forgets them all

    def begin(self, user_id: int, now: datetime) -> Dialogue:
        """Start over."""
        self._forget_old(now)
        self._drop_kept(user_id)
        self._by_user[user_id] = Dialogue(now)
        return self._by_user[user_id]

    def current(self, user_id: int, now: datetime) -> Dialogue | None:
        """The dialogue if it is still going on."""
        found = self._by_user.get(user_id)
        return found if found and now - found.touched_at <= PATIENCE else None

    def lapsed(self, user_id: int, now: datetime) -> bool:
        """Whether a dialogue was left open: for too long, or so that it can be gone on with (see `left`)."""
        known = user_id in self._by_user or self._kept(user_id) is not None
        return known and self.current(user_id, now) is None

    def wants_secret(self, user_id: int) -> bool:
        """Whether plain text of this person is, or was meant to be, part of a credential."""
        found = self._by_user.get(user_id)
        if found is not None:
            return found.wants_secret
        kept = self._kept(user_id)
        return kept is not None and kept.label is not None

    def keep(self, user_id: int) -> None:
        """Keep what may be kept of a dialogue: the exchange and the label, never a part of a key."""
        found = self._by_user.get(user_id)
        if self._keeper is None or found is None:
            return
        if found.venue is None:
            self._keeper.drop_dialogue(user_id)
        else:
            self._keeper.keep_dialogue(user_id, Left(found.venue.id, found.label, found.touched_at))

    def left(self, user_id: int, now: datetime) -> Left | None:
        """A dialogue that can be gone on with; not one that was left for too long."""
        kept = self._kept(user_id)
        return kept if kept is not None and now - kept.touched_at <= PATIENCE else None

    def leave(self, user_id: int) -> None:
        """Forget what was said of a key, but not what is kept."""
        self._by_user.pop(user_id, None)

    def end(self, user_id: int) -> bool:
        """Forget it; whether there was one."""
        kept = self._drop_kept(user_id)
        return self._by_user.pop(user_id, None) is not None or kept

    def _kept(self, user_id: int) -> Left | None:
        return None if self._keeper is None else self._keeper.kept_dialogue(user_id)

    def _drop_kept(self, user_id: int) -> bool:
        if self._keeper is None or self._keeper.kept_dialogue(user_id) is None:
            return False
        self._keeper.drop_dialogue(user_id)
        return True

    def _forget_old(self, now: datetime) -> None:
        for user_id in [u for u, d in self._by_user.items() if now - d.touched_at > REMEMBERED]:
            del self._by_user[user_id]
