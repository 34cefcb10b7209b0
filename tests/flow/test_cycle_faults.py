"""What cannot be read, judged or written: told in time, and nobody else's trouble."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.errors import Cause, KeyRefused, NoSuchAccount, VenueDown
from marginbot.flow.cycle import Cycle
from marginbot.flow.ports import CycleRecord
from marginbot.store.database import StoreFailed
from tests.builders import Clock, long_at, pool, position, snapshot
from tests.fakes import FakeReader
from tests.flow.conftest import ALICE, BOB, SETTINGS, Ledger, World
from tests.outbox import pending as pending_in

CALM, CRITICAL = long_at(100), long_at(91.9)


async def test_failure_19_blindness_is_told_at_its_deadline_and_so_is_its_end(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = VenueDown("no answer")
    for _ in range(5):
        await world.after(30)
    assert world.store.told(account) == []
    await world.after(30)
    assert world.store.told(account) == ["account went_blind OK"]
    [lost] = world.store.notices
    assert (lost.facts.cause, lost.facts.advice) == (Cause.VENUE_DOWN, VenueDown.advice)
    assert lost.facts.blind_since == world.clock.now - timedelta(seconds=180)
    world.reader.accounts["11-main"] = CALM
    await world.after(60)
    assert world.store.told(account)[1:] == ["account sight_back OK"]
    assert world.store.notices[1].facts.blind_since == lost.facts.blind_since


async def test_blindness_is_told_at_its_deadline_however_seldom_is_read(
    store: Ledger, reader: FakeReader, clock: Clock
) -> None:
    seldom = replace(SETTINGS, poll_interval=timedelta(seconds=120), stale_after=timedelta(seconds=300))
    world = World(store, reader, clock, Cycle(reader, store, settings=seldom, clock=clock))
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = VenueDown("no answer")
    for _ in range(2):
        await world.after(120)
    assert world.store.told(account) == []
    await world.after(60)
    assert world.store.told(account) == ["account went_blind OK"]


async def test_the_nearer_the_trigger_the_sooner_blindness_is_told(world: World) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    world.reader.accounts["11-main"] = VenueDown("no answer")
    while len(world.store.told(account)) < 2:
        await world.after(5.1)
    assert world.store.told(account)[1] == "account went_blind CRITICAL"
    assert world.store.notices[1].sound
    blind_since = world.store.notices[1].facts.blind_since
    assert blind_since is not None
    assert timedelta(seconds=45) <= world.clock.now - blind_since <= timedelta(seconds=52)


async def test_blindness_keeps_the_grade_and_closes_nothing(world: World) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    before = world.store.states(account.id)["cross:USDT"]
    world.reader.accounts["11-main"] = VenueDown("no answer")
    for _ in range(40):
        await world.after(30)
    assert world.store.states(account.id)["cross:USDT"] == before
    assert {told.split()[1] for told in world.store.told(account)[1:]} == {"went_blind", "still_blind"}


async def test_a_pool_that_cannot_be_judged_is_told_as_not_watched(world: World) -> None:
    account = world.register(ALICE, "main", snapshot(pool(position(), maintenance_margin=None)))
    for _ in range(6):
        await world.after(30)
    assert world.store.told(account) == []
    await world.after(30)
    assert world.store.told(account) == ["cross:USDT went_blind -"]
    assert world.store.notices[0].facts.cause is Cause.POOL_UNKNOWN


async def test_a_refused_key_is_told_once_and_polling_stops(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = KeyRefused("401")
    for _ in range(10):
        await world.after(60)
    assert world.store.told(account) == ["account key_refused OK"]
    assert world.reader.reads["11-main"] == 3  # the good one, the refusal, and a second opinion
    assert world.store.account(11, "main").refused is Cause.KEY_REFUSED


async def test_one_refusal_that_is_not_repeated_stops_nothing(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.script["11-main"] = [KeyRefused("401"), CALM]
    await world.after(60)
    assert world.store.told(account) == []
    assert world.store.account(11, "main").refused is None


async def test_a_retry_with_a_key_still_refused_is_answered(world: World) -> None:
    account = world.register(ALICE, "main", KeyRefused("401"))
    await world.after(0)
    world.store.resume(account.id, world.clock.now)
    await world.after(5)
    assert world.store.told(account) == ["account key_refused -"] * 2
    world.store.resume(account.id, world.clock.now)
    world.reader.accounts["11-main"] = CALM
    await world.after(5)
    assert world.store.told(account)[2:] == ["account sight_back OK"]


async def test_a_key_that_cannot_be_opened_stops_its_account_and_says_so(world: World, store: Ledger) -> None:
    account, other = world.register(ALICE, "main", CALM), world.register(ALICE, "other", CRITICAL)
    store._db.conn.execute("UPDATE secrets SET sealed = x'00' WHERE account_id = ?", (account.id,))
    await world.after(0)
    assert world.store.told(account) == ["account key_refused -"]
    assert "record was altered" in world.store.notices[0].facts.advice
    assert world.store.told(other) == ["cross:USDT first_sight CRITICAL"]


NOT_A_NUMBER = snapshot(pool(position(), equity="NaN"))


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(RuntimeError("a bug in an adapter"), id="reading fails in a way nobody foresaw"),
        pytest.param(KeyError("result"), id="a field is missing"),
        pytest.param(AssertionError(), id="an assertion fails"),
        pytest.param(NOT_A_NUMBER, id="judging fails"),
    ],
)
async def test_failure_09_one_poisoned_account_does_not_stop_twenty_others(
    world: World, poison: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sick = world.register(ALICE, "sick", poison)
    others = [world.register(BOB, f"desk-{n}", CRITICAL) for n in range(20)]
    await world.after(0)
    assert [world.store.told(account) for account in others] == [["cross:USDT first_sight CRITICAL"]] * 20
    assert world.cycle.completed_at == world.clock.now
    for _ in range(6):
        await world.after(30)
    assert world.store.told(sick) == ["account went_blind -"]
    assert world.store.notices[-1].facts.cause is Cause.OUR_FAULT
    assert {record.levelno for record in caplog.records} >= {logging.ERROR}


async def test_a_venue_that_hangs_is_a_reading_that_failed(store: Ledger, reader: FakeReader, world: World) -> None:
    hasty = replace(SETTINGS, read_timeout=timedelta(seconds=0.01))
    world.cycle = Cycle(reader, store, settings=hasty, clock=world.clock)
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    reader.hanging.add("11-main")
    for _ in range(6):
        await world.after(30)
    assert world.store.told(account) == ["account went_blind OK"]


async def test_a_hanging_venue_delays_no_other_venue(store: Ledger, reader: FakeReader, world: World) -> None:
    world.cycle = Cycle(reader, store, settings=SETTINGS, clock=world.clock, concurrency=2)
    for n in range(4):
        world.register(ALICE, f"stuck-{n}", CALM, exchange="okx")
        reader.hanging.add(f"11-stuck-{n}")
    free = world.register(BOB, "main", CRITICAL)
    world.cycle.dispatch()
    await asyncio.sleep(0.01)
    assert world.store.told(free) == ["cross:USDT first_sight CRITICAL"]
    assert world.cycle.completed_at is None
    await world.cycle.tasks.stop(0)


async def test_an_account_being_read_is_not_read_twice_at_once(reader: FakeReader, world: World) -> None:
    world.register(ALICE, "main", CALM)
    reader.hanging.add("11-main")
    assert world.cycle.dispatch() == 1
    await asyncio.sleep(0)
    world.clock.advance(1000)
    assert world.cycle.dispatch() == 0
    await asyncio.sleep(0)
    assert reader.reads["11-main"] == 1
    assert world.cycle.completed_at is None
    await world.cycle.tasks.stop(0)


async def test_an_account_removed_while_it_is_read_leaves_nothing_behind(world: World) -> None:
    account = world.register(ALICE, "main", CALM)

    def removed_meanwhile() -> object:
        world.store.remove_account(11, "main")
        return CRITICAL

    world.reader.accounts["11-main"] = removed_meanwhile  # type: ignore[assignment]
    await world.after(0)
    assert pending_in(world.store) == []
    assert world.cycle.completed_at == world.clock.now
    with pytest.raises(NoSuchAccount):
        world.store.credential(account.id)


class FullDisk(Ledger):
    """A store that cannot write down what was read."""

    def record(self, record: CycleRecord) -> None:
        raise StoreFailed("disk full")


async def test_failure_20_a_cycle_that_could_not_be_written_down_is_not_complete(store: Ledger, world: World) -> None:
    world.register(ALICE, "main", CRITICAL)
    world.cycle = Cycle(world.reader, FullDisk(store), settings=SETTINGS, clock=world.clock)
    assert await world.after(0) == 1
    assert world.cycle.completed_at is None
    assert await world.after(29) == 0, "the venue is not asked again at once"
    assert await world.after(1) == 1
    assert world.reader.reads["11-main"] == 2


async def test_a_crash_before_the_record_repeats_the_reading_and_tells_it_once(world: World) -> None:
    """The process dies between reading and writing: nothing is half written, so nothing is lost or doubled."""
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = CRITICAL
    dying = Cycle(world.reader, FullDisk(world.store), settings=SETTINGS, clock=world.clock)
    world.clock.advance(30)
    await dying.run()
    assert world.store.told(account) == []
    await world.after(0)
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
