"""One cycle: read, judge, decide, write. One account's trouble is its own, and none passes for silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.alerting import Mute, MuteKind, Reason
from marginbot.domain.errors import Banned, KeyRefused, RateLimited, VenueDown
from marginbot.domain.grading import Grade
from marginbot.domain.margin import Side
from marginbot.flow.cycle import Cycle
from marginbot.flow.intervals import interval
from marginbot.flow.ports import Credential
from tests.builders import D, long_at, pool, position, snapshot
from tests.flow.conftest import ALICE, BOB, SETTINGS, World

CALM, CRITICAL = long_at(100), long_at(91.9)  # 10x long from 100: the trigger is near 90.45


def test_the_prices_used_here_grade_as_they_should() -> None:
    assert CRITICAL.pools[0].margin_ratio == pytest.approx(D("0.2418"), rel=D("0.001"))


async def test_every_grade_is_told_once_and_in_order_while_the_price_falls(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    price = 100.0
    while price > 89:
        world.reader.accounts["11-main"] = long_at(price)
        await world.after(5)
        price -= 0.15
    grades = ["NOTICE", "WARNING", "CRITICAL", "EMERGENCY", "DEFICIT"]
    assert world.store.told(account) == [f"cross:USDT worsened {grade}" for grade in grades]


async def test_a_jump_is_told_once_at_its_worst_grade(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    await world.after(0)
    world.reader.accounts["11-main"] = long_at(89)
    await world.after(30)
    assert world.store.told(account) == ["cross:USDT worsened DEFICIT"]
    [notice] = world.store.notices
    assert notice.facts.previous is Grade.OK
    assert notice.facts.pool is not None
    assert notice.facts.pool.top_up is not None
    assert notice.facts.positions == ("long 1000 BTC/USDT:USDT",)


async def test_hovering_around_a_rung_is_told_once(world: World) -> None:
    account = world.register(ALICE, "main", CALM)
    for price in [100, *([94.1, 94.3] * 10)]:
        world.reader.accounts["11-main"] = long_at(price)
        await world.after(31)
    assert world.store.told(account) == ["cross:USDT worsened WARNING"]


async def test_what_only_the_release_band_holds_is_not_repeated(world: World) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    world.reader.accounts["11-main"] = long_at(93.2)  # afresh it would be a WARNING
    for _ in range(12):
        await world.after(60)
    assert world.store.told(account) == ["cross:USDT first_sight CRITICAL"]
    world.reader.accounts["11-main"] = CRITICAL
    await world.after(60)
    assert world.store.told(account)[1:] == ["cross:USDT reminder_due CRITICAL"]


@pytest.mark.parametrize(("added", "told"), [(200, []), (1000, ["cross:USDT eased WARNING"])])
async def test_who_has_added_collateral_is_graded_afresh(world: World, added: int, told: list[str]) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    world.reader.accounts["11-main"] = long_at(93.2)
    await world.after(30)
    [had] = long_at(93.2).pools
    assert had.equity is not None
    world.reader.accounts["11-main"] = snapshot(replace(had, equity=had.equity + added))
    await world.after(30)
    assert world.store.told(account) == ["cross:USDT first_sight CRITICAL", *told]


async def test_an_isolated_pool_that_disappears_was_closed(world: World) -> None:
    held = pool(replace(position(side=Side.SHORT)), equity="700", name="isolated:BTC/USDT:USDT")
    account = world.register(ALICE, "main", snapshot(pool(name="cross:USDT"), held))
    await world.after(0)
    world.reader.accounts["11-main"] = snapshot(pool(equity="10690", name="cross:USDT"))
    await world.after(30)
    await world.after(30)
    told = ["isolated:BTC/USDT:USDT first_sight EMERGENCY", "isolated:BTC/USDT:USDT recovered OK"]
    assert world.store.told(account) == told
    assert [notice.sound for notice in world.store.notices] == [True, True], "it may have been liquidated"


async def test_a_pool_that_is_still_listed_but_empty_is_gone_as_well(world: World) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    world.reader.accounts["11-main"] = snapshot(pool())
    await world.after(30)
    assert world.store.told(account)[1:] == ["cross:USDT recovered OK"]
    assert world.store.notices[1].sound


async def test_failure_10_each_pool_is_told_of_by_itself(world: World) -> None:
    """A warning about one pool never keeps a worse one about another quiet."""
    one = pool(position(), equity="5000", name="isolated:BTC")
    other = pool(position("ETH"), equity="700", name="isolated:ETH")
    account = world.register(ALICE, "main", snapshot(one))
    await world.after(0)
    world.reader.accounts["11-main"] = snapshot(one, other)
    await world.after(1)
    await world.after(30)
    assert world.store.told(account)[-1] == "isolated:ETH first_sight EMERGENCY"


async def test_failure_14_two_owners_of_one_wallet_are_both_told(world: World) -> None:
    alice = world.register(ALICE, "wallet", CRITICAL, key="0xabc", exchange="hyperliquid")
    bob = world.register(BOB, "mine", CRITICAL, key="0xabc", exchange="hyperliquid")
    await world.after(0)
    assert world.store.told(alice) == world.store.told(bob) == ["cross:USDT first_sight CRITICAL"]
    assert {notice.chat_id for notice in world.store.notices} == {11, 22}


async def test_one_owner_s_quiet_is_not_the_other_s(world: World) -> None:
    alice = world.register(ALICE, "wallet", CRITICAL, key="0xabc", exchange="hyperliquid")
    bob = world.register(BOB, "mine", CRITICAL, key="0xabc", exchange="hyperliquid")
    await world.after(0)
    quiet = Mute(MuteKind.SNOOZED, Grade.CRITICAL, world.clock.now + timedelta(hours=2))
    world.store.set_mute(alice.id, "cross:USDT", quiet)
    for _ in range(11):
        await world.after(60)
    assert len(world.store.told(alice)) == 1
    assert world.store.told(bob)[1:] == ["cross:USDT reminder_due CRITICAL"]


async def test_failure_26_a_restart_says_how_long_it_was_away_and_repeats_nothing(world: World) -> None:
    account = world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    went_away = world.clock.now
    world.cycle = Cycle(world.reader, world.store, settings=SETTINGS, clock=world.clock)
    world.reader.accounts["11-main"] = CALM
    await world.after(7200)
    assert world.store.told(account)[1:] == ["account sight_back OK", "cross:USDT recovered OK"]
    assert world.store.notices[1].facts.blind_since == went_away


async def test_delivery_is_called_when_there_is_something_to_tell(world: World) -> None:
    calls: list[int] = []
    world.cycle.on_notices = lambda: calls.append(1)
    world.register(ALICE, "main", CALM)
    await world.after(0)
    assert calls == []
    world.reader.accounts["11-main"] = CRITICAL
    await world.after(30)
    assert calls == [1]


async def test_a_new_key_for_a_refused_account_is_read_at_once(world: World) -> None:
    account = world.register(ALICE, "main", KeyRefused("401"))
    await world.after(0)
    world.reader.accounts["fresh"] = CALM
    world.store.replace_credential(account.id, Credential("fresh", "secret"), world.clock.now)
    assert await world.after(0) == 1
    assert world.reader.reads["fresh"] == 1


@pytest.mark.parametrize(
    ("grade", "seconds"),
    [
        (None, 30),
        (Grade.OK, 30),
        (Grade.NOTICE, 15),
        (Grade.WARNING, 6),
        (Grade.CRITICAL, 5.1),
        (Grade.EMERGENCY, 5.1),
        (Grade.DEFICIT, 5.1),
    ],
)
def test_the_worse_the_grade_the_sooner_the_next_reading(grade: Grade | None, seconds: float) -> None:
    assert interval(timedelta(seconds=30), grade) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("calm", "seconds"), [(0.5, 0.5), (2, 1), (5, 1)])
def test_intervals_have_a_floor(calm: float, seconds: float) -> None:
    assert interval(timedelta(seconds=calm), Grade.CRITICAL) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("error", "seconds"), [(RateLimited("429"), 30), (Banned("418"), 60), (VenueDown("503"), 5.1)])
async def test_a_venue_that_asks_for_less_gets_less(world: World, error: Exception, seconds: float) -> None:
    world.register(ALICE, "main", CRITICAL)
    await world.after(0)
    world.reader.accounts["11-main"] = error
    await world.after(5.1)
    due = world.store.account(11, "main").next_due_at
    assert due == world.clock.now + timedelta(seconds=seconds)


async def test_the_facts_keep_when_the_account_was_read(world: World) -> None:
    world.register(ALICE, "main", replace(CRITICAL, taken_at=world.clock.now - timedelta(seconds=7)))
    await world.after(0)
    [notice] = world.store.notices
    assert notice.facts.read_at == world.clock.now - timedelta(seconds=7)
    assert notice.facts.at == world.clock.now


async def test_critical_then_notice_then_gone_is_told_as_serious(world: World) -> None:
    account = world.register(ALICE, "main", long_at(91.9))
    await world.after(0)
    world.reader.accounts["11-main"] = long_at(99.32)
    await world.after(30)
    assert world.store.told(account)[-1] == "cross:USDT eased NOTICE"
    world.reader.accounts["11-main"] = snapshot(pool(equity="6000"))
    await world.after(30)
    last = world.store.notices[-1]
    assert (last.facts.reason, last.facts.previous, last.facts.episode_worst) == (
        Reason.RECOVERED,
        Grade.NOTICE,
        Grade.CRITICAL,
    )
    assert last.sound


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param("0", "cross:USDT liquidated OK", id="gone with its margin"),
        pytest.param("10010", None, id="closed by hand"),
    ],
)
async def test_a_liquidation_between_two_readings_is_told_though_all_was_calm(
    world: World, left: str, expected: str | None
) -> None:
    account = world.register(ALICE, "main", long_at(110))
    await world.after(0)
    await world.after(31)
    world.reader.accounts["11-main"] = lambda: snapshot(pool(equity=left), at=world.clock.now)
    await world.after(31)
    await world.after(31)
    assert world.store.told(account) == ([expected] if expected else [])
    if expected:
        [notice] = world.store.notices
        assert notice.sound
        assert notice.facts.loss is not None
        assert notice.facts.loss.lost == 20000
        assert notice.facts.loss.positions == ("long 1000 BTC/USDT:USDT",)
