"""How long `/chart` takes, from the stored history to the picture, and what it costs in memory.

    PYTHONPATH=. python bench/chart.py [--keep FOLDER]

An account with one pool and one with two hundred, a reading every 30 s: of a day, of two weeks. `--keep` leaves the
pictures in a folder, to be looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import resource
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from marginbot.bot.charts import Easel
from marginbot.bot.commands.chart import Wanted, _draw
from marginbot.domain.chart import Theme
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.report import AccountReport
from marginbot.flow.history import HistoryKeeper
from marginbot.flow.ports import Credential, CycleRecord, Person
from marginbot.store import SqliteStore, open_store
from tests.bot.builders import pool, position, report

NOW = datetime(2026, 11, 22, 13, 24, tzinfo=UTC)
PAUSE = timedelta(minutes=3)
POLL = timedelta(seconds=30)
LIQUIDATION = 88_000.0


class Bench:
    """What the command needs of its services."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.pause, self.easel = store, PAUSE, Easel()

    def clock(self) -> datetime:
        return NOW


def path(days: float) -> list[tuple[datetime, float]]:
    """A price that wanders, falls hard and comes back; with an hour in which nothing is read."""
    random.seed(5)
    mark, found, count = 97_000.0, [], int(days * 86_400 / POLL.total_seconds())
    for n in range(count):
        share = n / count
        drift = -0.13 / (0.08 * count) if 0.6 < share < 0.68 else 0.07 / (0.15 * count) if 0.68 < share < 0.83 else 0
        mark *= 1 + random.gauss(0, 0.0002) + drift
        if not 0.3 < share < 0.345:
            found.append((NOW - timedelta(days=days) + n * POLL, mark))
    return found


def read(at: datetime, mark: float, pools: int) -> AccountReport:
    """A 10x long, in so many isolated pools."""
    equity = max(1.0, (mark - LIQUIDATION) + 500)
    ratio, cushion = 500 / equity, (mark - LIQUIDATION) / mark / 0.006
    grade = max(DEFAULT_LADDERS.by_ratio(ratio), DEFAULT_LADDERS.by_cushion(cushion))
    made = [
        pool(name=f"isolated:{n}", margin_ratio=Decimal(str(round(ratio, 5))), cushion=cushion, grade=grade,
             equity=Decimal(str(round(equity, 2))))
        for n in range(pools)
    ]  # fmt: skip
    held = [
        position(pool=f"isolated:{n}", mark_price=Decimal(str(round(mark, 1))), liquidation_price=Decimal("88000"))
        for n in range(pools)
    ]
    return replace(report(*made, taken_at=at), positions=tuple(held))


def filled(store: SqliteStore, label: str, days: float, pools: int) -> None:
    """An account with a history, as the bot would have written it."""
    account = store.add_account(Person(1, "A"), 1, "bybit", label, Credential("k"), NOW - timedelta(days=days))
    found = path(days)
    for at, mark in found:
        store.gather(account.id, read(at, mark, pools))
        if store.unwritten > 20_000:
            store.write_history(1 << 40)
    last = read(*found[-1], pools)
    store.record(CycleRecord(account_id=account.id, at=NOW, report=last, states={}, notices=[], next_due_at=NOW))
    keeper = HistoryKeeper(store=store, clock=lambda: NOW, retention=timedelta(days=365), patience=PAUSE)
    for _ in range(math.ceil(len(found) * pools / 400) + 10):
        keeper.turn()


async def drawn(store: SqliteStore, label: str, period: timedelta, theme: Theme, keep: Path | None) -> None:
    """The command, three times."""
    standing, took = store.standing(store.account(1, label)), list[float]()
    for _ in range(3):
        began, worked = time.perf_counter(), time.process_time()
        reply = await _draw(standing, Wanted(label=label, period=period, theme=theme), 0, Bench(store))  # type: ignore[arg-type]
        took.append(time.perf_counter() - began)
        worked = time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = len(reply.picture or b"") / 1024
    print(
        f"{label}, {period}, {theme}: first {took[0]:.2f} s, then {min(took[1:]):.2f} s (CPU {worked:.2f} s), "
        f"{size:.0f} kB, {memory:.0f} MB in all"
    )
    if keep is not None and reply.picture:
        (keep / f"{label}-{theme}.png".replace(" ", "-")).write_bytes(reply.picture)


async def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path)
    keep = parser.parse_args().keep
    store = open_store(":memory:", bytes(32))
    for label, days, pools in (("a day", 1, 1), ("two weeks", 14, 1), ("200 pools", 1, 200)):
        filled(store, label, days, pools)
        for theme in Theme:
            await drawn(store, label, timedelta(days=days), theme, keep)
    store.close()


if __name__ == "__main__":
    asyncio.run(main())
