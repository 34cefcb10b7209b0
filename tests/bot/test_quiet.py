"""Acknowledging and snoozing, by command, reply and button; and whose buttons they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marginbot.bot.commands.quiet import ack, is_acknowledgement, snooze
from marginbot.bot.presses import Press, press
from marginbot.domain.alerting import ACCOUNT, AlertState, MuteKind, Reason
from marginbot.domain.errors import (
    Cause,
    NotAllowed,
    RequestError,
)
from marginbot.domain.grading import Grade
from marginbot.domain.notices import NewNotice
from marginbot.flow.ports import CycleRecord
from tests.bot.alerts import CRITICAL, alerted, mute_of, pressed
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP, NOW, facts
from tests.bot.conftest import Desk
from tests.outbox import pending as pending_in


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


@pytest.mark.parametrize(
    ("words", "quiet"), [("ok", True), ("Got it!", True), ("👍", True), ("what is this?", False), ("no", False)]
)
async def test_a_plain_answer_to_an_alert_acknowledges_it_if_it_says_so(desk: Desk, words: str, quiet: bool) -> None:
    alerted(desk, desk.add(ALICE))
    call = desk.call(ALICE)
    assert is_acknowledgement(replace(call, replied_to=77), words, desk.services) is quiet
    assert not is_acknowledgement(replace(call, replied_to=78), words, desk.services), "an answer to something else"
    assert not is_acknowledgement(call, words, desk.services), "no answer at all"


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
    for tried in (
        pressed(desk, ALICE, f"ack:{old.id}"),
        pressed(desk, ALICE, f"snz:{old.id}"),
        ack(replace(desk.call(ALICE), replied_to=77), desk.services),
        snooze(replace(desk.call(ALICE, "2h"), replied_to=77), desk.services),
    ):
        with pytest.raises(RequestError) as error:
            await tried
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
    [pending] = pending_in(desk.store)
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
@pytest.mark.parametrize("private", [True, False], ids=["private", "group"])
async def test_garbage_on_a_button_is_answered(desk: Desk, data: str, private: bool) -> None:
    call = desk.call(ALICE, chat_id=None if private else GROUP)
    assert "out of date" in (await press(Press(call=call, data=data), desk.services)).toast


@pytest.mark.parametrize(
    "data",
    [
        "ack:1:2",
        "ack_1",
        "snooze:1:60",
        "v0|ack|1",
        "wif:1",
        "wif:1:D20:x",
        "drl:x",
        "key:yes",
        "key:maybe:0123456789abcdef",
        "fgt:yes:1",
        "bud:maybe:x",
        "bud:stop",
        '{"a":"ack","id":1}',
        "\x00",
    ],
)
async def test_what_older_versions_and_other_bots_wrote_on_buttons_is_answered(desk: Desk, data: str) -> None:
    account = desk.add(ALICE)
    alerted(desk, account)
    answer = await pressed(desk, ALICE, data)
    assert ("out of date" in answer.toast, answer.html, answer.alert) == (True, None, True)
    assert mute_of(desk, account) is None


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
