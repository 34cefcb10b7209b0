"""Killed at any moment of a crash: nothing is lost, and what is told twice says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.grading import Grade
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import LEASE, Delivery
from marginbot.flow.ports import Account, Credential, CycleRecord
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.builders import Clock, long_at
from tests.crash import live_through
from tests.fakes import FakeMessenger, FakeReader
from tests.flow.conftest import ALICE, SETTINGS

KEY = bytes(range(32))


def test_killed_six_times_in_a_crash_every_alarm_arrives(tmp_path: Path) -> None:
    after = live_through(tmp_path, accounts=5, kills=6, seconds=24.0, seed=1, answers_after=0.3)
    assert after.lost == []
    assert after.unwritten == []
    emergencies = {told.label for told in after.outbox if told.grade == Grade.EMERGENCY}
    assert emergencies == {f"acc{n}" for n in range(5)}
    for chat_id in after.alerts:
        assert len(after.unrecorded(chat_id)) <= after.kills, "one message is on its way to a chat at a time"
        assert after.unmarked_repeats(chat_id) == []


class Died(BaseException):
    """The process ends here."""


class Dying(SqliteStore):
    """A store in whose process nothing is written any more."""

    def record(self, record: CycleRecord) -> None:
        raise Died


class Life:
    """One life of the process on a database that outlives it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.store, self.clock = open_store(path, KEY), clock
        self.reader, self.messenger = FakeReader(), FakeMessenger()
        self.reader.accounts["key"] = long_at(92.0)
        self.delivery = Delivery(self.store, self.messenger, clock=clock)

    async def cycle(self, store: SqliteStore | None = None) -> None:
        found = Cycle(self.reader, store or self.store, settings=SETTINGS, clock=self.clock)
        for account in self.store.active_accounts():
            await found.read(account)

    def add(self) -> Account:
        return self.store.add_account(
            ALICE, ALICE.user_id, "bybit", "main", Credential("key", "secret"), self.clock.now
        )

    def told(self) -> list[tuple[str, int]]:
        return [
            (f"{n.facts.reason} {n.facts.grade.name}", n.attempts) for n in self.messenger.accepted if n.facts.grade
        ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def first(path: Path, clock: Clock) -> Iterator[Life]:
    life = Life(path, clock)
    life.add()
    yield life
    life.store.close()


async def next_life(path: Path, clock: Clock, seconds: float = 0.0) -> list[tuple[str, int]]:
    """Read, deliver, and once more after a while; what was told, with the attempts before."""
    life = Life(path, clock)
    clock.advance(seconds)
    await life.cycle()
    await life.delivery.run()
    clock.advance(LEASE.total_seconds())
    await life.delivery.run()
    assert life.store.count_pending() == 0
    life.store.close()
    return life.told()


async def test_dies_before_the_reading_is_recorded(first: Life, path: Path, clock: Clock) -> None:
    with pytest.raises(Died):
        await first.cycle(Dying(first.store._db, first.store._vault))
    [(what, attempts)] = await next_life(path, clock)
    assert (what.split()[0], attempts) == ("first_sight", 0), "seen anew, told as new"


async def test_dies_after_it_is_recorded_and_before_it_is_taken(first: Life, path: Path, clock: Clock) -> None:
    await first.cycle()
    [(what, attempts)] = await next_life(path, clock)
    assert (what.split()[0], attempts) == ("first_sight", 0), "told once, not as a repeat"


async def test_dies_after_it_is_taken_and_before_the_request_leaves(first: Life, path: Path, clock: Clock) -> None:
    await first.cycle()
    [line] = first.store.pending_lines(0)
    first.store.begin_attempts([line.id], clock.now, clock.now + LEASE)
    [(_, attempts)] = await next_life(path, clock, 1.0)
    assert attempts == 1, "marked: nobody knows whether it arrived"


async def test_dies_after_it_arrived_and_before_that_is_written(first: Life, path: Path, clock: Clock) -> None:
    await first.cycle()
    [line] = first.store.pending_lines(0)
    [notice] = first.store.begin_attempts([line.id], clock.now, clock.now + LEASE)
    await first.messenger.send(notice, clock.now)
    [(again, attempts)] = await next_life(path, clock, 1.0)
    assert [again] == [what for what, _ in first.told()]
    assert attempts == 1, "the second one says that it may be a repeat"


async def test_dies_after_that_is_written(first: Life, path: Path, clock: Clock) -> None:
    await first.cycle()
    await first.delivery.run()
    assert len(first.told()) == 1
    assert await next_life(path, clock, 1.0) == []


def test_a_lease_is_short_enough_for_an_emergency_and_longer_than_a_send() -> None:
    assert timedelta(seconds=12) < LEASE <= timedelta(seconds=15)
