"""What is said about a venue's changed terms, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from marginbot.bot import render_alert
from marginbot.bot.render import LIMIT, to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.tier_changes import Change, Effect, Kind, TermsNews
from tests.bot.builders import NOW, facts, notice
from tests.bot.golden import check

D = Decimal
RAISED = Change(kind=Kind.RATE_RAISED, name="BTC/USDT:USDT", old=D("0.004"), new=D("0.005"), rung=1)
CUT = Change(kind=Kind.TIER_CUT, name="BTC/USDT:USDT", old=D(300000), new=D(250000), rung=2)
ENDED = Change(kind=Kind.TIER_CUT, name="ETH/USDT:USDT", old=None, new=D("1500000.5"), rung=9)
HAIRCUT = Change(kind=Kind.COLLATERAL_CUT, name="SOL", old=D("0.95"), new=D("0.9"))
EFFECT = Effect(
    label="main",
    pool="cross:USDT",
    ratio_before=D("0.31"),
    ratio_after=D("0.365"),
    room_before=-0.22,
    room_after=-0.17,
    scenario="BTC",
)
GONE = replace(EFFECT, label="<second>", pool="isolated:ETH/USDT:USDT:long", ratio_after=None, room_after=None)
FULL = TermsNews(changes=(RAISED, CUT, ENDED, HAIRCUT), effects=(EFFECT, GONE), unread=("third",))


@pytest.mark.parametrize(
    ("name", "news"),
    [
        ("one", TermsNews(changes=(RAISED,), effects=(EFFECT,))),
        ("everything", FULL),
        ("unread", TermsNews(changes=(HAIRCUT,), unread=("main", "second"))),
        ("many", TermsNews(changes=(RAISED,) * 30, effects=(EFFECT,) * 20)),
    ],
)
def test_news(name: str, news: TermsNews) -> None:
    about = facts(grade=None, previous=None, pool=None, positions=(), reason=Reason.UNCHANGED, terms=news)
    told = notice(about, subject="terms", sound=False)
    html = render_alert.alert(told, NOW + timedelta(seconds=1))
    check(f"terms_{name}", html, render_alert.buttons(told))
    assert len(html) < LIMIT / 2
    short = render_alert.short(told)
    assert short.startswith("📏 TERMS · main · binanceusdm\n")
    bullets = html.split("\n\n")[0].split("\n")[2:]
    assert bullets
    assert all(to_plain(line) in short for line in bullets)


def test_the_room_is_said_before_and_after() -> None:
    about = facts(grade=None, pool=None, reason=Reason.UNCHANGED, terms=TermsNews(changes=(RAISED,), effects=(EFFECT,)))
    html = render_alert.alert(notice(about), NOW)
    assert "room BTC -22.0% → -17.0%, ratio 31.0% → 36.5%" in html
    assert "maintenance rate 0.5%, was 0.4%" in html
