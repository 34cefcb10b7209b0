"""Which accounts wait to be read: narrow questions, answered from one index however many accounts there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from marginbot.flow.ports import Account, Waiting
from marginbot.store.accounts import ACCOUNT, account_of
from marginbot.store.codec import text_of, time_of
from marginbot.store.rows import Rows

_EXCHANGES = """WITH RECURSIVE known(name) AS (
    SELECT min(exchange) FROM accounts WHERE refused IS NULL
    UNION ALL
    SELECT (SELECT min(exchange) FROM accounts WHERE refused IS NULL AND exchange > known.name)
    FROM known WHERE known.name IS NOT NULL
) SELECT name FROM known WHERE name IS NOT NULL"""
# Accounts that were never read have no time: they come first.
_DUE = f"""{ACCOUNT}WHERE a.refused IS NULL AND a.exchange = ? AND a.urgency = ? AND coalesce(a.next_due_at, '') <= ?
    ORDER BY coalesce(a.next_due_at, ''), a.id LIMIT ?"""
_POLLED = f"{ACCOUNT}WHERE a.refused IS NULL AND a.exchange = ? AND a.id > ? ORDER BY a.id LIMIT ?"
_OVERDUE = """SELECT id FROM accounts WHERE refused IS NULL AND coalesce(next_due_at, created_at) <= ? AND id > ?
    ORDER BY id LIMIT ?"""
_LATE = """SELECT exchange, count(*) AS count, min(coalesce(next_due_at, created_at)) AS since FROM accounts
    WHERE refused IS NULL AND coalesce(next_due_at, created_at) <= ? GROUP BY exchange"""

_COUNTS = "SELECT sum(refused IS NULL) AS polled, sum(refused IS NOT NULL) AS refused FROM accounts"
# Ten times as fast as taking each state apart.
_BLIND = """SELECT count(*) AS count FROM (
    SELECT account_id FROM alert_states WHERE instr(state, '"blind_since":null') = 0
    UNION SELECT id FROM accounts WHERE refused IS NOT NULL)"""
# By the narrow index: the rows themselves hold whole reports, and walking through them takes five times as long.
_OLDEST = """SELECT a.exchange, min(coalesce(r.taken_at, a.created_at)) AS read_at
    FROM accounts a LEFT JOIN latest_reports r INDEXED BY latest_reports_age ON r.account_id = a.id
    WHERE a.refused IS NULL GROUP BY a.exchange"""


class DueRows(Rows):
    """The queue of accounts that are polled."""

    def exchanges(self) -> Sequence[str]:
        """Where there are accounts that are polled."""
        return [row["name"] for row in self._all(_EXCHANGES)]

    def due_accounts(self, exchange: str, urgency: int, now: datetime, limit: int) -> Sequence[Account]:
        """Those of a venue and urgency whose time has come, the one waiting longest first."""
        return [account_of(row) for row in self._all(_DUE, exchange, urgency, text_of(now), limit)]

    def polled_after(self, exchange: str, after_id: int, limit: int) -> Sequence[Account]:
        """Those of a venue that are polled, by id from `after_id` on."""
        return [account_of(row) for row in self._all(_POLLED, exchange, after_id, limit)]

    def overdue(self, before: datetime, after_id: int, limit: int) -> Sequence[int]:
        """Accounts whose time came before that, by id from `after_id` on."""
        return [row["id"] for row in self._all(_OVERDUE, text_of(before), after_id, limit)]

    def waiting(self, now: datetime, longer_than: timedelta) -> Mapping[str, Waiting]:
        """By venue, how many accounts wait for longer than that, and the longest of them."""
        rows = self._all(_LATE, text_of(now - longer_than))
        return {row["exchange"]: Waiting(row["count"], now - time_of(row["since"])) for row in rows}

    def counts(self) -> tuple[int, int, int]:
        """How many accounts are polled, have their key refused, and are not watched now (wholly or in part)."""
        row, blind = self._one(_COUNTS), self._one(_BLIND)
        assert row is not None
        assert blind is not None
        return row["polled"] or 0, row["refused"] or 0, blind["count"]

    def oldest_readings(self, now: datetime) -> Mapping[str, timedelta]:
        """How old the last good reading is at most, by venue; accounts never read count from their start."""
        return {row["exchange"]: now - time_of(row["read_at"]) for row in self._all(_OLDEST)}
