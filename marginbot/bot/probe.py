"""Whether a token is one Telegram knows, for `marginbot check`."""

from __future__ import annotations

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
