"""What the bot may not do in a group: it says which right is missing, and how to give it."""

from __future__ import annotations

from marginbot.bot.build import TelegramSide
from tests.bot.builders import ALICE, GROUP
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer


async def test_where_it_may_not_write_who_asked_is_told_in_private(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    may_not = "Bad Request: not enough rights to send text messages to the chat"
    tg.faults.add("sendMessage", GROUP, None, kind="400", description=may_not)
    tg.say(GROUP, ALICE, f"/status@{tg.bot.username}")
    told = await tg.wait_for(ALICE, "where I may not write")
    assert "let me send messages" in told.text
    assert tg.texts(GROUP) == []


async def test_where_it_may_not_delete_a_key_it_names_the_right(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    desk.add(ALICE)
    tg.say(GROUP, ALICE, f"/add bybit main {'k' * 30} {'s' * 40}")
    told = await tg.wait_for(GROUP, "I could not delete your message")
    assert "with the right “Delete messages”" in told.text


async def test_in_privacy_mode_commands_for_it_are_answered_and_others_are_not_heard(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    assert tg.privacy
    tg.say(GROUP, ALICE, "how are they?")
    tg.say(GROUP, ALICE, "/status@another_bot")
    asked = tg.say(GROUP, ALICE, f"/status@{tg.bot.username}")
    await tg.wait_for(GROUP, "No account is shared", after=asked)
    assert len(tg.texts(GROUP)) == 1
