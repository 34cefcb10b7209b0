"""Whether a token is one Telegram knows, and what it thinks of the webhook, for `marginbot check`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telegram.error import InvalidToken, TelegramError

from marginbot.bot.build import build_bot
from marginbot.domain.errors import ConfigError


async def probe_token(token: str, api_url: str | None) -> str:
    """The bot's user name; a `ConfigError` says whether the token or the way to Telegram is at fault."""
    bot = build_bot(token, api_url)
    try:
        await bot.initialize()
        return str((await bot.get_me()).username)
    except InvalidToken:
        raise ConfigError("MARGINBOT_TELEGRAM_TOKEN: Telegram does not know this token") from None
    except TelegramError as error:
        raise ConfigError(f"Telegram does not answer ({type(error).__name__}): check the network") from None
    finally:
        await bot.shutdown()


@dataclass(frozen=True, slots=True)
class WebhookState:
    """What Telegram says of where it pushes updates."""

    url: str  # empty: none is set
    waiting: int  # updates that were not taken yet
    error: str  # of the last push that failed; empty: none did
    failed_at: datetime | None


async def probe_webhook(token: str, api_url: str | None) -> WebhookState:
    """Telegram's own view of the webhook; `ConfigError` when it does not answer."""
    bot = build_bot(token, api_url)
    try:
        await bot.initialize()
        info = await bot.get_webhook_info()
    except TelegramError as error:
        raise ConfigError(f"Telegram does not answer ({type(error).__name__}): check the network") from None
    finally:
        await bot.shutdown()
    return WebhookState(info.url, info.pending_update_count, info.last_error_message or "", info.last_error_date)
