"""The whole Telegram side against a Bot API on loopback: one test for each kind of wiring."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marginbot.bot.build import TelegramSide, build_telegram
from marginbot.bot.polling import Poller
from marginbot.domain.errors import ConfigError
from marginbot.flow.ports import Account
from tests.bot.alerts import alerted, mute_of
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP, GROUP_COMMANDS, OPERATOR
from tests.bot.conftest import Desk
from tests.servers.telegram import TOKEN, TelegramServer

KEY, SECRET = "alices-api-key-0001", "canary-secret-5f2c9d7e1b"
ADD = f"/add bybit main {KEY} {SECRET}"


async def test_failure_42_groups_are_told_only_what_was_asked_there(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    alerted(desk, desk.add(ALICE))
    tg.say(GROUP, ALICE, "/positions")
    await tg.wait_for(GROUP, "answered in our private chat only")
    tg.say(GROUP, ALICE, "/share main")
    await tg.wait_for(GROUP, "This group may now see main")
    tg.say(GROUP, BOB, "/status")
    await tg.wait_for(GROUP, "Not fine: main critical, BTC -4.2%, ratio 71.3%")
    tg.private(ALICE, "/share main")
    await tg.wait_for(ALICE, "in the group that is concerned")
    tg.say(GROUP, BOB, "/nonsense")
    tg.say(GROUP, BOB, "/status@another_bot")
    tg.say(GROUP, BOB, "/help")
    await tg.wait_for(GROUP, "let this group see")
    assert len(tg.messages(GROUP)) == 4
    assert "USDT" not in "".join(tg.texts(GROUP))


async def test_alert_buttons(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    account = desk.add(ALICE)
    told = alerted(desk, account)
    await bot.messenger.send(told, desk.clock())
    stranger = tg.press_button(ALICE, "Acknowledge", CHARLIE)
    await tg.wait_until(lambda: tg.callback_answers.get(stranger))
    assert tg.callback_answers[stranger].alert
    assert "Only the owner" in tg.callback_answers[stranger].text
    assert mute_of(desk, account) is None
    tg.press_button(ALICE, "Acknowledge", ALICE)
    edited = await tg.wait_for(ALICE, "Acknowledged by Alice until")
    assert edited.text.startswith("🔴 CRITICAL · main")
    assert [[b.label for b in row] for row in edited.buttons] == [["Snooze 1 h", "Details", "What would help"]]
    tg.press_button(ALICE, "Snooze 1 h", ALICE)
    again = await tg.wait_for(ALICE, "Snoozed by Alice until")
    assert "Acknowledged by" not in again.text
    tg.press_button(ALICE, "Details", ALICE)
    await tg.wait_for(ALICE, "maintenance margin 1,000 USDT")
    garbage = tg.press(ALICE, edited.message_id, "ack:77777", ALICE)
    await tg.wait_until(lambda: tg.callback_answers.get(garbage))
    assert "out of date" in tg.callback_answers[garbage].text


async def test_a_slow_exchange_stalls_nobody(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.reader.gate = asyncio.Event()
    tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "Checking main")
    tg.private(ALICE, "/status")
    tg.private(BOB, "/status")
    await tg.wait_for(BOB, "You have no account here yet")
    await tg.wait_for(ALICE, "You have no account here yet")
    desk.reader.gate.set()
    await tg.wait_for(ALICE, "Watching main now")


async def test_one_chats_messages_are_answered_in_order(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE, "a")
    tg.faults.add("sendMessage", ALICE, kind="429", retry_after=1)
    tg.private(ALICE, "/rename a b")
    tg.private(ALICE, "/rename b c")
    tg.private(ALICE, "/rename c d")
    tg.private(BOB, "/accounts")
    await tg.wait_for(ALICE, "c is now called d")
    assert [t.split()[1] for t in tg.texts(ALICE)] == ["a", "b", "c"]


async def test_failure_25_what_was_said_while_the_bot_was_away_is_answered_but_an_old_ack_is_not_taken(
    desk: Desk, tg: TelegramServer
) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    tg.private(ALICE, "/ack", age=3600)
    tg.private(ALICE, "/accounts", age=3600)
    side = build_telegram(TOKEN, tg.url, desk.services)
    listening = await side.start()
    await tg.wait_for(ALICE, "You sent that 60 min ago")
    await tg.wait_for(ALICE, "Your accounts (1)")
    assert mute_of(desk, account) is None
    await side.stop(listening)
    assert tg.pending == 0


async def test_what_was_fetched_is_confirmed_at_the_end(desk: Desk, tg: TelegramServer) -> None:
    side = build_telegram(TOKEN, tg.url, desk.services)
    await side.application.initialize()
    tg.private(ALICE, "/help")
    assert isinstance(side.poller, Poller)
    await side.poller._once(timedelta(0))
    assert tg.pending == 1
    await side.poller.confirm()
    assert tg.pending == 0
    await side.stop()


async def test_menus_by_scope(bot: TelegramSide, tg: TelegramServer) -> None:
    menus = tg.commands
    assert "health" not in menus["all_private_chats"]
    assert "health" in menus[f"chat:{OPERATOR}"]
    assert set(menus["all_group_chats"]) == set(GROUP_COMMANDS)
    tg.commands.clear()
    tg.private(OPERATOR, "/start")
    await tg.wait_until(lambda: tg.commands.get(f"chat:{OPERATOR}"))


async def test_edited_messages_are_no_commands(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    asked = tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?")
    tg.rewrite(ALICE, asked, ADD)
    await tg.wait_for(ALICE, "I do not act on edited messages")
    assert (ALICE, asked) in tg.deleted
    assert desk.reader.asked == []


def raw_message(tg: TelegramServer, chat: dict[str, Any], **more: Any) -> dict[str, Any]:
    words: str = more.pop("text")
    entities = [{"type": "bot_command", "offset": 0, "length": len(words.split()[0])}]
    return {"message_id": 4242, "date": int(time.time()), "chat": chat, "text": words, "entities": entities} | more


async def test_nobody_in_particular_is_refused_politely(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE)
    group = tg.chat(GROUP).as_api()
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    tg.push("message", raw_message(tg, group, text="/share main", **{"from": anonymous}, sender_chat=group))
    await tg.wait_for(GROUP, "I cannot tell who you are")
    channel = {"id": -1007, "type": "channel", "title": "News"}
    tg.chat(-1007, "supergroup")
    tg.push("channel_post", raw_message(tg, channel, text="/status", sender_chat=channel))
    await tg.wait_for(-1007, "I do not work in channels")
    other_bot = {"id": 99, "is_bot": True, "first_name": "Other"}
    tg.push("message", raw_message(tg, group, text="/status", **{"from": other_bot}))
    tg.say(GROUP, BOB, "/status")
    await tg.wait_for(GROUP, "No account is shared")
    assert len(tg.messages(GROUP)) == 2


async def test_failure_07_a_group_that_becomes_a_supergroup_keeps_its_shares(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    desk.store.share(GROUP, desk.add(ALICE).id, amounts=False, now=desk.clock())
    tg.migrate(GROUP, -1001234567890)
    await tg.wait_until(lambda: desk.store.shared_with(-1001234567890))
    assert list(desk.store.shared_with(GROUP)) == []


async def test_a_fault_of_ours_is_admitted_and_logged_without_what_was_said(
    desk: Desk, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise ZeroDivisionError("a bug")

    side = build_telegram(TOKEN, tg.url, replace(desk.services, health=broken))
    listening = await side.start()
    tg.private(OPERATOR, "/health canary-words")
    await tg.wait_for(OPERATOR, "This is a fault of mine")
    await side.stop(listening)
    assert "ZeroDivisionError" in caplog.text
    assert "canary-words" not in caplog.text


async def test_an_answer_survives_a_hiccup(bot: TelegramSide, tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", kind="429", retry_after=1)
    tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?")


async def test_unknown_commands_and_words(bot: TelegramSide, tg: TelegramServer) -> None:
    tg.private(ALICE, "/statsu")
    await tg.wait_for(ALICE, "Did you mean /status [LABEL]?")
    tg.private(ALICE, "hello")
    await tg.wait_for(ALICE, "I only understand commands")
    assert len(tg.messages(ALICE)) == 2


async def test_telegram_away_at_the_start_and_later(desk: Desk, tg: TelegramServer) -> None:
    tg.faults.add("*", kind="502")
    side = build_telegram(TOKEN, tg.url, desk.services, poll=timedelta(seconds=1))
    listening = await side.start()
    await tg.wait_until(lambda: side.health.answered_at)
    outage = tg.faults.add("getUpdates", times=None, kind="502")
    await tg.wait_until(lambda: side.health.trouble)
    before = side.health.answered_at
    tg.faults.remove(outage)
    tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "are we fine?")
    assert before is not None
    assert side.health.answered_at is not None
    assert side.health.answered_at > before
    await side.stop(listening)


async def test_an_unknown_token_ends_the_start(desk: Desk, tg: TelegramServer) -> None:
    side = build_telegram("654321:" + "A" * 35, tg.url, desk.services)
    with pytest.raises(ConfigError) as error:
        await side.start()
    assert "MARGINBOT_TELEGRAM_TOKEN" in str(error.value)
    assert "A" * 35 not in str(error.value)
    await side.stop()


async def test_who_waits_for_an_answer_when_the_bot_stops_is_told(desk: Desk, tg: TelegramServer) -> None:
    desk.reader.gate = asyncio.Event()
    side = build_telegram(TOKEN, tg.url, desk.services)
    listening = await side.start()
    tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "Checking main")
    began = time.monotonic()
    await side.stop(listening)
    assert time.monotonic() - began < 20
    assert "I was stopped before I had finished" in tg.texts(ALICE)[-1]


async def test_who_cannot_be_told_of_the_stop_does_not_hold_it_up(
    desk: Desk, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    desk.reader.gate = asyncio.Event()
    side = build_telegram(TOKEN, tg.url, desk.services)
    listening = await side.start()
    tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "Checking main")
    tg.faults.add("sendMessage", times=None, kind="slow", delay=9.0)
    await side.stop(listening)
    assert [record.message for record in caplog.records if record.name == "marginbot.flow.tasks"] == []


STRANGERS_COMMANDS = [
    "/status",
    "/positions",
    "/accounts",
    "/remove main",
    "/rename main mine",
    "/thresholds main ratio 1 2 3 4",
    "/snooze main 2h",
    "/ack main",
    "/add",
]


@pytest.mark.parametrize("words", STRANGERS_COMMANDS)
async def test_strangers_get_nothing_but_an_explanation(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, words: str
) -> None:
    account: Account = desk.add(ALICE)
    asked = tg.private(CHARLIE, words)
    answer = await tg.wait_for(CHARLIE, "This bot is by invitation", after=asked)
    assert "main" not in answer.text
    assert desk.store.accounts_of(ALICE) == [account]
