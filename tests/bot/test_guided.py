"""The guided way in: few taps, a search, a way back, and buttons for the next step."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.commands.add import OUT_OF_DATE, add, answer
from marginbot.bot.presses import Press, press
from marginbot.domain.errors import NotAllowed
from tests.bot.builders import ALICE, BOB, CHARLIE
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.servers.telegram import TelegramServer

KEY, SECRET = "k" * 20, "s" * 40
FEW = 10  # taps and texts; the first account takes fewer


async def test_the_first_account_takes_few_taps_and_texts(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    done = 0

    async def then(words: str) -> None:
        nonlocal done
        done += 1
        await tg.wait_for(ALICE, words)

    tg.private(ALICE, "/start")
    await then("Next: /add your first account")
    for label, following in (
        ("Add my first account", "Which exchange?"),
        ("Bybit", "What shall I call this account?"),
        ("main", "Now send the API key"),
    ):
        tg.press_button(ALICE, label, ALICE)
        await then(following)
    for words, following in ((KEY, "API secret"), (SECRET, "Watching main now")):
        tg.private(ALICE, words)
        await then(following)
    assert [account.label for account in desk.store.accounts_of(ALICE)] == ["main"]
    assert done < FEW


@pytest.mark.parametrize(("typed", "found"), [("hyper", "Hyperliquid"), ("bybti", "Bybit"), ("OK", "OKX")])
async def test_an_exchange_is_found_by_what_was_typed(
    bot: TelegramSide, tg: TelegramServer, typed: str, found: str
) -> None:
    tg.private(ALICE, "/add")
    await tg.wait_for(ALICE, "Which exchange?")
    tg.private(ALICE, typed)
    await tg.wait_for(ALICE, "Which of these?")
    tg.press_button(ALICE, found, ALICE)
    await tg.wait_for(ALICE, "What shall I call this account?")


async def test_back_goes_one_question_at_a_time(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    asked = tg.private(ALICE, "/add bybit main")
    await tg.wait_for(ALICE, "Now send the API key", after=asked)
    asked = tg.private(ALICE, KEY)
    await tg.wait_for(ALICE, "API secret", after=asked)
    for following in ("Now send the API key", "What shall I call", "Which exchange?"):
        before = tg.messages(ALICE)[-1].message_id
        tg.press_button(ALICE, "◀ Back", ALICE)
        await tg.wait_for(ALICE, following, after=before)
    assert list(desk.store.accounts_of(ALICE)) == []


async def test_old_buttons_say_that_they_are_old(bot: TelegramSide, tg: TelegramServer) -> None:
    asked = tg.private(ALICE, "/add bybit")
    await tg.wait_for(ALICE, "What shall I call", after=asked)
    asked = tg.private(ALICE, "/cancel")
    await tg.wait_for(ALICE, "Cancelled", after=asked)
    for label in ("main", "◀ Back"):
        before = tg.messages(ALICE)[-1].message_id
        tg.press_button(ALICE, label, ALICE)
        await tg.wait_for(ALICE, OUT_OF_DATE, after=before)


async def test_a_taken_label_is_not_proposed(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE, "main")
    asked = tg.private(ALICE, "/add okx")
    told = await tg.wait_for(ALICE, "What shall I call", after=asked)
    assert [button.label for row in told.buttons for button in row] == ["okx", "◀ Back"]


async def test_status_is_refreshed_in_place(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE, "main")
    asked = tg.private(ALICE, "/status")
    told = await tg.wait_for(ALICE, "main", after=asked)
    desk.add(ALICE, "second")
    tg.press_button(ALICE, "🔄 Refresh", ALICE)
    await tg.wait_for(ALICE, "second", after=asked)
    assert tg.messages(ALICE)[-1].message_id == told.message_id, "no new message"
    assert tg.messages(ALICE)[-1].buttons


@pytest.mark.parametrize(
    ("command", "data"),
    [("/status main", "ref:s:{}"), ("/map main", "ref:m:{}"), ("/topup main 40", "ref:t:{}:40"), ("/topup", "ref:t:0"),
     ("/accounts", "ref:a")],
)  # fmt: skip
async def test_what_can_be_brought_up_to_date(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, command: str, data: str
) -> None:
    account = desk.add(ALICE, "main")
    asked = tg.private(ALICE, command)
    told = await tg.wait_for(ALICE, lambda message: bool(message.buttons), after=asked)
    [button] = [button for row in told.buttons for button in row if button.label == "🔄 Refresh"]
    assert button.data == data.format(account.id)
    desk.store.rename_account(ALICE, "main", "desk-2")
    query = tg.press_button(ALICE, "🔄 Refresh", ALICE)
    await tg.wait_until(lambda: tg.callback_answers.get(query))
    assert tg.callback_answers[query].text == "As of now"
    assert tg.messages(ALICE)[-1].message_id == told.message_id, "no new message"
    await tg.wait_until(lambda: "main" not in tg.messages(ALICE)[-1].text.replace("maintenance", ""))
    assert tg.messages(ALICE)[-1].buttons


@pytest.mark.parametrize("data", ["ref:s:{}", "ref:m:{}", "ref:t:{}"])
async def test_an_account_of_somebody_else_is_not_shown(desk: Desk, data: str) -> None:
    theirs = desk.add(BOB)
    desk.add(ALICE)
    with pytest.raises(NotAllowed):
        await press(Press(call=desk.call(ALICE), data=data.format(theirs.id)), desk.services)


@pytest.mark.parametrize("data", ["ref:x", "ref:s:main", "ref:t:0:much", "ref:a:1:2:3"])
async def test_a_button_of_another_version_says_so(desk: Desk, data: str) -> None:
    desk.add(ALICE)
    answer = await press(Press(call=desk.call(ALICE), data=data), desk.services)
    assert answer.toast.startswith("This button is out of date")


async def test_what_was_left_is_gone_on_with_after_a_restart(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    asked = tg.private(ALICE, "/add bybit main")
    await tg.wait_for(ALICE, "Now send the API key", after=asked)
    asked = tg.private(ALICE, KEY)
    await tg.wait_for(ALICE, "API secret", after=asked)
    assert KEY not in "".join(desk.store._db.conn.iterdump()), "nothing of a key is at rest"
    desk.services.dialogues.leave(ALICE)  # what a restart does to it
    asked = tg.private(ALICE, SECRET)
    offered = await tg.wait_for(ALICE, "You were adding Bybit as main; go on?", after=asked)
    assert "deleted your message" in offered.text
    tg.press_button(ALICE, "Go on", ALICE)
    await tg.wait_for(ALICE, "Now send the API key", after=offered.message_id)
    for words, following in ((KEY, "API secret"), (SECRET, "Watching main now")):
        tg.private(ALICE, words)
        await tg.wait_for(ALICE, following, after=offered.message_id)
    assert desk.store.kept_dialogue(ALICE) is None


async def test_add_once_more_asks_whether_to_go_on(desk: Desk) -> None:
    await add(desk.call(ALICE, "bybit"), desk.services)
    offered = await add(desk.call(ALICE), desk.services)
    check("add_go_on", offered.html, offered.buttons)
    gone_on = await press(Press(call=desk.call(ALICE), data="go-on:"), desk.services)
    assert "What shall I call this account?" in gone_on.reply.html
    anew = await press(Press(call=desk.call(ALICE), data="go-new:"), desk.services)
    assert "Which exchange?" in anew.reply.html
    assert "Which exchange?" in (await add(desk.call(ALICE), desk.services)).html, "nothing is left"


async def test_a_label_taken_meanwhile_is_asked_for_again(desk: Desk) -> None:
    await add(desk.call(ALICE, "bybit", "main"), desk.services)
    desk.services.dialogues.leave(ALICE)
    desk.add(ALICE, "Main")
    gone_on = await press(Press(call=desk.call(ALICE), data="go-on:"), desk.services)
    assert "What shall I call this account?" in gone_on.reply.html


async def test_what_was_left_for_too_long_is_dropped(desk: Desk) -> None:
    await add(desk.call(ALICE, "bybit", "main"), desk.services)
    desk.services.dialogues.leave(ALICE)
    desk.clock.ahead += timedelta(minutes=11)
    assert desk.services.dialogues.wants_secret(ALICE), "a key that comes now is still one"
    told = await press(Press(call=desk.call(ALICE), data="go-on:"), desk.services)
    assert told.reply.html == OUT_OF_DATE
    assert "That took a while" in (await answer(desk.call(ALICE), KEY, desk.services)).html
    assert desk.store.kept_dialogue(ALICE) is None


@pytest.mark.parametrize("data", ["bck:", "go-add:", "go-status:", "go-on:", "go-new:", "ref:", "ref:a", "lbl:main"])
async def test_a_stranger_gets_an_explanation_only(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, data: str
) -> None:
    asked = tg.private(CHARLIE, "/help")
    told = await tg.wait_for(CHARLIE, lambda message: True, after=asked)
    query = tg.press(CHARLIE, told.message_id, data, CHARLIE)
    await tg.wait_until(lambda: tg.callback_answers.get(query))
    assert "by invitation" in tg.callback_answers[query].text
