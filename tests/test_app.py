"""The running bot, started and stopped in this process."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

from pydantic import SecretStr

from marginbot.app import Bot
from marginbot.bot import language
from marginbot.config import Settings
from marginbot.exchanges.reader import CcxtReader
from marginbot.store import open_store
from tests.running import MASTER_KEY


async def test_all_catalogues_are_compiled_before_anything_is_read_or_said(tmp_path: Path) -> None:
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        database=tmp_path / "bot.db",
        master_key=SecretStr(MASTER_KEY),
        telegram_api_url="http://127.0.0.1:1",
        http_listen="",
    )
    opened, exchanges = open_store(settings.database, bytes(range(32))), CcxtReader({})
    bot = Bot(settings, opened, exchanges, "123456:TEST")
    assert bot.parts.watch.delivery.on_lost is not None  # operators hear of who cannot be told
    language._compiled.cache_clear()
    running = asyncio.create_task(bot.run_until_stopped())
    try:
        await asyncio.sleep(0)  # its first step: Telegram has not been spoken to
        assert language._compiled.cache_info().currsize == len(language.LANGUAGES)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    finally:
        gc.unfreeze()
        await exchanges.close()
        opened.close()
