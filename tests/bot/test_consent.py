"""Keys at the door: refused, asked about, taken unverified, or simply read-only."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Reply
from marginbot.bot.commands.accounts import accounts
from marginbot.bot.commands.add import add
from marginbot.bot.commands.start import cancel
from marginbot.domain.errors import KeyCanWithdraw, LabelTaken, NotAllowed, RequestError
from marginbot.domain.passport import Passport
from tests.bot.alerts import pressed
from tests.bot.builders import ALICE, BOB, CHARLIE
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

READ_ONLY = Passport(can_read=True, can_trade=False, can_withdraw=False, ip_restricted=True)
TRADES = replace(READ_ONLY, can_trade=True)
KEY, SECRET = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "secret-0123456789-abcdefghij"
ADD = ("bybit", "main", KEY, SECRET)


async def last(reply: Reply) -> Reply:
    while reply.then is not None:
        reply = await reply.then()
    return reply


async def asked(desk: Desk, *args: str) -> Reply:
    """Alice sends a key that can trade; what she is asked."""
    desk.reader.rights = TRADES
    reply = await last(await add(desk.call(ALICE, *(args or ADD)), desk.services))
    assert "This key can trade. Use it anyway?" in reply.html
    assert [button.text for button in reply.buttons[0]] == ["Yes", "No"]
    return reply


def stored(desk: Desk) -> list[str]:
    return [account.label for account in desk.store.accounts_of(ALICE)]


async def test_failure_32_a_key_that_can_withdraw_is_refused(desk: Desk) -> None:
    desk.reader.rights = replace(READ_ONLY, can_withdraw=True)
    with pytest.raises(KeyCanWithdraw):
        await last(await add(desk.call(ALICE, *ADD), desk.services))
    assert stored(desk) == []


async def test_a_key_that_could_not_be_verified_is_stored_and_said_to_be_so(desk: Desk) -> None:
    desk.reader.rights = Passport(notes=("the exchange did not answer the question",))
    checking = await add(desk.call(ALICE, *ADD), desk.services)
    assert checking.then
    found = await checking.then()
    assert "could not verify what this key may do (the exchange did not answer the question)" in found.html
    assert found.buttons == ()
    assert "Watching" in (await last(found)).html
    assert "could not verify" in (await accounts(desk.call(ALICE), desk.services)).html


async def test_yes_stores_the_key(desk: Desk) -> None:
    question = await asked(desk)
    assert stored(desk) == []
    done = await pressed(desk, ALICE, question.buttons[0][0].data, "the question")
    assert (done.html, done.buttons) == ("the question\n\n➡️ Yes", ())
    assert "Watching" in done.reply.html
    [account] = desk.store.accounts_of(ALICE)
    assert desk.store.credential(account.id).secret == SECRET
    assert desk.changed == [account]
    assert "<b>can trade</b>" in (await accounts(desk.call(ALICE), desk.services)).html
    with pytest.raises(RequestError, match="closed"):
        await pressed(desk, ALICE, question.buttons[0][0].data)


async def test_no_forgets_the_key(desk: Desk) -> None:
    question = await asked(desk)
    done = await pressed(desk, ALICE, question.buttons[0][1].data)
    assert "Nothing was stored" in done.reply.html
    with pytest.raises(RequestError, match="closed"):
        await pressed(desk, ALICE, question.buttons[0][0].data)
    assert stored(desk) == []


@pytest.mark.parametrize("who", [BOB, CHARLIE])
@pytest.mark.parametrize("button", [0, 1])
async def test_nobody_else_answers_and_the_question_stays_open(desk: Desk, who: int, button: int) -> None:
    question = await asked(desk)
    with pytest.raises(NotAllowed):
        await pressed(desk, who, question.buttons[0][button].data)
    assert not desk.store.accounts_of(who)
    assert stored(desk) == []
    await pressed(desk, ALICE, question.buttons[0][0].data)
    assert stored(desk) == ["main"]


@pytest.mark.parametrize(
    ("minutes", "labels"), [pytest.param(4.9, ["main"], id="in time"), pytest.param(5.1, [], id="too late")]
)
async def test_a_key_is_kept_for_five_minutes(desk: Desk, minutes: float, labels: list[str]) -> None:
    question = await asked(desk)
    desk.clock.ahead = timedelta(minutes=minutes)
    try:
        await pressed(desk, ALICE, question.buttons[0][0].data)
    except RequestError as error:
        assert "Nothing was stored" in error.advice
    assert stored(desk) == labels


async def test_it_is_dropped_even_if_nobody_answers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marginbot.bot.consent.PATIENCE", timedelta(0))
    await asked(desk)
    await asyncio.sleep(0.01)
    assert not desk.services.questions._open


async def test_another_add_or_cancel_closes_the_question(desk: Desk) -> None:
    first = await asked(desk)
    second = await asked(desk, "bybit", "other", KEY, SECRET)
    with pytest.raises(RequestError, match="closed"):
        await pressed(desk, ALICE, first.buttons[0][0].data)
    assert "Nothing was stored" in (await cancel(desk.call(ALICE), desk.services)).html
    with pytest.raises(RequestError, match="closed"):
        await pressed(desk, ALICE, second.buttons[0][0].data)
    assert stored(desk) == []


async def test_what_was_checked_before_is_checked_again_at_the_answer(desk: Desk) -> None:
    question = await asked(desk)
    desk.add(ALICE)
    with pytest.raises(LabelTaken):
        await pressed(desk, ALICE, question.buttons[0][0].data)
    assert len(stored(desk)) == 1


async def test_the_secret_shows_nowhere_while_the_question_is_open(desk: Desk) -> None:
    question = await asked(desk)
    shown = f"{question!r} {desk.services.questions._open!r}"
    assert KEY not in shown
    assert SECRET not in shown
    for table in desk.store._db.table_names():
        for row in desk.store._db.query(f"SELECT * FROM [{table}]"):
            assert SECRET not in repr(row)


@pytest.mark.parametrize("guided", [False, True], ids=["one line", "guided"])
async def test_in_the_chat(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, caplog: pytest.LogCaptureFixture, guided: bool
) -> None:
    caplog.set_level("INFO")
    desk.reader.rights = TRADES
    if guided:
        for words, following in (("/add bybit main", "API key"), (KEY, "API secret")):
            said = tg.private(ALICE, words)
            await tg.wait_for(ALICE, following, after=said)
        tg.private(ALICE, SECRET)
    else:
        tg.private(ALICE, "/add " + " ".join(ADD))
    await tg.wait_for(ALICE, re.compile(re.escape("This key can trade. Use it anyway?")))
    assert stored(desk) == []
    tg.press_button(ALICE, "Yes", ALICE)
    await tg.wait_for(ALICE, "Watching main now")
    assert stored(desk) == ["main"]
    assert not any(SECRET in text for text in tg.texts(ALICE) if not text.startswith("/add"))
    assert SECRET not in caplog.text
