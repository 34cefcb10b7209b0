"""What a further account takes: a fresh process for each number of accounts, every one read and followed.

    PYTHONPATH=. python -m bench.memory COUNT [traced]

In one process the pages that its start has freed are used again, and thousands of accounts seem to take nothing. So
each size starts anew, and the figure is what the largest takes more than the smallest, for each account between them.
Beside it, in runs of their own because counting slows everything down, what Python itself says it holds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import tempfile
import tracemalloc
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from bench.endurance import VENUE, crowd
from bench.exchange import exchange
from bench.readings import Ours, closed_loop, naive_client, now, rss, run
from bench.worlds import Numbers, Quiet
from marginbot.flow.history import HistoryKeeper
from marginbot.flow.live_marks import LiveMarks

SIZES, TRACED = (100, 1_100, 3_100, 10_000), (100, 1_100)


async def held(count: int, *, traced: bool) -> int:
    """Bytes of this process once so many accounts have been read, are followed, and their history is written."""
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        store = crowd(Path(name) / "m.db", count)
        ours = Ours(server.url, store)
        live = LiveMarks(Quiet(), ours.reader, store, ours.cycle, clock=now)
        keeper = HistoryKeeper(store=store, clock=now, retention=timedelta(days=30), patience=timedelta(minutes=10))
        ours.cycle.on_recorded = live.learn
        live.dispatch()
        if traced:
            await ours.reader.symbols(VENUE, now())  # what all share is not counted, and would take long to
            tracemalloc.start()
        await closed_loop(ours.read, count, 8)
        while store.unwritten:
            keeper.turn()
        gc.collect()
        found = tracemalloc.get_traced_memory()[0] if traced else rss()
        assert live._venues[VENUE].book.accounts == count, "not all are followed"
        await live.stop()
        await ours.reader.close()
        store.close()
        return found


def _measured(count: int, *how: str) -> int:
    command = [sys.executable, "-m", "bench.memory", str(count), *how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def memory() -> Numbers:
    """Resident kB of each further account, and how many of them Python knows of."""
    by_size = {count: await asyncio.to_thread(_measured, count) for count in SIZES}
    traced = {count: await asyncio.to_thread(_measured, count, "traced") for count in TRACED}
    return {
        "ours_kb": _each(by_size, SIZES[0], SIZES[-1]),
        "steps_kb": [_each(by_size, fewer, more) for fewer, more in pairwise(SIZES)],
        "traced_kb": _each(traced, *TRACED),
        "process_mb": {str(count): size / 1024**2 for count, size in by_size.items()},
    }


def _each(sizes: dict[int, int], fewer: int, more: int) -> float:
    return (sizes[more] - sizes[fewer]) / (more - fewer) / 1024


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


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.CRITICAL)

    async def _main() -> None:
        print(json.dumps(await held(int(sys.argv[1]), traced="traced" in sys.argv)))

    run(_main())
