"""Keys that can trade, while their owner is asked whether to use them all the same.

They are held in memory only, for five minutes at most, and belong to who sent them, in the chat they were sent in.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from marginbot.bot.language import _, later
from marginbot.domain.errors import NotAllowed, RequestError
from marginbot.domain.passport import Passport
from marginbot.flow.registration import Request

PATIENCE = timedelta(minutes=5)
FORGOTTEN = later(
    "This question is no longer open: I keep a key for five minutes at most and have "
    "forgotten it. Nothing was stored. Start again with /add."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A key that waits for a yes."""

    user_id: int
    chat_id: int
    request: Request = field(repr=False)
    passport: Passport
    asked_at: datetime


class Questions:
    """The open questions by a random number that only their buttons carry; one a person."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}

    def ask(self, question: Question) -> str:
        """Hold a key and return the number of the question. It is dropped in time even if nobody ever answers."""
        self.drop(question.user_id)
        number = secrets.token_hex(8)
        self._open[number] = question
        forget: Callable[[str, None], object] = self._open.pop
        asyncio.get_running_loop().call_later(PATIENCE.total_seconds(), forget, number, None)
        return number

    def take(self, number: str, user_id: int, chat_id: int, now: datetime) -> Question:
        """The question, which is closed by this; `NotAllowed` to all but the one who was asked, where they were."""
        question = self._open.get(number)
        if question is not None and (question.user_id, question.chat_id) != (user_id, chat_id):
            raise NotAllowed(
                "another person's key", advice=_("Only who sent this key may answer, in the chat where it was sent.")
            )
        self._open.pop(number, None)
        if question is None or now - question.asked_at > PATIENCE:
            raise RequestError("the question is closed", advice=_(FORGOTTEN))
        return question

    def drop(self, user_id: int) -> bool:
        """Forget what a person was asked; whether there was anything."""
        mine = [number for number, question in self._open.items() if question.user_id == user_id]
        for number in mine:
            del self._open[number]
        return bool(mine)
