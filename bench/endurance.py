"""Measurements over a time: the queue, a stall, ages at the venue's limit."""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from bench.exchange import WEIGHTS, exchange
from bench.readings import credential, now
from bench.worlds import SETTINGS, Numbers, Scripted, single, spread
from marginbot.domain.grading import Grade
from marginbot.exchanges.budget import LIMITS
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.cycle import Cycle
from marginbot.flow.due import DueQueue
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from marginbot.store import SqliteStore, open_store

VENUE = "binanceusdm"
FULL = ("/fapi/v3/account", "/fapi/v3/positionRisk")  # of a reading; a brief one is the first alone
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


async def age(count: int = 2_000, window: float = 10.0) -> Numbers:
    """Pauses between readings at a venue's limit, time compressed six times: 2,400 weight in ten seconds.

    What the limit allows is counted by the least that a reading weighs: one request for a calm account, two for an
    endangered one. Whatever else is asked, or left unasked, is our own loss.
    """
    limits = {VENUE: tuple(replace(limit, seconds=window) for limit in LIMITS[VENUE])}
    with exchange() as server, tempfile.TemporaryDirectory() as folder:
        store = crowd(Path(folder) / "a.db", int(count))
        reader = CcxtReader({VENUE: server.url}, limits=limits)
        cycle = Cycle(reader, store, settings=replace(SETTINGS, poll_interval=timedelta(seconds=30)), clock=now)
        cycle.queue.ready_in, cycle.queue.pace = reader.ready_in, reader.pace
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
        server.stats()
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
        rate, brief, full = 2400 / window, WEIGHTS["/fapi/v3/account"], sum(map(WEIGHTS.__getitem__, FULL))
        return {
            "refused": told["counts"].get("429", 0),
            "used": sum(told["counts"].get(path, 0) * WEIGHTS[path] for path in FULL) / (rate * seconds),
            "readings": made,
            "urgent_accounts": len(urgent),
            "bound_s": count * brief / rate,
            "left_bound_s": (count - len(urgent)) * brief / (rate - mine * full / seconds),
            "urgent": spread([pause for one in urgent for pause in pauses[one]]),
            "calm": spread([pause for one in pauses.keys() - urgent for pause in pauses[one]]),
        }


def _pauses(at: Sequence[float], since: float) -> list[float]:
    return [after - before for before, after in pairwise(at) if before > since]
