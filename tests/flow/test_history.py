"""The upkeep of the history: together, in time, a little at a time."""

from __future__ import annotations

from datetime import timedelta

from marginbot.flow import history
from marginbot.flow.history import SLICE, WRITE_EVERY, HistoryKeeper
from tests.builders import long_at
from tests.flow.conftest import ALICE, World
from tests.store.builders import account_report


def keeper(world: World) -> HistoryKeeper:
    return HistoryKeeper(
        store=world.store, clock=world.clock, retention=timedelta(days=365), patience=timedelta(minutes=3)
    )


def written(world: World) -> int:
    return int(world.store._db.table("history_readings").count)


def read(world: World, times: int, label: str = "main") -> None:
    account = world.store.account(ALICE.user_id, label)
    for number in range(times):
        at = world.clock.now + number * timedelta(milliseconds=1)
        world.store.gather(account.id, account_report(taken_at=at))


def test_readings_wait_for_each_other_and_are_written_in_slices(world: World) -> None:
    world.register(ALICE, "main", long_at(100.0))
    world.register(ALICE, "other", long_at(100.0))
    upkeep = keeper(world)
    upkeep.turn()
    read(world, SLICE - 1)
    read(world, SLICE - 1, "other")
    upkeep.turn()
    assert written(world) == 0
    world.clock.now += WRITE_EVERY
    upkeep.turn()
    assert written(world) == SLICE - 1
    upkeep.turn()
    assert (written(world), world.store.unwritten) == (2 * (SLICE - 1), 0)


def test_very_many_do_not_wait_for_the_time(world: World) -> None:
    world.register(ALICE, "main", long_at(100.0))
    upkeep = keeper(world)
    upkeep.turn()
    read(world, history.ENOUGH - 1)
    upkeep.turn()
    assert written(world) == 0
    world.clock.advance(100)
    read(world, 1)
    upkeep.turn()
    assert world.store.unwritten == 0


async def test_a_crash_costs_readings_and_never_an_alert(world: World) -> None:
    account = world.register(ALICE, "main", long_at(92.0))
    await world.cycle.run()
    assert written(world) == 0
    assert world.store._db.table("notices").count == 1
    assert world.store.standing(account).report is not None
