"""Messages that hold keys: out of sight first, whatever becomes of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.domain.errors import KeyRefused
from tests.bot.builders import ALICE, CHARLIE, GROUP
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

KEY, SECRET = "alices-api-key-0001", "canary-secret-5f2c9d7e1b"
ADD = f"/add bybit main {KEY} {SECRET}"


def order(tg: TelegramServer) -> list[str]:
    return [call.method for call in tg.calls() if call.method in ("deleteMessage", "sendMessage")]


async def test_failure_35_the_message_with_the_secret_is_gone_before_anything_else(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    asked = tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "Watching main now", after=asked)
    assert (ALICE, asked) in tg.deleted
    assert order(tg) == ["deleteMessage", "sendMessage", "sendMessage", "sendMessage"]
    checking, found, _ = tg.texts(ALICE)
    assert "I have deleted your message" in checking
    assert "I can read it" in found
    assert [a.label for a in desk.changed] == ["main"]
    assert SECRET not in "".join(tg.texts(ALICE))
    assert SECRET not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("marginbot"))


@pytest.mark.parametrize(
    ("who", "words", "told"),
    [
        pytest.param(ALICE, ADD, "Nothing was stored. To try again: /add bybit main", id="the venue refuses"),
        pytest.param(ALICE, f"/add nowhere main {KEY} {SECRET}", "I do not know that exchange", id="no such venue"),
        pytest.param(ALICE, f"/add {KEY} {SECRET}", "I do not know that exchange", id="malformed"),
        pytest.param(ALICE, f"/ad bybit main {KEY} {'s' * 40}", "Did you mean /add", id="misspelled"),
        pytest.param(ALICE, "s" * 40, "That looked like a key", id="a bare key"),
        pytest.param(CHARLIE, ADD, "This bot is by invitation", id="a stranger"),
    ],
)
async def test_a_secret_is_deleted_whatever_becomes_of_the_command(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, who: int, words: str, told: str
) -> None:
    desk.reader.answer = KeyRefused("-2015")
    asked = tg.private(who, words)
    answer = await tg.wait_for(who, told, after=asked)
    assert (who, asked) in tg.deleted
    assert KEY not in answer.text
    assert list(desk.store.accounts_of(who)) == []


async def test_when_deleting_fails_twice_the_person_is_told_to_do_it(bot: TelegramSide, tg: TelegramServer) -> None:
    tg.faults.add("deleteMessage", times=2, kind="500")
    asked = tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "Please delete it yourself", after=asked)
    assert len(tg.calls("deleteMessage")) == 2


async def test_a_deletion_that_fails_once_is_repeated(bot: TelegramSide, tg: TelegramServer) -> None:
    tg.faults.add("deleteMessage", kind="reset")
    asked = tg.private(ALICE, ADD)
    await tg.wait_for(ALICE, "I have deleted your message", after=asked)
    assert (ALICE, asked) in tg.deleted


async def test_guided_add_by_button_and_text(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    tg.private(ALICE, "/add")
    await tg.wait_for(ALICE, "Which exchange?")
    tg.press_button(ALICE, "OKX", ALICE)
    await tg.wait_for(ALICE, "What shall I call this account?")
    tg.private(ALICE, "my desk")
    await tg.wait_for(ALICE, "A label is one word")
    tg.private(ALICE, "desk")
    await tg.wait_for(ALICE, "Now send the API key")
    secrets = []
    for words, following in ((KEY, "API secret"), (SECRET, "passphrase"), ("pass", "Watching desk now")):
        secrets.append(tg.private(ALICE, words))
        await tg.wait_for(ALICE, following, after=secrets[-1])
    assert {(ALICE, message) for message in secrets} <= tg.deleted
    [account] = desk.store.accounts_of(ALICE)
    assert desk.store.credential(account.id).passphrase == "pass"


async def test_guided_add_can_be_left_and_runs_out(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    asked = tg.private(ALICE, "/add bybit main")
    await tg.wait_for(ALICE, "Now send the API key", after=asked)
    asked = tg.private(ALICE, "/cancel")
    await tg.wait_for(ALICE, "Cancelled", after=asked)
    asked = tg.private(ALICE, "/add bybit main")
    await tg.wait_for(ALICE, "Now send the API key", after=asked)
    desk.clock.ahead = timedelta(minutes=11)
    asked = tg.private(ALICE, "late-key")
    await tg.wait_for(ALICE, "Start again with /add", after=asked)
    assert (ALICE, asked) in tg.deleted
    assert list(desk.store.accounts_of(ALICE)) == []


async def test_keys_in_a_group_are_deleted_and_register_nothing(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    tg.set_bot_status(GROUP, "administrator", by=ALICE)
    asked = tg.say(GROUP, ALICE, ADD)
    answer = await tg.wait_for(GROUP, "Keys do not belong in a group", after=asked)
    assert (GROUP, asked) in tg.deleted
    assert "rotate" in answer.text
    assert answer.buttons[0][0].url == "https://t.me/margin_test_bot?start=add"
    assert desk.reader.asked == []
    asked = tg.say(GROUP, ALICE, "/add@margin_test_bot")
    answer = await tg.wait_for(GROUP, "Add your account in our private chat", after=asked)
    assert (GROUP, asked) not in tg.deleted


async def test_in_a_group_without_rights_the_sender_must_delete(bot: TelegramSide, tg: TelegramServer) -> None:
    asked = tg.say(GROUP, ALICE, ADD)
    await tg.wait_for(GROUP, "Please delete it yourself", after=asked)
