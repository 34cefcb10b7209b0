"""Whose turn it is: the most endangered first, nobody left out, nobody late in silence."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from marginbot.domain.alerting import ACCOUNT
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.flow.cycle import Cycle
from marginbot.flow.late import LateWatch
from marginbot.flow.ports import Account
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, SETTINGS, World

CALM, WARNING, CRITICAL = long_at(100), long_at(94.1), long_at(91.9)


@pytest.fixture
def narrow(world: World) -> World:
    """One reading at a time."""
    world.cycle = Cycle(world.reader, world.store, settings=SETTINGS, clock=world.clock, concurrency=1)
    return world


def order_of(world: World) -> list[int]:
    found = [record.account_id for record in world.store.written]
    world.store.written.clear()
    return found


async def test_the_most_endangered_come_first_then_whoever_waited_longest(narrow: World) -> None:
    calm = [narrow.register(ALICE, f"calm{n}", CALM) for n in range(2)]
    warned = narrow.register(ALICE, "warned", WARNING)
    endangered = narrow.register(BOB, "endangered", CRITICAL)
    await narrow.after(0)
    assert order_of(narrow) == [one.id for one in (*calm, warned, endangered)], "never read: in order of arrival"
    assert await narrow.after(40) == 1
    assert order_of(narrow)[:3] == [endangered.id, warned.id, calm[0].id]


async def test_more_accounts_than_places_are_read_one_after_the_other_in_one_cycle(narrow: World) -> None:
    for number in range(7):
        narrow.register(ALICE, f"n{number}", CALM)
    await narrow.after(0)
    assert len(set(order_of(narrow))) == 7
    assert narrow.cycle.caught_up


async def test_where_the_limit_allows_for_few_the_calm_wait_and_nobody_is_left_out(narrow: World) -> None:
    for number in range(8):
        narrow.register(ALICE, f"calm{number}", CALM)
    endangered = {narrow.register(BOB, f"bad{number}", CRITICAL).id for number in range(2)}
    await narrow.after(0)
    order_of(narrow)
    allowed = 0
    narrow.cycle.queue.ready_in = lambda exchange, under_way: 0.0 if len(narrow.store.written) < allowed else 1.0
    for _ in range(100):  # one reading every two seconds, and the endangered want one each 5.1 seconds
        allowed += 1
        await narrow.after(2)
    read = Counter(order_of(narrow))
    assert all(read[account_id] >= 30 for account_id in endangered)
    assert min(read.values()) >= 2
    assert len(read) == 10


async def test_what_is_read_in_turn_keeps_pace_and_what_is_urgent_need_not(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    world.cycle.queue.pace = lambda exchange, under_way: 1.0
    assert await world.after(40) == 0
    assert await world.cycle.read_now(account) is not None
    world.cycle.queue.pace = lambda exchange, under_way: 0.0
    assert await world.after(40) == 1


async def test_an_account_late_for_want_of_budget_is_told_and_keeps_its_turn(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    late = LateWatch(world.cycle, world.store, world.clock)
    await world.after(0)
    world.cycle.queue.ready_in = lambda exchange, under_way: 5.0
    for _ in range(17):
        await world.after(10)
        assert await late.look() in (0, 1)
    assert world.store.told(account) == []
    await world.after(30)
    await late.look()
    assert world.store.told(account) == ["account went_blind OK"]
    assert world.store.notices[-1].facts.cause is Cause.RATE_LIMITED
    assert "more accounts at this exchange" in world.store.notices[-1].facts.advice
    written = len(world.store.written)
    await late.look()
    assert len(world.store.written) == written, "nothing changed, nothing is written"
    world.cycle.queue.ready_in = lambda exchange, under_way: 0.0
    assert await world.after(0) == 1
    assert world.store.told(account)[1:] == ["account sight_back OK"]


async def test_late_accounts_are_looked_at_one_in_a_turn_of_the_loop_by_one_look_at_a_time(world: World) -> None:
    for number in range(5):
        world.register(ALICE, f"n{number}", CALM)
    world.cycle.queue.ready_in = lambda exchange, under_way: 5.0
    late = LateWatch(world.cycle, world.store, world.clock)
    await world.after(0)
    world.clock.advance(250)
    late.dispatch()
    seen = [0]
    for _ in range(20):
        await asyncio.sleep(0)
        if seen[-1] < 5:
            late.dispatch()
        seen.append(len(world.store.written))
    assert all(after - before <= 1 for before, after in pairwise(seen))
    await world.cycle.tasks.settle()
    assert len(world.store.written) == 5


async def test_an_account_that_was_never_read_is_told_as_well(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    world.cycle.queue.ready_in = lambda exchange, under_way: 5.0
    late = LateWatch(world.cycle, world.store, world.clock)
    for _ in range(25):
        await world.after(10)
        await late.look()
    assert world.store.told(account) == ["account went_blind -"]


async def test_an_account_behind_a_venue_that_hangs_is_told_why(narrow: World) -> None:
    hanging = narrow.register(ALICE, "first", CALM)
    behind = narrow.register(BOB, "second", CALM)
    late = LateWatch(narrow.cycle, narrow.store, narrow.clock)
    await narrow.after(0)
    narrow.reader.hanging.add("11-first")
    narrow.clock.advance(40)
    narrow.cycle.dispatch()
    await asyncio.sleep(0.01)
    narrow.clock.advance(200)
    await late.look()
    assert narrow.store.told(behind) == ["account went_blind OK"]
    assert narrow.store.notices[-1].facts.cause is Cause.VENUE_DOWN
    assert narrow.store.told(hanging) == [], "it is being read; its own reading tells"
    await narrow.cycle.stop(0)


async def test_nothing_is_begun_while_stopping(narrow: World) -> None:
    for number in range(3):
        narrow.register(ALICE, f"n{number}", CALM)
    narrow.cycle.dispatch()
    await narrow.cycle.stop(1)
    assert len(narrow.store.written) == 1
    assert narrow.cycle.dispatch() == 0


async def test_one_read_out_of_turn_is_not_read_twice(narrow: World) -> None:
    first, second = (narrow.register(ALICE, f"n{number}", CALM) for number in range(2))
    narrow.cycle.dispatch()
    await asyncio.gather(narrow.cycle.read_now(second), narrow.cycle.tasks.settle())
    assert sorted(order_of(narrow)) == [first.id, second.id]


async def test_urgency_follows_the_grade(world: World) -> None:
    accounts: dict[Grade, Account] = {}
    for grade, price in ((Grade.OK, 100), (Grade.NOTICE, 96.6), (Grade.WARNING, 94.1), (Grade.CRITICAL, 91.9)):
        accounts[grade] = world.register(ALICE, grade.name, long_at(price))
    await world.after(0)
    world.clock.advance(100)
    for urgency, account in enumerate(accounts.values()):
        due = world.store.due_accounts("bybit", urgency, world.clock.now, 10)
        assert [one.id for one in due] == [account.id]
        assert world.store.states(account.id)[ACCOUNT].grade is list(accounts)[urgency]
    assert world.store.exchanges() == ["bybit"]
    assert world.store.waiting(world.clock.now, SETTINGS.poll_interval)["bybit"].count == 4
