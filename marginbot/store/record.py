"""The record of what was told, as rows. Functions of a connection: an operator needs no master key to look."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from marginbot.domain.alerting import Mute, Reason
from marginbot.domain.grading import Grade
from marginbot.domain.record import Acknowledged, Telling
from marginbot.store.codec import FACTS, optional_time_of, text_of, time_of
from marginbot.store.database import translated
from marginbot.store.rows import Rows

EPOCH_TEXT = "0000"
MOST = 100_000

# Notices about a key (subject 'key') are no part of an episode, and notes (numbered below 0) are no messages.
_TELLINGS = (
    "SELECT * FROM (SELECT n.id, n.account_id, a.label, a.exchange, n.subject, n.episode, n.facts, n.created_at, "
    "n.attempted_at, n.accepted_at, n.drop_reason FROM notices n JOIN accounts a ON a.id = n.account_id "
    "WHERE n.subject <> 'key' AND n.number >= 0 AND n.created_at >= ? "
    "AND (? OR n.account_id IN (SELECT value FROM json_each(?))) "
    "ORDER BY n.id DESC LIMIT ?) ORDER BY id"
)
_QUIETS = (
    "SELECT account_id, subject, at FROM acknowledgements WHERE at >= ? "
    "AND (? OR account_id IN (SELECT value FROM json_each(?))) ORDER BY id"
)


class Record(Rows):
    """What was told about some accounts."""

    def tellings(self, account_ids: Sequence[int], limit: int) -> Sequence[Telling]:
        """The last messages about accounts, oldest first."""
        return tellings(self._db.conn, account_ids=account_ids, limit=limit)

    def acknowledgements(self, account_ids: Sequence[int]) -> Sequence[Acknowledged]:
        """Every time somebody asked for quiet about them, oldest first."""
        return acknowledgements(self._db.conn, account_ids=account_ids)


def tellings(
    conn: sqlite3.Connection,
    *,
    since: datetime | None = None,
    account_ids: Sequence[int] | None = None,
    limit: int = MOST,
) -> list[Telling]:
    """The last messages (of all accounts, or some), oldest first."""
    with translated():
        rows = conn.execute(_TELLINGS, (*_which(since, account_ids), limit)).fetchall()
    return [_telling(row) for row in rows]


def acknowledgements(
    conn: sqlite3.Connection, *, since: datetime | None = None, account_ids: Sequence[int] | None = None
) -> list[Acknowledged]:
    """Every time somebody asked for quiet, oldest first."""
    with translated():
        rows = conn.execute(_QUIETS, _which(since, account_ids)).fetchall()
    return [Acknowledged(account_id, subject, time_of(at)) for account_id, subject, at in rows]


def note_acknowledgement(conn: sqlite3.Connection, account_id: int, subject: str, mute: Mute) -> None:
    """Keep the moment: the mute itself is gone when the episode is over."""
    if mute.at is not None:
        conn.execute(
            "INSERT INTO acknowledgements (account_id, subject, at, kind, grade) VALUES (?, ?, ?, ?, ?)",
            (account_id, subject, text_of(mute.at), mute.kind, int(mute.grade)),
        )


def _which(since: datetime | None, account_ids: Sequence[int] | None) -> tuple[str, bool, str]:
    earliest = EPOCH_TEXT if since is None else text_of(since)
    return earliest, account_ids is None, json.dumps(list(account_ids or ()))


def _telling(row: tuple[object, ...]) -> Telling:
    _, account_id, label, exchange, subject, episode, facts_text, created_at, attempted_at, accepted_at, dropped = row
    facts = FACTS.decode(str(facts_text))
    return Telling(
        account_id=int(str(account_id)),
        label=str(label),
        exchange=str(exchange),
        subject=str(subject),
        episode=int(str(episode)),
        reason=Reason(facts.reason),
        grade=None if facts.grade is None else Grade(facts.grade),
        is_gone=facts.left_with_nothing,
        read_at=facts.read_at,
        decided_at=time_of(str(created_at)),
        sent_at=optional_time_of(None if attempted_at is None else str(attempted_at)),
        accepted_at=optional_time_of(None if accepted_at is None else str(accepted_at)),
        dropped=None if dropped is None else str(dropped),
    )
