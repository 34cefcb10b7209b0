"""Words to people in their private chat that are no alerts: about their channels, and reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from telegram import Bot

from marginbot.bot import render_channels, render_reports, render_turmoil
from marginbot.bot.figures import read_in
from marginbot.bot.language import read_in_language
from marginbot.bot.messenger import LanguageOf, ZoneOf
from marginbot.bot.render import pages
from marginbot.bot.wire import Letter, post
from marginbot.domain.digest import AccountDay, NearMiss
from marginbot.domain.escalation import Channel
from marginbot.domain.outcomes import Outcome, Sent
from marginbot.flow.turmoil import Exposed, Trouble


class TelegramTeller:
    """A `Teller`. What cannot be delivered is not repeated: /channels shows the same."""

    def __init__(self, bot: Bot, zone_of: ZoneOf = lambda _: UTC, language_of: LanguageOf = lambda _: None) -> None:
        self._bot = bot
        self._language_of = language_of
        self._zone_of = zone_of

    async def channel_off(self, channel: Channel, error: str) -> None:
        """A service refuses for good."""
        with read_in_language(self._language_of(channel.user_id)):
            html = render_channels.switched_off(channel, error)
        await post(self._bot, Letter(chat_id=channel.user_id, html=html))

    async def remind(self, user_id: int, *, has_channels: bool) -> None:
        """Without a sound."""
        with read_in_language(self._language_of(user_id)):
            html = render_channels.reminder(has_channels=has_channels)
        await post(self._bot, Letter(chat_id=user_id, html=html, silent=True))

    async def daily(self, user_id: int, days: Sequence[AccountDay], now: datetime) -> Outcome:
        """A report, without a sound; what comes of its first page."""
        with read_in(self._zone_of(user_id)), read_in_language(self._language_of(user_id)):
            first, *rest = pages(render_reports.daily(days, now))
        outcome = await post(self._bot, Letter(chat_id=user_id, html=first, silent=True))
        if isinstance(outcome, Sent):
            for page in rest:
                await post(self._bot, Letter(chat_id=user_id, html=page, silent=True))
        return outcome

    async def near_miss(self, user_id: int, story: NearMiss, now: datetime) -> Outcome:
        """What nearly happened, without a sound."""
        with read_in(self._zone_of(user_id)), read_in_language(self._language_of(user_id)):
            html = render_reports.near_miss(story, now)
        return await post(self._bot, Letter(chat_id=user_id, html=html, silent=True))

    async def turmoil(self, exposed: Exposed, trouble: Trouble) -> None:
        """The market is in trouble that concerns somebody."""
        with read_in_language(self._language_of(exposed.user_id)):
            html = render_turmoil.turmoil(exposed, trouble)
        await post(self._bot, Letter(chat_id=exposed.user_id, html=html))
