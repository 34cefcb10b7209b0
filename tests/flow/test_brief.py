"""When a brief reading will do, and what happens when its account is calm no longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from marginbot.domain.errors import VenueDown
from marginbot.domain.grading import Grade
from marginbot.domain.margin import Snapshot
from tests.builders import T0, long_at, pool, snapshot
from tests.flow.conftest import ALICE, World

FLAT = snapshot(pool(equity="1000", maintenance_margin="0"))
KEY = "11-main"


def brief(price: float) -> Snapshot:
    return replace(long_at(price), carried_from=T0)


async def test_the_first_reading_is_full_and_those_of_a_calm_account_are_brief(world: World) -> None:
    world.register(ALICE, "main", FLAT)
    for _ in range(3):
        await world.after(31)
    assert world.reader.briefly[KEY] == [False, True, True]


async def test_an_account_that_is_near_a_rung_is_read_in_full(world: World) -> None:
    world.register(ALICE, "main", long_at(100))  # a cushion between the first rung and one and a half of it
    for _ in range(3):
        await world.after(31)
    assert world.reader.briefly[KEY] == [False, False, False]


async def test_what_a_brief_reading_finds_amiss_is_read_in_full_before_it_is_told(world: World) -> None:
    account = world.register(ALICE, "main", FLAT)
    await world.after(0)
    world.reader.script[KEY] = [brief(91.9), long_at(89)]
    await world.after(31)
    assert world.reader.briefly[KEY] == [False, True, False]
    assert world.store.told(account) == ["cross:USDT worsened DEFICIT"]  # what the full one says


async def test_a_danger_that_cannot_be_read_in_full_is_told_all_the_same(world: World) -> None:
    account = world.register(ALICE, "main", FLAT)
    await world.after(0)
    world.reader.script[KEY] = [brief(91.9), VenueDown("gone")]
    await world.after(31)
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
    assert world.store.states(account.id)[""].grade is Grade.CRITICAL


async def test_a_danger_is_not_kept_waiting_for_the_venues_limit(world: World) -> None:
    account = world.register(ALICE, "main", FLAT)
    await world.after(0)
    world.reader.script[KEY] = [brief(91.9)]
    world.cycle.queue.ready_in = lambda exchange, under_way: 0.0 if under_way == 0 else 1.0
    await world.after(31)
    assert world.reader.briefly[KEY] == [False, True]
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]


async def test_who_asks_out_of_turn_gets_a_full_reading(world: World) -> None:
    account = world.register(ALICE, "main", FLAT)
    await world.after(0)
    await world.cycle.read_now(account)
    assert world.reader.briefly[KEY] == [False, False]


async def test_after_a_failure_everything_is_asked_for(world: World) -> None:
    world.register(ALICE, "main", FLAT)
    await world.after(0)
    world.reader.script[KEY] = [VenueDown("gone")]
    await world.after(31)
    await world.after(31)
    assert world.reader.briefly[KEY] == [False, True, False]
    assert world.cycle.settings.poll_interval == timedelta(seconds=30)
