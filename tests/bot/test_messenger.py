"""What becomes of an alert on its way, for everything that Telegram can answer."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from telegram.error import BadRequest, Conflict, NetworkError, TelegramError, TimedOut

from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.bot.wire import Refused, outcome_of
from marginbot.domain.notices import Notice
from marginbot.domain.outcomes import Moved, Outcome, Sent, TryAgain, Unreachable
from marginbot.logs import scrub
from tests.bot.builders import ALICE, NOW, facts, notice
from tests.servers.telegram import TOKEN, TelegramServer


@pytest.fixture
async def messenger(tg: TelegramServer) -> AsyncIterator[TelegramMessenger]:
    bot = build_bot(TOKEN, tg.url)
    yield TelegramMessenger(bot)
    await bot.shutdown()
    for request in bot._request:
        await request.shutdown()


async def send(messenger: TelegramMessenger, told: Notice | None = None) -> Outcome:
    return await messenger.send(told or notice(), NOW)


async def test_accepted_with_sound_and_buttons(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    outcome = await send(messenger)
    [message] = tg.messages(ALICE)
    assert outcome == Sent(message.message_id)
    assert not message.silent
    assert message.text.startswith("🔴 CRITICAL · main · add 352 USDT\n")
    assert [[b.label for b in row] for row in message.buttons] == [
        ["Acknowledge", "Snooze 1 h"],
        ["Details", "What would help"],
    ]


async def test_nothing_is_looked_for_on_the_disk_while_something_is_sent(
    messenger: TelegramMessenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    class Seen:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            searched.append(name)

    await send(messenger)
    monkeypatch.setattr(sys, "meta_path", [Seen, *sys.meta_path])
    await send(messenger)
    assert searched == []


async def test_failure_06_quiet_news_make_no_sound(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    await send(messenger, notice(sound=False))
    assert tg.messages(ALICE)[0].silent


async def test_flood_wait_is_handed_on(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", kind="429", retry_after=17)
    outcome = await send(messenger)
    assert isinstance(outcome, TryAgain)
    assert outcome.after == timedelta(seconds=17)


@pytest.mark.parametrize("kind", ["500", "502", "reset"])
async def test_trouble_on_the_line_is_tried_again(messenger: TelegramMessenger, tg: TelegramServer, kind: str) -> None:
    tg.faults.add("sendMessage", kind=kind)  # type: ignore[arg-type]
    outcome = await send(messenger)
    assert isinstance(outcome, TryAgain)
    assert outcome.after is None
    assert isinstance(await send(messenger), Sent)


@pytest.mark.parametrize(
    ("kind", "description"),
    [
        pytest.param("403", "Forbidden: bot was blocked by the user", id="blocked"),
        pytest.param("400", "Bad Request: chat not found", id="no such chat"),
        pytest.param("403", "Forbidden: user is deactivated", id="deleted account"),
    ],
)
async def test_failure_08_a_chat_that_is_gone_is_not_tried_for_ever(
    messenger: TelegramMessenger, tg: TelegramServer, kind: str, description: str
) -> None:
    tg.faults.add("sendMessage", kind=kind, description=description)  # type: ignore[arg-type]
    assert isinstance(await send(messenger), Unreachable)
    assert len(tg.calls("sendMessage")) == 1


async def test_failure_07_a_group_that_moved_is_followed(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", kind="migrate", migrate_to=-1001234567890)
    assert await send(messenger) == Moved(-1001234567890)


async def test_failure_04_refused_markup_is_sent_as_plain_text(
    messenger: TelegramMessenger, tg: TelegramServer
) -> None:
    tg.faults.add("sendMessage", kind="400", description="Bad Request: can't parse entities: unsupported start tag")
    assert isinstance(await send(messenger), Sent)
    [message] = tg.messages(ALICE)
    assert message.parse_mode is None
    assert "BTC -4.2% to liquidation" in message.text
    assert "<b>" not in message.text
    assert message.buttons


async def test_failure_05_refused_length_is_sent_short(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", times=2, kind="400", description="Bad Request: message is too long")
    assert isinstance(await send(messenger), Sent)
    [message] = tg.messages(ALICE)
    assert message.text == (
        "🔴 CRITICAL · main · add 352 USDT\nbinanceusdm: BTC -4.2% to liquidation, ratio 71.3%\nSend /status for more."
    )


async def test_refused_in_every_form_is_kept_for_later(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", times=3, kind="400", description="Bad Request: something new")
    assert isinstance(await send(messenger), TryAgain)


async def test_an_unknown_token_is_told_to_the_operator(tg: TelegramServer, caplog: pytest.LogCaptureFixture) -> None:
    bot = build_bot("654321:" + "A" * 35, tg.url)
    outcome = await send(TelegramMessenger(bot))
    await bot._request[1].shutdown()
    assert isinstance(outcome, TryAgain)
    assert "MARGINBOT_TELEGRAM_TOKEN" in caplog.text
    assert "A" * 35 not in outcome.error


async def test_hostile_labels_arrive(messenger: TelegramMessenger, tg: TelegramServer) -> None:
    assert isinstance(await send(messenger, notice(facts(label="<b>a&b</i>", positions=("</b>",)))), Sent)
    assert tg.refusals == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(BadRequest("Can't parse entities"), Refused, id="a BadRequest is a NetworkError, yet no trouble"),
        pytest.param(NetworkError("reset"), TryAgain, id="network"),
        pytest.param(TimedOut(), TryAgain, id="perhaps delivered"),
        pytest.param(Conflict("other getUpdates"), TryAgain, id="conflict"),
        pytest.param(TelegramError("odd"), TryAgain, id="anything else"),
    ],
)
def test_errors_are_told_apart(error: TelegramError, kind: type) -> None:
    assert isinstance(outcome_of(error), kind)


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "untaken"),
    [
        pytest.param(NetworkError("Bad Gateway"), True, id="answered: it failed"),
        pytest.param(caused(NetworkError("Bad Gateway (502)"), TelegramError("no JSON")), True, id="by a gateway"),
        pytest.param(NetworkError("Gateway Timeout (504)"), False, id="a gateway that waited in vain does not know"),
        pytest.param(caused(NetworkError("no route"), httpx.ConnectError("no route")), True, id="never left"),
        pytest.param(caused(TimedOut(), httpx.ConnectTimeout("no answer")), True, id="never left, after a wait"),
        pytest.param(caused(TimedOut(), httpx.ReadTimeout("no answer")), False, id="no answer"),
        pytest.param(caused(NetworkError("reset"), httpx.ReadError("reset")), False, id="broken off"),
        pytest.param(caused(NetworkError("Unknown error"), ValueError("odd")), False, id="whatever else"),
        pytest.param(TimedOut(), False, id="no answer in time"),
    ],
)
def test_only_what_certainly_did_not_arrive_is_known_not_to_be_a_repeat(error: TelegramError, untaken: bool) -> None:
    outcome = outcome_of(error)
    assert isinstance(outcome, TryAgain)
    assert (outcome.line, outcome.untaken) == (True, untaken)


def test_the_bots_own_token_is_struck_out_whatever_it_looks_like() -> None:
    build_bot("1:odd-token-of-a-test-server")
    assert "odd-token" not in scrub("at /file/1:odd-token-of-a-test-server/x")


def test_failure_33_no_error_carries_the_token(caplog: pytest.LogCaptureFixture) -> None:
    token = "123456789:" + "Ab_-" * 9
    with caplog.at_level(logging.DEBUG):
        outcome = outcome_of(NetworkError(f"POST https://api.telegram.org/bot{token}/sendMessage failed"))
    assert isinstance(outcome, TryAgain)
    assert token not in outcome.error + caplog.text
