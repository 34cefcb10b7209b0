"""What a reading costs, side by side: ours (brief and full), one ccxt client for each account, and bare aiohttp.

    PYTHONPATH=. python bench/readings.py [--accounts 200] [--rounds 3]

Ours is the whole way: due account, credential from the vault, two signed requests, error mapping, snapshot, room,
grades, one transaction in a database on disk. The other two stop at the numbers. All accounts here are calm, so that
ours are brief readings (one request) but for the first of each; the full ones (two requests) are measured beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import hmac
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import orjson

from bench.exchange import Exchange, exchange
from marginbot.exchanges.budget import Limit
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.urls import rebased
from marginbot.flow.cycle import Cycle
from marginbot.flow.decide import CycleSettings
from marginbot.flow.ports import Account, Credential, Person
from marginbot.store import SqliteStore, open_store

AT_ONCE = 64
NO_LIMITS: Mapping[str, tuple[Limit, ...]] = {}  # what one reading costs, not how many the venue allows


def now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


def rss() -> int:
    """Resident bytes now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def credential(number: int) -> Credential:
    """Keys as long as real ones."""
    return Credential(f"k{number:063d}", f"s{number:063d}")


def stored(folder: Path, count: int) -> SqliteStore:
    """A database on disk with so many accounts."""
    folder.mkdir(exist_ok=True)
    store = open_store(folder / "bench.db", bytes(range(32)))
    for number in range(count):
        store.add_account(Person(number + 1, "P"), number + 1, "binanceusdm", "main", credential(number), now())
    return store


async def closed_loop(work: Callable[[int], Awaitable[Any]], count: int, workers: int) -> tuple[float, float]:
    """CPU and wall seconds for each of `count` pieces of work, `workers` at a time."""
    turns = iter(range(count))

    async def worker() -> None:
        for turn in turns:
            await work(turn)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


class Ours:
    """`Cycle.read` over the real reader and store."""

    def __init__(self, url: str, store: SqliteStore, *, limits: Mapping[str, tuple[Limit, ...]] = NO_LIMITS) -> None:
        self.reader = CcxtReader({"binanceusdm": url}, limits=limits)
        settings = CycleSettings(poll_interval=timedelta(seconds=30), stale_after=timedelta(seconds=180))
        self.cycle = Cycle(self.reader, store, settings=settings, clock=now)
        self.accounts: list[Account] = list(store.active_accounts())

    async def read(self, turn: int) -> None:
        """One account, written down."""
        record = await self.cycle.read(self.accounts[turn % len(self.accounts)])
        assert record.report is not None, "not read"

    async def read_fully(self, turn: int) -> None:
        """The same with everything asked for."""
        record = await self.cycle.read(self.accounts[turn % len(self.accounts)], urgent=True)
        assert record.report is not None, "not read"

    async def reader_only(self, turn: int) -> None:
        """The snapshot alone."""
        await self.reader.read("binanceusdm", credential(turn % len(self.accounts)), now(), calm=True)

    async def reader_only_fully(self, turn: int) -> None:
        """The same with everything asked for."""
        await self.reader.read("binanceusdm", credential(turn % len(self.accounts)), now())


def naive_client(url: str, number: int) -> Any:
    """A client as the examples have it."""
    keys = credential(number)
    client = ccxt.binanceusdm({"apiKey": keys.key, "secret": keys.secret, "enableRateLimit": False})
    client.urls = rebased(client.urls, url)
    client.options["fetchCurrencies"] = client.options["fetchMargins"] = False
    client.has["fetchCurrencies"] = False
    client.options["fetchMarkets"] = {"types": ["linear"]}
    return client


