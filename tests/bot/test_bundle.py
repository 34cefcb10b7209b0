"""Several alerts in one message: within Telegram's limit, none without its grade, one tap for all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.bot import render_bundle
from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.bot.render import LIMIT, length
from marginbot.bot.render_alert import BUDGET
from marginbot.domain.alerting import AlertState, Reason
from marginbot.domain.errors import Cause, RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Notice
from marginbot.domain.outcomes import Sent, TryAgain
from marginbot.flow.deliver import MOST_IN_A_BUNDLE
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.alerts import alerted, mute_of, pressed
from tests.bot.builders import ALICE, NOW, facts, notice
from tests.bot.conftest import Desk
from tests.servers.telegram import TOKEN, TelegramServer
from tests.servers.telegram_methods import formatted

THREE = (
    notice(id=3, facts=facts(label="main", grade=Grade.EMERGENCY)),
    notice(id=1, facts=facts(label="hedge", grade=Grade.CRITICAL), attempts=1),
    notice(id=2, facts=facts(label="old", grade=Grade.NOTICE), sound=False),
)


def test_the_worst_comes_first_and_every_account_s_line_has_its_grade() -> None:
    blocks = render_bundle.bundle(THREE, NOW).split("\n\n🔴")[0]
    lines = render_bundle.bundle(THREE, NOW).split("\n")
    assert lines[0].endswith("<b>EMERGENCY</b> · main · add 352 USDT")
    assert lines[1] == "and 2 more below"
    heads = [line for line in lines if "</b> · " in line]
    assert ["EMERGENCY" in heads[0], "CRITICAL" in heads[1], "NOTICE" in heads[2]] == [True, True, True]
    assert "(may be a repeat)" not in blocks, "only the one that may be is marked"
    assert lines[lines.index(heads[1]) + 1] == "(may be a repeat)"


def test_not_seeing_one_does_not_hide_how_bad_another_is() -> None:
    blind = facts(grade=Grade.EMERGENCY, reason=Reason.WENT_BLIND, cause=Cause.VENUE_DOWN)
    lines = render_bundle.bundle((notice(facts=blind), *THREE[1:]), NOW).split("\n")
    assert "STALE" in lines[0]
    assert lines[1] == "and 2 more below, the worst <b>CRITICAL</b>"


@given(
    st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=MOST_IN_A_BUNDLE),
    st.sampled_from(list(Reason)),
    st.text(max_size=200),
)
def test_failure_05_any_bundle_is_a_message_that_telegram_takes(labels: list[str], reason: Reason, note: str) -> None:
    told = [notice(facts=facts(label=label, reason=reason, warnings=(note, note))) for label in labels]
    html = render_bundle.bundle(told, NOW + timedelta(hours=1))
    assert length(html) <= BUDGET
    plain = formatted(html, "HTML")
    assert 0 < len(plain) <= LIMIT
    assert plain.count("⏱ delayed") >= 1


def test_ten_accounts_with_hostile_names_are_all_named() -> None:
    told = [notice(facts=facts(label="<&>" * 20, exchange="<&>" * 20)) for _ in range(MOST_IN_A_BUNDLE)]
    html = render_bundle.bundle(told, NOW)
    assert length(html) <= BUDGET
    assert formatted(html, "HTML").count("CRITICAL ·") == MOST_IN_A_BUNDLE


def test_buttons_are_those_of_the_worst_and_one_for_all() -> None:
    rows = render_bundle.buttons(THREE)
    assert [[button.data for button in row] for row in rows] == [["ack:3", "snz:3"], ["det:3", "res:3"], ["all:3"]]
    calm = replace(THREE[1], facts=facts(reason=Reason.RECOVERED, grade=Grade.OK))
    assert len(render_bundle.buttons((THREE[0], calm))) == 2


async def test_one_message_with_sound_if_one_of_them_has_it(tg: TelegramServer) -> None:
    async with build_bot(TOKEN, tg.url) as bot:
        outcome = await TelegramMessenger(bot).send_bundle(THREE, NOW)
    [message] = tg.messages(ALICE)
    assert outcome == Sent(message.message_id)
    assert not message.silent
    assert message.buttons[-1][0].label == "Acknowledge all"


async def test_refused_nothing_of_it_is_cut_off_it_is_to_go_one_by_one(tg: TelegramServer) -> None:
    tg.faults.add("sendMessage", kind="400", description="Bad Request: can't parse entities")
    async with build_bot(TOKEN, tg.url) as bot:
        outcome = await TelegramMessenger(bot).send_bundle(THREE, NOW)
    assert isinstance(outcome, TryAgain)
    assert not outcome.line
    assert tg.messages(ALICE) == []


def told_together(desk: Desk) -> tuple[Account, Account, list[Notice]]:
    """Two accounts in danger, told of in message 77."""
    one, two = desk.add(ALICE, "one"), desk.add(ALICE, "two")
    return one, two, [alerted(desk, one), alerted(desk, two)]


async def test_one_tap_acknowledges_all(desk: Desk) -> None:
    one, two, told = told_together(desk)
    answer = await pressed(desk, ALICE, f"all:{told[0].id}")
    assert "Acknowledged until" in answer.toast
    assert mute_of(desk, one) is not None
    assert mute_of(desk, two) is not None


async def test_one_tap_leaves_what_has_become_worse_since(desk: Desk) -> None:
    one, two, told = told_together(desk)
    worsen(desk, two)
    await pressed(desk, ALICE, f"all:{told[0].id}")
    assert mute_of(desk, one) is not None
    assert mute_of(desk, two) is None
    worsen(desk, one)
    with pytest.raises(RequestError):
        await pressed(desk, ALICE, f"all:{told[0].id}")


def worsen(desk: Desk, account: Account) -> None:
    now = desk.clock()
    worse = AlertState(grade=Grade.EMERGENCY, announced=Grade.EMERGENCY, episode=1, number=2)
    states = {"cross:USDT": worse}
    desk.store.record(
        CycleRecord(account_id=account.id, at=now, report=None, states=states, notices=[], next_due_at=now)
    )
