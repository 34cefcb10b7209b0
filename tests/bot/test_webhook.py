"""Pushed updates: heard with the secret from where Telegram is, refused alike otherwise, and never a dead end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import aiohttp
import orjson
import pytest

from marginbot.bot.build import TelegramSide, build_telegram
from marginbot.bot.polling import ALLOWED
from marginbot.bot.webhook import SECRET_HEADER, Webhook, WebhookListener
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError
from tests.bot.builders import ALICE
from tests.bot.conftest import Desk
from tests.servers.telegram import TOKEN, TelegramServer

URL = "https://bot.example/telegram"
LOOPBACK, TELEGRAM = ip_network("127.0.0.0/8"), ip_network("149.154.160.0/20")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def side_at(desk: Desk, tg: TelegramServer, port: int, *networks: Any) -> TelegramSide:
    webhook = Webhook(url=URL, address=("127.0.0.1", port), networks=networks or (LOOPBACK,))
    return build_telegram(TOKEN, tg.url, desk.services, webhook=webhook)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def side(desk: Desk, tg: TelegramServer, port: int) -> AsyncIterator[TelegramSide]:
    side = side_at(desk, tg, port)
    listening = await side.start()
    await tg.wait_until(lambda: side.health.answered_at)
    yield side
    await side.stop(listening)


async def push(port: int, body: Any, *, path: str = "/telegram", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}{path}", data=body, headers=named) as answer,
    ):
        return answer.status


def update(tg: TelegramServer, text: str) -> bytes:
    """What Alice says, as Telegram would push it."""
    tg.private(ALICE, text)
    [raw] = tg.fetch(0, 100)
    tg.drop_updates()
    return orjson.dumps(raw)


def secret(tg: TelegramServer) -> dict[str, str]:
    return {SECRET_HEADER: tg.webhook_secret}


async def test_what_is_pushed_with_the_secret_is_answered(side: TelegramSide, tg: TelegramServer, port: int) -> None:
    assert (tg.webhook, len(tg.webhook_secret) > 30) == (URL, True)
    assert await push(port, update(tg, "/help"), **secret(tg)) == 200
    await tg.wait_for(ALICE, "are we fine?")
    assert tg.calls("getUpdates") == []
    assert tg.calls("setWebhook")[0].params["allowed_updates"] == ALLOWED
    assert side.health.trouble == ""


@pytest.mark.parametrize("shown", [{}, {SECRET_HEADER: "guessed"}, {SECRET_HEADER: "é"}])
async def test_without_the_secret_nothing_is_heard(
    side: TelegramSide, tg: TelegramServer, port: int, shown: dict[str, str]
) -> None:
    assert await push(port, update(tg, "/help"), **shown) == 404
    assert side.application.update_queue.empty()
    assert tg.texts(ALICE) == []


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        pytest.param("149.154.167.197", 200, id="Telegram, as the proxy says"),
        pytest.param("149.154.167.197, 203.0.113.9", 404, id="who writes the header himself is the last entry"),
        pytest.param("149.154.176.0", 404, id="just outside the network"),
        pytest.param("nonsense", 404, id="no address"),
        pytest.param(None, 404, id="loopback itself is not Telegram"),
    ],
)
async def test_only_telegram_s_networks_are_heard(
    desk: Desk, tg: TelegramServer, port: int, forwarded: str | None, status: int
) -> None:
    side = side_at(desk, tg, port, TELEGRAM)
    listening = await side.start()
    await tg.wait_until(lambda: side.health.answered_at)
    headers = secret(tg) | ({"X-Forwarded-For": forwarded} if forwarded else {})
    assert await push(port, update(tg, "/help"), **headers) == status
    await side.stop(listening)


async def test_other_paths_are_not_there(side: TelegramSide, tg: TelegramServer, port: int) -> None:
    assert await push(port, update(tg, "/help"), path="/", **secret(tg)) == 404
    assert side.application.update_queue.empty()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"update_id": "x"}', b'{"update_id": 5, "message": {"text": 1}}'])
async def test_what_cannot_be_read_is_taken_and_skipped(
    side: TelegramSide, tg: TelegramServer, port: int, body: bytes
) -> None:
    assert await push(port, body, **secret(tg)) == 200
    assert await push(port, update(tg, "/help"), **secret(tg)) == 200
    await tg.wait_for(ALICE, "are we fine?")


async def test_a_webhook_that_was_taken_away_is_set_again(side: TelegramSide, tg: TelegramServer) -> None:
    assert isinstance(side.poller, WebhookListener)
    before, tg.webhook, tg.webhook_secret = tg.webhook_secret, "https://example.org/hook", ""
    await side.poller._look()
    assert (tg.webhook, tg.webhook_secret) == (URL, before)


async def test_that_telegram_cannot_reach_us_is_told(side: TelegramSide, tg: TelegramServer) -> None:
    assert isinstance(side.poller, WebhookListener)
    tg.webhook_error = "Connection refused"
    await side.poller._look()
    assert side.health.trouble == "Telegram cannot push updates to us: Connection refused"
    tg.webhook_error = ""
    await side.poller._look()
    assert side.health.trouble == ""


async def test_an_address_that_is_taken_is_named(desk: Desk, tg: TelegramServer, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        side = side_at(desk, tg, port)
        listening = await side.start()
        with pytest.raises(ConfigError, match="MARGINBOT_WEBHOOK_LISTEN"):
            await listening
        await side.stop()


def test_telegram_s_networks_are_the_default() -> None:
    assert [str(network) for network in Settings().webhook_networks] == ["149.154.160.0/20", "91.108.4.0/22"]
