"""Updates pushed by Telegram instead of fetched: for operators who have an HTTPS address anyway.

The bot listens on loopback and the operator's proxy speaks HTTPS, as with the key form. A request counts only if it
carries the secret that this start of the bot gave to Telegram, and comes from Telegram's networks
(core.telegram.org/bots/webhooks, read in November 2026). All others are answered alike, with 404, and logged without
content. A proxy on loopback tells the sender in `X-Forwarded-For`, of which only the last entry is believed: the one
the proxy added itself.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from telegram import Update
from telegram.error import TelegramError

from marginbot.bot.polling import ALLOWED, TelegramHealth
from marginbot.bot.types import App
from marginbot.listening import listening
from marginbot.logs import redact

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
LOOK_AFTER = timedelta(seconds=25)  # Telegram is asked whether the webhook stands, and what it thinks of it
BODY_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where Telegram sends updates, where the bot listens for them, and who may send."""

    url: str
    address: tuple[str, int]
    networks: Sequence[Network]  # Telegram's, or those of a Bot API server of one's own


class WebhookListener:
    """Takes pushed updates into the application's queue, and keeps the webhook set."""

    def __init__(
        self,
        application: App,
        health: TelegramHealth,
        clock: Callable[[], datetime],
        webhook: Webhook,
        look_after: timedelta = LOOK_AFTER,
    ) -> None:
        self._application = application
        self._health = health
        self._clock = clock
        self._webhook = webhook
        self._look_after = look_after.total_seconds()
        self._secret = secrets.token_urlsafe(32)
        self._is_ours = False  # the webhook that Telegram has carries our secret
        redact(self._secret)

    async def run(self) -> None:
        """Until cancelled. A `ConfigError` names the setting when the address cannot be listened on."""
        server = web.Application(client_max_size=BODY_LIMIT)
        server.router.add_post(urlsplit(self._webhook.url).path or "/", self._pushed)
        runner = await listening(server, self._webhook.address, setting="MARGINBOT_WEBHOOK_LISTEN", instead="")
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._look_after)
        finally:
            await runner.cleanup()

    async def confirm(self) -> None:
        """Each update was confirmed by its answer. The webhook stays, so that Telegram keeps what comes."""

    async def _look(self) -> None:
        """Set the webhook where it is not ours, and note whether Telegram answers and reaches us."""
        bot = self._application.bot
        try:
            info = await bot.get_webhook_info()
            if not self._is_ours or info.url != self._webhook.url:
                await bot.set_webhook(self._webhook.url, allowed_updates=ALLOWED, secret_token=self._secret)
                self._is_ours = True
        except TelegramError as error:
            self._note(f"the webhook could not be looked at or set: {type(error).__name__}: {error}")
            return
        self._health.answered_at = self._clock()
        failed_at = info.last_error_date
        lately = failed_at is not None and self._clock() - failed_at < 4 * timedelta(seconds=self._look_after)
        self._note(f"Telegram cannot push updates to us: {info.last_error_message}" if lately else "")

    def _note(self, trouble: str) -> None:
        if trouble != self._health.trouble:
            log.warning("%s", trouble or "Telegram answers again")
        self._health.trouble = trouble

    async def _pushed(self, request: web.Request) -> web.Response:
        if not self._is_telegram(request):
            log.info("a request to the webhook that is not Telegram's was refused")
            raise web.HTTPNotFound
        update = self._read(await request.read())
        if update is not None:
            await self._application.update_queue.put(update)
        return web.Response()

    def _is_telegram(self, request: web.Request) -> bool:
        shown = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(shown.encode(), self._secret.encode()):
            return False
        try:
            sender = ip_address(request.remote or "")
            if sender.is_loopback and "X-Forwarded-For" in request.headers:
                sender = ip_address(request.headers.getall("X-Forwarded-For")[-1].rpartition(",")[2].strip())
        except ValueError:
            return False
        return any(sender in network for network in self._webhook.networks)

    def _read(self, body: bytes) -> Update | None:
        """None for what cannot be read: it is answered all the same, or Telegram would send it for ever."""
        try:
            raw: Any = orjson.loads(body)
            return Update.de_json(raw, self._application.bot)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Its text may hold a key: only the kind of failure is told.
            log.error("an update cannot be read and is skipped: %s", type(error).__name__)
            return None
