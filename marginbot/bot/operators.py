"""The way to the people who run the bot: straight to Telegram, past the outbox that is being checked."""

from __future__ import annotations

import logging

from telegram import Bot

from marginbot.bot.figures import text
from marginbot.bot.wire import Letter, post
from marginbot.domain.outcomes import Sent

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
