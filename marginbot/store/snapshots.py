"""The last good reading of each account in full: positions, tiers, collateral. No secrets are in it."""

from __future__ import annotations

import logging
import sqlite3

from marginbot.flow.ports import LastReading
from marginbot.store.codec import READING, text_of
from marginbot.store.rows import Rows

log = logging.getLogger(__name__)


class Snapshots(Rows):
    """What a what-if starts from, also after a restart."""

    def last_reading(self, account_id: int) -> LastReading | None:
        """The last good reading in full; None: none yet, or written by a version that differs."""
        row = self._one("SELECT reading FROM latest_snapshots WHERE account_id = ?", account_id)
        if row is None:
            return None
        try:
            return READING.decode(row["reading"])
        except ValueError:
            # The next reading replaces it; until then nothing is known, which is said.
            log.warning("account %s: the stored reading cannot be read", account_id)
            return None


def write_last_reading(conn: sqlite3.Connection, account_id: int, reading: LastReading) -> None:
    """Keep a reading in place of the one before it."""
    conn.execute(
        "INSERT INTO latest_snapshots (account_id, taken_at, reading) VALUES (?, ?, ?) "
        "ON CONFLICT (account_id) DO UPDATE SET taken_at = excluded.taken_at, reading = excluded.reading",
        (account_id, text_of(reading.snapshot.taken_at), READING.encode(reading)),
    )
