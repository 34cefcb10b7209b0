"""Measurements over a time: the queue, a stall, ages at the venue's limit, and everything at once."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.bot_api import telegram
from bench.exchange import exchange
from bench.readings import NO_LIMITS, credential, now, rss
from bench.worlds import SETTINGS, Numbers, Scripted, single, spread
from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.grading import Grade
from marginbot.exchanges.budget import LIMITS
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.due import DueQueue
from marginbot.flow.history import HistoryKeeper
from marginbot.flow.late import LateWatch
from marginbot.flow.live_marks import LiveMarks
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from marginbot.store import SqliteStore, open_store
from tests.post_office import Post

VENUE = "binanceusdm"
TICK = 0.1  # as in the bot: how often it is looked who is due


def crowd(path: Path, count: int, *, venue: str = VENUE, keys: Callable[[int], Credential] = credential) -> SqliteStore:
    """A database on disk with so many accounts."""
    store = open_store(path, bytes(range(32)))
    store._db.conn.execute("PRAGMA synchronous = OFF")
    for number in range(count):
        store.add_account(Person(number + 1, "P"), number + 1, venue, "main", keys(number), now())
    store._db.conn.execute("PRAGMA synchronous = FULL")
    return store


def due_over(store: SqliteStore, seconds: float) -> None:
    """Every account has its turn within so many seconds, evenly."""
    ids = [account.id for account in store.active_accounts()]
    at = now() + timedelta(seconds=1)  # writing it down takes its time
    random.Random(1).shuffle(ids)
    rows = [
        ((at + timedelta(seconds=seconds * place / len(ids))).isoformat(timespec="microseconds"), account)
        for place, account in enumerate(ids)
    ]
    conn = store._db.conn
    conn.execute("BEGIN")
    conn.executemany("UPDATE accounts SET next_due_at = ? WHERE id = ?", rows)
    conn.execute("COMMIT")


async def lags(found: list[float], every: float = 0.005) -> None:
    """How much later than asked for the loop comes round, until cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(every)
        found.append(time.perf_counter() - began - every)


async def due(count: int = 10_000, each: float = 20.0) -> Numbers:
    """The queue alone: 10,000 accounts, 500 a second. What it costs, and how late they come."""
    with tempfile.TemporaryDirectory() as folder:
        store = crowd(Path(folder) / "d.db", int(count))
        queue, late, spent = DueQueue(store, at_once=64), list[float](), 0.0
        gc.collect()
        gc.freeze()
        due_over(store, each)
        conn, began, cpu = store._db.conn, time.monotonic(), time.process_time()
        while time.monotonic() - began < each + 1:
            await asyncio.sleep(TICK)
            while True:
                before = time.process_time()
                taken = queue.take_all(now())
                spent += time.process_time() - before
                if not taken:
                    break
                late += [(now() - account.next_due_at).total_seconds() for account in taken if account.next_due_at]
                conn.execute("BEGIN")
                conn.executemany(
                    "UPDATE accounts SET next_due_at = '2999-01-01T00:00:00.000000+00:00' WHERE id = ?",
                    [(account.id,) for account in taken],
                )
                conn.execute("COMMIT")
                for account in taken:
                    queue.done(account)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        store.close()
        return {"per_second": len(late) / wall, "queue": spent / wall, "written": cpu / wall, "late": spread(late)}


