"""What waits to be told, and whose turn it is. Pure; the notices themselves stay in the database.

A *story* is a subject of an account: its notices are told oldest first. A chat's place is that of its most
urgent story that can go on; looking for the next chat costs the logarithm of their number.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from marginbot.domain.notices import Line, Urgency, is_urgent, overtaken, urgency

Story = list[Line]


class Backlog:
    """Lines by chat and story. Whoever changes a chat's lines says `touch` afterwards."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._chats: dict[int, dict[tuple[int, str], Story]] = defaultdict(dict)
        self._rank: dict[int, Urgency] = {}  # of the chats that can go on
        self._ready: list[tuple[Urgency, int]] = []  # entries that disagree with `_rank` are void
        self._later: list[tuple[datetime, int]] = []
        self._away: set[int] = set()  # chats being sent to
        self.newest_id = 0

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, line_id: int) -> Line | None:
        """The line, unless it is gone."""
        return self._lines.get(line_id)

    def add(self, lines: Iterable[Line], now: datetime) -> None:
        """Lines with ids above all known ones, oldest first."""
        chats = set()
        for line in lines:
            self._lines[line.id] = line
            self._chats[line.chat_id].setdefault(line.story, []).append(line)
            self.newest_id = max(self.newest_id, line.id)
            chats.add(line.chat_id)
        for chat_id in chats:
            self.touch(chat_id, now)

    def clear(self) -> None:
        """Forget all lines; chats being sent to stay so."""
        for kept in (self._lines, self._chats, self._rank, self._ready, self._later):
            kept.clear()
        self.newest_id = 0

    def remove(self, line_id: int) -> None:
        """It is told, or never will be."""
        line = self._lines.pop(line_id, None)
        if line is None:
            return
        stories = self._chats[line.chat_id]
        stories[line.story] = [other for other in stories[line.story] if other.id != line_id]
        if not stories[line.story]:
            del stories[line.story]
        if not stories:
            del self._chats[line.chat_id]

    def change(
        self,
        line_id: int,
        *,
        attempts: int | None = None,
        next_attempt_at: datetime,
        held_until: datetime | None = None,
    ) -> None:
        """It was tried, or is to be tried at another time."""
        line = self._lines.get(line_id)
        if line is None:
            return
        new = replace(
            line,
            attempts=line.attempts if attempts is None else attempts,
            next_attempt_at=next_attempt_at,
            held_until=held_until or line.held_until,
        )
        self._lines[line_id] = new
        story = self._chats[line.chat_id][line.story]
        story[next(at for at, other in enumerate(story) if other.id == line_id)] = new

    def stories(self, chat_id: int, now: datetime) -> Sequence[Story]:
        """The stories of a chat that can go on, the most urgent first."""
        going = [story for story in self._chats.get(chat_id, {}).values() if _goes_on(story, now)]
        return sorted(going, key=_urgency_of)

    def hold(self, line_id: int, until: datetime, look_again_at: datetime) -> None:
        """It waits for the end of quiet hours, and is looked at again by then."""
        self.change(line_id, next_attempt_at=look_again_at, held_until=until)

    def touch(self, chat_id: int, now: datetime) -> None:
        """Find the chat's place anew."""
        self._rank.pop(chat_id, None)
        if chat_id in self._away or chat_id not in self._chats:
            return
        stories = self._chats[chat_id].values()
        going = [_urgency_of(story) for story in stories if _goes_on(story, now)]
        if going:
            self._rank[chat_id] = min(going)
            heapq.heappush(self._ready, (self._rank[chat_id], chat_id))
        waits = [story[0].next_attempt_at for story in stories if not _goes_on(story, now)]
        soonest = min((at for at in waits if at is not None), default=None)
        if soonest is not None:
            heapq.heappush(self._later, (soonest, chat_id))

    def first(self, now: datetime) -> tuple[int, Urgency] | None:
        """The chat whose turn it is, and how urgent it is."""
        while self._later and self._later[0][0] <= now:
            self.touch(heapq.heappop(self._later)[1], now)
        while self._ready:
            rank, chat_id = self._ready[0]
            if self._rank.get(chat_id) == rank:
                return chat_id, rank
            heapq.heappop(self._ready)
        return None

    def park(self, chat_id: int, until: datetime) -> None:
        """The chat's turn comes again at `until`."""
        self._rank.pop(chat_id, None)
        heapq.heappush(self._later, (until, chat_id))

    def leave(self, chat_id: int) -> None:
        """The chat is being sent to: its turn does not come before `back`."""
        self._away.add(chat_id)
        self._rank.pop(chat_id, None)

    def waiting(self, ids: Iterable[int]) -> Sequence[Line]:
        """Of these lines the ones that are still there, where nothing is on its way to their chat."""
        lines = [line for line in map(self._lines.get, ids) if line is not None]
        return [line for line in lines if line.chat_id not in self._away]

    def is_urgent(self, ids: Iterable[int]) -> bool:
        """Whether one of these lines goes in the lane that is always kept free."""
        return any(is_urgent(urgency(line)) for line in map(self._lines.get, ids) if line is not None)

    def back(self, chat_id: int, now: datetime) -> None:
        """The chat is free again."""
        self._away.discard(chat_id)
        self.touch(chat_id, now)

    def wakes_at(self) -> datetime | None:
        """When something that waits now can go on by itself."""
        return self._later[0][0] if self._later else None


def _goes_on(story: Story, now: datetime) -> bool:
    head = story[0]
    return head.is_due(now) or overtaken(head, story, now)


def _urgency_of(story: Story) -> Urgency:
    return min(urgency(line) for line in story)
