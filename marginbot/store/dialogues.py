"""Guided `/add`s under way: the exchange and the label of each. No part of a key ever comes here."""

from __future__ import annotations

from datetime import timedelta

from marginbot.flow.ports import Left
from marginbot.store.codec import text_of, time_of
from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows

KEPT_FOR = timedelta(days=1)  # it tells a key that comes late, and is of no other use by then


class DialogueRows(Rows):
    """One a person."""

    def keep_dialogue(self, user_id: int, left: Left) -> None:
        """Keep it, in place of an older one; those of others that are long over are deleted."""
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute("DELETE FROM dialogues WHERE touched_at < ?", (text_of(left.touched_at - KEPT_FOR),))
            conn.execute(
                "INSERT INTO dialogues (user_id, exchange, label, touched_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET exchange = excluded.exchange, label = excluded.label, "
                "touched_at = excluded.touched_at",
                (user_id, left.exchange, left.label, text_of(left.touched_at)),
            )

    def kept_dialogue(self, user_id: int) -> Left | None:
        """What is kept of a person's; None: nothing."""
        row = self._one("SELECT exchange, label, touched_at FROM dialogues WHERE user_id = ?", user_id)
        return None if row is None else Left(row["exchange"], row["label"], time_of(row["touched_at"]))

    def drop_dialogue(self, user_id: int) -> None:
        """It is over."""
        with self._writing() as conn:
            conn.execute("DELETE FROM dialogues WHERE user_id = ?", (user_id,))
