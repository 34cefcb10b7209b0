"""Further ways to reach people. The address is sealed; what stands in clear names only the service."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.domain.errors import LimitReached, RequestError
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Person
from marginbot.store.codec import optional_time_of, text_of, time_of
from marginbot.store.database import translated, wipe_log
from marginbot.store.people import ensure_person
from marginbot.store.rows import Row, Rows

MOST_CHANNELS = 8
LONGEST_REASON = 200

CHANNEL = (
    "SELECT c.id, c.user_id, c.title, c.from_grade, c.delay_seconds, c.created_at, c.proven_at, c.disabled_at, "
    "c.disabled_reason FROM channels c "
)


class ChannelRows(Rows):
    """A person's channels, in the order they were added."""

    def add_channel(
        self, person: Person, title: str, url: str, *, from_grade: Grade, delay: timedelta, now: datetime
    ) -> Channel:
        """Store a channel with its sealed address; `LimitReached` beyond a handful."""
        with self._writing() as conn:
            return self.insert_channel(conn, person, (title, url), from_grade=from_grade, delay=delay, now=now)

    def insert_channel(
        self,
        conn: sqlite3.Connection,
        person: Person,
        place: tuple[str, str],
        *,
        from_grade: Grade,
        delay: timedelta,
        now: datetime,
    ) -> Channel:
        """The same, of a title and an address, within a transaction."""
        title, url = place
        ensure_person(conn, person.user_id)
        if len(self.channels_of(person.user_id)) >= MOST_CHANNELS:
            raise LimitReached(
                "too many channels",
                advice=f"There are {MOST_CHANNELS} channels already: /channels remove N makes room. "
                "Nothing was stored.",
            )
        added = conn.execute(
            "INSERT INTO channels (user_id, title, from_grade, delay_seconds, created_at) VALUES (?, ?, ?, ?, ?)",
            (person.user_id, title, int(from_grade), int(delay.total_seconds()), text_of(now)),
        )
        channel_id = int(added.lastrowid or 0)
        self._vault.seal_url(channel_id, url)
        return self.channel(channel_id)

    def channels_of(self, user_id: int) -> Sequence[Channel]:
        """A person's channels, disabled ones too, oldest first."""
        return [channel_of(row) for row in self._all(CHANNEL + "WHERE c.user_id = ? ORDER BY c.id", user_id)]

    def channel(self, channel_id: int) -> Channel:
        """A channel by its id."""
        row = self._one(CHANNEL + "WHERE c.id = ?", channel_id)
        if row is None:
            raise RequestError(f"channel {channel_id} was removed", advice="That channel was removed.")
        return channel_of(row)

    def channel_url(self, channel_id: int) -> str:
        """The address; `VaultError` when it cannot be opened."""
        with translated():
            return self._vault.open_url(channel_id)

    def remove_channel(self, channel_id: int) -> None:
        """Delete a channel with its address and steps, also from the write-ahead log."""
        with self._writing() as conn:
            conn.execute("DELETE FROM channels WHERE id = ?", (channel_id,))
        wipe_log(self._db.conn)

    def prove_channel(self, channel_id: int, now: datetime) -> None:
        """An exercise was accepted: the channel works, also if it was off before."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE channels SET proven_at = ?, disabled_at = NULL, disabled_reason = NULL WHERE id = ?",
                (text_of(now), channel_id),
            )


def channel_of(row: Row) -> Channel:
    """A row of `CHANNEL` as a value."""
    return Channel(
        id=row["id"],
        user_id=row["user_id"],
        title=row["title"],
        from_grade=Grade(row["from_grade"]),
        delay=timedelta(seconds=row["delay_seconds"]),
        created_at=time_of(row["created_at"]),
        proven_at=optional_time_of(row["proven_at"]),
        disabled_at=optional_time_of(row["disabled_at"]),
        disabled_reason=row["disabled_reason"] or "",
    )
