"""What the work counts: every reading with its outcome, every send, and the time from reading to acceptance."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from marginbot.domain.errors import VenueDown
from marginbot.domain.outcomes import Moved, TryAgain, Unreachable
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.meter import MeteredMessenger
from tests.builders import long_at
from tests.fakes import FakeMessenger
from tests.flow.conftest import ALICE, SETTINGS, World


@dataclass
class Sheet:
    """A meter that writes everything down."""

    readings: list[tuple[str, str]] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)
    dwells: list[timedelta] = field(default_factory=list)
    cycles: list[timedelta] = field(default_factory=list)

    def reading(self, venue: str, outcome: str) -> None:
        self.readings.append((venue, outcome))

    def send(self, outcome: str) -> None:
        self.sends.append(outcome)

    def dwell(self, took: timedelta) -> None:
        self.dwells.append(took)

    def cycle(self, took: timedelta) -> None:
        self.cycles.append(took)

    def board(self, step: str, outcome: str) -> None:
        raise AssertionError("no board is changed here")


async def test_readings_sends_and_dwell_are_counted(world: World) -> None:
    sheet, messenger = Sheet(), FakeMessenger()
    cycle = Cycle(world.reader, world.store, settings=SETTINGS, clock=world.clock, meter=sheet)
    delivery = Delivery(world.store, MeteredMessenger(messenger, sheet, clock=world.clock), clock=world.clock)
    world.register(ALICE, "main", long_at(91.9, at=world.clock.now))
    world.register(ALICE, "other", VenueDown("503"), exchange="okx")
    await cycle.run()
    assert sorted(sheet.readings) == [("bybit", "ok"), ("okx", "venue_down")]
    assert sheet.cycles == [timedelta(0)]
    messenger.script[ALICE.user_id] = [TryAgain("NetworkError")]
    await delivery.run()
    world.clock.advance(4)
    await delivery.run()
    assert sheet.sends == ["try_again", "sent"]
    assert sheet.dwells == [timedelta(seconds=4)]


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(Unreachable("Forbidden"), "unreachable"), (Moved(-100), "moved"), (ValueError("a bug"), "failed")],
)
async def test_each_outcome_has_a_name(world: World, outcome: Unreachable | Moved | Exception, name: str) -> None:
    sheet, messenger = Sheet(), FakeMessenger()
    messenger.script[ALICE.user_id] = [outcome]
    world.register(ALICE, "main", long_at(91.9))
    await world.cycle.run()
    await Delivery(world.store, MeteredMessenger(messenger, sheet, clock=world.clock), clock=world.clock).run()
    assert sheet.sends[:1] == [name]
    assert len(sheet.dwells) == sheet.sends.count("sent")
