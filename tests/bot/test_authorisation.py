"""Who gets what: every command, for every role, in private and in a group, through the whole Telegram side.

The expectation is worked out from the one table of commands that drives the guard, so a command that is added is
covered here at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Command
from marginbot.bot.presses import ROUTES
from marginbot.bot.table import COMMANDS
from marginbot.flow.ports import Person
from tests.bot.builders import OPERATOR
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

ROLES = ("operator", "owner", "member", "stranger")
PRIVATE_ONLY = ("in our private chat only", "Keys do not belong in a group", "in the group that is concerned")
NOT_BOARD = "Only somebody who shares an account with this group"
NOT_INVITED, NOT_OPERATOR = "This bot is by invitation", "for the bot's operators"
REFUSALS = (*PRIVATE_ONLY, NOT_INVITED, NOT_OPERATOR)
ids: Iterator[int] = count(700_001)


def somebody(desk: Desk, role: str) -> int:
    """A new person of a role: budgets and dialogues of others do not matter to them."""
    if role == "operator":
        return OPERATOR
    user_id = next(ids)
    if role != "stranger":
        now = desk.clock()
        desk.store.remember_person(Person(user_id, role), user_id, now)
        desk.store.create_invite(f"code-{user_id}", OPERATOR, now, now.replace(year=now.year + 1))
        desk.store.redeem_invite(f"code-{user_id}", user_id, now)
    if role == "owner":
        desk.add(user_id)
    return user_id


def expected(command: Command, role: str, *, private: bool) -> str | None:
    """The refusal that is due; None: it is answered."""
    if not command.where.includes(private=private):
        return "elsewhere"
    if command.operators and role != "operator":
        return NOT_OPERATOR
    if command.name == "start" and private and role == "stranger":
        return NOT_INVITED
    return NOT_INVITED if command.members and private and role == "stranger" else None


@pytest.mark.parametrize("private", [True, False], ids=["private", "group"])
@pytest.mark.parametrize("role", ROLES)
async def test_failure_37_every_command_for_every_role(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, role: str, private: bool
) -> None:
    for number, command in enumerate(COMMANDS):
        who = somebody(desk, role)
        chat = who if private else -1_000_500 - number
        asked = tg.say(chat, who, f"/{command.name}")
        told = await tg.wait_for(chat, lambda message: True, after=asked)
        due = expected(command, role, private=private)
        if due is None:
            assert not any(refusal in told.text for refusal in REFUSALS), (command.name, told.text)
        elif due == "elsewhere":
            assert any(words in told.text for words in PRIVATE_ONLY), (command.name, told.text)
        else:
            assert due in told.text, (command.name, told.text)


@pytest.mark.parametrize("words", ["/board", "/board off"])
@pytest.mark.parametrize("role", ROLES)
async def test_failure_37_a_groups_board_belongs_to_who_shares_there_and_to_operators(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, role: str, words: str
) -> None:
    """The table for the one command whose rights depend on what the group sees: /board, by role, where somebody shares.

    An owner counts where an account of theirs is shared; owning one elsewhere is no right here.
    """
    group, sharer = -1_000_777, somebody(desk, "owner")
    desk.store.share(group, desk.store.account(sharer, "main").id, amounts=False, now=desk.clock())
    tg.set_member(group, sharer, "member")
    who = somebody(desk, role)
    told = await tg.wait_for(group, lambda message: True, after=tg.say(group, who, words))
    assert (NOT_BOARD in told.text) is (role != "operator"), told.text
    own = await tg.wait_for(group, lambda message: True, after=tg.say(group, sharer, words))
    assert NOT_BOARD not in own.text


def test_a_strangers_press_is_refused_for_every_button() -> None:
    """Each kind of button has its own test with a stranger; this one names what there is, so that none is forgotten."""
    kinds = {form.pattern.partition(":")[0] for form, _where, _answer in ROUTES}
    assert kinds == {
        "(ack|all|snz|det|try|res)",
        "drl",
        "lng",
        "wif",
        "key",
        "add",
        "lbl",
        "(bck|go-add|go-status|go-on|go-new)",
        "ref",
        "set",
        "fgt",
        "bud",
    }, "add a stranger's test for the new button"
