"""What is stored of one person's accounts, read at once, so that a thread can think about it without the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from marginbot.domain.alerting import AlertState
from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.grading import Ladders
from marginbot.flow.ports import Account, LastReading


class Memory(Protocol):
    """What is known of people's accounts; the store is one."""

    def accounts_of(self, user_id: int) -> Sequence[Account]: ...
    def account(self, user_id: int, label: str) -> Account: ...
    def last_reading(self, account_id: int) -> LastReading | None: ...
    def ladders(self, account_id: int) -> Ladders: ...
    def states(self, account_id: int) -> Mapping[str, AlertState]: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    reading: LastReading | None
    ladders: Ladders
    states: Mapping[str, AlertState]


@dataclass(frozen=True, slots=True)
class Remembered:
    """One person's accounts as they were stored at a moment. Nothing in it changes."""

    user_id: int
    accounts: Sequence[Account]
    _kept: Mapping[int, _Kept]

    @classmethod
    def of(cls, memory: Memory, user_id: int) -> Remembered:
        """All that is stored of this person's accounts now."""
        accounts = tuple(memory.accounts_of(user_id))
        kept = {
            account.id: _Kept(
                memory.last_reading(account.id), memory.ladders(account.id), dict(memory.states(account.id))
            )
            for account in accounts
        }
        return cls(user_id, accounts, kept)

    def accounts_of(self, user_id: int) -> Sequence[Account]:
        """This person's accounts; nobody else has any here."""
        return self.accounts if user_id == self.user_id else ()

    def account(self, user_id: int, label: str) -> Account:
        """`NoSuchAccount` unless the user owns that label (case-insensitive)."""
        found = [one for one in self.accounts_of(user_id) if one.label.casefold() == label.casefold()]
        if not found:
            raise NoSuchAccount("no account of that label", advice="You have no account of that label.")
        return found[0]

    def last_reading(self, account_id: int) -> LastReading | None:
        """The last complete reading of one of these accounts."""
        return self._kept[account_id].reading

    def ladders(self, account_id: int) -> Ladders:
        """Its thresholds."""
        return self._kept[account_id].ladders

    def states(self, account_id: int) -> Mapping[str, AlertState]:
        """The alert states of its pools."""
        return self._kept[account_id].states
