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
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.bot_api import telegram
from bench.delivery_burst import alarms
from bench.endurance import age, due, queue, stall
from bench.exchange import exchange
from bench.memory import memory, naive_memory
from bench.readings import Ours, closed_loop, compared, naive_client, now, run, start_up, stored
from bench.soak import soak
from bench.worlds import HELD, SETTINGS, SYMBOLS, D, Numbers, Quiet, Scripted, single, spread
from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.book import Book
from marginbot.domain.grading import Grade
from marginbot.domain.live import Rungs
from marginbot.domain.live_book import LiveBook
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.exchanges.budget import LIMITS
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.live_marks import LiveMarks
from marginbot.flow.ports import Credential, Person
from marginbot.store import open_store
from tests.crash import live_through
from tests.post_office import Post, WallClock, post_office

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


async def round_trip() -> Numbers:
    """A cycle of 1,000 accounts at 80 ms round trip; the naive loop scaled from 20 accounts."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "r", 1_000)
        ours = Ours(server.url, store)
        await closed_loop(ours.read, 64, 64)  # a bot that runs: markets, tiers, candles
        server.set(rtt=0.08)
        _, first = await closed_loop(ours.read, 1_000, 64)  # in full, nearly all of them for the first time
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
        return {
            "first_s": first * 1_000,
            "reader_s": wall * 1_000,
            "whole_s": whole * 1_000,
            "naive_s": one * 1_000,
        }


async def budget() -> Numbers:
    """Three minutes at the documented limit of 2,400 weight a minute, enforced by the exchange."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = stored(Path(name) / "b", 1_000)
        ours = Ours(server.url, store, limits=LIMITS)
        ours.cycle.queue.ready_in, ours.cycle.queue.pace = ours.reader.ready_in, ours.reader.pace
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
        few = []
        for number in range(15):
            began = time.perf_counter()
            book.price({names[number]: float(prices[number]) * (1 + number / 1e4)})
            book.alarms()
            few.append(time.perf_counter() - began)
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
            "one_symbol_ms": statistics.median(few) * 1e3,
            "python_ms": plain * 1e3,
            "copy_ms": statistics.median(copies) * 1e3,
            "mb": arrays / 1e6,
        }
    return found


# --- from the tick to Telegram


async def ticks() -> Numbers:
    """From a tick to the request at Telegram, with 10,000 accounts followed and 10,000 messages waiting.

    By a reading that the tick brought forward, and by a projection because nothing can be read.
    """
    rng = np.random.default_rng(1)
    names, prices = [f"C{n}" for n in range(SYMBOLS)], rng.uniform(50, 1000, SYMBOLS)
    with tempfile.TemporaryDirectory() as folder:
        async with telegram() as tg, build_bot("1:T", tg.url) as bot:
            clock, store = WallClock(), open_store(Path(folder) / "tick.db", bytes(range(32)))
            post = Post(tg, store, Delivery(store, TelegramMessenger(bot), clock=clock), clock)  # type: ignore[arg-type]
            post.backlog(10_000)
            reader = Scripted()
            cycle = Cycle(reader, post.store, settings=SETTINGS, clock=post.clock)
            live = LiveMarks(Quiet(), reader, post.store, cycle, clock=post.clock)
            cycle.on_recorded, cycle.on_notices = live.learn, post.delivery.dispatch
            live.dispatch()
            await asyncio.sleep(0)
            book = live._venues["bybit"].book
            for account in range(10_000):
                book.hold(f"other {account}", [(pool_of(account, names, prices), Rungs())])
            gc.collect()
            gc.freeze()  # as the bot does when it has started
            post.delivery.dispatch()
            took: dict[str, list[float]] = {"reading": [], "projection": []}
            for number in range(1, 101):
                way = "reading" if number <= 50 else "projection"
                cycle.queue.ready_in = lambda exchange, under_way, way=way: 9.0 if way == "projection" else 0.0  # type: ignore[misc]
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
                took[way].append(await asyncio.wait_for(tg.asked(number), 30) - began)
            await live.stop()
            await cycle.stop(1)
            await post.delivery.stop(1)
            store.close()
            return {way: spread(values) for way, values in took.items()}


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


async def kills() -> Numbers:
    """The bot killed at random moments of a crash: what is lost, and what is told twice."""
    with tempfile.TemporaryDirectory() as folder:
        after = await asyncio.to_thread(
            live_through, Path(folder), accounts=20, kills=10, seconds=40.0, seed=1, answers_after=0.3
        )
        return {
            "kills": after.kills,
            "notices": len(after.outbox),
            "lost": len(after.lost) + len(after.unwritten),
            "twice": sum(len(after.unrecorded(chat)) for chat in after.alerts),
            "unmarked": sum(len(after.unmarked_repeats(chat)) for chat in after.alerts),
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

    async def read(venue: str, keys: Credential, at: datetime, *, calm: bool = False) -> Snapshot:
        if venue == "okx":
            await asyncio.sleep(3600)
        account = store.account(int(keys.key[5:]) + 1, "bybit")
        if account.next_due_at is not None:
            late.append((datetime.now(UTC) - account.next_due_at).total_seconds())
        return await usual(venue, keys, at)

    reader.read = read  # type: ignore[method-assign]
    cycle = Cycle(reader, store, settings=replace(SETTINGS, poll_interval=timedelta(seconds=2)), clock=now)
    ends = time.monotonic() + 12
    while time.monotonic() < ends:
        cycle.dispatch()
        await asyncio.sleep(0.1)
    await cycle.stop(0)
    store.close()
    return spread(late)


PARTS: dict[str, Callable[[], Any]] = {
    one.__name__: one
    for one in (
        readings, start, memory, naive_memory, round_trip, budget, revaluation, ticks, flood, sending, kills, hanging,
        queue, due, stall, age, soak,
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
