"""/forget and /users: whose data it is, and who may see that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot.commands.data import exported, forget, users
from marginbot.bot.presses import Press, press
from marginbot.domain.errors import NotAllowed, RequestError
from tests.bot.builders import ALICE, BOB, CHARLIE, OPERATOR
from tests.bot.conftest import Desk


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


def test_an_export_holds_what_is_stored_and_no_secret(desk: Desk) -> None:
    desk.add(ALICE)
    file = exported(ALICE, desk.services)
    assert file is not None
    assert b'"label": "main"' in file
    assert b"k" * 20 not in file
    assert b"s" * 40 not in file
    assert exported(CHARLIE, desk.services) is None


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