class Bare:
    """aiohttp, an HMAC by hand, orjson."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session

    async def _get(self, path: str, keys: Credential) -> Any:
        query = f"timestamp={int(time.time() * 1000)}&recvWindow=10000"
        signature = hmac.new(keys.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        target = f"{self.url}{path}?{query}&signature={signature}"
        async with self.session.get(target, headers={"X-MBX-APIKEY": keys.key}) as answer:
            return orjson.loads(await answer.read())

    async def read(self, turn: int) -> None:
        """The same two requests, at once."""
        keys = credential(turn)
        await asyncio.gather(self._get("/fapi/v3/account", keys), self._get("/fapi/v3/positionRisk", keys))

    async def read_one(self, turn: int) -> None:
        """The one request of a brief reading."""
        await self._get("/fapi/v3/account", credential(turn))


async def compared(server: Exchange, count: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """CPU microseconds for each reading, by way and round."""
    store = stored(folder, count)
    ours = Ours(server.url, store)
    clients = [naive_client(server.url, number) for number in range(3)]

    async def naive(turn: int) -> None:
        client = clients[turn % len(clients)]
        await client.fetch_balance()
        await client.fetch_positions()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        bare = Bare(server.url, session)
        ways = (
            ("naive", naive, 1),
            ("ours", ours.read, AT_ONCE),
            ("ours, full", ours.read_fully, AT_ONCE),
            ("ours, reader only", ours.reader_only, AT_ONCE),
            ("ours, full, reader only", ours.reader_only_fully, AT_ONCE),
            ("bare aiohttp", bare.read, AT_ONCE),
            ("bare aiohttp, one request", bare.read_one, AT_ONCE),
        )
        took: dict[str, list[float]] = {name: [] for name, _, _ in ways}
        await closed_loop(ours.read, count, AT_ONCE)  # markets, tiers, candles, modes
        for number in range(len(clients)):
            await naive(number)
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            for name, work, workers in ways:
                cpu, _ = await closed_loop(work, count, workers)
                took[name].append(cpu * 1e6)
    for client in clients:
        await client.close()
    await ours.reader.close()
    store.close()
    return took


async def memory(server: Exchange, count: int, folder: Path) -> dict[str, float]:
    """Resident kB for each further account: ours after a full reading of each, naive after its first."""
    store = stored(folder, count + 50)
    ours = Ours(server.url, store)
    await closed_loop(ours.read, 50, 8)
    gc.collect()
    before = rss()
    await closed_loop(lambda turn: ours.read(turn + 50), count, 8)
    gc.collect()
    per_account = (rss() - before) / count / 1024
    await ours.reader.close()
    store.close()
    naive = [naive_client(server.url, number) for number in range(6)]
    await naive[0].fetch_positions()
    before = rss()
    for client in naive[1:]:
        await client.fetch_balance()
        await client.fetch_positions()
    each = (rss() - before) / (len(naive) - 1) / 1024
    for client in naive:
        await client.close()
    return {"ours": per_account, "naive": each}


async def start_up(server: Exchange, count: int, folder: Path) -> dict[str, Any]:
    """From opening the database to every account read once."""
    stored(folder, count).close()
    server.stats()
    began, cpu = time.perf_counter(), time.process_time()
    store = open_store(folder / "bench.db", bytes(range(32)))
    ours = Ours(server.url, store)
    await ours.cycle.run()
    took = {
        "all_read_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "market_loads": server.stats()["counts"].get("/fapi/v1/exchangeInfo"),
    }
    await ours.reader.close()
    store.close()
    return took


async def main(accounts: int, rounds: int) -> None:
    """All of it as text."""
    logging.getLogger("marginbot").setLevel(logging.ERROR)
    with exchange() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took = await compared(server, accounts, rounds, folder)
        middle = {name: statistics.median(values) for name, values in took.items()}
        for way, value in middle.items():
            shown = ", ".join(f"{one:.0f}" for one in took[way])
            print(
                f"{way:25} {value:8.0f} us CPU a reading ({shown}); {1e6 / value:7.0f} a second and core; "
                f"x{middle['naive'] / value:.1f} naive, x{value / middle['bare aiohttp']:.2f} of bare"
            )
        print("start:", await start_up(server, 1_000, folder / "start"))
        kept = await memory(server, 1_000, folder / "memory")
        print(f"memory of a further account: ours {kept['ours']:.1f} kB, naive {kept['naive']:.0f} kB")


def run(work: Any) -> None:
    """On uvloop where it exists."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    run(main(given.accounts, given.rounds))
