"""A light history of each pool, and what is thrown away in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marginbot.domain.grading import Grade
from marginbot.domain.report import AccountReport
from marginbot.store.codec import milliseconds_of, text_of, time_of_milliseconds
from marginbot.store.rows import Row, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReading:
    """One point of a pool's history; `grade` None: it could not be judged."""

    taken_at: datetime  # to the millisecond
    pool: str
    margin_ratio: Decimal | None
    cushion: float | None
    grade: Grade | None


class Readings(Rows):
    """History for charts; never needed to decide anything."""

    def readings(self, account_id: int, since: datetime) -> Sequence[PoolReading]:
        """All points of an account from a time on, oldest first."""
        rows = self._all(
            "SELECT taken_at_ms, pool, margin_ratio, cushion, grade FROM readings "
            "WHERE account_id = ? AND taken_at_ms >= ? ORDER BY taken_at_ms, pool",
            account_id,
            milliseconds_of(since),
        )
        return [_reading(row) for row in rows]

    def prune(self, *, readings_before: datetime, notices_before: datetime) -> int:
        """Delete old history, closed notices and spent invites; returns how many rows went.

        Notices that are still pending stay whatever their age.
        """
        notices, invites = text_of(notices_before), text_of(notices_before)
        with self._writing() as conn:
            gone = conn.execute(
                "DELETE FROM readings WHERE account_id IN (SELECT id FROM accounts) AND taken_at_ms < ?",
                (milliseconds_of(readings_before),),
            ).rowcount
            gone += conn.execute(
                "DELETE FROM notices WHERE status <> 'pending' AND created_at < ?", (notices,)
            ).rowcount
            gone += conn.execute("DELETE FROM acknowledgements WHERE at < ?", (notices,)).rowcount
            gone += conn.execute("DELETE FROM invites WHERE expires_at < ? OR used_at < ?", (invites, invites)).rowcount
        return gone


def write_readings(conn: sqlite3.Connection, account_id: int, report: AccountReport) -> None:
    """One row for each pool of a report. Decimals as text: anything else would round them."""
    taken_at = milliseconds_of(report.taken_at)
    conn.executemany(
        "INSERT INTO readings (account_id, taken_at_ms, pool, margin_ratio, cushion, grade) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account_id, taken_at_ms, pool) DO UPDATE SET "
        "margin_ratio = excluded.margin_ratio, cushion = excluded.cushion, grade = excluded.grade",
        [
            (account_id, taken_at, pool.name, _text(pool.margin_ratio), pool.cushion, _number(pool.grade))
            for pool in report.pools
        ],
    )


def _reading(row: Row) -> PoolReading:
    ratio, grade = row["margin_ratio"], row["grade"]
    return PoolReading(
        taken_at=time_of_milliseconds(row["taken_at_ms"]),
        pool=row["pool"],
        margin_ratio=None if ratio is None else Decimal(ratio),
        cushion=row["cushion"],
        grade=None if grade is None else Grade(grade),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(grade: Grade | None) -> int | None:
    return None if grade is None else int(grade)
