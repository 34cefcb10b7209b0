"""Inline mode: owners share what they choose, in percentages; others find the way in."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.language import _, read_in_language
from marginbot.bot.polling import ALLOWED
from marginbot.domain.alerting import AlertState
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.builders import ALICE, BOB, CHARLIE, pool, report
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer
from tests.servers.telegram_html import plain_text

numbers = count(1)


async def asked(tg: TelegramServer, who: int, words: str = "", code: str | None = None) -> dict[str, Any]:
    """What the bot offers to somebody who types its name and these words."""
    number = f"q{next(numbers)}"
    sender = {"id": who, "is_bot": False, "first_name": "Somebody"} | ({"language_code": code} if code else {})
    tg.push("inline_query", {"id": number, "from": sender, "query": words, "offset": ""})

    def answer() -> dict[str, Any] | None:
        calls = [call for call in tg.calls("answerInlineQuery") if call.params["inline_query_id"] == number]
        return calls[0].params if calls else None

    return await tg.wait_until(answer)


def read(desk: Desk, account: Account) -> None:
    at = desk.clock() - timedelta(seconds=1)
    desk.store.record(
        CycleRecord(
            account_id=account.id,
            at=at,
            report=report(pool(), taken_at=at),
            states={"cross:USDT": AlertState(grade=Grade.CRITICAL, seen_at=at)},
            notices=[],
            next_due_at=at,
        )
    )


async def test_an_owner_is_offered_their_own_accounts_without_amounts_and_only_to_them(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    for label in ("main", "spare"):
        read(desk, desk.add(ALICE, label))
    desk.add(BOB, "bobs")
    found = await asked(tg, ALICE)
    assert (found["is_personal"], found["cache_time"] <= 10) == (True, True)
    assert [article["title"] for article in found["results"]] == ["🔴 CRITICAL · main", "🔴 CRITICAL · spare"]
    for article in found["results"]:
        shown = plain_text(article["input_message_content"]["message_text"])
        assert "cushion 1.8x, ratio 71.3%" in shown
        for hidden in ("USDT", "1,402", "402", "bybit", "binance", "bobs"):
            assert hidden not in str(article), hidden
    assert "button" not in found


async def test_what_is_typed_chooses_by_label(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    for label in ("main", "spare"):
        desk.add(ALICE, label)
    assert [a["title"] for a in (await asked(tg, ALICE, " SP"))["results"]] == ["❔ not known · spare"]
    nothing = await asked(tg, ALICE, "nothing-like-it")
    assert (nothing["results"], "button" in nothing) == ([], False)


@pytest.mark.parametrize("who", [BOB, CHARLIE], ids=["member without an account", "stranger"])
async def test_who_has_no_account_is_offered_the_way_in(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, who: int
) -> None:
    read(desk, desk.add(ALICE))
    found = await asked(tg, who, code="ru")
    with read_in_language("ru"):
        assert found["button"] == {"text": _("Start with me in private"), "start_parameter": "inline"}
    assert (found["results"], found["is_personal"]) == ([], True)


async def test_a_stranger_who_follows_the_button_is_told_how_to_get_in(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    tg.private(CHARLIE, "/start inline")
    assert "by invitation" in (await tg.wait_for(CHARLIE, "invite code")).text
    tg.private(BOB, "/start inline")
    await tg.wait_for(BOB, "Next: /add your first account")


async def test_typing_much_costs_no_command(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE)
    answers = [await asked(tg, ALICE) for _letter in range(40)]
    assert len(answers[0]["results"]) == 1
    assert answers[-1]["results"] == []
    tg.private(ALICE, "/status")
    await tg.wait_for(ALICE, "main")


def test_inline_queries_are_asked_for_by_polling_and_by_webhook() -> None:
    """One list serves both; tests/bot/test_webhook.py holds that it is sent."""
    assert "inline_query" in ALLOWED
