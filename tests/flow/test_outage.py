"""A venue's outage: one message a person, and no account in danger lost in it."""

from __future__ import annotations

from marginbot.bot import render_alert
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import BadPayload, ReadingError, VenueDown
from marginbot.domain.notices import DropReason, Notice
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, World
from tests.outbox import pending as pending_in

CALM, WARNING = long_at(100), long_at(93.5)


def to_send(world: World) -> list[Notice]:
    return [n for n in pending_in(world.store) if n.subject == ""]


def dropped(world: World) -> list[str]:
    rows = world.store._all("SELECT drop_reason FROM notices WHERE subject = '' AND status = 'dropped'")
    return [row["drop_reason"] for row in rows]


async def fails(world: World, *keys: str, error: ReadingError | None = None, cycles: int = 8) -> None:
    for key in keys:
        world.reader.accounts[key] = error or VenueDown("no answer")
    for _ in range(cycles):
        await world.after(30)


async def test_failure_30_an_outage_is_told_once_with_all_accounts_named(world: World) -> None:
    accounts = [world.register(ALICE, f"a{n}", CALM) for n in range(5)]
    world.register(ALICE, "elsewhere", CALM, exchange="okx")
    world.register(BOB, "desk", CALM)
    await world.after(0)
    keys = [f"11-a{n}" for n in range(5)]
    await fails(world, *keys, "11-elsewhere", "22-desk")
    alices = [n for n in to_send(world) if n.user_id == 11 and n.facts.label != "elsewhere"]
    assert len(alices) == 1
    assert [n.facts.others for n in to_send(world) if n.facts.label == "elsewhere"] == [()]
    assert {alices[0].facts.label, *(c.label for c in alices[0].facts.others)} == {f"a{n}" for n in range(5)}
    html = render_alert.alert(alices[0], world.clock.now)
    assert all(f"<b>{c.label}</b>: last known calm, cushion" in html for c in alices[0].facts.others)
    assert dropped(world) == [DropReason.VENUE_OUTAGE_TOLD] * 4
    assert [n.facts.others for n in to_send(world) if n.user_id == 22] == [()]
    assert all(world.store.states(a.id)[""].blind_since is not None for a in accounts)


async def test_failure_30_its_end_is_told_once_too(world: World) -> None:
    accounts = [world.register(ALICE, f"a{n}", CALM) for n in range(3)]
    await world.after(0)
    await fails(world, *(f"11-a{n}" for n in range(3)))
    for n in range(3):
        world.reader.accounts[f"11-a{n}"] = CALM
    await world.after(30)
    back = [n for n in to_send(world) if n.facts.reason is Reason.SIGHT_BACK]
    assert len(back) == 1
    assert len(back[0].facts.others) == 2
    assert "I ask for these again too" in render_alert.alert(back[0], world.clock.now)
    assert all(world.store.states(a.id)[""].blind_since is None for a in accounts)


async def test_an_account_in_danger_is_told_by_itself_with_sound(world: World) -> None:
    world.register(ALICE, "calm", CALM)
    world.register(ALICE, "tight", WARNING)
    await world.after(0)
    await fails(world, "11-calm", "11-tight")
    told = {n.facts.label: n.sound for n in to_send(world) if n.facts.reason is Reason.WENT_BLIND}
    assert told["tight"] is True
    for key in ("11-calm", "11-tight"):
        world.reader.accounts[key] = WARNING
    await world.after(30)
    back = {n.facts.label for n in to_send(world) if n.facts.reason is Reason.SIGHT_BACK}
    assert back == {"calm", "tight"}, "who was calm and comes back in danger is not lost"


async def test_every_account_in_danger_speaks_for_itself(world: World) -> None:
    for label in ("one", "two"):
        world.register(ALICE, label, WARNING)
    await world.after(0)
    await fails(world, "11-one", "11-two")
    lost = [n for n in to_send(world) if n.facts.reason is Reason.WENT_BLIND]
    assert {n.facts.label: n.sound for n in lost} == {"one": True, "two": True}


async def test_another_cause_or_a_later_time_is_another_message(world: World) -> None:
    for label in ("a", "b", "c"):
        world.register(ALICE, label, CALM)
    await world.after(0)
    world.reader.accounts["11-b"] = BadPayload("nonsense")
    await fails(world, "11-a")
    assert {n.facts.label for n in to_send(world)} == {"a", "b"}
    await fails(world, "11-c")
    told = {n.facts.label: n for n in to_send(world)}
    assert set(told) == {"a", "b", "c"}
    assert [other.label for other in told["c"].facts.others] == ["a"], "not for the same cause, not named with it"


async def test_one_that_stays_blind_when_the_others_are_back_is_told_again(world: World) -> None:
    stuck = world.register(ALICE, "stuck", CALM)
    world.register(ALICE, "main", CALM)
    await world.after(0)
    await fails(world, "11-stuck", "11-main")
    world.reader.accounts["11-main"] = CALM
    for _ in range(130):
        await world.after(30)
    last = [n for n in to_send(world) if n.account_id == stuck.id]
    assert last[-1].facts.reason is Reason.STILL_BLIND
