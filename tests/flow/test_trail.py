"""The log tells the story of one account with its id alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from marginbot.domain.errors import VenueDown
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.logs import JsonFormatter
from marginbot.store import open_store
from tests.builders import Clock, pool, position, snapshot
from tests.fakes import FakeMessenger, FakeReader
from tests.flow.conftest import SETTINGS
from tests.store.builders import CREDENTIAL, KEY, NOW, add


async def test_what_was_read_decided_and_sent_carries_the_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "marginbot")
    clock, reader = Clock(NOW), FakeReader()
    store = open_store(tmp_path / "marginbot.db", KEY)
    try:
        account = add(store)
        cycle, delivery = (
            Cycle(reader, store, settings=SETTINGS, clock=clock),
            Delivery(store, FakeMessenger(), clock=clock),
        )
        for equity in ("540", None):
            reader.accounts[CREDENTIAL.key] = (
                VenueDown("down")
                if equity is None
                else snapshot(pool(position(notional="1000", rate="0.5"), equity=equity), at=clock())
            )
            await cycle.run()
            await delivery.run()
            clock.advance(600)
    finally:
        store.close()
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    story = [line["message"] for line in lines if line.get("account") == account.id]
    assert all(f"account {account.id}: " in line for line in story)
    assert "episode 1.1 first_sight at EMERGENCY" in story[0]
    assert "accepted, attempt 1" in story[1]
    assert f"not read at {account.exchange}: venue_down" in story[2]
    assert not any(word in line for line in story for word in (account.label, "540", CREDENTIAL.key))
