"""/export, /forget and /users: whose data it is, and who may see that."""

from __future__ import annotations

import base64
import gzip
import json
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.commands.data import FILE_LIMIT, PLAIN_LIMIT, export, exported, forget, users
from marginbot.bot.presses import Press, press
from marginbot.domain.errors import LimitReached, NotAllowed, RequestError
from marginbot.flow.ports import CycleRecord
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP, OPERATOR, pool, report
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

MINUTE = timedelta(minutes=1)


async def asked_to_forget(desk: Desk, who: int = ALICE) -> str:
    reply = await forget(desk.call(who), desk.services)
    return reply.buttons[0][0].data


async def test_forget_asks_first_and_then_deletes_everything(desk: Desk) -> None:
    desk.add(ALICE)
    desk.add(BOB)
    reply = await forget(desk.call(ALICE), desk.services)
    assert "1 account: main" in reply.html
    assert list(desk.store.accounts_of(ALICE))
    answer = await press(Press(call=desk.call(ALICE), data=reply.buttons[0][0].data), desk.services)
    assert answer.html is not None
    assert "Done" in answer.html
    assert not desk.store.personal_data(ALICE)
    assert list(desk.store.accounts_of(BOB))
    assert "nothing about you" in (await forget(desk.call(ALICE), desk.services)).html


async def test_keeping_it_deletes_nothing_and_closes_the_question(desk: Desk) -> None:
    desk.add(ALICE)
    reply = await forget(desk.call(ALICE), desk.services)
    yes, no = (button.data for button in reply.buttons[0])
    await press(Press(call=desk.call(ALICE), data=no), desk.services)
    with pytest.raises(RequestError):
        await press(Press(call=desk.call(ALICE), data=yes.replace("yes", "yes")), desk.services)
    assert list(desk.store.accounts_of(ALICE))


async def test_nobody_else_and_nobody_late_deletes_anything(desk: Desk) -> None:
    desk.add(ALICE)
    data = await asked_to_forget(desk)
    for stranger in (BOB, CHARLIE, OPERATOR):
        with pytest.raises(NotAllowed):
            await press(Press(call=desk.call(stranger), data=data), desk.services)
    desk.clock.ahead = timedelta(minutes=6)
    with pytest.raises(RequestError):
        await press(Press(call=desk.call(ALICE), data=data), desk.services)
    assert list(desk.store.accounts_of(ALICE))


async def test_an_export_holds_what_is_stored_and_no_secret(desk: Desk) -> None:
    account, at = desk.add(ALICE), desk.clock()
    desk.add(BOB, label="bobs-own")
    found = report(pool(equity=Decimal("1402.11")), taken_at=at)
    desk.store.record(
        CycleRecord(account_id=account.id, at=at, report=found, states={}, notices=[], next_due_at=at + MINUTE)
    )
    reply = await export(desk.call(ALICE), desk.services)
    assert reply.document is not None
    assert reply.document.name == f"marginbot-{at:%Y-%m-%d}.json"
    data = json.loads(reply.document.content)
    assert data["accounts"][0]["label"] == "main"
    [reading] = data["history_readings"]
    assert (reading["equity"], reading["symbol"], reading["mark"]) == (1402.1, "BTC/USDT:USDT long", 96422.0)
    for kept_back in (b"k" * 20, b"s" * 40, b"bobs-own"):
        assert kept_back not in reply.document.content
    for other in (BOB, OPERATOR):
        theirs = await export(desk.call(other), desk.services)
        assert theirs.document is not None
        assert b'"main"' not in theirs.document.content
    nothing = await export(desk.call(CHARLIE), desk.services)
    assert (nothing.document, nothing.html) == (None, "I hold nothing about you.")


def test_a_large_export_is_compressed_and_a_huge_one_refused() -> None:
    day = date(2026, 11, 25)
    large = {"rows": ["0123456789" * 10] * (PLAIN_LIMIT // 100)}
    sent = exported(large, day)
    assert sent.name == "marginbot-2026-11-25.json.gz"
    assert json.loads(gzip.decompress(sent.content)) == large
    noise = base64.b85encode(random.Random(1).randbytes(FILE_LIMIT + 1)).decode()
    with pytest.raises(LimitReached) as refused:
        exported({"rows": [noise]}, day)
    assert "Nothing was sent" in refused.value.advice


async def test_an_export_arrives_as_a_file(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE)
    asked = tg.private(ALICE, "/export")
    told = await tg.wait_for(ALICE, "All that I hold about you", after=asked)
    assert told.kind == "document"
    assert told.file is not None
    assert json.loads(told.file.data)["accounts"][0]["label"] == "main"
    tg.faults.add("sendDocument", kind="400")
    asked = tg.private(ALICE, "/export")
    told = await tg.wait_for(ALICE, "Telegram did not take the file", after=asked)
    assert told.kind == "text"
    asked = tg.say(GROUP, ALICE, "/export")
    told = await tg.wait_for(GROUP, "in our private chat only", after=asked)
    assert told.kind == "text"


async def test_operators_see_users_and_end_memberships(desk: Desk) -> None:
    desk.add(ALICE)
    listed = (await users(desk.call(OPERATOR), desk.services)).html
    assert f"<code>{ALICE}</code> Alice: 1 accounts, member" in listed
    assert "ended" in (await users(desk.call(OPERATOR, "out", str(BOB)), desk.services)).html
    assert not desk.store.is_member(BOB)
    for words in (["out", "9" * 40], ["out", "77"]):
        assert "Nothing was changed" in (await users(desk.call(OPERATOR, *words), desk.services)).html
    for words in (["out"], ["in", "5"], ["out", "-5"], ["out", "٣"]):
        with pytest.raises(RequestError):
            await users(desk.call(OPERATOR, *words), desk.services)
    for stranger in (ALICE, CHARLIE):
        with pytest.raises(NotAllowed):
            await users(desk.call(stranger), desk.services)
