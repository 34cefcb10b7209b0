"""Market stress, from readings to words: who is told, how often, and over restarts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from marginbot.domain.grading import Grade
from marginbot.domain.turmoil import Quote, TurmoilReason
from marginbot.domain.volatility import Volatility
from marginbot.flow.ports import Person
from marginbot.flow.turmoil import Exposed, Trouble, TurmoilWatch
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, CHARLIE, World


@dataclass
class Market:
    """Prices of stablecoins, and everybody who was told."""

    prices: dict[str, float] = field(default_factory=dict)
    at: datetime | None = None
    asked: list[tuple[str, set[str]]] = field(default_factory=list)
    told: list[tuple[Exposed, Trouble]] = field(default_factory=list)
    operators: list[tuple[Trouble, int]] = field(default_factory=list)

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        self.asked.append((exchange, set(underlyings)))
        self.at = now
        return {}

    def stable_quotes(self, exchange: str, assets: Iterable[str]) -> Sequence[Quote]:
        assert self.at is not None
        return [Quote(exchange, name, "USDT", price, self.at) for name, price in self.prices.items() if name in assets]

    async def turmoil(self, exposed: Exposed, trouble: Trouble) -> None:
        self.told.append((exposed, trouble))

    async def tell(self, trouble: Trouble, people: int) -> None:
        self.operators.append((trouble, people))


@pytest.fixture
def market() -> Market:
    return Market()


def watch(world: World, market: Market) -> TurmoilWatch:
    found = TurmoilWatch(store=world.store, quotes=market, teller=market, operators=market.tell, clock=world.clock)
    world.cycle.strained = lambda: found.strained
    return found


async def crowd(world: World, market: Market, *, of: int = 4, falling: int = 3) -> TurmoilWatch:
    """So many accounts, of which so many fall."""
    people = [ALICE, BOB, CHARLIE, *(Person(100 + n, "X") for n in range(of))][:of]
    for person in people:
        world.register(person, "main", long_at(140.0, at=world.clock.now))
    await world.after(0)
    for person in people[:falling]:
        world.reader.accounts[f"{person.user_id}-main"] = long_at(93.0, at=world.clock.now)
    await world.after(60)
    return watch(world, market)


async def test_when_many_worsen_at_once_everybody_with_positions_is_told_once(world: World, market: Market) -> None:
    looking = await crowd(world, market)
    assert (await looking.look()).reason is TurmoilReason.BEGAN
    assert [e.user_id for e, _ in market.told][:2] == [ALICE.user_id, BOB.user_id]
    assert len(market.told) == 4
    [(trouble, people)] = market.operators
    assert trouble.crowd is not None and (trouble.crowd.worsened, trouble.crowd.watched, people) == (3, 4, 4)
    assert (await looking.look()).reason is TurmoilReason.GOES_ON
    assert (len(market.told), len(market.operators)) == (4, 1)
    assert looking.strained


async def test_nobody_is_told_of_anybody_else(world: World, market: Market) -> None:
    looking = await crowd(world, market)
    await looking.look()
    assert all(len(exposed.labels) == 1 for exposed, _ in market.told)
    [(label, grade)] = market.told[0][0].labels
    assert label == "main" and grade is not None and grade >= Grade.WARNING


async def test_two_are_no_crowd_and_what_is_long_ago_does_not_count(world: World, market: Market) -> None:
    looking = await crowd(world, market, of=4, falling=2)
    assert (await looking.look()).reason is TurmoilReason.CALM
    world.clock.advance(601)
    world.register(Person(900, "Z"), "main", long_at(140.0))
    assert (await looking.look()).reason is TurmoilReason.CALM


async def test_a_restart_does_not_tell_it_again(world: World, market: Market) -> None:
    await (await crowd(world, market)).look()
    again = watch(world, market)
    assert (await again.look()).reason is TurmoilReason.GOES_ON
    assert len(market.operators) == 1
    assert again.strained


async def test_a_lost_peg_is_told_to_those_who_keep_the_coin(world: World, market: Market) -> None:
    world.register(ALICE, "main", long_at(140.0))
    world.register(BOB, "flat", lambda: _flat(world))
    await world.after(0)
    market.prices["USDC"] = 0.985
    looking = watch(world, market)
    assert (await looking.look()).news == ("USDC/USDT",)
    [(exposed, trouble)] = market.told
    assert exposed.user_id == ALICE.user_id
    assert trouble.quote is not None and trouble.quote.price == 0.985
    assert market.asked == [("bybit", {"USDC"})]


def _flat(world: World) -> Any:
    from tests.builders import pool, snapshot

    return snapshot(pool(), at=world.clock.now)


async def test_it_ends_and_may_begin_again(world: World, market: Market) -> None:
    world.register(ALICE, "main", long_at(140.0))
    await world.after(0)
    looking = watch(world, market)
    market.prices["USDC"] = 0.98
    await looking.look()
    market.prices["USDC"] = 1.0
    world.clock.advance(1800)
    assert (await looking.look()).reason is TurmoilReason.ENDED
    assert not looking.strained
    market.prices["USDC"] = 0.98
    assert (await looking.look()).reason is TurmoilReason.BEGAN
    assert len(market.told) == 2


async def test_while_it_lasts_requests_go_to_the_worst(world: World, market: Market) -> None:
    world.register(ALICE, "bad", long_at(91.0))
    world.register(BOB, "calm", long_at(300.0))
    await world.after(0)
    usual = _waits(world)
    market.prices["USDC"] = 0.98
    await watch(world, market).look()
    world.clock.advance(60)
    await world.cycle.run()
    strained = _waits(world)
    assert strained["bad"] == usual["bad"] / 2
    assert strained["calm"] == usual["calm"] * 2


def _waits(world: World) -> dict[str, timedelta]:
    return {
        account.label: account.next_due_at - world.clock.now
        for account in world.store.active_accounts()
        if account.next_due_at is not None
    }
