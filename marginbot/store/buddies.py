"""Buddies: people who agreed to be told that somebody does not answer. Each is one of that person's channels."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.domain.errors import RequestError
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.flow.buddies import Asked, buddy_url
from marginbot.flow.ports import Person
from marginbot.store.channels import ChannelRows
from marginbot.store.codec import text_of
from marginbot.store.database import wipe_log
from marginbot.store.people import code_hash, ensure_person


class BuddyRows(ChannelRows):
    """Who asked whom, and who agreed. Of a question only the hash of its code is kept."""

    def ask_for_buddy(
        self, person: Person, code: str, *, from_grade: Grade, delay: timedelta, now: datetime, until: datetime
    ) -> None:
        """A question that whoever holds the code may answer, once, until then."""
        with self._writing() as conn:
            ensure_person(conn, person.user_id)
            conn.execute("DELETE FROM buddy_questions WHERE expires_at <= ?", (text_of(now),))
            conn.execute(
                "INSERT INTO buddy_questions (code_hash, user_id, from_grade, delay_seconds, expires_at) "
                "VALUES (?, ?, ?, ?, ?)",
                (code_hash(code), person.user_id, int(from_grade), int(delay.total_seconds()), text_of(until)),
            )

    def asked(self, code: str, now: datetime) -> Asked | None:
        """Who asks; None when the code is unknown, used or expired."""
        row = self._one(
            "SELECT q.user_id, p.name, q.from_grade, q.delay_seconds FROM buddy_questions q "
            "JOIN people p ON p.user_id = q.user_id WHERE q.code_hash = ? AND q.expires_at > ?",
            code_hash(code),
            text_of(now),
        )
        if row is None:
            return None
        delay = timedelta(seconds=row["delay_seconds"])
        return Asked(owner=Person(row["user_id"], row["name"]), from_grade=Grade(row["from_grade"]), delay=delay)

    def close_question(self, code: str) -> None:
        """It was answered with no."""
        with self._writing() as conn:
            conn.execute("DELETE FROM buddy_questions WHERE code_hash = ?", (code_hash(code),))

    def add_buddy(self, asked: Asked, code: str, buddy: Person, now: datetime) -> Channel:
        """The answer is yes: the question is used up and the channel is there, in one transaction."""
        with self._writing() as conn:
            used = conn.execute("DELETE FROM buddy_questions WHERE code_hash = ?", (code_hash(code),))
            if used.rowcount != 1:
                raise RequestError("answered before", advice="This question was answered before. Nothing was changed.")
            if self._is_buddy(conn, buddy.user_id, asked.owner.user_id):
                raise RequestError("a buddy already", advice="You are that person's buddy already.")
            channel = self.insert_channel(
                conn,
                asked.owner,
                (f"buddy {buddy.name}", buddy_url(buddy.user_id, asked.owner.user_id)),
                from_grade=asked.from_grade,
                delay=asked.delay,
                now=now,
            )
            conn.execute("INSERT INTO buddies (channel_id, buddy_id) VALUES (?, ?)", (channel.id, buddy.user_id))
            conn.execute("UPDATE channels SET proven_at = ? WHERE id = ?", (text_of(now), channel.id))
            return self.channel(channel.id)

    def buddy_of(self, buddy_id: int) -> Sequence[tuple[int, Person]]:
        """Whose buddy somebody is: the channel's id and its owner."""
        rows = self._all(
            "SELECT b.channel_id, p.user_id, p.name FROM buddies b JOIN channels c ON c.id = b.channel_id "
            "JOIN people p ON p.user_id = c.user_id WHERE b.buddy_id = ? ORDER BY b.channel_id",
            buddy_id,
        )
        return [(row["channel_id"], Person(row["user_id"], row["name"])) for row in rows]

    def quit_buddy(self, buddy_id: int, channel_id: int) -> Person | None:
        """Somebody no longer wants to be a buddy; whose they were, None when they were not."""
        with self._writing() as conn:
            row = conn.execute(
                "SELECT p.user_id, p.name FROM buddies b JOIN channels c ON c.id = b.channel_id "
                "JOIN people p ON p.user_id = c.user_id WHERE b.buddy_id = ? AND b.channel_id = ?",
                (buddy_id, channel_id),
            ).fetchone()
            if row is None:
                return None
            conn.execute("DELETE FROM channels WHERE id = ?", (channel_id,))
        wipe_log(self._db.conn)
        return Person(*row)

    def name_of(self, user_id: int) -> str:
        """What a person is called; empty when they are not known."""
        row = self._one("SELECT name FROM people WHERE user_id = ?", user_id)
        return "" if row is None else str(row["name"])

    def _is_buddy(self, conn: sqlite3.Connection, buddy_id: int, owner_id: int) -> bool:
        found = conn.execute(
            "SELECT 1 FROM buddies b JOIN channels c ON c.id = b.channel_id WHERE b.buddy_id = ? AND c.user_id = ?",
            (buddy_id, owner_id),
        ).fetchone()
        return found is not None