async def queue() -> Numbers:
    """What looking for due accounts costs a tick, by how many accounts there are and none is due."""
    found: Numbers = {}
    for count in (100, 1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            store = crowd(Path(folder) / "q.db", 1)
            rows = ((n, n, n) for n in range(2, count + 1))
            conn = store._db.conn
            conn.execute("BEGIN")
            conn.executemany(
                "INSERT INTO people (user_id, name, private_chat_id) VALUES (?, 'P', ?)", ((a, a) for a, *_ in rows)
            )
            conn.executemany(
                "INSERT INTO accounts (user_id, exchange, label, label_key, created_at, next_due_at, urgency) "
                "VALUES (?, 'binanceusdm', 'main', 'main', '2026-01-01T00:00:00.000000+00:00', ?, ?)",
                ((n, f"2999-01-01T00:00:{n % 60:02d}.000000+00:00", n % 2) for n in range(2, count + 1)),
            )
            conn.execute("UPDATE accounts SET next_due_at = '2999-01-01T00:00:00.000000+00:00'")
            conn.execute("COMMIT")
            cycle = Cycle(Scripted(), store, settings=SETTINGS, clock=now)
            began = time.perf_counter()
            for _ in range(200):
                cycle.dispatch()
            tick = (time.perf_counter() - began) / 200
            began = time.perf_counter()
            list(store.active_accounts())
            found[str(count)] = {"ours_us": tick * 1e6, "all_accounts_us": (time.perf_counter() - began) * 1e6}
            store.close()
    return found


async def stall(count: int = 500, every: float = 10.0) -> Numbers:
    """The loop blocked for five seconds: who was due meanwhile, is anybody skipped, and who comes first after it."""
    with tempfile.TemporaryDirectory() as folder:
        store = crowd(
            Path(folder) / "s.db", int(count), venue="bybit", keys=lambda number: Credential(f"k{number}", "s")
        )
        reader, read_at = Scripted(), defaultdict[int, list[float]](list)
        for number in range(int(count)):
            mark = 91.9 if number % 10 == 0 else 100.0
            reader.pools[f"k{number}"] = lambda mark=mark: single("BTC", mark)  # type: ignore[misc]
        cycle = Cycle(reader, store, settings=replace(SETTINGS, poll_interval=timedelta(seconds=every)), clock=now)
        cycle.on_recorded = lambda account, record: read_at[account.id].append(time.monotonic())
        await cycle.run()
        while not cycle.caught_up:
            await cycle.run()
        due_over(store, every)
        await turning(cycle, every)
        time.sleep(5)  # noqa: ASYNC251 - the loop is to be blocked
        ended = time.monotonic()
        urgent, calm = _overdue(store, urgent=True), _overdue(store, urgent=False)
        await turning(cycle, every)
        await cycle.stop(3)
        store.close()
        after = {one: [at - ended for at in read_at[one] if at > ended] for one in urgent | calm}
        first = {one: at[0] for one, at in after.items() if at}
        return {
            "due": len(after),
            "skipped": sum(not at or at[0] > 0.9 * every for at in after.values()),
            "caught_up_s": max(first.values()),
            "urgent": spread([first[one] for one in urgent if one in first]),
            "calm": spread([first[one] for one in calm if one in first]),
        }


def _overdue(store: SqliteStore, *, urgent: bool) -> set[int]:
    levels = (3, 2) if urgent else (1, 0)
    return {one.id for level in levels for one in store.due_accounts("bybit", level, now(), 10_000)}


async def turning(cycle: Cycle, seconds: float) -> None:
    """The bot's clockwork for a while."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        cycle.dispatch()
        await asyncio.sleep(TICK)


async def age(count: int = 1_000, window: float = 10.0) -> Numbers:
    """Pauses between readings at a venue's limit, time compressed six times: 2,400 weight in ten seconds."""
    limits = {VENUE: tuple(replace(limit, seconds=window) for limit in LIMITS[VENUE])}
    with exchange() as server, tempfile.TemporaryDirectory() as folder:
        store = crowd(Path(folder) / "a.db", int(count))
        reader = CcxtReader({VENUE: server.url}, limits=limits)
        cycle = Cycle(reader, store, settings=replace(SETTINGS, poll_interval=timedelta(seconds=30)), clock=now)
        cycle.queue.ready_in = reader.ready_in
        read_at, urgent = defaultdict[int, list[float]](list), set[int]()

        def noted(account: Account, record: CycleRecord) -> None:
            read_at[account.id].append(time.monotonic())
            if any((state.grade or Grade.OK) >= Grade.WARNING for state in record.states.values()):
                urgent.add(account.id)

        cycle.on_recorded = noted
        server.set(budget=2400, window=window, poor=1)
        server.stats()
        while len(read_at) < count:  # the first readings also ask for what seldom changes
            await turning(cycle, 1)
        began = time.monotonic()
        await turning(cycle, 90)
        told = server.stats()
        await cycle.stop(3)
        await reader.close()
        store.close()
        seconds = time.monotonic() - began
        pauses = {one: _pauses(at, began) for one, at in read_at.items()}
        made = sum(sum(moment > began for moment in at) for at in read_at.values())
        mine = sum(sum(moment > began for moment in read_at[one]) for one in urgent)
        rate = 2400 / 10 / window
        return {
            "refused": told["counts"].get("429", 0),
            "used": made / (rate * seconds),
            "urgent_accounts": len(urgent),
            "bound_s": count / rate,
            "left_bound_s": (count - len(urgent)) / (rate - mine / seconds),
            "urgent": spread([pause for one in urgent for pause in pauses[one]]),
            "calm": spread([pause for one in pauses.keys() - urgent for pause in pauses[one]]),
        }


def _pauses(at: Sequence[float], since: float) -> list[float]:
    return [after - before for before, after in pairwise(at) if before > since]


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
        "readings": told["counts"].get("/fapi/v3/account", 0), "errors": told["counts"].get("503", 0),
        "lag": spread(steady), "lag_all_due": spread(caught), "oldest_s": max(ages), "worst_case_s": 300,
        "late": {venue: one.count for venue, one in late.items()}, "blind": blind, "mark_age": spread(marks),
    }  # fmt: skip
