"""A bot without edges: the real store in memory, a scripted exchange, a clock that only tests move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from marginbot.domain.notices import NewNotice
from marginbot.flow.cycle import Cycle
from marginbot.flow.decide import CycleSettings
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.builders import Clock
from tests.fakes import Answer, FakeReader

ALICE, BOB, CHARLIE = Person(11, "Alice"), Person(22, "Bob"), Person(33, "Charlie")
SETTINGS = CycleSettings(
    poll_interval=timedelta(seconds=30), stale_after=timedelta(seconds=180), second_opinion_after=timedelta(0)
)


class Ledger(SqliteStore):
    """The real store, which also keeps every record it was given."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store._db, store._vault)
        self.written: list[CycleRecord] = []

    def record(self, record: CycleRecord) -> None:
        super().record(record)
        self.written.append(record)

    @property
    def notices(self) -> Sequence[NewNotice]:
        """All that was ever to be told, oldest first."""
        return [notice for record in self.written for notice in record.notices]

    def told(self, account: Account) -> list[str]:
        """The same of one account: subject, reason, grade."""
        return [
            f"{n.subject or 'account'} {n.facts.reason} {n.facts.grade.name if n.facts.grade is not None else '-'}"
            for n in self.notices
            if n.account_id == account.id
        ]


@pytest.fixture
def store() -> Iterator[Ledger]:
    opened = Ledger(open_store(":memory:", bytes(range(32))))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@dataclass
class World:
    """Everything a cycle needs, and short ways to move it on."""

    store: Ledger
    reader: FakeReader
    clock: Clock
    cycle: Cycle

    def register(
        self, person: Person, label: str, answer: Answer, *, key: str = "", exchange: str = "bybit"
    ) -> Account:
        """An account that answers so from now on."""
        key = key or f"{person.user_id}-{label}"
        self.reader.accounts[key] = answer
        return self.store.add_account(
            person, person.user_id, exchange, label, Credential(key, "secret"), self.clock.now
        )

    async def after(self, seconds: float) -> int:
        """A cycle some time later; how many accounts were due."""
        self.clock.advance(seconds)
        return await self.cycle.run()


@pytest.fixture
def world(store: Ledger, reader: FakeReader, clock: Clock) -> World:
    return World(store, reader, clock, Cycle(reader, store, settings=SETTINGS, clock=clock))
