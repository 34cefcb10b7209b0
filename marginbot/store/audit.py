"""The audit's questions to the database, asked over a connection of its own: nothing of the running bot is trusted."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from marginbot.domain.alerting import Reason
from marginbot.domain.grading import Grade
from marginbot.domain.holes import ACCEPTED_WITHIN, RUNG_WITHIN, AuditRules, Kind, Violation
from marginbot.domain.transition import (
    BLIND_REMINDER_AFTER,
    BLIND_REMINDER_IN_DANGER,
    FULL_PATIENCE_CUSHION,
    LEAST_PATIENCE,
)
from marginbot.store.codec import text_of
from marginbot.store.database import BUSY_SECONDS, translated

SOURCE = Path(__file__).with_suffix(".sql")
_SQL = dict(re.findall(r"^-- name: (\w+)\n(.*?)(?=^-- name:|\Z)", SOURCE.read_text(encoding="utf-8"), re.M | re.S))

QUESTIONS = (Kind.UNTOLD, Kind.OVERDUE, Kind.UNREMINDED, Kind.UNRUNG, Kind.UNREAD, Kind.REFUSED_UNTOLD)


def holes(conn: sqlite3.Connection, rules: AuditRules, now: datetime) -> list[Violation]:
    """Everything that is wrong now, by kind."""
    values = _values(rules, now)
    with translated():
        return [found for kind in QUESTIONS for found in _found(conn, kind, values)]


def _found(conn: sqlite3.Connection, kind: Kind, values: dict[str, Any]) -> Iterator[Violation]:
    cursor = conn.execute(_SQL["states"] + _SQL[kind], values)
    names = [column[0] for column in cursor.description]
    for line in cursor:
        row = dict(zip(names, line, strict=True))
        about = f"account {row['account_id']} ({row['exchange']})" + (f", {row['subject']}" if row["subject"] else "")
        yield Violation(kind=Kind.FLOOD_WAIT if row.get("flood") else kind, about=about, detail=row["detail"])


def _values(rules: AuditRules, now: datetime) -> dict[str, Any]:
    late = {f"late{int(grade)}": text_of(now - wait) for grade, wait in ACCEPTED_WITHIN.items()}
    limits = {f"limit{int(grade)}": wait.total_seconds() for grade, wait in rules.reminders().items()}
    return {
        **late,
        **limits,
        "now": text_of(now),
        "warning": int(Grade.WARNING),
        "critical": int(Grade.CRITICAL),
        "key_refused": Reason.KEY_REFUSED.value,
        "blind_limit": _seconds(rules.reminded_within(BLIND_REMINDER_IN_DANGER)),
        "calm_limit": _seconds(rules.reminded_within(BLIND_REMINDER_AFTER)),
        "rung_within": _seconds(RUNG_WITHIN),
        "patience": _seconds(rules.patience),
        "slack": _seconds(rules.slack),
        "least": LEAST_PATIENCE,
        "full": FULL_PATIENCE_CUSHION,
    }


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


@dataclass(frozen=True, slots=True)
class AuditFile:
    """The database file, opened anew for each audit, in any thread, and never written."""

    path: Path

    def holes(self, rules: AuditRules, now: datetime) -> list[Violation]:
        """`holes` of the file as it is now; `StoreFailed` when it cannot be read."""
        with translated(), closing(self._opened()) as conn:
            return holes(conn, rules, now)

    def _opened(self) -> sqlite3.Connection:
        conn = sqlite3.connect(f"file:{quote(str(self.path))}?mode=rw", uri=True, timeout=BUSY_SECONDS)
        conn.execute("PRAGMA query_only = ON")
        return conn
