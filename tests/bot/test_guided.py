"""The guided way in: few taps, a search, a way back, and buttons for the next step."""

from __future__ import annotations

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.commands.add import OUT_OF_DATE
from tests.bot.builders import ALICE, CHARLIE
from tests.bot.conftest import Desk
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


@pytest.mark.parametrize("data", ["bck:", "go-add:", "go-status:", "ref:", "lbl:main"])
async def test_a_stranger_gets_an_explanation_only(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, data: str
) -> None:
    asked = tg.private(CHARLIE, "/help")
    told = await tg.wait_for(CHARLIE, lambda message: True, after=asked)
    query = tg.press(CHARLIE, told.message_id, data, CHARLIE)
    await tg.wait_until(lambda: tg.callback_answers.get(query))
    assert "by invitation" in tg.callback_answers[query].text
