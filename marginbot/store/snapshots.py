"""The last good reading of each account in full: positions, tiers, collateral. No secrets are in it."""

from __future__ import annotations

import logging
import sqlite3

from marginbot.flow.ports import LastReading
from marginbot.store.codec import READING, text_of
from marginbot.store.rows import Row, Rows

log = logging.getLogger(__name__)

_READING = """SELECT s.reading, s.tiers_digest, t.digest, t.tiers
    FROM latest_snapshots s LEFT JOIN latest_tiers t ON t.account_id = s.account_id WHERE s.account_id = ?"""


class Snapshots(Rows):
    """What a what-if starts from, also after a restart."""

    def last_reading(self, account_id: int) -> LastReading | None:
        """The last good reading in full; None: none yet, or written by a version that differs."""
        row = self._one(_READING, account_id)
        if row is None:
            return None
        try:
            return READING.decode(row["reading"], _tiers(row))
        except ValueError:
            # The next reading replaces it; until then nothing is known, which is said.
            log.warning("account %s: the stored reading cannot be read", account_id)
            return None


def _tiers(row: Row) -> str | None:
    """Those that go with a reading; None where they stand in it, as in those that earlier versions wrote."""
    if row["tiers_digest"] is None:
        return None
    if row["digest"] != row["tiers_digest"]:
        raise ValueError("the leverage tiers are those of another reading")
    return str(row["tiers"])


def write_last_reading(conn: sqlite3.Connection, account_id: int, reading: LastReading) -> None:
    """Keep a reading in place of the one before it; its tiers only where they are not those of that one."""
    digest = READING.digest_of_tiers(reading)
    known = conn.execute("SELECT digest FROM latest_tiers WHERE account_id = ?", (account_id,)).fetchone()
    if known is None or known[0] != digest:
        conn.execute(
            "INSERT INTO latest_tiers (account_id, digest, tiers) VALUES (?, ?, ?) "
            "ON CONFLICT (account_id) DO UPDATE SET digest = excluded.digest, tiers = excluded.tiers",
            (account_id, digest, READING.encode_tiers(reading)),
        )
    conn.execute(
        "INSERT INTO latest_snapshots (account_id, taken_at, reading, tiers_digest) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account_id) DO UPDATE SET taken_at = excluded.taken_at, reading = excluded.reading, "
        "tiers_digest = excluded.tiers_digest",
        (account_id, text_of(reading.snapshot.taken_at), READING.encode(reading), digest),
    )
