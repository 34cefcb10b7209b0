"""/report and the story of a near miss, as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from marginbot.bot import render_reports
from marginbot.bot.build import TelegramSide, build_bot
from marginbot.bot.calls import Reply
from marginbot.bot.commands.report import report
from marginbot.bot.render import to_plain
from marginbot.bot.teller import TelegramTeller
from marginbot.domain.alerting import Reason
from marginbot.domain.digest import AccountDay, NearMiss, PoolDay, PositionShare, near_miss
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.outcomes import Sent
from tests.bot.alerts import alerted
from tests.bot.builders import ALICE, BOB, CHARLIE, FLAT, GONE_EQUITY, NOW, OPERATOR, UNKNOWN, facts, pool
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.domain.test_history import point
from tests.servers.telegram import TOKEN, TelegramServer

D = Decimal


def pool_day(**changed: object) -> PoolDay:
    day = PoolDay(
        now=pool(),
        leverage=D("34.4"),
        equity_before=1498.5,
        before_at=None,
        ratio_worst=0.7512,
        cushion_worst=1.2,
        worst=Grade.CRITICAL,
        positions=[PositionShare("BTC/USDT:USDT", "long", 0.82), PositionShare("X<Y/USDT:USDT", "short", None)],
    )
    return replace(day, **changed)  # type: ignore[arg-type]


def account_day(*pools: PoolDay, **changed: object) -> AccountDay:
    day = AccountDay(
        label="main",
        exchange="bybit",
        read_at=NOW - timedelta(seconds=12),
        is_blind=False,
        pools=pools,
        gone=(),
        unseen=timedelta(0),
        alerts=0,
    )
    return replace(day, **changed)  # type: ignore[arg-type]


def several_accounts() -> list[AccountDay]:
    flat = pool_day(
        now=FLAT, leverage=D(0), equity_before=12.5, ratio_worst=None, cushion_worst=None, worst=Grade.OK, positions=()
    )
    unknown = pool_day(now=UNKNOWN, leverage=None, before_at=NOW - timedelta(hours=3), equity_before=1300.0)
    return [
        account_day(pool_day(), alerts=3, unseen=timedelta(minutes=12)),
        account_day(unknown, flat, label="two pools", gone=("isolated:ETH/USDT:USDT:long",)),
        account_day(pool_day(now=GONE_EQUITY, leverage=None), label="gone", is_blind=True),
        account_day(label="<never>", read_at=None),
    ]


def test_a_day_of_several_accounts() -> None:
    check("report", render_reports.daily(several_accounts(), NOW))


def story() -> NearMiss:
    minute = timedelta(minutes=1)
    steps = [(Grade.WARNING, "120"), (Grade.CRITICAL, "352"), (Grade.EMERGENCY, "810"), (Grade.NOTICE, None)]
    told = [
        facts(grade=grade, read_at=NOW + 5 * n * minute, pool=pool(top_up=top_up and D(top_up), grade=grade))
        for n, (grade, top_up) in enumerate(steps)
    ]
    told.append(facts(reason=Reason.RECOVERED, grade=Grade.OK, read_at=NOW + 40 * minute, episode_worst=Grade.CRITICAL))
    shift = (NOW - point(0).at).total_seconds()
    found = near_miss("cross:USDT", told, [point(shift + 600, 0.93, 0.4)])
    assert found is not None
    return found


def test_a_near_miss_says_what_would_have_sufficed() -> None:
    check("near_miss", render_reports.near_miss(story(), NOW + timedelta(minutes=41)))
    gone = render_reports.near_miss(replace(story(), left_with_nothing=True), NOW)
    assert "closed, or liquidated" in gone


def test_very_many_pools_and_positions_are_cut_and_it_is_said() -> None:
    positions = [PositionShare(f"S{n}/USDT:USDT", "long", 0.01) for n in range(30)]
    told = render_reports.daily([account_day(*[pool_day(positions=positions)] * 9)], NOW)
    assert "and 5 more pools" in told
    assert "and 25 more" in told


async def asked(desk: Desk, user_id: int, *args: str) -> Reply:
    reply = await report(desk.call(user_id, *args), desk.services)
    return await reply.then() if reply.then else reply


async def test_a_person_sees_their_own_day_only(desk: Desk) -> None:
    alerted(desk, desk.add(ALICE, "main"))
    told = to_plain((await asked(desk, ALICE)).html)
    assert "main" in told and "1,402 USDT" in told and "34.4x" in told
    assert "/report at 08:00" in told
    for user_id in (BOB, CHARLIE, OPERATOR):
        assert "no account here" in (await asked(desk, user_id)).html


async def test_a_time_is_chosen_and_ended(desk: Desk) -> None:
    desk.add()
    assert "every day at 08:05 " in (await asked(desk, ALICE, "at", "8:05")).html
    assert desk.services.reports.time_of(ALICE) == 485
    assert "Sent every day at 08:05" in (await asked(desk, ALICE)).html
    assert "No daily report" in (await asked(desk, ALICE, "OFF")).html
    assert desk.services.reports.time_of(ALICE) is None


@pytest.mark.parametrize("args", [("at",), ("at", "24:00"), ("at", "8"), ("at", "8:5"), ("on",), ("at", "08:00", "x")])
async def test_anything_else_changes_nothing(desk: Desk, args: tuple[str, ...]) -> None:
    desk.add()
    with pytest.raises(RequestError):
        await asked(desk, ALICE, *args)
    assert desk.services.reports.time_of(ALICE) is None


async def test_reports_arrive_quietly_in_as_many_messages_as_they_need(tg: TelegramServer) -> None:
    days = [account_day(pool_day(), label=f"account {n}") for n in range(30)]
    async with build_bot(TOKEN, tg.url) as bot:
        outcome = await TelegramTeller(bot).daily(ALICE, days, NOW)
    assert isinstance(outcome, Sent)
    told = tg.messages(ALICE)
    assert len(told) >= 2
    assert all(message.silent for message in told)
    assert sum(message.text.count("account ") for message in told) == 30


async def test_in_a_group_it_is_not_answered(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    alerted(desk, desk.add())
    sent = tg.say(-500, ALICE, "/report")
    answer = await tg.wait_for(-500, "private", after=sent)
    assert "USDT" not in answer.text
