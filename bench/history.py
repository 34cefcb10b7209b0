"""What the history costs: rows written a second, bytes a row, a chart of a day out of ten million rows, folding.

    PYTHONPATH=. python bench/history.py [--rows 10000000] [--accounts 1000] [--year]

Everything is made in a temporary folder and deleted. Side by side: the same figures in a table with a rowid and an
index on (account, time), decimals as text, one transaction a cycle.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.history import TIERS
from marginbot.domain.margin import PoolState
from marginbot.domain.report import AccountReport, PoolReport, PositionReport
from marginbot.flow.history import SLICE, HistoryKeeper
from marginbot.flow.ports import Credential, Person
from marginbot.store import SqliteStore, open_database, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE_A_WRITE = 10  # cycles gathered
FRAME = 4096 + 24  # bytes of the log for each page that a transaction has changed
NAIVE = """CREATE TABLE naive (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, taken_at_ms INTEGER NOT NULL,
    pool TEXT NOT NULL, margin_ratio TEXT, cushion REAL, room REAL, grade INTEGER, equity TEXT, symbol TEXT,
    mark_price TEXT, liquidation_price TEXT) STRICT"""


def report(account: int, cycle: int, at: datetime) -> AccountReport:
    """A plausible reading: every figure moves."""
    wave = Decimal((cycle * 7919 + account * 104729) % 9973) / Decimal(9973)
    mark = Decimal(60_000) + (wave * 4000).quantize(Decimal("0.1"))
    ratio = Decimal("0.12") + wave / 10
    pool = PoolReport(
        name="cross:USDT",
        margin_mode="cross",
        currency="USDT",
        state=PoolState.OK,
        equity=Decimal("10234.56") + (wave * 1000).quantize(Decimal("0.01")),
        maintenance_margin=Decimal("1000"),
        margin_ratio=ratio,
        buffer=None,
        reported_ratio=None,
        room=-0.08 - float(wave) / 20,
        scenario="BTC",
        cushion=9.0 + float(wave),
        grade=Grade.OK,
        decided_by=DecidedBy.NOTHING,
    )
    position = PositionReport(
        pool="cross:USDT",
        symbol="BTC/USDT:USDT",
        side="long",
        contracts=Decimal(1),
        notional=mark,
        entry_price=None,
        mark_price=mark,
        liquidation_price=Decimal("51234.5"),
        maintenance_margin=None,
    )
    return AccountReport(
        exchange="bybit",
        mode="unified",
        taken_at=at,
        state=PoolState.OK,
        margin_ratio=ratio,
        pools=(pool,),
        positions=(position,),
        warnings=(),
    )


def accounts(store: SqliteStore, count: int) -> list[int]:
    """Accounts of one person."""
    alice = Person(1, "Alice")
    return [
        store.add_account(alice, 1, "bybit", f"a{n}", Credential("k" * 20, "s" * 40), START).id for n in range(count)
    ]


def timed(work: Callable[[], object], times: int = 15) -> str:
    """Median and worst in milliseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1e3)
    return f"{statistics.median(took):.2f} ms (worst {max(took):.2f})"


class Log:
    """How much has been written to the write-ahead log, transaction by transaction.

    The file is begun anew after each checkpoint, so its size does not tell. How many frames it has now, and under which
    salt it was begun, stands in the head of the index that SQLite keeps beside it (its file format, "The WAL-Index").
    Looking there changes nothing: checkpoints come when they come in the bot.
    """

    def __init__(self, database: Path) -> None:
        self._index = Path(f"{database}-shm")
        self._frames, self._salt = self._head()
        self.frames, self.begun_anew = 0, 0

    def look(self) -> None:
        """After each transaction: afterwards the log may be begun anew."""
        frames, salt = self._head()
        if salt != self._salt:
            self._frames, self._salt = 0, salt
            self.begun_anew += 1
        self.frames += frames - self._frames
        self._frames = frames

    def _head(self) -> tuple[int, bytes]:
        with self._index.open("rb") as file:
            head = file.read(48)
        version, page = struct.unpack_from("=I", head)[0], struct.unpack_from("=H", head, 14)[0]
        assert (version, page) == (3_007_000, FRAME - 24), "an index of another format"
        return struct.unpack_from("=I", head, 16)[0], head[32:40]


