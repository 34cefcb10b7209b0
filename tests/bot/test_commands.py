"""Each command: what it does for its owner, and what a stranger gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot.calls import Reply
from marginbot.bot.commands.accounts import accounts, remove, rename
from marginbot.bot.commands.add import add
from marginbot.bot.commands.look import positions, status
from marginbot.bot.commands.operators import health, invite
from marginbot.bot.commands.quiet import ack, snooze
from marginbot.bot.commands.share import share, unshare
from marginbot.bot.commands.start import start
from marginbot.bot.commands.thresholds import thresholds
from marginbot.bot.presses import Answer, Press, press
from marginbot.bot.table import COMMANDS, show_help, undocumented, visible
from marginbot.domain.alerting import AlertState, Mute, MuteKind, Reason
from marginbot.domain.errors import (
    Cause,
    MarginbotError,
    NoSuchAccount,
    NotAllowed,
    RequestError,
)
from marginbot.domain.grading import Grade
from marginbot.domain.notices import NewNotice, Notice, Sent
from marginbot.flow.access import AccessMode
from marginbot.flow.cycle import ACCOUNT
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.builders import ALICE, BOB, CALM, CHARLIE, GROUP, NOW, OPERATOR, facts, pool, report
from tests.bot.conftest import Desk
from tests.bot.golden import check

CRITICAL = AlertState(grade=Grade.CRITICAL, announced=Grade.CRITICAL, episode=1, number=1)


def alerted(desk: Desk, account: Account, *, state: AlertState = CRITICAL, subject: str = "cross:USDT") -> Notice:
    """The account has a critical pool, which its owner was told in message 77."""
    about = facts(label=account.label, grade=state.grade or Grade.CRITICAL)
    now = desk.clock()
    told = NewNotice(
        account_id=account.id,
        subject=subject,
        episode=1,
        number=1,
        user_id=account.user_id,
        chat_id=account.chat_id,
        sound=True,
        facts=about,
    )
    desk.store.record(
        CycleRecord(
            account_id=account.id,
            at=now,
            report=report(pool(), taken_at=now),
            states={subject: state},
            notices=[told],
            next_due_at=now,
        )
    )
    [pending] = [n for n in desk.store.pending_notices() if n.account_id == account.id]
    desk.store.finish_attempt(pending.id, Sent(77), None, now)
    return pending


def mute_of(desk: Desk, account: Account, subject: str = "cross:USDT") -> Mute | None:
    return desk.store.states(account.id)[subject].mute


async def pressed(desk: Desk, user_id: int, data: str, html: str = "🔴 text") -> Answer:
    return await press(Press(call=desk.call(user_id), data=data, html=html), desk.services)


async def whole(reply: Reply) -> list[str]:
    """A reply and all that follows it."""
    told = [reply.html]
    while reply.then is not None:
        reply = await reply.then()
        told.append(reply.html)
    return told


async def test_add_in_one_line_shows_what_was_found_before_anything_is_stored(desk: Desk) -> None:
    checking = await add(desk.call(ALICE, "bybit", "main", "the-key", "the-secret"), desk.services)
    assert "Checking main" in checking.html
    assert checking.then is not None
    found = await checking.then()
    assert "I can read it" in found.html
    assert list(desk.store.accounts_of(ALICE)) == []
    assert found.then is not None
    watching = await found.then()
    assert "Watching <b>main</b> now" in watching.html
    [stored] = desk.store.accounts_of(ALICE)
    assert desk.store.credential(stored.id).secret == "the-secret"
    assert desk.changed == [stored]


async def test_a_refused_account_gets_its_new_key_under_the_same_label(desk: Desk) -> None:
    refused = desk.add(ALICE)
    now = desk.clock()
    desk.store.record(
        CycleRecord(
            account_id=refused.id,
            at=now,
            report=None,
            states={},
            notices=[],
            next_due_at=now,
            refused=Cause.KEY_REFUSED,
        )
    )
    told = await whole(await add(desk.call(ALICE, "bybit", "main", "new-key", "new-secret"), desk.services))
    assert "Watching" in told[-1]
    [account] = desk.store.accounts_of(ALICE)
    assert (account.id, account.refused) == (refused.id, None)
    assert desk.store.credential(account.id).key == "new-key"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(("bybti", "main", "k", "s"), "Did you mean bybit?", id="a misspelled venue"),
        pytest.param(("bybit", "<b>", "k", "s"), "A label is one word", id="a hostile label"),
        pytest.param(("bybit", "main", "k", "s", "p"), "needs API key and API secret; I got 3 parts", id="too many"),
        pytest.param(("hyperliquid", "main", "nope"), "An address starts with 0x", id="a malformed address"),
    ],
)
async def test_add_says_what_is_wrong_and_stores_nothing(desk: Desk, args: tuple[str, ...], told: str) -> None:
    with pytest.raises(RequestError) as error:
        await add(desk.call(ALICE, *args), desk.services)
    assert told in error.value.advice
    assert error.value.advice.endswith("Nothing was stored.")
    assert desk.reader.asked == []


async def test_remove_deletes_at_once_and_says_what(desk: Desk) -> None:
    desk.add(ALICE)
    told = await remove(desk.call(ALICE, "MAIN"), desk.services)
    assert "Removed <b>main</b> (bybit)" in told.html
    assert list(desk.store.accounts_of(ALICE)) == []


@pytest.mark.parametrize("new", [pytest.param("desk", id="another"), pytest.param("Main", id="another case")])
async def test_rename(desk: Desk, new: str) -> None:
    desk.add(ALICE)
    await rename(desk.call(ALICE, "main", new), desk.services)
    assert [account.label for account in desk.store.accounts_of(ALICE)] == [new]


async def test_a_label_in_use_is_not_given_twice(desk: Desk) -> None:
    desk.add(ALICE)
    desk.add(ALICE, "desk")
    with pytest.raises(RequestError):
        await rename(desk.call(ALICE, "main", "DESK"), desk.services)


async def test_thresholds_shown_set_and_refused(desk: Desk) -> None:
    desk.add(ALICE)
    shown = await thresholds(desk.call(ALICE), desk.services)
    assert "for all your accounts" in shown.html
    changed = await thresholds(desk.call(ALICE, "main", "Ratio", "40%", "60", "75", "85"), desk.services)
    assert "40%" in changed.html
    [account] = desk.store.accounts_of(ALICE)
    assert desk.store.ladders(account.id).ratio == (0.4, 0.6, 0.75, 0.85)
    with pytest.raises(RequestError):
        await thresholds(desk.call(ALICE, "main", "ratio", "90", "60", "75", "85"), desk.services)
    assert desk.store.ladders(account.id).ratio == (0.4, 0.6, 0.75, 0.85)


async def test_status_in_private_and_in_a_group(desk: Desk) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    private = await status(desk.call(ALICE), desk.services)
    assert "1,402 USDT" in private.html
    unseen = await status(desk.call(ALICE, chat_id=GROUP), desk.services)
    assert "No account is shared" in unseen.html
    await share(desk.call(ALICE, "main", chat_id=GROUP), desk.services)
    by_bob = await status(desk.call(BOB, chat_id=GROUP), desk.services)
    assert "71.3%" in by_bob.html
    assert "USDT" not in by_bob.html
    await share(desk.call(ALICE, "main", "amounts", chat_id=GROUP), desk.services)
    assert "1,402 USDT" in (await status(desk.call(BOB, chat_id=GROUP), desk.services)).html
    await unshare(desk.call(ALICE, "main", chat_id=GROUP), desk.services)
    assert "No account is shared" in (await status(desk.call(BOB, chat_id=GROUP), desk.services)).html


async def test_acknowledge_by_command_reply_and_button(desk: Desk) -> None:
    account = desk.add(ALICE)
    told = alerted(desk, account)
    by_command = await ack(desk.call(ALICE), desk.services)
    assert "Acknowledged <b>main</b>" in by_command.html
    desk.store.set_mute(account.id, "cross:USDT", None)
    by_reply = await ack(replace(desk.call(ALICE), replied_to=77), desk.services)
    assert "critical" in by_reply.html
    desk.store.set_mute(account.id, "cross:USDT", None)
    by_button = await pressed(desk, ALICE, f"ack:{told.id}")
    assert by_button.html is not None
    assert "Acknowledged by Alice until" in by_button.html
    mute = mute_of(desk, account)
    assert mute is not None
    assert (mute.kind, mute.grade) == (MuteKind.ACKNOWLEDGED, Grade.CRITICAL)


async def test_snooze_by_command_reply_and_button(desk: Desk) -> None:
    account = desk.add(ALICE)
    told = alerted(desk, account)
    for reply_or_press in (
        snooze(desk.call(ALICE, "main", "2h"), desk.services),
        snooze(replace(desk.call(ALICE, "2h"), replied_to=77), desk.services),
        pressed(desk, ALICE, f"snz:{told.id}"),
    ):
        await reply_or_press
        mute = mute_of(desk, account)
        assert mute is not None
        assert mute.kind is MuteKind.SNOOZED
        desk.store.set_mute(account.id, "cross:USDT", None)


async def test_nothing_to_quiet_is_said(desk: Desk) -> None:
    desk.add(ALICE)
    assert "no alert" in (await ack(desk.call(ALICE), desk.services)).html


async def test_a_tap_on_an_old_message_does_not_quiet_what_its_reader_has_not_seen(desk: Desk) -> None:
    account = desk.add(ALICE)
    old = alerted(desk, account)
    worse = replace(CRITICAL, grade=Grade.EMERGENCY, announced=Grade.EMERGENCY, number=2)
    desk.store.record(
        CycleRecord(
            account_id=account.id,
            at=desk.clock(),
            report=None,
            states={"cross:USDT": worse},
            notices=[],
            next_due_at=desk.clock(),
        )
    )
    with pytest.raises(RequestError) as error:
        await pressed(desk, ALICE, f"ack:{old.id}")
    assert "worse" in error.value.advice
    assert mute_of(desk, account) is None


async def test_the_message_about_a_whole_account_quiets_its_pools(desk: Desk) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    now = desk.clock()
    about = facts(reason=Reason.SIGHT_BACK)
    back = NewNotice(
        account_id=account.id,
        subject=ACCOUNT,
        episode=0,
        number=2,
        user_id=ALICE,
        chat_id=ALICE,
        sound=True,
        facts=about,
    )
    desk.store.record(
        CycleRecord(
            account_id=account.id, at=now, report=None, states={ACCOUNT: CRITICAL}, notices=[back], next_due_at=now
        )
    )
    [pending] = desk.store.pending_notices()
    await pressed(desk, ALICE, f"ack:{pending.id}")
    assert mute_of(desk, account) is not None


async def test_blindness_that_began_in_calm_can_be_acknowledged(desk: Desk) -> None:
    account = desk.add(ALICE)
    blind = AlertState(grade=Grade.OK, blind_since=NOW, blind_cause=Cause.VENUE_DOWN)
    told = alerted(desk, account, state=blind, subject=ACCOUNT)
    assert "Acknowledged until" in (await pressed(desk, ALICE, f"ack:{told.id}")).toast
    assert mute_of(desk, account, ACCOUNT) is not None


async def test_details_and_retry(desk: Desk) -> None:
    account = desk.add(ALICE)
    told = alerted(desk, account)
    details = await pressed(desk, ALICE, f"det:{told.id}")
    assert "maintenance margin 1,000 USDT" in details.reply.html
    retried = await pressed(desk, ALICE, f"try:{told.id}")
    assert "again now" in retried.toast
    assert [a.id for a in desk.changed] == [account.id]


@pytest.mark.parametrize(
    "data", ["", "ack:", "ack:0", "ack:999999", "ack:-1", "nonsense", "det:1;drop", "add:", "try:1" * 12, "ack:１"]
)
async def test_garbage_on_a_button_is_answered(desk: Desk, data: str) -> None:
    assert "out of date" in (await pressed(desk, ALICE, data)).toast


async def test_invitations(desk: Desk) -> None:
    reply = await invite(desk.call(OPERATOR), desk.services)
    code = reply.html.split("<code>/start ")[1].split("</code>")[0]
    with pytest.raises(NotAllowed):
        await start(desk.call(CHARLIE), desk.services)
    assert "Welcome" in (await start(desk.call(CHARLIE, code), desk.services)).html
    with pytest.raises(MarginbotError):
        await start(desk.call(CHARLIE + 1, code), desk.services)
    assert not desk.store.is_member(CHARLIE + 1)


async def test_a_code_opens_nothing_where_only_operators_register(desk: Desk) -> None:
    desk.store.create_invite("old-code", OPERATOR, desk.clock(), desk.clock() + timedelta(days=1))
    closed = replace(desk.services, access=replace(desk.services.access, mode=AccessMode.ADMINS))
    with pytest.raises(NotAllowed):
        await start(desk.call(CHARLIE, "old-code"), closed)


async def test_health_is_escaped(desk: Desk) -> None:
    assert "Telegram: fine &lt;b&gt;" in (await health(desk.call(OPERATOR), desk.services)).html


@pytest.mark.parametrize("command", ["ack", "det", "snz", "try"])
@pytest.mark.parametrize("who", [pytest.param(BOB, id="another member"), pytest.param(CHARLIE, id="a stranger")])
async def test_buttons_are_the_owners_only(desk: Desk, command: str, who: int) -> None:
    account = desk.add(ALICE)
    told = alerted(desk, account)
    desk.add(BOB)
    with pytest.raises(NotAllowed):
        await pressed(desk, who, f"{command}:{told.id}")
    assert mute_of(desk, account) is None
    assert desk.changed == []


@pytest.mark.parametrize("who", [pytest.param(BOB, id="another member"), pytest.param(CHARLIE, id="a stranger")])
async def test_nobody_else_reaches_an_account_by_its_label(desk: Desk, who: int) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    for handler, args in (
        (remove, ("main",)),
        (rename, ("main", "mine")),
        (status, ("main",)),
        (positions, ("main",)),
        (thresholds, ("main",)),
        (thresholds, ("main", "ratio", "10", "20", "30", "40")),
        (ack, ("main",)),
        (snooze, ("main", "2h")),
    ):
        with pytest.raises(NoSuchAccount):
            await handler(desk.call(who, *args), desk.services)
    for handler in (share, unshare):
        with pytest.raises(NoSuchAccount):
            await handler(desk.call(who, "main", chat_id=GROUP), desk.services)
    assert [a.label for a in desk.store.accounts_of(ALICE)] == ["main"]
    assert "main" not in (await accounts(desk.call(who), desk.services)).html


@pytest.mark.parametrize("handler", [invite, health])
@pytest.mark.parametrize("who", [ALICE, CHARLIE])
async def test_operators_commands_are_refused_to_others(desk: Desk, handler: object, who: int) -> None:
    with pytest.raises(NotAllowed):
        await handler(desk.call(who), desk.services)  # type: ignore[operator]


async def test_help_and_menus_come_from_the_table(desk: Desk) -> None:
    check("help_private", (await show_help(desk.call(ALICE), desk.services)).html)
    check("help_group", (await show_help(desk.call(ALICE, chat_id=GROUP), desk.services)).html)
    check("help_operator", (await show_help(desk.call(OPERATOR), desk.services)).html)
    assert [c.name for c in visible(private=False)] == ["status", "share", "unshare", "help", "start"]
    assert undocumented("\n".join(c.line for c in COMMANDS)) == []
    assert undocumented("") == [c.line for c in COMMANDS]


async def test_all_is_calm(desk: Desk) -> None:
    account = desk.add(ALICE)
    now = desk.clock()
    record = CycleRecord(
        account_id=account.id,
        at=now,
        report=report(CALM, taken_at=now),
        states={"cross:USDT": AlertState(grade=Grade.OK)},
        notices=[],
        next_due_at=now,
    )
    desk.store.record(record)
    assert (await status(desk.call(ALICE), desk.services)).html.startswith("🟢 <b>All fine</b>: worst main 12.3%")
