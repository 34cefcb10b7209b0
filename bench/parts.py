"""The measurements that `bench/run.py` puts together, each in a process of its own: it prints one JSON object.

PYTHONPATH=. python -m bench.parts NAME
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bench.delivery_burst import alarms
from bench.exchange import exchange
from bench.readings import Ours, closed_loop, compared, naive_client, now, rss, run, start_up, stored
from marginbot.domain.book import Book
from marginbot.domain.grading import Grade
from marginbot.domain.live import Rungs
from marginbot.domain.live_book import LiveBook
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.budget import LIMITS
from marginbot.flow.cycle import Cycle
from marginbot.flow.decide import CycleSettings
from marginbot.flow.live_marks import LiveMarks
from marginbot.flow.ports import Credential, Person
from tests.fakes import FakeReader
from tests.post_office import post_office

Numbers = dict[str, Any]
D = Decimal
SYMBOLS, HELD = 600, 10
SETTINGS = CycleSettings(poll_interval=timedelta(seconds=30), stale_after=timedelta(seconds=180))
TIERS = with_deductions(
    tuple(
        LeverageTier(D(floor), D(cap), D(rate))
        for floor, cap, rate in (
            (0, 50_000, "0.004"),
            (50_000, 600_000, "0.005"),
            (600_000, 3_000_000, "0.01"),
            (3_000_000, 12_000_000, "0.025"),
            (12_000_000, 70_000_000, "0.05"),
        )
    )
)


def spread(seconds: Sequence[float]) -> Numbers:
    """Milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50": statistics.median(ordered) * 1e3, "p99": p99 * 1e3, "max": ordered[-1] * 1e3, "n": len(ordered)}


# --- readings


async def readings() -> Numbers:
    """CPU of a complete reading by three ways, in rounds side by side."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        took = await compared(server, 150, 3, Path(name))
    return {way: statistics.median(values) for way, values in took.items()}


async def start() -> Numbers:
    """1,000 accounts from a closed database to all of them read."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        return await start_up(server, 1_000, Path(name) / "start")


async def memory() -> Numbers:
    """Resident kB of each further account, read in full."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "m", 3_100)
        ours = Ours(server.url, store)
        await closed_loop(ours.read, 100, 8)
        gc.collect()
        before = rss()
        await closed_loop(lambda turn: ours.read(turn + 100), 3_000, 8)
        gc.collect()
        each, total = (rss() - before) / 3_000 / 1024, rss() / 1024**2
        await ours.reader.close()
        store.close()
        return {"ours_kb": each, "process_mb": total}


async def naive_memory() -> Numbers:
    """The same of one ccxt client for each account."""
    with exchange() as server:
        clients = [naive_client(server.url, number) for number in range(7)]
        await clients[0].fetch_positions()
        before = rss()
        for client in clients[1:]:
            await client.fetch_balance()
            await client.fetch_positions()
        each = (rss() - before) / (len(clients) - 1) / 1024
        for client in clients:
            await client.close()
        return {"naive_kb": each}


async def round_trip() -> Numbers:
    """A cycle of 1,000 accounts at 80 ms round trip; the naive loop scaled from 20 accounts."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "r", 1_000)
        ours = Ours(server.url, store)
        await closed_loop(ours.read, 64, 64)  # a bot that runs: markets, tiers, candles
        server.set(rtt=0.08)
        _, wall = await closed_loop(ours.reader_only, 1_000, 64)
        _, whole = await closed_loop(ours.read, 1_000, 64)
        client = naive_client(server.url, 0)
        await client.fetch_positions()

        async def naive(_: int) -> None:
            await client.fetch_balance()
            await client.fetch_positions()

        _, one = await closed_loop(naive, 20, 1)
        await client.close()
        await ours.reader.close()
        store.close()
        return {"reader_s": wall * 1_000, "whole_s": whole * 1_000, "naive_s": one * 1_000}