def ours(folder: Path, count: int, cycles: int, every: timedelta) -> None:
    """Through `gather` and `write_history`, as the bot does it."""
    path = folder / "ours.db"
    store = open_store(path, bytes(32))
    ids = accounts(store, count)
    empty = size(store._db.conn)
    slices, log = list[float](), Log(path)
    for cycle in range(cycles):
        at = START + cycle * every
        for number, account_id in enumerate(ids):
            store.gather(account_id, report(number, cycle, at))
        if (cycle + 1) % BEFORE_A_WRITE == 0 or cycle + 1 == cycles:
            while store.unwritten:
                began = time.perf_counter()
                store.write_history(SLICE)
                slices.append(time.perf_counter() - began)
                log.look()
    rows = count * cycles
    slices.sort()
    print(f"clustered: {rows:,} rows, {rows / sum(slices):,.0f} rows/s written, slice of {SLICE}: "
          f"p50 {slices[len(slices) // 2] * 1e3:.1f} p99 {slices[int(len(slices) * 0.99)] * 1e3:.1f} "
          f"max {slices[-1] * 1e3:.1f} ms")  # fmt: skip
    print(f"  {(size(store._db.conn) - empty) / rows:.1f} bytes/row, {log.frames * FRAME / rows:.0f} log bytes/row of "
          f"{BEFORE_A_WRITE} cycles together, the log begun anew {log.begun_anew} times")  # fmt: skip
    end = START + cycles * every
    since, account_id = end - timedelta(days=1), ids[count // 2]
    series_id = store.series_after(0, count)[count // 2]
    from marginbot.store.history import _ENDLESS, _GET_READINGS, milliseconds_of

    ends = milliseconds_of(since), milliseconds_of(end)
    print(f"  chart of a day, warm: query {timed(lambda: store._all_values(_GET_READINGS, series_id, *ends, _ENDLESS))}"
          f", with points {timed(lambda: [s.load() for s in store.history(account_id, since, end)])}, "
          f"{len(store.history(account_id, since, end)[0].load())} points")  # fmt: skip
    later = end + timedelta(days=30)
    fold = partial(store.fold_series, tiers=TIERS, patience=3 * every, now=later, limit=SLICE)
    others = iter(store.series_after(0, 50))
    print(f"  fold {SLICE} rows: {timed(lambda: fold(next(others)), 30)}")
    print(f"  delete {SLICE} rows: {timed(lambda: store.drop_history(next(others), later, SLICE))}")
    store.close()
    path.unlink()


def naive(folder: Path, count: int, cycles: int, every: timedelta) -> None:
    """A rowid table with an index; a transaction a cycle."""
    db = open_database(folder / "naive.db")
    conn = db.conn
    conn.execute(NAIVE)
    conn.execute("CREATE INDEX naive_account ON naive (account_id, taken_at_ms)")
    writing = 0.0
    for cycle in range(cycles):
        at = START + cycle * every
        ms = int(at.timestamp() * 1000)
        values = []
        for number in range(count):
            found = report(number, cycle, at)
            [pool], [held] = found.pools, found.positions
            values.append(
                (number, ms, pool.name, str(pool.margin_ratio), pool.cushion, pool.room, 0, str(pool.equity),
                 held.symbol, str(held.mark_price), str(held.liquidation_price))
            )  # fmt: skip
        began = time.perf_counter()
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(f"INSERT INTO naive VALUES (NULL, {', '.join('?' * 11)})", values)
        conn.execute("COMMIT")
        writing += time.perf_counter() - began
    rows = count * cycles
    print(f"rowid and index: {rows / writing:,.0f} rows/s written, {size(conn) / rows:.1f} bytes/row")
    since = int((START + cycles * every - timedelta(days=1)).timestamp() * 1000)
    sql = "SELECT * FROM naive WHERE account_id = ? AND taken_at_ms >= ? ORDER BY taken_at_ms"
    print(f"  chart of a day, warm: query {timed(lambda: conn.execute(sql, (count // 2, since)).fetchall())}")
    conn.close()
    (folder / "naive.db").unlink()


def year(folder: Path, count: int, days: int = 365, poll: int = 30) -> None:
    """A year of some accounts, written and folded by the keeper itself; its size for a hundred."""
    path = folder / "year.db"
    store = open_store(path, bytes(32))
    store._db.conn.execute("PRAGMA synchronous = OFF")  # sizes are measured here, not time
    ids = accounts(store, count)
    empty, now = size(store._db.conn), [START]
    keeper = HistoryKeeper(
        store=store, clock=lambda: now[0], retention=timedelta(days=365), patience=timedelta(minutes=3)
    )
    for cycle in range(days * 86400 // poll):
        now[0] = START + timedelta(seconds=cycle * poll)
        for number, account_id in enumerate(ids):
            store.gather(account_id, report(number, cycle, now[0]))
        keeper.turn()
        if cycle % 2:
            keeper.turn()
    grown = size(store._db.conn) - empty
    free = store._db.conn.execute("PRAGMA freelist_count").fetchone()[0] * 4096
    parts = [store._db.table(name).count // count for name in ("history_readings", "history_spans")]
    print(
        f"a year of {count} accounts every {poll} s: {grown / 1e6:.1f} MB ({free / 1e6:.1f} of it free), "
        f"{grown / count / 1e4:.1f} MB a hundred; an account has {parts[0]} readings and {parts[1]} spans"
    )
    store.close()


def size(conn: sqlite3.Connection) -> int:
    """Bytes of the database."""
    pages, page = (conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * page)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--year", action="store_true", help="only the size of a year, of a few accounts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.year:
            year(Path(name), args.accounts)
            return
        for run in (naive, ours):
            run(Path(name), args.accounts, args.rows // args.accounts, timedelta(seconds=60))


if __name__ == "__main__":
    main()
