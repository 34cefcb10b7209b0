"""Words about channels to their owners, in their private chat."""

from __future__ import annotations

from telegram import Bot

from marginbot.bot import render_channels
from marginbot.bot.wire import Letter, post
from marginbot.domain.escalation import Channel


class TelegramTeller:
    """A `Teller`. What cannot be delivered is not repeated: /channels shows the same."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def channel_off(self, channel: Channel, error: str) -> None:
        """A service refuses for good."""
        html = render_channels.switched_off(channel, error)
        await post(self._bot, Letter(chat_id=channel.user_id, html=html))

    async def remind(self, user_id: int, *, has_channels: bool) -> None:
        """Without a sound."""
        html = render_channels.NEVER_PROVEN if has_channels else render_channels.NO_SECOND_WAY
        await post(self._bot, Letter(chat_id=user_id, html=html, silent=True))