async def budget() -> Numbers:
    """Three minutes at the documented limit of 2,400 weight a minute, enforced by the exchange."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "b", 1_000)
        ours = Ours(server.url, store, limits=LIMITS)
        ours.cycle.queue.ready_in = ours.reader.ready_in
        server.set(budget=2400, window=60)
        server.stats()
        ends = time.monotonic() + 185
        while time.monotonic() < ends:
            ours.cycle.dispatch()
            await asyncio.sleep(0.1)
        told = server.stats()
        await ours.cycle.stop(3)
        waiting = store.waiting(now(), timedelta(seconds=2))
        await ours.reader.close()
        store.close()
        full = told["windows"][1:-1] or told["windows"]
        late = {venue: {"accounts": one.count, "s": one.longest.total_seconds()} for venue, one in waiting.items()}
        return {"refused": told["counts"].get("429", 0), "used": [one / 2400 for one in full], "late": late}


# --- revaluation


def pool_of(account: int, names: Sequence[str], prices: np.ndarray[Any, Any]) -> Pool:
    """Ten positions."""
    chosen = [(account * 7 + 61 * step) % SYMBOLS for step in range(HELD)]
    held = []
    for step, symbol in enumerate(chosen):
        mark = D(str(round(float(prices[symbol]), 4)))
        notional = D(2_000 + (account * 37 + step * 1_301) % 90_000)
        need = notional * D("0.005")
        held.append(
            Position(
                symbol=names[symbol],
                underlying=names[symbol],
                side=Side.LONG if (account + step) % 3 else Side.SHORT,
                contracts=notional / mark,
                notional=notional,
                mark_price=mark,
                maintenance_margin=need,
                tiers=TIERS,
            )
        )
    required = sum((position.maintenance_margin or D(0) for position in held), D(0))
    return Pool(
        name="cross:USDT",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=required * 6,
        maintenance_margin=required,
        positions=tuple(held),
    )


async def revaluation() -> Numbers:
    """All pools at new marks: arrays, plain Python objects, and a copy of as many bytes as the arrays have."""
    rng = np.random.default_rng(1)
    names, prices = [f"C{n}" for n in range(SYMBOLS)], rng.uniform(1, 1000, SYMBOLS)
    found: Numbers = {}
    for count in (100, 1_000, 10_000, 100_000):
        book, books = LiveBook(), []
        for account in range(count):
            pool = pool_of(account, names, prices)
            book.hold(account, [(pool, Rungs())])
            if account < 2_000:
                books.append(Book.of(pool, now()))
        arrays = book.nbytes
        ticks = []
        for _ in range(15):
            moves = rng.normal(1, 0.001, SYMBOLS)
            marks = {name: float(price * move) for name, price, move in zip(names, prices, moves, strict=True)}
            began = time.perf_counter()
            book.price(marks)
            book.alarms()
            ticks.append(time.perf_counter() - began)
        step = {name: float(move - 1) for name, move in zip(names, moves, strict=True)}
        began = time.perf_counter()
        for one in books:
            one.after({name: step[name] for name in one.underlyings})
        plain = (time.perf_counter() - began) / len(books) * count
        source = np.ones(arrays // 8)
        copies = []
        for _ in range(15):
            began = time.perf_counter()
            source.copy()
            copies.append(time.perf_counter() - began)
        found[str(count)] = {
            "arrays_ms": statistics.median(ticks) * 1e3,
            "python_ms": plain * 1e3,
            "copy_ms": statistics.median(copies) * 1e3,
            "mb": arrays / 1e6,
        }
    return found


# --- from the tick to Telegram


class Quiet:
    """Marks come by hand."""

    def offers(self, exchange: str) -> bool:
        return True

    async def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        await asyncio.Event().wait()
        yield {}


class Scripted(FakeReader):
    """One pool a key, at the present marks; nothing else is between the tick and the message."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Callable[[], Pool]] = {}

    async def read(self, exchange: str, credential: Credential, now: datetime) -> Snapshot:
        return Snapshot(exchange=exchange, mode="", taken_at=now, pools=(self.pools[credential.key](),))

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        return {name: Volatility(0.01, 5_000) for name in underlyings}


def single(symbol: str, mark: float) -> Pool:
    """1,000 units long, 10,000 behind them at a mark of 100."""
    notional = D(1000) * D(repr(mark))
    held = Position(
        symbol=symbol,
        underlying=symbol,
        side=Side.LONG,
        contracts=D(1000),
        notional=notional,
        mark_price=D(repr(mark)),
        maintenance_margin=notional * D("0.005"),
    )
    equity = D(10_000) + D(1000) * (D(repr(mark)) - 100)
    return Pool(
        name="cross:USDT",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=equity,
        maintenance_margin=held.maintenance_margin,
        positions=(held,),
    )


