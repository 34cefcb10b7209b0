"""A venue's own warning: the account is read at once, and where it cannot be, the warning raises the grade."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.alerting import AlertState, Reason
from marginbot.domain.errors import Cause, ReadingError, VenueDown
from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.grading import Grade
from marginbot.domain.pushed import RiskPush, concerned
from marginbot.flow.ports import Account, Credential
from marginbot.flow.pushes import UNNOTICED, Pushes
from tests.builders import long_at, pool, snapshot
from tests.flow.conftest import ALICE, World
from tests.outbox import pending as pending_in

CALL = RiskPush("margin call")


class FakeSource:
    """Streams that say what is put into them; bybit and okx have some."""

    def __init__(self) -> None:
        self.lines: dict[str, asyncio.Queue[RiskPush | Exception]] = {}
        self.opened: list[str] = []
        self.asked: list[tuple[datetime, datetime]] = []
        self.was_asked = asyncio.Event()
        self.missed_then: tuple[ForcedClose, ...] | ReadingError | None = ()

    def offers(self, exchange: str) -> bool:
        return exchange == "bybit"

    async def listen(
        self, exchange: str, credential: Credential, clock: Callable[[], datetime], opened: Callable[[], None]
    ) -> AsyncGenerator[RiskPush, None]:
        self.opened.append(credential.key)
        opened()
        line = self.lines.setdefault(credential.key, asyncio.Queue())
        while True:
            said = await line.get()
            if isinstance(said, Exception):
                raise said
            yield said

    async def missed(
        self, exchange: str, credential: Credential, start: datetime, end: datetime
    ) -> tuple[ForcedClose, ...] | None:
        self.asked.append((start, end))
        self.was_asked.set()
        if isinstance(self.missed_then, ReadingError):
            raise self.missed_then
        return self.missed_then


@pytest.fixture
def pushes(world: World) -> Pushes:
    return Pushes(FakeSource(), world.store, world.cycle, clock=world.clock)


async def watched(world: World, price: float = 100) -> Account:
    account = world.register(ALICE, "main", lambda: long_at(price, at=world.clock.now))
    await world.after(0)
    return account


async def test_failure_29_a_warning_leads_to_a_reading_at_once(world: World, pushes: Pushes) -> None:
    account = await watched(world)
    world.reader.accounts["11-main"] = lambda: long_at(92, at=world.clock.now)
    world.clock.advance(3)
    await pushes.heard(account, CALL)
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
    assert world.store.notices[-1].facts.venue_says == "", "what is read counts, not what was said"
    assert world.reader.reads["11-main"] == 2


async def test_failure_29_a_warning_raises_the_grade_where_the_account_cannot_be_read(
    world: World, pushes: Pushes
) -> None:
    account = await watched(world)
    world.reader.accounts["11-main"] = VenueDown("overloaded")
    world.clock.advance(3)
    await pushes.heard(account, CALL)
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
    [notice] = world.store.notices
    assert notice.sound
    assert (notice.facts.venue_says, notice.facts.previous) == ("margin call", Grade.OK)
    world.clock.advance(3)
    await pushes.heard(account, CALL)
    assert len(world.store.notices) == 1, "once: from now on it is repeated like any alert"
    world.reader.accounts["11-main"] = lambda: long_at(100, at=world.clock.now)
    await world.after(31)
    assert world.store.notices[-1].facts.reason is Reason.RECOVERED, "the next reading judges it as ever"


async def test_a_warning_does_not_end_blindness(world: World, pushes: Pushes) -> None:
    account = await watched(world)
    world.reader.accounts["11-main"] = VenueDown("overloaded")
    for _ in range(7):
        await world.after(31)
    await pushes.heard(account, CALL)
    assert world.store.told(account) == ["account went_blind OK", "cross:USDT worsened CRITICAL"]
    states = world.store.states(account.id)
    assert states[""].blind_since is not None
    assert world.store.notices[-1].facts.unread_because is Cause.VENUE_DOWN


async def test_a_burst_of_warnings_is_one_reading(world: World, pushes: Pushes) -> None:
    account = await watched(world)
    world.clock.advance(3)
    for _ in range(20):
        await pushes.heard(account, CALL)
    assert world.reader.reads["11-main"] == 2


async def test_accounts_are_listened_to_while_they_are_polled_and_silence_says_nothing(
    world: World, pushes: Pushes
) -> None:
    source = pushes._source
    assert isinstance(source, FakeSource)
    account = await watched(world)
    world.register(ALICE, "other", long_at(100), exchange="hyperliquid")
    pushes.dispatch()
    pushes.dispatch()
    await asyncio.sleep(0)
    assert source.opened == ["11-main"], "once, and only where there is something to hear"
    world.reader.accounts["11-main"] = lambda: long_at(92, at=world.clock.now)
    world.clock.advance(3)
    source.lines["11-main"].put_nowait(CALL)
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]
    source.lines["11-main"].put_nowait(VenueDown("broke off"))
    world.store.remove_account(ALICE.user_id, "main")
    pushes.dispatch()
    assert pushes._listeners == {}
    await pushes.stop()


@pytest.mark.parametrize(
    ("isolated", "states", "expected"),
    [
        (None, {"cross:USDT": 9.0, "isolated:X": 2.0}, ["cross:USDT", "isolated:X"]),
        (False, {"cross:USDT": 9.0, "isolated:X": 2.0}, ["cross:USDT"]),
        (True, {"cross:USDT": 9.0, "isolated:X": 2.0, "isolated:Y": 3.0}, ["isolated:X", "isolated:Y"]),
        (True, {"cross:USDT": 9.0}, ["cross:USDT"]),
        (False, {"cross:USDT": None, "cross:USDC": 2.0}, ["cross:USDC"]),
        (False, {"cross:USDT": None}, ["cross:USDT"]),
        (True, {}, ["isolated"]),
        (None, {}, ["cross"]),
    ],
)
def test_which_pools_a_warning_is_about(
    isolated: bool | None, states: dict[str, float | None], expected: list[str]
) -> None:
    known = {name: AlertState(grade=Grade.OK, cushion=cushion) for name, cushion in states.items()}
    assert concerned(RiskPush("x", isolated), {"": AlertState(grade=Grade.OK), **known}) == expected


async def test_a_warning_about_an_account_without_positions_is_told_all_the_same(world: World, pushes: Pushes) -> None:
    account = world.register(ALICE, "main", snapshot(pool()))
    await world.after(0)
    world.reader.accounts["11-main"] = VenueDown("overloaded")
    world.clock.advance(3)
    await pushes.heard(account, RiskPush("liquidation warning", isolated=True))
    assert world.store.told(account) == ["cross:USDT worsened CRITICAL"]


CLOSE = ForcedClose(
    kind=ForcedKind.LIQUIDATION, order="7", symbol="BTCUSDT", side="sell", quantity=Decimal(1), profit=Decimal(-5)
)


async def test_each_order_of_the_venue_s_own_is_told_once_even_after_a_restart(world: World, pushes: Pushes) -> None:
    account = await watched(world)
    world.clock.advance(3)
    other = replace(CLOSE, order="8", kind=ForcedKind.DELEVERAGING)
    push = RiskPush("liquidation order", closed=(CLOSE, replace(CLOSE, quantity=Decimal(2)), other))
    for _ in range(3):
        await pushes.heard(account, push)
    again = Pushes(FakeSource(), world.store, world.cycle, clock=world.clock)
    await again.heard(account, push)
    first, second = pending_in(world.store)
    assert (first.subject, second.subject) == ("liquidation 7", "auto-deleveraging 8")
    assert (first.facts.forced, second.facts.forced, first.sound) == (CLOSE, other, True)
    assert world.store.states(account.id)["cross:USDT"].grade is Grade.OK, "margin is judged by readings alone"


async def test_a_fill_within_a_burst_is_told_though_it_leads_to_no_reading_of_its_own(
    world: World, pushes: Pushes
) -> None:
    account = await watched(world)
    await pushes.heard(account, CALL)
    await pushes.heard(account, RiskPush("liquidation order", closed=(CLOSE,)))
    assert world.store.told(account) == ["liquidation 7 unchanged -"]
    assert world.reader.reads["11-main"] == 2


async def broken_off(world: World, missed: Any) -> tuple[Account, FakeSource]:
    """A stream that was heard for ten minutes, broke off, and is heard again."""
    account, source = await watched(world), FakeSource()
    source.missed_then = missed
    listening = Pushes(source, world.store, world.cycle, clock=world.clock, first_pause=0.001, catch_up_pause=0.0)
    listening.dispatch()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (source.opened, source.asked) == (["11-main"], []), "nothing was missed yet"
    world.clock.advance(600)
    source.lines["11-main"].put_nowait(VenueDown("gone"))
    async with asyncio.timeout(30):
        await source.was_asked.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    await listening.stop()
    return account, source


async def test_what_was_closed_while_nobody_could_hear_it_is_told_once_with_its_own_time(
    world: World,
) -> None:
    began = world.clock.now
    then = replace(CLOSE, at=began)
    _, source = await broken_off(world, (then, replace(then, price=Decimal(1))))
    [(start, end)] = source.asked
    assert (start, end) == (began + timedelta(seconds=600) - UNNOTICED, world.clock.now), "a line breaks unnoticed"
    assert [notice.facts.forced for notice in world.store.notices if notice.facts.forced] == [then]
    assert world.reader.reads["11-main"] == 2, "and the account is read"


@pytest.mark.parametrize(
    ("missed", "why"),
    [
        pytest.param(VenueDown("overloaded"), "overloaded", id="it does not answer"),
        pytest.param(None, "not told afterwards", id="it has no answer to that"),
    ],
)
async def test_what_stays_unknown_is_said_to_operators(
    world: World, caplog: pytest.LogCaptureFixture, missed: Any, why: str
) -> None:
    account, _ = await broken_off(world, missed)
    [line] = [record for record in caplog.records if "is not known" in record.message]
    assert line.levelname == "WARNING"
    assert f"account {account.id}: what bybit closed between" in line.message
    assert why in line.message
    assert world.store.notices == []
