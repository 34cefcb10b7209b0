"""A bot with real SQLite behind it and a fake exchange in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from marginbot.bot.build import TelegramSide, build_telegram
from marginbot.bot.calls import Call, Services
from marginbot.bot.dialogue import Dialogues
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.ports import Account, Credential, Person
from marginbot.flow.preferences import Preferences
from marginbot.flow.registration import Registration
from marginbot.flow.reports import Reports
from marginbot.flow.status import Status
from marginbot.lookback import LookBack
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.bot.builders import ALICE, BOB, OPERATOR
from tests.bot.fakes import FakeReader
from tests.servers.telegram import TOKEN, TelegramServer

PEOPLE = {ALICE: "Alice", BOB: "Bob", OPERATOR: "Olga"}


@dataclass
class Clock:
    """The real time, moved by `ahead`: Telegram stamps messages with the real one."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Desk:
    """Everything a test of the bot needs at hand. Alice and Bob are members, Charlie is a stranger."""

    services: Services
    store: SqliteStore
    reader: FakeReader
    clock: Clock
    changed: list[Account] = field(default_factory=list)

    def call(self, user_id: int, *args: str, chat_id: int | None = None) -> Call:
        chat_id = user_id if chat_id is None else chat_id
        person = Person(user_id, PEOPLE.get(user_id, "Charlie"))
        return Call(
            person=person, chat_id=chat_id, private=chat_id > 0, at=self.clock(), bot_name="margin_test_bot", args=args
        )

    def add(self, user_id: int = ALICE, label: str = "main", exchange: str = "bybit") -> Account:
        person = Person(user_id, PEOPLE.get(user_id, "Charlie"))
        return self.store.add_account(person, user_id, exchange, label, Credential("k" * 20, "s" * 40), self.clock())


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    found = open_store(":memory:", bytes(range(32)))
    yield found
    found.close()


@pytest.fixture
def desk(store: SqliteStore) -> Desk:
    clock, reader, changed = Clock(), FakeReader(), list[Account]()
    access = Access(AccessMode.INVITE, {OPERATOR}, store)
    services = Services(
        registration=Registration(reader, store, access),
        status=Status(store),
        preferences=Preferences(store),
        reports=Reports(store=store, status=Status(store), pause=timedelta(minutes=3)),
        access=access,
        store=store,
        clock=clock,
        on_change=changed.append,
        hindsight=LookBack(reader=reader, store=store, clock=clock, poll=timedelta(seconds=30)),
        dialogues=Dialogues(store),
        health=lambda: "Polling: 3 accounts\nTelegram: fine <b>",
    )
    for user_id in (ALICE, BOB):
        store.create_invite(f"code-{user_id}", OPERATOR, clock(), clock() + timedelta(days=1))
        store.remember_person(Person(user_id, PEOPLE[user_id]), user_id, clock())
        store.redeem_invite(f"code-{user_id}", user_id, clock())
    return Desk(services, store, reader, clock, changed)


@pytest.fixture
async def tg() -> AsyncIterator[TelegramServer]:
    async with TelegramServer(longest_poll=0.2) as server:
        yield server
        assert server.violations == []


@pytest.fixture
async def bot(desk: Desk, tg: TelegramServer) -> AsyncIterator[TelegramSide]:
    """The whole Telegram side, running against the loopback server."""
    side = build_telegram(TOKEN, tg.url, desk.services, poll=timedelta(seconds=1))
    listening = await side.start()
    yield side
    await side.stop(listening)
