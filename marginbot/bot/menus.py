"""The menus that Telegram shows beside the input field: one for private chats, groups, and each operator.

Each in every language: Telegram shows that of the reader, and the English one to all others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from marginbot.bot.calls import Command
from marginbot.bot.language import ENGLISH, LANGUAGES, _, read_in_language
from marginbot.bot.table import visible
from marginbot.bot.wire import outcome_of

log = logging.getLogger(__name__)


async def set_menus(bot: Bot, operators: Iterable[int]) -> None:
    """Set all menus, the English ones first; a menu that cannot be set is no reason not to run."""
    for language in LANGUAGES:
        await _set(bot, visible(private=True), BotCommandScopeDefault(), language)
        await _set(bot, visible(private=True), BotCommandScopeAllPrivateChats(), language)
        await _set(bot, visible(private=False), BotCommandScopeAllGroupChats(), language)
        for user_id in sorted(operators):
            await _set(bot, visible(private=True, operator=True), BotCommandScopeChat(user_id), language)


async def set_operator_menu(bot: Bot, user_id: int) -> None:
    """An operator's own menu; refused until that person has written to the bot, hence repeated on /start."""
    for language in LANGUAGES:
        await _set(bot, visible(private=True, operator=True), BotCommandScopeChat(user_id), language)


async def _set(bot: Bot, commands: Iterable[Command], scope: BotCommandScope, language: str) -> None:
    with read_in_language(language):
        menu = [BotCommand(c.name, f"{c.usage} – {_(c.help)}".removeprefix(" – ")) for c in commands]
    try:
        await bot.set_my_commands(menu, scope=scope, language_code=None if language == ENGLISH else language)
    except TelegramError as error:
        log.info("menu %s in %s not set: %s", scope.type, language, outcome_of(error))
