"""The way to the people who run the bot: straight to Telegram, past the outbox that is being checked."""

from __future__ import annotations

import logging
from collections.abc import Collection

from telegram import Bot

from marginbot.bot import render_turmoil
from marginbot.bot.figures import text
from marginbot.bot.language import read_in_language
from marginbot.bot.messenger import LanguageOf
from marginbot.bot.wire import Letter, post
from marginbot.domain.notices import Notice
from marginbot.domain.outcomes import Sent
from marginbot.flow.audit import lost
from marginbot.flow.turmoil import Trouble

log = logging.getLogger(__name__)


class OperatorLine:
    """Says something to an operator in private; their id is also that chat's."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def tell(self, operator: int, words: str) -> bool:
        """Send plain words; whether Telegram accepted them."""
        html = "\n".join(text(line, 400) for line in words.splitlines()[:40])
        outcome = await post(self._bot, Letter(chat_id=operator, html=html))
        if not isinstance(outcome, Sent):
            log.warning("an operator could not be told: %s", outcome)
        return isinstance(outcome, Sent)


class TurmoilLine:
    """Tells every operator of market stress, each in their language."""

    def __init__(self, line: OperatorLine, operators: Collection[int], language_of: LanguageOf) -> None:
        self._line = line
        self._operators = operators
        self._language_of = language_of

    async def tell(self, trouble: Trouble, people: int) -> None:
        """What the trouble is, and how many people it concerns."""
        for operator in sorted(self._operators):
            with read_in_language(self._language_of(operator)):
                told = render_turmoil.operators(trouble, people)
            await self._line.tell(operator, told)


class LostLine:
    """Tells every operator of a person whom Telegram delivers nothing to."""

    def __init__(self, line: OperatorLine, operators: Collection[int]) -> None:
        self._line = line
        self._operators = operators

    async def tell(self, notice: Notice) -> None:
        """What could not be told, and what to do. An operator who is lost hears nothing of it here."""
        for operator in sorted(self._operators):
            if operator != notice.user_id:
                await self._line.tell(operator, lost(notice))