async def tick_to_telegram(*, projected: bool) -> list[float]:
    """Seconds from a tick to the request at Telegram, with 10,000 accounts followed and 10,000 messages waiting."""
    rng = np.random.default_rng(1)
    names, prices = [f"C{n}" for n in range(SYMBOLS)], rng.uniform(50, 1000, SYMBOLS)
    with tempfile.TemporaryDirectory() as folder:
        async with post_office(Path(folder) / "tick.db", limits=True) as post:
            post.backlog(10_000)
            reader = Scripted()
            cycle = Cycle(reader, post.store, settings=SETTINGS, clock=post.clock)
            live = LiveMarks(Quiet(), reader, post.store, cycle, clock=post.clock)
            cycle.on_recorded, cycle.on_notices = live.learn, post.delivery.dispatch
            live.dispatch()
            await asyncio.sleep(0)
            if projected:
                cycle.queue.ready_in = lambda exchange, under_way: 9.0
            book = live._venues["bybit"].book
            for account in range(10_000):
                book.hold(f"other {account}", [(pool_of(account, names, prices), Rungs())])
            post.delivery.dispatch()
            took = []
            for number in range(1, 61):
                symbol = f"D{number}"
                reader.pools[f"key{number}"] = lambda symbol=symbol: single(symbol, 100.0)  # type: ignore[misc]
                added = post.store.add_account(
                    Person(number, "U"), number, "bybit", "main", Credential(f"key{number}", "s"), post.clock()
                )
                await cycle.read_now(added)
                reader.pools[f"key{number}"] = lambda symbol=symbol: single(symbol, 91.9)  # type: ignore[misc]
                await asyncio.sleep(0.15)
                moves = rng.normal(1, 0.0005, SYMBOLS)
                marks = {name: float(price * move) for name, price, move in zip(names, prices, moves, strict=True)}
                began = time.monotonic()
                live.tick("bybit", {**marks, symbol: 91.9})
                await post.tg.wait_for(number, "CRITICAL")
                sent = [call for call in post.tg.calls("sendMessage") if call.params["chat_id"] == number]
                took.append(sent[0].at - began)
            await live.stop()
            await cycle.stop(1)
            return took


async def ticks() -> Numbers:
    """By a reading that the tick brought forward, and by a projection because nothing can be read."""
    return {
        "reading": spread(await tick_to_telegram(projected=False)),
        "projection": spread(await tick_to_telegram(projected=True)),
    }


# --- isolation


async def flood() -> Numbers:
    """Alarms to other chats while one is in a flood wait, and without."""
    with tempfile.TemporaryDirectory() as folder:
        async with post_office(Path(folder) / "flood.db") as post:
            quiet = await alarms(post, 40, 1, 0.05)
            post.tg.faults.add("sendMessage", 9_999, kind="429", retry_after=3)
            post.write(post.account(9_999), Grade.EMERGENCY)
            post.delivery.dispatch()
            await asyncio.sleep(0.2)
            flooded = await alarms(post, 40, 101, 0.05)
            await post.tg.wait_for(9_999, "EMERGENCY", 10)
            return {"quiet": spread(quiet), "flooded": spread(flooded)}


async def sending() -> Numbers:
    """A burst of 1,000 to all users at Telegram's limits."""
    with tempfile.TemporaryDirectory() as folder:
        async with post_office(Path(folder) / "burst.db", limits=True) as post:
            post.backlog(1_000, Grade.CRITICAL, first=1)
            began, cpu = time.monotonic(), time.process_time()
            post.delivery.dispatch()
            await post.tg.wait_until(lambda: post.store.count_pending() == 0 or None, 600)
            wall, cpu = time.monotonic() - began, time.process_time() - cpu
            refused = sum(call.outcome.startswith("429") for call in post.tg.calls("sendMessage"))
            return {
                "per_second": 1_000 / wall,
                "cpu": cpu / wall,
                "refused": refused,
                "lost": post.store.count_pending(),
            }


