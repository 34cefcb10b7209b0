"""`marginbot check` on the webhook: what Telegram says of it, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from marginbot.bot.probe import WebhookState, probe_webhook
from marginbot.config import Settings
from marginbot.doctor import examine, judge_webhook
from tests.running import MASTER_KEY
from tests.servers.telegram import TOKEN, TelegramServer

NOW = datetime(2026, 11, 22, 3, 24, tzinfo=UTC)
URL = "https://bot.example/hidden-path"


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        pytest.param(WebhookState(URL, 0, "", None), True, "set; 0 updates wait", id="fine"),
        pytest.param(WebhookState("", 3, "", None), True, "none is set yet", id="not started yet"),
        pytest.param(WebhookState("https://other.example/x", 0, "", None), False, "at other.example", id="elsewhere"),
        pytest.param(
            WebhookState(URL, 7, "Connection refused", NOW - timedelta(minutes=5)),
            False,
            "a push failed 5 min ago (Connection refused); 7 updates wait",
            id="does not arrive",
        ),
        pytest.param(WebhookState(URL, 0, "x", NOW - timedelta(minutes=59)), False, "59 min ago", id="not an hour ago"),
        pytest.param(WebhookState(URL, 0, "x", NOW - timedelta(hours=1)), True, "set", id="an hour ago is history"),
    ],
)
def test_what_is_made_of_it(found: WebhookState, ok: bool, words: str) -> None:
    finding = judge_webhook(found, URL, NOW)
    assert finding.ok is ok
    assert words in finding.text
    assert bool(finding.remedy) is not ok
    assert "hidden-path" not in finding.text + finding.remedy


@pytest.fixture
async def tg() -> TelegramServer:
    return TelegramServer(longest_poll=0.2)


async def test_it_is_asked_of_telegram(tg: TelegramServer) -> None:
    async with tg:
        tg.webhook, tg.webhook_error = URL, "Connection refused"
        found = await probe_webhook(TOKEN, tg.url)
    assert (found.url, found.error) == (URL, "Connection refused")
    assert found.failed_at is not None


@pytest.mark.parametrize("url", [None, URL])
async def test_it_is_looked_at_where_it_is_used(tmp_path: Path, tg: TelegramServer, url: str | None) -> None:
    async with tg:
        tg.webhook, tg.webhook_error = URL, "Connection refused"
        settings = Settings(  # type: ignore[call-arg]
            _env_file=None,
            telegram_token=SecretStr(TOKEN),
            telegram_api_url=tg.url,
            master_key=SecretStr(MASTER_KEY),
            database=tmp_path / "marginbot.db",
            webhook_url=url,
            http_listen="",
        )
        findings = [finding for finding in await examine(settings) if finding.subject == "webhook"]
    assert [finding.ok for finding in findings] == ([] if url is None else [False])
