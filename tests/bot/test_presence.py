"""Blocked, added, removed, left: alerts and shares follow at once; nobody else's do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot.build import TelegramSide
from marginbot.domain.outcomes import Sent, Unreachable
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.alerts import CRITICAL, alerted
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP, OPERATOR, facts, notice, pool, report
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer


def status_of(desk: Desk, notice_id: int) -> tuple[str, str | None, str | None]:
    [row] = desk.store._all("SELECT status, drop_reason, last_error FROM notices WHERE id = ?", notice_id)
    return row["status"], row["drop_reason"], row["last_error"]


def news(desk: Desk, account: Account, number: int) -> int:
    """A new alert about the account is written; its id."""
    told = notice(
        facts(label=account.label),
        account_id=account.id,
        number=number,
        user_id=account.user_id,
        chat_id=account.chat_id,
    )
    now = desk.clock()
    record = CycleRecord(
        account_id=account.id,
        at=now,
        report=report(pool(), taken_at=now),
        states={"cross:USDT": CRITICAL},
        notices=[told],
        next_due_at=now,
    )
    desk.store.record(record)
    [row] = desk.store._all("SELECT max(id) AS id FROM notices WHERE account_id = ?", account.id)
    return int(row["id"])


def shared(desk: Desk, chat_id: int = GROUP) -> list[str]:
    return [account.label for account, _ in desk.store.shared_with(chat_id)]


async def test_failure_08_who_blocks_the_bot_gets_nothing_more_and_the_operators_hear_of_it(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    account, other = desk.add(ALICE), desk.add(BOB, "desk")
    alerted(desk, account)
    waiting, bobs = news(desk, account, 2), news(desk, other, 2)
    tg.block(ALICE)
    told = await tg.wait_for(OPERATOR, "has blocked me")
    assert f"user {ALICE}, 1 account" in told.text
    assert "USDT" not in told.text
    assert status_of(desk, waiting) == ("dropped", "unreachable", "blocked by the person")
    assert status_of(desk, news(desk, account, 3))[:2] == ("dropped", "unreachable")
    assert status_of(desk, bobs)[0] == "pending"
    tg.block(ALICE)
    tg.private(BOB, "/help")
    await tg.wait_for(BOB, "are we fine?")
    assert len(tg.messages(OPERATOR)) == 1


async def test_who_unblocks_the_bot_is_told_at_once_how_things_are(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    account = desk.add(ALICE)
    tg.block(ALICE)
    await tg.wait_for(OPERATOR, "has blocked me")
    news(desk, account, 2)
    tg.unblock(ALICE)
    told = await tg.wait_for(ALICE, "My alerts reach you again")
    assert "1 was not delivered" in told.text
    assert "Not fine: main critical" in told.text
    assert status_of(desk, news(desk, account, 3))[0] == "pending"


async def test_any_message_opens_a_chat_that_was_taken_for_closed(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    desk.add(ALICE)
    desk.store.lost_contact(ALICE, "blocked by the person", desk.clock())
    tg.private(ALICE, "/help")
    await tg.wait_for(ALICE, "My alerts reach you again")
    await tg.wait_for(ALICE, "are we fine?")
    tg.private(ALICE, "/help")
    await tg.wait_until(lambda: len(tg.messages(ALICE)) == 3)
    assert sum("reach you again" in text for text in tg.texts(ALICE)) == 1


async def test_failure_08_one_refused_message_silences_nobody_and_a_closed_chat_is_tried_now_and_then(
    desk: Desk,
) -> None:
    account = desk.add(ALICE)
    refused = news(desk, account, 2)
    desk.store.finish_attempts([refused], Unreachable("Bad Request: chat not found"), None, desk.clock())
    assert status_of(desk, news(desk, account, 3))[0] == "pending"
    desk.store.lost_contact(ALICE, "blocked by the person", desk.clock())
    assert status_of(desk, news(desk, account, 4))[0] == "dropped"
    desk.clock.ahead = timedelta(hours=1, seconds=1)
    tried = news(desk, account, 5)
    assert status_of(desk, tried)[0] == "pending"
    desk.store.begin_attempts([tried], desk.clock(), desk.clock())
    assert status_of(desk, news(desk, account, 6))[0] == "dropped"
    desk.store.finish_attempts([tried], Sent(99), None, desk.clock())
    refused = news(desk, account, 7)
    desk.store.finish_attempts([refused], Unreachable("Bad Request: chat not found"), None, desk.clock())
    assert status_of(desk, news(desk, account, 8))[0] == "pending", "the old word no longer counts"


async def test_a_stranger_who_blocks_or_unblocks_changes_and_hears_nothing(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    account = desk.add(ALICE)
    waiting = news(desk, account, 2)
    tg.block(CHARLIE)
    tg.unblock(CHARLIE)
    tg.private(BOB, "/help")
    await tg.wait_for(BOB, "are we fine?")
    assert status_of(desk, waiting)[0] == "pending"
    assert tg.messages(CHARLIE) == tg.messages(OPERATOR) == []


async def test_the_bot_says_hello_in_a_group_and_ends_its_shares_when_it_is_removed(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    tg.chat(GROUP).members[tg.bot.id] = "left"
    tg.set_bot_status(GROUP, "member", by=CHARLIE)
    hello = await tg.wait_for(GROUP, "/share LABEL here")
    assert "no administrator rights" in hello.text
    assert "“Pin messages”" in hello.text
    for owner in (ALICE, BOB):
        desk.store.share(GROUP, desk.add(owner, f"of-{owner}").id, amounts=False, now=desk.clock())
    tg.set_bot_status(GROUP, "kicked", by=CHARLIE)
    await tg.wait_for(ALICE, f"I was removed from the group “Traders”: it no longer sees of-{ALICE}")
    await tg.wait_for(BOB, f"it no longer sees of-{BOB}")
    assert shared(desk) == []


@pytest.mark.parametrize("how", ["the service message", "the word to administrators", "nothing told"])
async def test_an_owner_who_leaves_a_group_ends_their_shares_there(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, how: str
) -> None:
    elsewhere = GROUP - 1
    account, other = desk.add(ALICE), desk.add(BOB, "desk")
    for chat_id, shown in ((GROUP, account), (GROUP, other), (elsewhere, account)):
        desk.store.share(chat_id, shown.id, amounts=False, now=desk.clock())
    tg.set_member(GROUP, BOB, "member")
    tg.set_member(GROUP, ALICE, "member")
    if how == "the word to administrators":
        tg.change_member(GROUP, ALICE, "kicked")
    else:
        tg.leave(GROUP, ALICE, told=how == "the service message")
    if how == "nothing told":
        tg.say(GROUP, BOB, "/status")
        await tg.wait_for(GROUP, "desk")
        assert not any("main" in text for text in tg.texts(GROUP))
    await tg.wait_for(ALICE, "it no longer sees main")
    assert (shared(desk), shared(desk, elsewhere)) == (["desk"], ["main"])


async def test_whether_owners_are_there_is_asked_once_in_a_while(
    bot: TelegramSide, desk: Desk, tg: TelegramServer
) -> None:
    desk.store.share(GROUP, desk.add(ALICE).id, amounts=False, now=desk.clock())
    tg.faults.add("getChatMember", kind="500")
    tg.set_member(GROUP, ALICE, "left")
    for asked in (1, 2):
        tg.say(GROUP, BOB, "/status")
        await tg.wait_until(lambda asked=asked: len(tg.messages(GROUP)) == asked)  # type: ignore[misc]
    assert len(tg.calls("getChatMember")) == 1, "Telegram's trouble is not taken for an answer, nor asked about again"
    assert shared(desk) == ["main"]
    desk.clock.ahead = timedelta(minutes=10)
    tg.say(GROUP, BOB, "/status")
    await tg.wait_for(GROUP, "No account is shared")
