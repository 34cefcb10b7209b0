"""The daily look at venues' terms: who is told what, once, and what a silence of the venue does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marginbot.domain.errors import VenueDown
from marginbot.domain.margin import Collateral, Snapshot
from marginbot.domain.notices import Notice
from marginbot.domain.tier_changes import Kind, Terms
from marginbot.flow.tier_watch import TierWatch
from tests.builders import Clock, pool, position, snapshot
from tests.domain.test_tier_changes import BTC, OLD, RAISED, terms
from tests.fakes import FakeReader
from tests.flow.conftest import ALICE, BOB, Ledger, World
from tests.outbox import pending as pending_in

D = Decimal
DAY = 86_401.0


@pytest.fixture
def watch(store: Ledger, reader: FakeReader, clock: Clock) -> TierWatch:
    return TierWatch(reader, store, clock)


def holding(equity: str = "20000", *, symbol: str = "BTC") -> Snapshot:
    return snapshot(pool(position(symbol, notional="100000", tiers=OLD), equity=equity, maintenance_margin="450"))


async def changed(world: World, watch: TierWatch, old: Terms, new: Terms | Exception) -> list[Notice]:
    """What is told of a change from one day to the next."""
    world.reader.required["bybit"] = old
    await watch.check_next()
    await world.cycle.run()
    world.reader.required["bybit"] = new
    world.clock.advance(DAY)
    before = len(pending_in(world.store))
    assert await watch.check_next() == "bybit"
    return list(pending_in(world.store)[before:])


async def test_the_owner_is_told_what_the_change_does(world: World, watch: TierWatch) -> None:
    account = world.register(ALICE, "main", holding())
    (told,) = await changed(world, watch, terms(OLD), terms(RAISED))
    assert (told.account_id, told.chat_id, told.subject, told.sound) == (account.id, 11, "terms", False)
    news = told.facts.terms
    assert news is not None
    assert [change.kind for change in news.changes] == [Kind.RATE_RAISED, Kind.RATE_RAISED]
    (effect,) = news.effects
    assert (effect.label, effect.ratio_before, effect.ratio_after) == ("main", D("0.0225"), D("0.06"))
    kept = world.store.terms("bybit")
    assert kept is not None
    assert (kept.terms, kept.loaded_at) == (terms(RAISED), world.clock.now)


async def test_a_change_is_told_once(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "main", holding())
    assert len(await changed(world, watch, terms(OLD), terms(RAISED))) == 1
    world.clock.advance(DAY)
    assert await watch.check_next() == "bybit"
    assert len(pending_in(world.store)) == 1


async def test_one_message_a_person_with_all_their_accounts_the_worst_first(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "calm", holding("90000"))
    worst = world.register(ALICE, "tight", holding("5000"))
    world.register(BOB, "bobs", holding())
    told = {notice.user_id: notice for notice in await changed(world, watch, terms(OLD), terms(RAISED))}
    assert set(told) == {11, 22}
    news = told[11].facts.terms
    assert news is not None
    assert told[11].account_id == worst.id
    assert [effect.label for effect in news.effects] == ["tight", "calm"]


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(holding(symbol="ETH"), id="it holds something else"),
        pytest.param(snapshot(pool(equity="500")), id="it holds nothing"),
        pytest.param(holding("100000000"), id="too small to be seen"),
    ],
)
async def test_whom_it_does_not_touch_is_left_alone(world: World, watch: TierWatch, reading: Snapshot) -> None:
    world.register(ALICE, "main", reading)
    assert await changed(world, watch, terms(OLD), terms(RAISED)) == []


async def test_accounts_that_hold_nothing_touched_are_not_read(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "main", holding(symbol="ETH"))
    world.reader.required["bybit"] = terms(OLD)
    await watch.check_next()
    await world.cycle.run()
    reads = world.reader.reads["11-main"]
    world.reader.required["bybit"] = terms(RAISED)
    world.clock.advance(DAY)
    await watch.check_next()
    assert world.reader.reads["11-main"] == reads


async def test_what_gets_better_is_no_news(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "main", holding())
    assert await changed(world, watch, terms(RAISED), terms(OLD)) == []
    kept = world.store.terms("bybit")
    assert kept is not None
    assert kept.terms == terms(OLD)


async def test_a_haircut_is_told_too(world: World, watch: TierWatch) -> None:
    coins = (Collateral(asset="BTC", value=D(9500)),)
    backed = snapshot(replace(holding().pools[0], collateral=coins))
    world.register(ALICE, "main", backed)
    (told,) = await changed(world, watch, terms(OLD, BTC="0.95"), terms(OLD, BTC="0.5"))
    assert told.facts.terms is not None
    assert [(change.kind, change.name) for change in told.facts.terms.changes] == [(Kind.COLLATERAL_CUT, "BTC")]


async def test_an_account_that_cannot_be_read_is_named(world: World, watch: TierWatch) -> None:
    account = world.register(ALICE, "main", holding())
    world.reader.required["bybit"] = Terms(tiers={BTC: OLD, "OTHER": OLD})
    await watch.check_next()
    await world.cycle.run()
    world.reader.accounts["11-main"] = VenueDown("away")
    world.reader.required["bybit"] = Terms(tiers={BTC: RAISED, "OTHER": RAISED})
    world.clock.advance(DAY)
    await watch.check_next()
    (told,) = pending_in(world.store)
    assert told.account_id == account.id
    assert told.facts.terms is not None
    assert (told.facts.terms.unread, told.facts.terms.effects) == (("main",), ())
    assert {change.name for change in told.facts.terms.changes} == {BTC}


@pytest.mark.parametrize("answer", [VenueDown("away"), Terms()], ids=["silent", "empty"])
async def test_a_venue_that_does_not_answer_keeps_its_old_terms(
    world: World, watch: TierWatch, answer: Terms | Exception
) -> None:
    world.register(ALICE, "main", holding())
    assert await changed(world, watch, terms(OLD), answer) == []
    kept = world.store.terms("bybit")
    assert kept is not None
    assert kept.terms == terms(OLD)
    # ... and the change is found when it answers again.
    world.reader.required["bybit"] = terms(RAISED)
    world.clock.advance(DAY)
    await watch.check_next()
    assert len(pending_in(world.store)) == 1


async def test_each_venue_is_looked_at_once_a_day_and_silence_half_an_hour_later(
    world: World, watch: TierWatch
) -> None:
    world.register(ALICE, "main", holding())
    world.register(ALICE, "other", holding(), exchange="okx")
    world.reader.required |= {"bybit": terms(OLD), "okx": VenueDown("away")}
    assert [await watch.check_next() for _ in range(3)] == ["bybit", "okx", None]
    world.clock.advance(1801)
    assert [await watch.check_next() for _ in range(2)] == ["okx", None]
    world.clock.advance(DAY)
    assert {await watch.check_next(), await watch.check_next()} == {"bybit", "okx"}


async def test_another_account_asks_where_the_first_may_not(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "main", holding())
    world.register(BOB, "bobs", holding())
    world.reader.required["bybit"] = VenueDown("away")
    await watch.check_next()
    assert world.reader.asked_terms == ["bybit", "bybit"]


async def test_an_account_removed_while_it_was_read_is_left_out(world: World, watch: TierWatch) -> None:
    def removed() -> Snapshot:
        world.store.remove_account(11, "main")
        return holding()

    world.register(ALICE, "main", holding())
    world.register(BOB, "bobs", holding())
    world.reader.required["bybit"] = terms(OLD)
    await watch.check_next()
    await world.cycle.run()
    world.reader.accounts["11-main"] = removed
    world.reader.required["bybit"] = terms(RAISED)
    world.clock.advance(DAY)
    await watch.check_next()
    assert [notice.user_id for notice in pending_in(world.store)] == [22]


async def test_a_restart_begins_with_what_was_kept(world: World, watch: TierWatch) -> None:
    world.register(ALICE, "main", holding())
    world.reader.required["bybit"] = terms(OLD)
    await watch.check_next()
    reader = FakeReader()
    again = TierWatch(reader, world.store, world.clock)
    again.prime()
    assert reader.primed["bybit"].terms == terms(OLD)
    assert await again.check_next() is None
    assert reader.asked_terms == []
