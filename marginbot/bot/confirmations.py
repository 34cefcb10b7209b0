"""Steps that cannot be taken back: asked for once more, of the same person, within five minutes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from marginbot.bot.language import _
from marginbot.domain.errors import NotAllowed, RequestError

PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Asked:
    user_id: int
    what: str
    at: datetime


class Confirmations:
    """Open questions by a random number that only their button carries. Kept in memory: a restart forgets them."""

    def __init__(self) -> None:
        self._open: dict[str, _Asked] = {}

    def ask(self, user_id: int, what: str, now: datetime) -> str:
        """The number of a new question; an older one of the same kind to the same person is void."""
        self._open = {
            number: asked
            for number, asked in self._open.items()
            if now - asked.at <= PATIENCE and (asked.user_id, asked.what) != (user_id, what)
        }
        number = secrets.token_hex(8)
        self._open[number] = _Asked(user_id, what, now)
        return number

    def take(self, number: str, user_id: int, what: str, now: datetime) -> None:
        """Close the question; an error unless this very person was asked this, lately."""
        asked = self._open.get(number)
        if asked is not None and asked.user_id != user_id:
            raise NotAllowed("another person's question", advice=_("Only the person who was asked may answer."))
        self._open.pop(number, None)
        if asked is None or asked.what != what or now - asked.at > PATIENCE:
            raise RequestError(
                "the question is closed", advice=_("This question is no longer open. Nothing was changed. Ask again.")
            )