async def hanging() -> Numbers:
    """How late readings at one venue begin, alone and beside a venue that hangs; 100 accounts at each."""
    found: Numbers = {}
    for beside in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            found["hanging" if beside else "alone"] = await _lateness(Path(folder), beside=beside)
    return found


async def _lateness(folder: Path, *, beside: bool) -> Numbers:
    store = stored(folder / "l", 0)
    reader, late = Scripted(), list[float]()
    for number in range(100):
        for venue in ("bybit", *(("okx",) if beside else ())):
            store.add_account(
                Person(number + 1, "P"), number + 1, venue, venue, Credential(f"{venue}{number}", "s"), now()
            )
            reader.pools[f"{venue}{number}"] = lambda: single("BTC", 100.0)
    usual = reader.read

    async def read(venue: str, keys: Credential, at: datetime) -> Snapshot:
        if venue == "okx":
            await asyncio.sleep(3600)
        account = store.account(int(keys.key[5:]) + 1, "bybit")
        if account.next_due_at is not None:
            late.append((datetime.now(UTC) - account.next_due_at).total_seconds())
        return await usual(venue, keys, at)

    reader.read = read  # type: ignore[method-assign]
    cycle = Cycle(reader, store, settings=replace(SETTINGS, poll_interval=timedelta(seconds=2)), clock=now)
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        cycle.dispatch()
        await asyncio.sleep(0.1)
    await cycle.stop(0)
    store.close()
    return spread(late)


async def queue() -> Numbers:
    """What looking for due accounts costs a tick, by how many accounts there are and none is due."""
    found: Numbers = {}
    for count in (100, 1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            store = stored(Path(folder) / "q", 1)
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
            cycle = Cycle(FakeReader(), store, settings=SETTINGS, clock=now)
            began = time.perf_counter()
            for _ in range(200):
                cycle.dispatch()
            tick = (time.perf_counter() - began) / 200
            began = time.perf_counter()
            list(store.active_accounts())
            found[str(count)] = {"ours_us": tick * 1e6, "all_accounts_us": (time.perf_counter() - began) * 1e6}
            store.close()
    return found


# --- endurance


async def soak(seconds: float = 600.0, count: int = 10_000) -> Numbers:
    """Many accounts at the venue's limit, one answer in a hundred an error: memory, ages, loop lag."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "s", int(count))
        ours = Ours(server.url, store, limits=LIMITS)
        ours.cycle.queue.ready_in = ours.reader.ready_in
        server.set(errors=0.01, budget=2400, window=60)
        lags, sizes, began = list[float](), list[float](), time.monotonic()
        tick = began
        cpu = time.process_time()
        while time.monotonic() - began < seconds:
            ours.cycle.dispatch()
            tick = time.monotonic()
            await asyncio.sleep(0.05)
            lags.append(time.monotonic() - tick - 0.05)
            if not sizes or time.monotonic() - began > 10 * len(sizes):
                sizes.append(rss() / 1024**2)
        told = server.stats()
        await ours.cycle.stop(3)
        await ours.reader.close()
        ages = store.oldest_readings(now())
        store.close()
        half = len(sizes) // 2
        return {
            "seconds": seconds,
            "accounts": count,
            "cpu": (time.process_time() - cpu) / seconds,
            "rss_mb": sizes[-1],
            "grown_mb": sizes[-1] - sizes[half],
            "refused": told["counts"].get("429", 0),
            "errors": told["counts"].get("503", 0),
            "readings": told["counts"].get("/fapi/v3/account", 0),
            "lag": spread(lags),
            "oldest_s": {venue: age.total_seconds() for venue, age in ages.items()},
        }


PARTS: dict[str, Callable[[], Any]] = {
    one.__name__: one
    for one in (
        readings, start, memory, naive_memory, round_trip, budget, revaluation, ticks, flood, sending, hanging, queue,
        soak,
    )
}  # fmt: skip


def main() -> None:
    """One of them."""
    logging.getLogger().setLevel(logging.CRITICAL)
    part, options = PARTS[sys.argv[1]], [float(value) for value in sys.argv[2:]]

    async def measured() -> None:
        print(json.dumps(await part(*options)))

    run(measured())


if __name__ == "__main__":
    main()
