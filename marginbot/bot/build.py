"""Builds, starts and stops the Telegram side."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec

from telegram.error import InvalidToken, TelegramError
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    ExtBot,
    InlineQueryHandler,
    MessageHandler,
    filters,
)
from telegram.request import HTTPXRequest

from marginbot.bot.calls import Services
from marginbot.bot.commands.add import submitted
from marginbot.bot.guard import Guard, answered
from marginbot.bot.menus import set_menus
from marginbot.bot.messenger import TelegramMessenger
from marginbot.bot.polling import POLL, Poller, TelegramHealth
from marginbot.bot.presence import Presence
from marginbot.bot.turns import Turns
from marginbot.bot.types import App
from marginbot.bot.voice import Place, Voice
from marginbot.bot.webhook import Webhook, WebhookListener
from marginbot.bot.weblinks import Wanted
from marginbot.bot.wire import outcome_of
from marginbot.domain.errors import ConfigError
from marginbot.flow.tasks import ended
from marginbot.logs import redact

log = logging.getLogger(__name__)

OFFICIAL = "https://api.telegram.org"
CONNECTIONS = 32
REQUEST_SECONDS = 10.0  # an alert that Telegram has not taken by then is tried again
POOL_SECONDS = 10.0
MENU_SECONDS = 5.0  # menus are an extra: listening does not wait longer for them


# httpcore imports sniffio, which it can do without, several times a request. A module that is not there is looked for
# on the disk each time, unless this stands in its place.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]


def build_bot(token: str, api_url: str | None = None) -> ExtBot[None]:
    """A client of the Bot API with small pools and a bound on every wait. It sends without being started."""
    redact(token)
    base = (api_url or OFFICIAL).rstrip("/")
    return ExtBot(
        token,
        base_url=f"{base}/bot",
        base_file_url=f"{base}/file/bot",
        request=_request(CONNECTIONS),
        get_updates_request=_request(2),
    )


def _request(connections: int) -> HTTPXRequest:
    return HTTPXRequest(
        connection_pool_size=connections,
        connect_timeout=5.0,
        read_timeout=REQUEST_SECONDS,
        write_timeout=REQUEST_SECONDS,
        pool_timeout=POOL_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class TelegramSide:
    """Everything that talks with Telegram. `start` and `stop` it around the rest of the bot."""

    application: App
    voice: Voice
    presence: Presence
    messenger: TelegramMessenger
    health: TelegramHealth
    services: Services
    poller: Poller | WebhookListener

    async def start(self) -> asyncio.Task[None]:
        """Connect, however long that takes, and listen; `ConfigError` when Telegram does not know the token."""
        await self._connect()
        await self.application.start()
        await self._set_menus()
        return asyncio.create_task(self.poller.run(), name="telegram")

    async def _set_menus(self) -> None:
        try:
            async with asyncio.timeout(MENU_SECONDS):
                await set_menus(self.application.bot, self.services.access.operators)
        except TimeoutError:
            log.info("the menus are not set: Telegram is slow")

    async def _connect(self) -> None:
        pause = 1.0
        while True:
            try:
                await self.application.initialize()
                await self.application.bot.delete_webhook(drop_pending_updates=False)
                return
            except InvalidToken:
                raise ConfigError(
                    "MARGINBOT_TELEGRAM_TOKEN: Telegram does not know this token; "
                    "it looks like 123456789:AAE… and comes from @BotFather"
                ) from None
            except TelegramError as error:
                if not self.health.trouble:
                    log.warning("Telegram does not answer, trying until it does: %s", outcome_of(error))
                self.health.trouble = type(error).__name__
            await asyncio.sleep(pause)
            pause = min(10.0, pause * 2)

    def submitted(self, wanted: Wanted, parts: Sequence[str]) -> None:
        """A key that came by the web form; what becomes of it is told in the chat."""
        work = partial(submitted, wanted, parts, self.services)
        self.voice.answer_aside(Place(wanted.chat_id), work, answered)

    async def stop(self, listening: asyncio.Task[None] | None = None) -> None:
        """Stop listening, finish what was begun, release connections."""
        if listening is not None:
            await ended(listening)
            await self.poller.confirm()
        await self.voice.close()
        if self.application.running:
            await self.application.stop()
        await self.application.shutdown()
        await self.application.bot.shutdown()  # where it never got as far as being started


def build_telegram(
    token: str,
    api_url: str | None,
    services: Services,
    *,
    poll: timedelta = POLL,
    bot: ExtBot[None] | None = None,
    webhook: Webhook | None = None,
) -> TelegramSide:
    """Put the Telegram side together; nothing is sent before `start`, except by the messenger.

    Updates are fetched, unless `webhook` says where Telegram shall push them.
    """
    bot = bot or build_bot(token, api_url)
    voice = Voice(bot, services.store)
    guard = Guard(services, voice)
    application = build_application(bot, guard)
    health = TelegramHealth()
    return TelegramSide(
        application=application,
        voice=voice,
        presence=guard.presence,
        messenger=TelegramMessenger(bot, services.store.zone_of, services.store.language_of),
        health=health,
        services=services,
        poller=(
            WebhookListener(application, health, services.clock, webhook)
            if webhook
            else Poller(application, health, services.clock, poll)
        ),
    )


def build_application(bot: ExtBot[None], guard: Guard) -> App:
    """The library's dispatcher: chats side by side, each chat in order, everything through the guard."""
    application: App = Application.builder().bot(bot).updater(None).concurrent_updates(Turns()).build()
    application.add_handler(MessageHandler(filters.StatusUpdate.LEFT_CHAT_MEMBER, guard.presence.on_left))
    application.add_handler(MessageHandler(filters.ALL, guard.on_message))
    application.add_handler(ChatMemberHandler(guard.presence.on_change, ChatMemberHandler.ANY_CHAT_MEMBER))
    application.add_handler(CallbackQueryHandler(guard.on_press))
    application.add_handler(InlineQueryHandler(guard.on_inline))
    application.add_error_handler(guard.on_error)
    return application
