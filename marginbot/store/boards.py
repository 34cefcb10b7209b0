"""The live boards of groups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from marginbot.domain.board import Board
from marginbot.domain.grading import Grade
from marginbot.store.codec import optional_time_of, text_of
from marginbot.store.people import ensure_person
from marginbot.store.rows import Row, Rows

_BOARD = "SELECT chat_id, thread_id, user_id, message_id, shown, shown_at, told, ending FROM boards "


class BoardRows(Rows):
    """One board a group at most. What a board was told is written after the other side took it."""

    def boards(self) -> Sequence[Board]:
        """All boards, in the order of their groups' ids."""
        return [_board(row) for row in self._all(_BOARD + "ORDER BY chat_id")]

    def board(self, chat_id: int) -> Board | None:
        """The board of a group; None: it has none."""
        row = self._one(_BOARD + "WHERE chat_id = ?", chat_id)
        return None if row is None else _board(row)

    def count_boards(self, before: datetime) -> tuple[int, int]:
        """How many there are, and how many were not brought up to date since then."""
        row = self._one(
            "SELECT count(*) AS boards, "
            "count(*) FILTER (WHERE coalesce(shown_at, started_at) < ?) AS stale FROM boards",
            text_of(before),
        )
        return (0, 0) if row is None else (row["boards"], row["stale"])

    def start_board(self, board: Board, now: datetime) -> None:
        """Begin one; it replaces the one there was."""
        with self._writing() as conn:
            if board.user_id is not None:
                ensure_person(conn, board.user_id)
            conn.execute(
                "INSERT OR REPLACE INTO boards (chat_id, thread_id, user_id, started_at, told) VALUES (?, ?, ?, ?, ?)",
                (board.chat_id, board.thread_id, board.user_id, text_of(now), _packed(board.told)),
            )

    def post_board(self, chat_id: int, message_id: int, shown: str, now: datetime) -> None:
        """Telegram has taken the board, or a change of it."""
        with self._writing() as conn:
            conn.execute(
                "UPDATE boards SET message_id = ?, shown = ?, shown_at = ? WHERE chat_id = ?",
                (message_id, shown, text_of(now), chat_id),
            )

    def tell_board(self, chat_id: int, told: Mapping[int, Grade]) -> None:
        """The group knows of these grades."""
        with self._writing() as conn:
            conn.execute("UPDATE boards SET told = ? WHERE chat_id = ?", (_packed(told), chat_id))

    def hurry_board(self, chat_id: int) -> None:
        """Bring it up to date at once, whatever it shows."""
        with self._writing() as conn:
            conn.execute("UPDATE boards SET shown_at = NULL WHERE chat_id = ?", (chat_id,))

    def close_board(self, chat_id: int) -> bool:
        """Ask for its end; False where there is none."""
        with self._writing() as conn:
            return conn.execute("UPDATE boards SET ending = 1 WHERE chat_id = ?", (chat_id,)).rowcount > 0

    def drop_board(self, chat_id: int) -> None:
        """It has ended."""
        with self._writing() as conn:
            conn.execute("DELETE FROM boards WHERE chat_id = ?", (chat_id,))

    def is_alert_due(self, now: datetime) -> bool:
        """Whether an alert waits to be sent at this moment; one that is held back on purpose does not."""
        row = self._one(
            "SELECT 1 FROM notices WHERE status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= ?) "
            "AND (held_until IS NULL OR held_until <= ?) LIMIT 1",
            text_of(now),
            text_of(now),
        )
        return row is not None


def _packed(told: Mapping[int, Grade]) -> str:
    return json.dumps({str(account_id): int(grade) for account_id, grade in sorted(told.items())})


def _board(row: Row) -> Board:
    return Board(
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        user_id=row["user_id"],
        message_id=row["message_id"],
        shown=row["shown"],
        shown_at=optional_time_of(row["shown_at"]),
        told={int(account_id): Grade(grade) for account_id, grade in json.loads(row["told"]).items()},
        ending=bool(row["ending"]),
    )
