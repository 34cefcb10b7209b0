"""The menus that Telegram shows beside the input field: one for private chats, groups, and each operator."""

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
from marginbot.bot.table import visible
from marginbot.bot.wire import outcome_of

log = logging.getLogger(__name__)


async def set_menus(bot: Bot, operators: Iterable[int]) -> None:
    """Set all menus; a menu that cannot be set is no reason not to run."""
    await _set(bot, visible(private=True), BotCommandScopeDefault())
    await _set(bot, visible(private=True), BotCommandScopeAllPrivateChats())
    await _set(bot, visible(private=False), BotCommandScopeAllGroupChats())
    for user_id in sorted(operators):
        await set_operator_menu(bot, user_id)


async def set_operator_menu(bot: Bot, user_id: int) -> None:
    """An operator's own menu; refused until that person has written to the bot, hence repeated on /start."""
    await _set(bot, visible(private=True, operator=True), BotCommandScopeChat(user_id))


async def _set(bot: Bot, commands: Iterable[Command], scope: BotCommandScope) -> None:
    try:
        await bot.set_my_commands(
            [BotCommand(c.name, f"{c.usage} – {c.help}".removeprefix(" – ")) for c in commands], scope=scope
        )
    except TelegramError as error:
        log.info("menu %s not set: %s", scope.type, outcome_of(error))
