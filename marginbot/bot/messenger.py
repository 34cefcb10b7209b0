"""Delivers notices through Telegram."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from telegram import Bot

from marginbot.bot import render_alert, render_bundle
from marginbot.bot.figures import BLIND, SYMBOLS, read_in, text
from marginbot.bot.language import read_in_language
from marginbot.bot.render import to_plain
from marginbot.bot.wire import Letter, amend, post, post_whole
from marginbot.domain.notices import Notice, Shown
from marginbot.domain.outcomes import NotEditable, Outcome

log = logging.getLogger(__name__)

LanguageOf = Callable[[int], str | None]  # of a chat; None: not known
ZoneOf = Callable[[int], tzinfo]  # the time zone of a person


class TelegramMessenger:
    """A `Messenger`: says what became of a message and never raises for what the other side does."""

    def __init__(self, bot: Bot, zone_of: ZoneOf = lambda _: UTC, language_of: LanguageOf = lambda _: None) -> None:
        self._bot = bot
        self._language_of = language_of
        self._zone_of = zone_of

    async def send(self, notice: Notice, now: datetime) -> Outcome:
        """Send a notice, loudly or not; in full if Telegram takes that, else as short plain text."""
        with read_in(self._zone_of(notice.user_id)), read_in_language(self._language_of(notice.chat_id)):
            letter = letter_of(notice, now)
        return await post(self._bot, letter)

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        """Send several as one message, or none of them: refused, they go one by one."""
        chat_id = notices[0].chat_id
        with read_in(self._zone_of(notices[0].user_id)), read_in_language(self._language_of(chat_id)):
            html, buttons = render_bundle.bundle(notices, now), render_bundle.buttons(notices)
        letter = Letter(
            chat_id=chat_id,
            html=html,
            buttons=buttons,
            silent=not any(notice.sound for notice in notices),
        )
        return await post_whole(self._bot, letter)

    async def amend(self, message_id: int, told: Sequence[Shown], now: datetime) -> Outcome | NotEditable:
        """Change a message that was sent, so that it shows this."""
        chat_id = told[0].notice.chat_id
        with read_in(self._zone_of(told[0].notice.user_id)), read_in_language(self._language_of(chat_id)):
            html, buttons = render_bundle.amended(told, now), render_bundle.amended_buttons(told)
        letter = Letter(chat_id=chat_id, html=html, buttons=buttons)
        return await amend(self._bot, letter, message_id)


def letter_of(notice: Notice, now: datetime) -> Letter:
    """A notice as a message. Even facts that cannot be shown are told: an alert is never lost to its layout."""
    try:
        html, short = render_alert.alert(notice, now), render_alert.short(notice)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        log.exception("notice %s cannot be shown in full", notice.id)
        html = _bare(notice)
        short = to_plain(html)
    return Letter(
        chat_id=notice.chat_id,
        html=html,
        short=short,
        buttons=render_alert.buttons(notice),
        silent=not notice.sound,
    )


def _bare(notice: Notice) -> str:
    facts = notice.facts
    symbol, state = (BLIND, "STALE") if facts.grade is None else (SYMBOLS[facts.grade], facts.grade.name)
    return (
        f"{symbol} <b>{state}</b> · {text(facts.label, 24)} · {text(facts.exchange, 24)}\nSend /status for the figures."
    )
