"""Rings buddies through Telegram, and everything else through the services it is given."""

from __future__ import annotations

from collections.abc import Callable

from telegram import Bot

from marginbot.bot import render_buddy
from marginbot.bot.calls import Button
from marginbot.bot.language import _, read_in_language
from marginbot.bot.messenger import LanguageOf
from marginbot.bot.wire import Letter, post
from marginbot.domain.escalation import Accepted, Rang, Ring, RingAgain, RingRefused
from marginbot.domain.outcomes import Moved, Sent, TryAgain, Unreachable
from marginbot.flow.buddies import parse_buddy
from marginbot.flow.channels import Address, Addresses
from marginbot.flow.escalation import ReceiptState


class BuddyBell:
    """A ringer (`flow.channels.Addresses`) that knows buddies beside the services of `others`."""

    def __init__(
        self, bot: Bot, others: Addresses, name_of: Callable[[int], str], language_of: LanguageOf = lambda _: None
    ) -> None:
        self._bot = bot
        self._others = others
        self._name_of = name_of
        self._language_of = language_of

    def parse(self, url: str) -> Address:
        """Nobody becomes a buddy by an address: they are asked."""
        return self._others.parse(url)

    async def ring(self, url: str, ring: Ring) -> Rang:
        """Tell alarms: a buddy in their own language, everything else in that of whose channel it is."""
        buddy = parse_buddy(url)
        if buddy is None:
            with read_in_language(self._language_of(ring.channel.user_id)):
                return await self._others.ring(url, ring)
        with read_in_language(self._language_of(buddy[0])):
            html = render_buddy.in_danger(ring, self._name_of(buddy[1]))
            stop = ((Button(_("Stop being their buddy"), f"bud:stop:{ring.channel.id}"),),)
        return await self._told(Letter(chat_id=buddy[0], html=html, buttons=stop))

    async def say(self, url: str, title: str, body: str) -> Rang:
        """Send a plain line; a buddy is told that it is an exercise, and whose."""
        buddy = parse_buddy(url)
        if buddy is None:
            return await self._others.say(url, title, body)
        with read_in_language(self._language_of(buddy[0])):
            html = render_buddy.exercise(self._name_of(buddy[1]))
        return await self._told(Letter(chat_id=buddy[0], html=html))

    async def receipt(self, url: str, receipt: str) -> ReceiptState:
        """A buddy acknowledges nothing."""
        return ReceiptState.OVER if parse_buddy(url) else await self._others.receipt(url, receipt)

    async def cancel(self, url: str, receipt: str) -> bool:
        """What was told to a buddy stays."""
        return True if parse_buddy(url) else await self._others.cancel(url, receipt)

    async def _told(self, letter: Letter) -> Rang:
        outcome = await post(self._bot, letter)
        match outcome:
            case Sent():
                return Accepted()
            case TryAgain(error, after):
                return RingAgain(error, after)
            case Unreachable(error):
                return RingRefused(_("the buddy has blocked me or is gone"))
            case Moved():
                return RingAgain(_("the chat has another number"))
