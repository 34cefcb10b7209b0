"""A venue raises its rates overnight: the owner hears of it from the running bot, though it was killed."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from marginbot.store.codec import text_of, time_of
from tests.exchanges.test_terms import BRACKETS, stricter
from tests.running import RunningBot, running_bot
from tests.test_end_to_end import ALICE, World, world

__all__ = ["world"]


def kept_at(path: Path) -> str | None:
    with closing(sqlite3.connect(path)) as conn:
        row = conn.execute("SELECT loaded_at FROM venue_terms WHERE exchange = 'binanceusdm'").fetchone()
    return None if row is None else str(row[0])


def wait_for_terms(bot: RunningBot, *, after: str | None = None) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = kept_at(bot.folder / "bot.db")
        if found is not None and found != after:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no terms were kept\n{bot.log.read_text()[-3000:]}")


def a_day_passes(path: Path, since: str) -> str:
    earlier = text_of(time_of(since) - timedelta(days=1, hours=1))
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE venue_terms SET loaded_at = ?", (earlier,))
    return earlier


def test_a_raise_of_rates_overnight_is_told_after_a_kill(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        yesterday = a_day_passes(bot.folder / "bot.db", wait_for_terms(bot))
        bot.kill()
        world.exchange.faults.edit(BRACKETS, stricter)
        bot.start()
        told = world.tg.wait_for_sync(ALICE, re.compile("TERMS"), 20.0)
        assert re.search(r"room BTC -\d+\.\d% → -\d+\.\d%", told.text)
        wait_for_terms(bot, after=yesterday)
        assert sum("TERMS" in text for text in world.tg.texts(ALICE)) == 1
        assert bot.stop() == 0
