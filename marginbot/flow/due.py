"""Whose turn it is. Per venue the most endangered come first, and among equals the one that has waited longest.

What may be asked of a venue in a minute is limited, so where there are more accounts than it allows somebody waits:
the least endangered, and they are told like those that cannot be read. Every fifth turn goes to whoever waits
longest, so that a crash which endangers everybody leaves nobody out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.grading import Grade
from marginbot.flow.ports import Account, CycleRecord, Waiting

URGENCIES = (3, 2, 1, 0)
FAIR_TURN = 5
FRESH = timedelta(seconds=0.5)
_BY_GRADE = {Grade.OK: 0, Grade.NOTICE: 1, Grade.WARNING: 2}


class DueStore(Protocol):
    """Where the queue is kept."""

    def exchanges(self) -> Sequence[str]: ...
    def due_accounts(self, exchange: str, urgency: int, now: datetime, limit: int) -> Sequence[Account]: ...
    def overdue(self, before: datetime, after_id: int, limit: int) -> Sequence[int]: ...
    def waiting(self, now: datetime, longer_than: timedelta) -> Mapping[str, Waiting]: ...


def urgency_of(record: CycleRecord) -> int | None:
    """0 (calm) to 3 (critical or worse) of an account after a reading; one that could not be judged is no calm one.

    None: the record says nothing of its state.
    """
    if not record.states:
        return None
    grades = [state.grade for state in record.states.values() if state.grade is not None]
    return _BY_GRADE.get(max(grades), 3) if grades else 1


@dataclass(slots=True)
class _Line:
    """Accounts of a venue that are due, first in turn first, as they were at a time."""

    at: datetime
    accounts: list[Account]
    is_cut: bool  # there may be more


class DueQueue:
    """Hands out the accounts that may be read now; who takes one gives it back by `done`."""

    def __init__(self, store: DueStore, *, at_once: int) -> None:
        self._store = store
        self._at_once = at_once
        self._taken: dict[str, set[int]] = defaultdict(set)
        self._lines: dict[str, _Line] = {}
        self._held_until: dict[int, datetime] = {}
        self._turns: dict[str, int] = defaultdict(int)
        self.closed = False  # True: nothing more is handed out
        self.ready_in: Callable[[str, int], float] = lambda exchange, under_way: 0.0
        # The same for what is read in turn: a limit used up at once would leave the endangered nothing for a while.
        self.pace: Callable[[str, int], float] = lambda exchange, under_way: 0.0

    @property
    def is_idle(self) -> bool:
        """Nothing is being read."""
        return not any(self._taken.values())

    def is_taken(self, account: Account) -> bool:
        """Whether it is being read."""
        return account.id in self._taken[account.exchange]

    def under_way(self, exchange: str) -> int:
        """How many of a venue are being read."""
        return len(self._taken[exchange])

    def is_full(self, exchange: str) -> bool:
        """Whether as many of a venue are being read as may be at once."""
        return len(self._taken[exchange]) >= self._at_once

    def take_all(self, now: datetime) -> list[Account]:
        """What may be read now, at all venues."""
        return [account for exchange in self._store.exchanges() for account in self.take(exchange, now)]

    def take(self, exchange: str, now: datetime) -> list[Account]:
        """What may be read now, at one venue."""
        taken, found = self._taken[exchange], list[Account]()
        while not self.closed and len(taken) < self._at_once and self._is_room(exchange, len(taken)):
            account = self._next(exchange, now)
            if account is None:
                break
            taken.add(account.id)
            found.append(account)
        return found

    def has_more(self, exchange: str) -> bool:
        """Whether accounts of a venue were left waiting when it was last looked."""
        line = self._lines.get(exchange)
        return line is not None and (bool(line.accounts) or line.is_cut)

    def take_one(self, account: Account) -> None:
        """It is read out of turn."""
        self._taken[account.exchange].add(account.id)
        if line := self._lines.get(account.exchange):
            line.accounts = [other for other in line.accounts if other.id != account.id]

    def done(self, account: Account) -> None:
        """It is not being read any more."""
        self._taken[account.exchange].discard(account.id)

    def hold(self, account: Account, until: datetime) -> None:
        """It could not be written down: not before then."""
        self._held_until[account.id] = until

    def release(self, now: datetime) -> None:
        """Those that were held and may go again."""
        self._held_until = {held: until for held, until in self._held_until.items() if until > now}

    def _is_room(self, exchange: str, under_way: int) -> bool:
        return self.ready_in(exchange, under_way) <= 0 and self.pace(exchange, under_way) <= 0

    def _next(self, exchange: str, now: datetime) -> Account | None:
        """The first in turn, of a line that is looked up again when it is used up or no longer fresh."""
        line = self._lines.get(exchange)
        if line is None or now - line.at > FRESH or not line.accounts:
            line = self._lines[exchange] = self._line(exchange, now)
        if not line.accounts:
            return None
        self._turns[exchange] += 1
        fair = self._turns[exchange] % FAIR_TURN == 0
        account = min(line.accounts, key=_longest) if fair else line.accounts[0]
        line.accounts.remove(account)
        return account

    def _line(self, exchange: str, now: datetime) -> _Line:
        """The first of each urgency, as many as can be needed until it is looked up again."""
        known = self._taken[exchange] | self._held_until.keys()
        limit = self._at_once + len(known)
        levels = [self._store.due_accounts(exchange, urgency, now, limit) for urgency in URGENCIES]
        waiting = [account for level in levels for account in level if account.id not in known]
        return _Line(now, waiting, is_cut=any(len(level) == limit for level in levels))


def _longest(account: Account) -> tuple[bool, datetime | int]:
    return account.next_due_at is not None, account.next_due_at or account.id
