"""Danger that the price shows is found at the tick: by a reading at once, or told as a projection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime, timedelta

import pytest

from marginbot.bot.render_alert import alert, short
from marginbot.domain.errors import VenueDown
from marginbot.domain.margin import Snapshot
from marginbot.domain.notices import Notice
from marginbot.flow.live_marks import LOADED_AT_ONCE, LiveMarks
from marginbot.flow.ports import Account
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, World
from tests.outbox import pending as pending_in

BTC = "BTC/USDT:USDT"
CALM = long_at(100)


class Ticker:
    """Marks by hand: one venue that has them."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[Mapping[str, float] | Exception] = asyncio.Queue()
        self.opened = 0

    def offers(self, exchange: str) -> bool:
        return exchange == "bybit"

    async def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        self.opened += 1
        while True:
            batch = await self.batches.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch


class Live:
    """A world with live marks."""

    def __init__(self, world: World) -> None:
        self.world, self.source = world, Ticker()
        self.marks = LiveMarks(self.source, world.reader, world.store, world.cycle, clock=world.clock)
        world.cycle.on_recorded = self.marks.learn

    async def start(self) -> None:
        self.marks.dispatch()
        await asyncio.sleep(0)
        await self.world.after(0)

    async def tick(self, *prices: float) -> None:
        """Ticks a second apart, and all that follows from them."""
        for price in prices:
            self.world.clock.advance(1)
            self.marks.tick("bybit", {BTC: price})
            await self.marks.tasks.settle()

    def holds(self, account: Account) -> bool:
        return self.marks._venues["bybit"].book.holds(account.id)


@pytest.fixture
async def live(world: World) -> AsyncGenerator[Live, None]:
    found = Live(world)
    yield found
    await found.marks.stop()


async def test_a_fall_makes_the_account_be_read_at_once(world: World, live: Live) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    await live.tick(100, 99.5)
    assert world.reader.reads["11-main"] == 1, "nothing has risen"
    world.reader.accounts["11-main"] = lambda: long_at(91.9, at=world.clock.now)
    await live.tick(91.9)
    assert world.reader.reads["11-main"] == 2
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
    assert world.store.notices[-1].facts.projected_from is None, "it was read"
    await live.tick(91.9, 91.85)
    assert world.reader.reads["11-main"] == 2, "known, and no worse"


async def test_what_the_reading_does_not_confirm_is_not_told(world: World, live: Live) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    world.reader.accounts["11-main"] = lambda: long_at(100, at=world.clock.now)  # it was closed in part, say
    await live.tick(91.9)
    assert world.reader.reads["11-main"] == 2
    assert world.store.told(account) == []


@pytest.mark.parametrize("why", ["down", "budget", "full"])
async def test_what_cannot_be_read_in_time_is_told_as_a_projection(world: World, live: Live, why: str) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    if why == "down":
        world.reader.accounts["11-main"] = VenueDown("503")
    elif why == "budget":
        world.cycle.queue.ready_in = lambda exchange, under_way: 9.0
    else:
        world.cycle.queue._at_once = 0
    await live.tick(94.1, 91.9, 91.9)
    assert world.store.told(account) == ["cross:USDT worsened WARNING", "cross:USDT worsened CRITICAL"]
    facts = world.store.notices[-1].facts
    assert facts.projected_from == CALM.taken_at
    assert facts.pool is not None
    assert float(facts.pool.equity or 0) == pytest.approx(1900, rel=1e-9)
    assert facts.pool.top_up is not None
    waiting = world.store.account_by_id(account.id)
    assert waiting.next_due_at is not None
    assert waiting.next_due_at <= world.clock.now, "to be read as soon as possible"


async def test_the_next_reading_judges_as_ever(world: World, live: Live) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    world.reader.accounts["11-main"] = VenueDown("503")
    await live.tick(91.9)
    world.reader.accounts["11-main"] = lambda: long_at(100, at=world.clock.now)
    await world.after(60)
    assert world.store.told(account)[-1] == "cross:USDT recovered OK"


async def test_the_message_names_the_projection(world: World, live: Live) -> None:
    world.register(ALICE, "main", CALM)
    await live.start()
    world.reader.accounts["11-main"] = VenueDown("503")
    await live.tick(91.9)
    [notice] = pending_in(world.store)
    assert isinstance(notice, Notice)
    told = alert(notice, world.clock.now)
    assert "<b>CRITICAL</b> · main" in told.splitlines()[0]
    assert "<b>PROJECTION</b> at live mark prices" in told
    assert "\nProjected " in told
    assert "CRITICAL" in short(notice)


async def test_only_the_account_in_danger_is_read(world: World, live: Live) -> None:
    world.register(ALICE, "main", CALM)
    world.register(BOB, "calm", long_at(100, name="cross:USDT"))
    other = world.register(BOB, "elsewhere", CALM, exchange="okx")
    world.reader.accounts["22-calm"] = Snapshot(
        exchange="bybit", mode="", taken_at=CALM.taken_at, pools=(), warnings=()
    )
    await live.start()
    world.reader.accounts["11-main"] = lambda: long_at(91.9, at=world.clock.now)
    await live.tick(91.9)
    assert dict(world.reader.reads) == {"11-main": 2, "22-calm": 1, "22-elsewhere": 1}
    assert world.store.told(other) == []


async def test_what_was_read_before_the_start_is_followed(world: World, live: Live) -> None:
    accounts = [world.register(ALICE, f"n{number}", CALM) for number in range(LOADED_AT_ONCE + 1)]
    elsewhere = world.register(ALICE, "elsewhere", CALM, exchange="okx")
    await world.after(0)
    live.marks.dispatch()
    for _ in range(LOADED_AT_ONCE + 10):
        await asyncio.sleep(0)
    assert all(live.holds(account) for account in accounts)
    assert not live.holds(elsewhere)


async def test_a_removed_account_is_followed_no_longer(world: World, live: Live) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    world.store.remove_account(ALICE.user_id, "main")
    await live.tick(91.9)
    assert not live.holds(account)


async def test_a_mark_far_from_the_one_of_a_reading_is_not_believed(world: World, live: Live) -> None:
    account = world.register(ALICE, "main", CALM)
    await live.start()
    world.reader.accounts["11-main"] = lambda: long_at(100, at=world.clock.now)
    await live.tick(50)  # the reading says 100
    assert world.reader.reads["11-main"] == 2
    await live.tick(50, 50)
    assert world.reader.reads["11-main"] == 2
    assert world.store.told(account) == []


async def test_prices_that_are_none_are_left_out(world: World, live: Live) -> None:
    world.register(ALICE, "main", CALM)
    await live.start()
    await live.tick(float("nan"), 0.0, -1.0, float("inf"))
    assert world.reader.reads["11-main"] == 1


async def test_a_stream_that_breaks_is_opened_anew(world: World, live: Live) -> None:
    world.register(ALICE, "main", CALM)
    live.marks.first_pause = 0.01
    live.marks.dispatch()
    live.source.batches.put_nowait({BTC: 100.0})
    live.source.batches.put_nowait(VenueDown("gone"))
    live.source.batches.put_nowait(KeyError("a bug"))
    await asyncio.sleep(0.1)
    assert live.marks.ages(world.clock.now) == {"bybit": timedelta(0)}
    assert live.source.opened == 3
