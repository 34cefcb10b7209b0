"""Escalation from a reading to a ringing phone: the real cycle and store, a scripted service."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

import pytest

from marginbot.domain.errors import VenueDown
from marginbot.domain.escalation import Accepted, Channel, Rang, Ring, RingAgain, RingRefused
from marginbot.domain.grading import Grade
from marginbot.flow.channels import ChannelDesk
from marginbot.flow.escalation import Escalation, ReceiptState
from marginbot.flow.preferences import Preferences
from marginbot.store.database import StoreFailed
from tests.builders import long_at
from tests.flow.conftest import ALICE, BOB, Ledger, World

MINUTE = timedelta(minutes=1)
CALM, WARNING, CRITICAL, EMERGENCY = 100, 93.8, 92, 91  # prices; at 90.45 the position is gone


class FakeRinger:
    """Accepts everything, unless something else was scripted for the address."""

    def __init__(self) -> None:
        self.script: dict[str, list[Rang | Exception]] = defaultdict(list)
        self.rung: list[tuple[str, Ring]] = []
        self.said: list[tuple[str, str]] = []
        self.receipts: dict[str, ReceiptState] = {}
        self.cancelled: list[str] = []
        self.gate: dict[str, asyncio.Event] = {}

    async def ring(self, url: str, ring: Ring) -> Rang:
        self.rung.append((url, ring))
        if url in self.gate:
            await self.gate[url].wait()
        return self._next(url)

    async def say(self, url: str, title: str, body: str) -> Rang:
        self.said.append((url, title))
        return self._next(url)

    def _next(self, url: str) -> Rang:
        outcome = self.script[url].pop(0) if self.script[url] else Accepted()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def receipt(self, url: str, receipt: str) -> ReceiptState:
        return self.receipts.get(receipt, ReceiptState.WAITING)

    async def cancel(self, url: str, receipt: str) -> bool:
        self.cancelled.append(receipt)
        return True


class FakeTeller:
    def __init__(self) -> None:
        self.off: list[tuple[int, str]] = []
        self.reminded: list[tuple[int, bool]] = []

    async def channel_off(self, channel: Channel, error: str) -> None:
        self.off.append((channel.id, error))

    async def remind(self, user_id: int, *, has_channels: bool) -> None:
        self.reminded.append((user_id, has_channels))


class Bench:
    """A world with an escalation."""

    def __init__(self, world: World) -> None:
        self.world, self.store, self.clock = world, world.store, world.clock
        self.ringer, self.teller = FakeRinger(), FakeTeller()
        self.escalation = Escalation(self.store, self.ringer, clock=self.clock, teller=self.teller)
        self.preferences = Preferences(self.store)

    def channel(self, url: str = "one", *, minutes: float = 5, from_grade: Grade = Grade.CRITICAL) -> Channel:
        return self.store.add_channel(
            ALICE, url, url, from_grade=from_grade, delay=minutes * MINUTE, now=self.clock.now
        )

    async def after(self, seconds: float, *, price: float | None = None) -> list[str]:
        """Time passes, accounts are read, channels ring; the addresses that were rung."""
        if price is not None:
            self.world.reader.accounts["11-main"] = lambda: long_at(price, at=self.clock.now)
        await self.world.after(seconds)
        before = len(self.ringer.rung)
        await self.escalation.run()
        return [url for url, _ in self.ringer.rung[before:]]


@pytest.fixture
def bench(world: World) -> Bench:
    world.register(ALICE, "main", lambda: long_at(CALM, at=world.clock.now))
    return Bench(world)


async def test_not_acknowledged_in_time_the_channel_rings_and_rings_again(bench: Bench) -> None:
    bench.channel()
    await bench.after(0)
    assert await bench.after(30, price=CRITICAL) == []
    assert await bench.after(299) == []
    assert await bench.after(2) == ["one"]
    [(_, ring)] = bench.ringer.rung
    assert (ring.items[0].label, ring.grade) == ("main", Grade.CRITICAL)
    assert await bench.after(60) == []
    assert [await bench.after(60) for _ in range(16)].count(["one"]) == 1


async def test_failure_28_an_acknowledgement_in_time_keeps_every_channel_quiet(bench: Bench) -> None:
    bench.channel()
    bench.channel("two", minutes=2)
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    assert await bench.after(121) == ["two"]
    assert bench.preferences.acknowledge(ALICE.user_id, None, bench.clock.now)
    assert [await bench.after(60) for _ in range(13)] == [[]] * 13


async def test_worse_than_acknowledged_rings(bench: Bench) -> None:
    bench.channel()
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    bench.preferences.acknowledge(ALICE.user_id, None, bench.clock.now)
    await bench.after(200)
    await bench.after(30, price=EMERGENCY)
    assert await bench.after(299) == []
    assert await bench.after(2) == ["one"]
    assert bench.ringer.rung[-1][1].grade is Grade.EMERGENCY


@pytest.mark.parametrize("price", [CALM, WARNING])
async def test_calmer_than_the_channel_is_for_stops_it(bench: Bench, price: float) -> None:
    bench.channel(from_grade=Grade.EMERGENCY)
    await bench.after(0)
    await bench.after(30, price=EMERGENCY)
    await bench.after(60, price=price)
    assert await bench.after(300) == []
    assert bench.store._db.execute("SELECT status FROM escalation_steps").fetchall() == [("stopped",)]


async def test_failure_28_an_acknowledgement_raced_with_the_attempt_comes_before_or_after_it(bench: Bench) -> None:
    """Whichever comes first, nothing rings after the acknowledgement was stored."""
    bench.channel("slow")
    bench.channel("two")
    bench.ringer.gate["slow"] = asyncio.Event()
    bench.ringer.script["slow"] = [RingAgain("busy")]
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    bench.clock.advance(301)
    bench.escalation.dispatch()
    bench.escalation.dispatch()
    bench.preferences.acknowledge(ALICE.user_id, None, bench.clock.now)  # before any task has run
    await bench.escalation.tasks.settle()
    assert bench.ringer.rung == []
    bench.store.set_mute(bench.store.accounts_of(ALICE.user_id)[0].id, "cross:USDT", None)
    bench.clock.advance(400)
    bench.escalation.dispatch()
    bench.clock.advance(400)
    bench.escalation.dispatch()
    await asyncio.sleep(0)
    assert sorted(url for url, _ in bench.ringer.rung) == ["slow", "two"]
    bench.preferences.acknowledge(ALICE.user_id, None, bench.clock.now)  # while "slow" is being asked
    bench.ringer.gate["slow"].set()
    await bench.escalation.tasks.settle()
    bench.clock.advance(120)
    await bench.escalation.run()
    assert len(bench.ringer.rung) == 2


async def test_blind_after_danger_rings(bench: Bench) -> None:
    bench.channel(minutes=0)
    await bench.after(0)
    await bench.after(30, price=WARNING)  # a warning only: below the channel's grade
    assert bench.ringer.rung == []
    bench.world.reader.accounts["11-main"] = VenueDown("away")
    rung = [await bench.after(30) for _ in range(10)]
    assert ["one"] in rung
    assert bench.ringer.rung[0][1].items[0].alarm.is_blind


async def test_failure_09_one_hanging_service_holds_up_nobody(bench: Bench) -> None:
    bench.channel("hangs", minutes=0)
    bench.channel("two", minutes=0)
    bench.ringer.gate["hangs"] = asyncio.Event()
    await bench.after(0)
    bench.world.reader.accounts["11-main"] = lambda: long_at(CRITICAL, at=bench.clock.now)
    await bench.world.after(30)
    bench.escalation.dispatch()
    for _ in range(5):
        await asyncio.sleep(0)
    bench.escalation.dispatch()
    assert sorted(url for url, _ in bench.ringer.rung) == ["hangs", "two"]
    bench.ringer.gate["hangs"].set()
    await bench.escalation.tasks.settle()


async def test_refused_for_good_the_owner_is_told_and_the_others_go_on(bench: Bench) -> None:
    first = bench.channel(minutes=0)
    bench.channel("two", minutes=0)
    bench.ringer.script["one"] = [RingRefused("the service answered 401")]
    bench.ringer.script["two"] = [RingAgain("busy"), ValueError("canary://token")]
    await bench.after(0)
    assert await bench.after(30, price=CRITICAL) == ["one", "two"]
    assert bench.teller.off == [(first.id, "the service answered 401")]
    assert await bench.after(6) == ["two"]
    assert await bench.after(11) == ["two"]
    assert await bench.after(60) == []


async def test_an_address_that_cannot_be_opened_is_refused(bench: Bench) -> None:
    bench.channel(minutes=0)
    bench.store._db.conn.execute("UPDATE channel_secrets SET sealed = x'00'")
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    assert bench.ringer.rung == []
    assert len(bench.teller.off) == 1


async def test_an_outcome_that_cannot_be_stored_is_stored_later_and_not_rung_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.channel(minutes=0)
    await bench.after(0)

    def full(*_: object) -> None:
        raise StoreFailed("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "finish_ring", full)
        assert await bench.after(30, price=CRITICAL) == ["one"]
    assert await bench.after(6) == []
    assert bench.store._db.execute("SELECT status FROM escalation_steps").fetchall() == [("accepted",)]


async def test_a_tap_at_the_service_acknowledges_here(bench: Bench) -> None:
    bench.channel(minutes=0)
    bench.channel("two", minutes=1)
    bench.ringer.script["one"] = [Accepted("r1")]
    bench.ringer.receipts["r1"] = ReceiptState.ACKNOWLEDGED
    await bench.after(0)
    assert await bench.after(30, price=CRITICAL) == ["one"]
    assert await bench.after(10) == []
    assert await bench.after(60) == []
    mute = bench.store.states(bench.store.accounts_of(ALICE.user_id)[0].id)["cross:USDT"].mute
    assert mute is not None
    assert mute.grade is Grade.CRITICAL
    assert bench.ringer.cancelled == []


async def test_an_acknowledgement_here_stops_the_ringing_there(bench: Bench) -> None:
    bench.channel(minutes=0)
    bench.ringer.script["one"] = [Accepted("r1")]
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    await bench.after(10)
    assert bench.ringer.cancelled == []
    bench.preferences.acknowledge(ALICE.user_id, None, bench.clock.now)
    await bench.after(10)
    await bench.after(10)
    assert bench.ringer.cancelled == ["r1"]


async def test_a_receipt_that_expired_is_asked_about_no_more(bench: Bench) -> None:
    bench.channel(minutes=0)
    bench.ringer.script["one"] = [Accepted("r1")]
    bench.ringer.receipts["r1"] = ReceiptState.OVER
    await bench.after(0)
    await bench.after(30, price=CRITICAL)
    await bench.after(10)
    assert list(bench.store.open_receipts(bench.clock.now)) == []


async def test_others_channels_stay_quiet(bench: Bench) -> None:
    bench.store.add_channel(BOB, "bobs", "bobs", from_grade=Grade.NOTICE, delay=timedelta(0), now=bench.clock.now)
    await bench.after(0)
    await bench.after(30, price=EMERGENCY)
    assert await bench.after(60) == []


async def test_failure_27_nobody_is_reminded_twice_in_a_week(bench: Bench) -> None:
    class Desk(FakeRinger):
        def parse(self, url: str) -> None:
            raise AssertionError

    desk = ChannelDesk(bench.store, Desk())  # type: ignore[arg-type]
    bench.channel()
    days = [await desk.remind(bench.teller, bench.clock.now + timedelta(days=day)) for day in range(10)]
    assert days == [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    assert bench.teller.reminded == [(ALICE.user_id, True)] * 2
