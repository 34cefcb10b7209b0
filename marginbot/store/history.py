"""The history of pools: readings gathered in memory and written together, folded and deleted a little at a time.

A crash may lose the readings of the last minutes; nothing is ever decided by them. What is decided is written with
every reading, see `alerts`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlite_utils import Database

from marginbot.domain.history import TIERS, Point, Series, Tier, folded, points_of, span_start
from marginbot.domain.report import AccountReport
from marginbot.store.codec import milliseconds_of, text_of
from marginbot.store.compact import (
    READING_COLUMNS,
    SPAN_COLUMNS,
    Values,
    reading_point,
    reading_values,
    span_point,
    span_values,
)
from marginbot.store.rows import Rows
from marginbot.store.vault import Vault

log = logging.getLogger(__name__)

MOST_UNWRITTEN = 200_000  # beyond this the oldest are given up: a database that takes nothing must not fill the memory

_PUT_READING = (
    f"INSERT INTO history_readings (series_id, symbol_id, {READING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT (series_id, at_ms) DO UPDATE SET grade = excluded.grade, "
    "margin_ratio_ppm = excluded.margin_ratio_ppm, cushion_hundredths = excluded.cushion_hundredths, "
    "room_ppm = excluded.room_ppm, equity_short = excluded.equity_short, symbol_id = excluded.symbol_id, "
    "mark_short = excluded.mark_short, liquidation_short = excluded.liquidation_short"
)
_PUT_SPAN = (
    f"INSERT OR REPLACE INTO history_spans (series_id, size_s, symbol_id, {SPAN_COLUMNS}) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_GET_READINGS = (
    f"SELECT symbol_id, {READING_COLUMNS} FROM history_readings WHERE series_id = ? AND at_ms >= ? AND at_ms < ? "  # noqa: S608
    "ORDER BY at_ms LIMIT ?"
)
_GET_SPANS = (
    f"SELECT symbol_id, {SPAN_COLUMNS} FROM history_spans "  # noqa: S608
    "WHERE series_id = ? AND size_s = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms LIMIT ?"
)
_ENDLESS = 1 << 60
SIZES = [int(tier.size.total_seconds()) for tier in TIERS]


Gathered = tuple[str | None, Values]


class History(Rows):
    """Past readings for charts and digests."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._unwritten: dict[tuple[int, str, str], list[Gathered]] = {}
        self._unwritten_count = 0
        self._symbols: dict[int, str] = {}
        self._symbol_ids: dict[str, int] = {}

    def close(self) -> None:
        """Write what was gathered and close the database."""
        try:
            while self.write_history(MOST_UNWRITTEN):
                pass
        finally:
            super().close()

    def gather(self, account_id: int, report: AccountReport) -> None:
        """Keep a reading in memory until `write_history`."""
        for pool, point in points_of(report):
            key = account_id, pool.name, pool.currency
            self._unwritten.setdefault(key, []).append((point.symbol, reading_values(point)))
            self._unwritten_count += 1
        while self._unwritten_count > MOST_UNWRITTEN:
            self._take_oldest()

    @property
    def unwritten(self) -> int:
        """How many points are only in memory."""
        return self._unwritten_count

    def write_history(self, limit: int, account_id: int | None = None) -> int:
        """Write gathered readings, of whole pools until there are `limit`, in one transaction; how many those were."""
        wanted: list[tuple[int, str, str]] = []
        count = 0
        for key, points in self._unwritten.items():
            if account_id is not None and key[0] != account_id:
                continue
            if wanted and count + len(points) > limit:
                break
            wanted.append(key)
            count += len(points)
        if wanted:
            self._names()
            with self._writing() as conn:
                for key in wanted:
                    self._write(conn, key, self._unwritten[key])
            for key in wanted:
                self._unwritten_count -= len(self._unwritten.pop(key))
        return count

    def pools(self, account_id: int) -> Sequence[str]:
        """The pools of an account that there is a history of, those that are gone too."""
        self.write_history(_ENDLESS, account_id)
        return [row["pool"] for row in self._all("SELECT pool FROM history_series WHERE account_id = ?", account_id)]

    def history(
        self, account_id: int, since: datetime, until: datetime, pools: Collection[str] | None = None
    ) -> Sequence[Series]:
        """What is kept of an account's pools (or some) in a time, folded parts first; those without any left out."""
        self.write_history(_ENDLESS, account_id)
        found = []
        ends = milliseconds_of(since), milliseconds_of(until) + 1
        for series in self._all("SELECT id, pool, currency FROM history_series WHERE account_id = ?", account_id):
            if pools is not None and series["pool"] not in pools:
                continue
            spans = [
                row
                for size in reversed(SIZES)
                for row in self._all_values(_GET_SPANS, series["id"], size, ends[0] - 1000 * size, ends[1], _ENDLESS)
            ]
            readings = self._all_values(_GET_READINGS, series["id"], *ends, _ENDLESS)
            if spans or readings:
                load = partial(_points, spans, readings, dict(self._names()))
                found.append(Series(pool=series["pool"], currency=series["currency"], load=load))
        return found

    def series_after(self, series_id: int, limit: int) -> Sequence[int]:
        """The next series in order of their numbers, for a walk over all."""
        rows = self._all("SELECT id FROM history_series WHERE id > ? ORDER BY id LIMIT ?", series_id, limit)
        return [row["id"] for row in rows]

    def fold_series(
        self, series_id: int, tiers: Sequence[Tier], *, patience: timedelta, now: datetime, limit: int
    ) -> int:
        """Fold up to `limit` points of each size that are old enough; how many were read.

        Every size in every turn: there are always readings that have just become old.
        """
        read, size = 0, timedelta(0)
        for tier in tiers:
            before = span_start(now - tier.after, tier.size)
            rows = self._of_size(series_id, size, milliseconds_of(before), limit)
            if rows:
                names = self._names()
                decode = span_point if size else reading_point
                points = [decode(row, names) for row in rows]
                whole = _whole_spans(points, tier.size, cut=len(rows) == limit)
                with self._writing() as conn:
                    _delete(conn, series_id, size, rows[: len(whole)])
                    self._write_spans(conn, series_id, tier.size, folded(whole, tier.size, patience))
            read, size = read + len(rows), tier.size
        return read

    def drop_history(self, series_id: int, before: datetime, limit: int) -> int:
        """Delete points of a series that are older than is kept, up to `limit` of each size; how many those were."""
        gone = 0
        for size in (timedelta(0), *(tier.size for tier in TIERS)):
            rows = self._of_size(series_id, size, milliseconds_of(before), limit)
            if rows:
                with self._writing() as conn:
                    _delete(conn, series_id, size, rows)
            gone += len(rows)
        return gone

    def drop_records(self, before: datetime, limit: int) -> int:
        """Delete some closed notices, steps, acknowledgements, drills and spent invites of before; how many rows went.

        Notices that are still pending stay whatever their age. So do the last drill of each person, who is not to be
        asked for one again, and the last step of each channel towards each alarm, which the next one follows.
        """
        at = text_of(before)
        old_notices = "SELECT id FROM notices WHERE status <> 'pending' AND created_at < ? ORDER BY created_at LIMIT ?"
        old_quiets = "SELECT id FROM acknowledgements WHERE at < ? ORDER BY id LIMIT ?"
        last_steps = "SELECT MAX(id) FROM escalation_steps GROUP BY channel_id, account_id, subject"
        old_steps = f"SELECT id FROM escalation_steps WHERE closed_at < ? AND id NOT IN ({last_steps}) LIMIT ?"  # noqa: S608
        last_drills = "SELECT MAX(id) FROM drills GROUP BY user_id"
        old_drills = f"SELECT id FROM drills WHERE started_at < ? AND id NOT IN ({last_drills}) LIMIT ?"  # noqa: S608
        with self._writing() as conn:
            gone = conn.execute("DELETE FROM invites WHERE expires_at < ? OR used_at < ?", (at, at)).rowcount
            for table, old in (
                ("notices", old_notices),
                ("acknowledgements", old_quiets),
                ("escalation_steps", old_steps),
                ("drills", old_drills),
            ):
                gone += conn.execute(f"DELETE FROM {table} WHERE id IN ({old})", (at, limit)).rowcount  # noqa: S608
        return gone

    def _take_oldest(self) -> None:
        key = next(iter(self._unwritten))
        lost = len(self._unwritten.pop(key))
        self._unwritten_count -= lost
        log.warning("account %s: %d readings are lost to the history, which cannot be written", key[0], lost)

    def _write(self, conn: sqlite3.Connection, key: tuple[int, str, str], points: Sequence[Gathered]) -> None:
        series_id = _series_id(conn, *key)
        if series_id is not None:  # None: the account was removed meanwhile
            values = [(series_id, self._symbol_id(conn, symbol), *found) for symbol, found in points]
            conn.executemany(_PUT_READING, values)

    def _of_size(self, series_id: int, size: timedelta, before_ms: int, limit: int) -> list[Values]:
        if not size:
            return self._all_values(_GET_READINGS, series_id, 0, before_ms, limit)
        return self._all_values(_GET_SPANS, series_id, int(size.total_seconds()), 0, before_ms, limit)

    def _write_spans(self, conn: sqlite3.Connection, series_id: int, size: timedelta, points: Sequence[Point]) -> None:
        seconds = int(size.total_seconds())
        values = [(series_id, seconds, self._symbol_id(conn, p.symbol), *span_values(p)) for p in points]
        conn.executemany(_PUT_SPAN, values)

    def _all_values(self, sql: str, *values: object) -> list[Values]:
        with self._reading() as conn:
            return conn.execute(sql, values).fetchall()

    def _names(self) -> dict[int, str]:
        rows = self._all("SELECT id, name FROM history_symbols WHERE id > ?", max(self._symbols, default=0))
        self._symbols |= {row["id"]: row["name"] for row in rows}
        self._symbol_ids |= {row["name"]: row["id"] for row in rows}
        return self._symbols

    def _symbol_id(self, conn: sqlite3.Connection, name: str | None) -> int | None:
        if name is None or name in self._symbol_ids:
            return None if name is None else self._symbol_ids[name]
        # Not remembered here: the transaction may yet fail. `_names` finds it when it is there to stay.
        conn.execute("INSERT INTO history_symbols (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,))
        return int(conn.execute("SELECT id FROM history_symbols WHERE name = ?", (name,)).fetchone()[0])


def _series_id(conn: sqlite3.Connection, account_id: int, pool: str, currency: str) -> int | None:
    conn.execute(
        "INSERT INTO history_series (account_id, pool, currency) SELECT id, ?, ? FROM accounts WHERE id = ? "
        "ON CONFLICT (account_id, pool) DO UPDATE SET currency = excluded.currency "
        "WHERE history_series.currency <> excluded.currency",
        (pool, currency, account_id),
    )
    row = conn.execute("SELECT id FROM history_series WHERE account_id = ? AND pool = ?", (account_id, pool)).fetchone()
    return None if row is None else int(row[0])


def _points(spans: Sequence[Values], readings: Sequence[Values], symbols: Mapping[int, str]) -> Sequence[Point]:
    return [span_point(row, symbols) for row in spans] + [reading_point(row, symbols) for row in readings]


def _delete(conn: sqlite3.Connection, series_id: int, size: timedelta, rows: Sequence[Values]) -> None:
    """Delete points of one size, given as they were read."""
    ends = rows[0][1], rows[-1][1]
    if size:
        seconds = int(size.total_seconds())
        conn.execute(
            "DELETE FROM history_spans WHERE series_id = ? AND size_s = ? AND at_ms BETWEEN ? AND ?",
            (series_id, seconds, *ends),
        )
    else:
        conn.execute("DELETE FROM history_readings WHERE series_id = ? AND at_ms BETWEEN ? AND ?", (series_id, *ends))


def _whole_spans(points: Sequence[Point], size: timedelta, *, cut: bool) -> Sequence[Point]:
    """Without the last span, of which a cut list may hold a part only; unless there is no other."""
    last = span_start(points[-1].at, size)
    whole = [point for point in points if span_start(point.at, size) < last] if cut else points
    return whole or points
