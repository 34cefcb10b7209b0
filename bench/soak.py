"""Everything at once: readings, marks, writes and sends for a crowd; whether loop, memory and ages hold."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.bot_api import telegram
from bench.endurance import TICK, VENUE, crowd, due_over
from bench.exchange import exchange
from bench.readings import NO_LIMITS, now, rss
from bench.worlds import SETTINGS, Numbers, spread
from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.grading import Grade
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.history import HistoryKeeper
from marginbot.flow.late import LateWatch
from marginbot.flow.live_marks import LiveMarks
from marginbot.store import SqliteStore
from tests.post_office import Post


async def lags(found: list[float], every: float = 0.005) -> None:
    """How much later than asked for the loop comes round, until cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(every)
        found.append(time.perf_counter() - began - every)


class Feed:
    """Marks of all that is held, each second, in small steps."""

    def __init__(self) -> None:
        self.base: Callable[[], Mapping[str, float]] = dict
        self.random = random.Random(1)

    def offers(self, exchange: str) -> bool:
        """Everywhere."""
        return True

    async def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        """Around those that were read."""
        while True:
            await asyncio.sleep(1)
            yield {name: mark * self.random.uniform(0.9995, 1.0005) for name, mark in self.base().items()}


class Everything:
    """A bot's parts on a crowd: readings, marks, writes and sends."""

    def __init__(self, store: SqliteStore, url: str, bot: Any, every: timedelta) -> None:
        self.store, self.reader, feed = store, CcxtReader({VENUE: url}, limits=NO_LIMITS), Feed()
        settings = replace(SETTINGS, poll_interval=every, stale_after=2.5 * every)
        self.cycle = Cycle(self.reader, store, settings=settings, clock=now)
        self.delivery = Delivery(store, TelegramMessenger(bot), clock=now)
        self.live = LiveMarks(feed, self.reader, store, self.cycle, clock=now)
        self.keeper = HistoryKeeper(
            store=store, clock=now, retention=timedelta(days=30), patience=timedelta(minutes=10)
        )
        self.late = LateWatch(self.cycle, store, now)
        self.cycle.on_notices, self.cycle.on_recorded = self.delivery.dispatch, self.live.learn
        self.live.dispatch()
        self.known: dict[str, float] = {}
        feed.base = self._marks
        self.post = Post(None, store, self.delivery, now)  # type: ignore[arg-type]

    def _marks(self) -> Mapping[str, float]:
        book = self.live._venues[VENUE].book
        for name in book.symbols:
            self.known.setdefault(name, book.price_of(name) or 1.0)
        return self.known

    async def turn(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """The bot's clockwork, with five calm messages a second."""
        began, looked, chance = time.monotonic(), 0, random.Random(2)
        accounts = self.store.active_accounts()
        while time.monotonic() - began < seconds and not until():
            if not self.cycle.caught_up:
                gc.freeze()  # as the bot does
            self.cycle.dispatch()
            if looked % 2 == 0:
                self.post.write(chance.choice(accounts), Grade.NOTICE, number=1_000_000 + looked)
            if looked % 10 == 0:
                self.cycle.tasks.spawn(asyncio.to_thread(self.store.write_back))
                self.keeper.turn()
                self.late.dispatch()
                self.delivery.dispatch()
            looked += 1
            await asyncio.sleep(TICK)

    async def stop(self) -> None:
        """All of it."""
        await self.live.stop()
        await self.cycle.stop(3)
        await self.delivery.stop(1)
        await self.reader.close()
        self.store.close()


async def soak(seconds: float = 60.0, count: int = 10_000) -> Numbers:
    """Many accounts, one answer in a hundred an error; at first all are due at once, later each every two minutes."""
    every, caught, steady, sizes, ages, marks = timedelta(seconds=120), [], [], [], [], []  # type: ignore[var-annotated]
    with exchange() as server, tempfile.TemporaryDirectory() as folder:
        async with telegram() as tg, build_bot("1:T", tg.url) as bot:
            bots = Everything(crowd(Path(folder) / "s.db", int(count)), server.url, bot, every)
            await bots.reader.symbols(VENUE, now())
            gc.collect()
            gc.freeze()
            server.set(errors=0.01)
            began, lag = time.monotonic(), asyncio.create_task(lags(caught))
            await bots.turn(300, until=lambda: not bots.store.due_accounts(VENUE, 2, now(), 1))
            lag.cancel()
            first = time.monotonic() - began
            due_over(bots.store, every.total_seconds())
            server.stats()

            async def looks() -> None:
                while True:
                    sizes.append(rss() / 1024**2)
                    ages.append(max(one.total_seconds() for one in bots.store.oldest_readings(now()).values()))
                    for _ in range(20):
                        marks.append(max((a.total_seconds() for a in bots.live.ages(now()).values() if a), default=99))
                        await asyncio.sleep(0.1)

            tasks, cpu = [asyncio.create_task(lags(steady)), asyncio.create_task(looks())], time.process_time()
            await bots.turn(seconds)
            cpu = time.process_time() - cpu
            for task in tasks:
                task.cancel()
            told, late = server.stats(), bots.store.waiting(now(), timedelta(seconds=2))
            blind = bots.store.counts()[2]
            await bots.stop()
    half = len(sizes) // 2
    return {
        "seconds": seconds, "accounts": count, "all_read_s": first, "cpu": cpu / seconds,
        "rss_mb": max(sizes), "grown_mb": statistics.median(sizes[-5:]) - statistics.median(sizes[half : half + 5]),
        "mb": [round(size, 1) for size in sizes[:: max(1, len(sizes) // 20)]],
        "readings": told["counts"].get("/fapi/v3/account", 0), "errors": told["counts"].get("503", 0),
        "lag": spread(steady), "lag_all_due": spread(caught), "oldest_s": max(ages), "worst_case_s": 300,
        "late": {venue: one.count for venue, one in late.items()}, "blind": blind, "mark_age": spread(marks),
    }  # fmt: skip
