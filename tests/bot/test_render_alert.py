"""Alerts as a trader reads them on a phone at three in the morning."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.bot import figures as fig
from marginbot.bot import render_alert, render_news
from marginbot.bot.messenger import letter_of
from marginbot.bot.render import LIMIT, length, to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause, KeyRefused, RateLimited, ReadingError, VenueDown
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.losses import Loss
from marginbot.domain.notices import Facts, Notice
from tests.bot.builders import CALM, FLAT, GONE_EQUITY, NOW, UNKNOWN, facts, notice, pool
from tests.bot.golden import check
from tests.servers.telegram_html import plain_text

STATES = ("NOTICE", "WARNING", "CRITICAL", "EMERGENCY", "DEFICIT", "STALE", "RECOVERED", "LIQUIDATED", "OK")
LOUD = re.compile("|".join(STATES[:-1]) + r"|\bOK\b")

BLIND: dict[str, object] = {
    "pool": None,
    "positions": (),
    "blind_since": NOW - timedelta(minutes=4),
    "last_cushion": 2.1,
    "grade": Grade.WARNING,
}
SOON = timedelta(seconds=1)

MESSAGES: dict[str, Notice] = {
    "first_sight_warning": notice(
        facts(
            reason=Reason.FIRST_SIGHT,
            previous=None,
            grade=Grade.WARNING,
            pool=pool(grade=Grade.WARNING, decided_by=DecidedBy.RATIO),
        )
    ),
    "worsened_notice": notice(
        facts(
            grade=Grade.NOTICE,
            previous=Grade.OK,
            pool=pool(
                grade=Grade.NOTICE,
                margin_ratio=Decimal("0.52"),
                cushion=5.6,
                room=-0.112,
                target=Grade.OK,
                top_up=Decimal("61.2"),
            ),
        )
    ),
    "worsened_warning_short": notice(
        facts(
            grade=Grade.WARNING,
            previous=Grade.OK,
            positions=("short 12 ETH/USDT:USDT", "long 0.5 BTC/USDT:USDT"),
            pool=pool(grade=Grade.WARNING, room=0.0312, scenario="market", cushion=3.9),
        )
    ),
    "worsened_critical": notice(),
    "worsened_emergency": notice(
        facts(
            grade=Grade.EMERGENCY,
            previous=Grade.NOTICE,
            pool=pool(
                grade=Grade.EMERGENCY,
                margin_ratio=Decimal("0.9312"),
                room=-0.0031,
                cushion=0.42,
                decided_by=DecidedBy.BOTH,
            ),
        )
    ),
    "worsened_deficit": notice(facts(grade=Grade.DEFICIT, previous=Grade.EMERGENCY, pool=GONE_EQUITY)),
    "worsened_past_trigger": notice(
        facts(
            grade=Grade.EMERGENCY,
            pool=pool(margin_ratio=Decimal("1.042"), room=0.0, cushion=0.0, buffer=Decimal("-59")),
        )
    ),
    "worsened_room_not_known": notice(
        facts(
            pool=pool(
                room=None,
                room_known=False,
                scenario=None,
                cushion=None,
                decided_by=DecidedBy.RATIO,
                top_up=None,
                close_share=Decimal(1),
            ),
            warnings=("cross:USDT: size of BTC/USDT:USDT unknown, room cannot be computed",),
        )
    ),
    "worsened_no_move_breaches": notice(
        facts(pool=pool(room=None, scenario=None, cushion=None, decided_by=DecidedBy.RATIO))
    ),
    "worsened_coin_pool": notice(
        facts(
            positions=tuple(f"long {n} BTC/USD:BTC-26{n:02}25" for n in range(1, 9)),
            pool=pool(
                name="cross:BTC",
                currency="BTC",
                equity=Decimal("0.123456"),
                maintenance_margin=Decimal("0.1"),
                buffer=Decimal("0.023456"),
                top_up=Decimal("0.0241"),
            ),
        )
    ),
    "reminder": notice(facts(reason=Reason.REMINDER_DUE, previous=Grade.CRITICAL)),
    "late_and_perhaps_repeated": notice(created_at=NOW - timedelta(minutes=3), attempts=2),
    "eased": notice(
        facts(
            reason=Reason.EASED, grade=Grade.NOTICE, previous=Grade.CRITICAL, pool=pool(margin_ratio=Decimal("0.51"))
        ),
        sound=False,
    ),
    "recovered": notice(facts(reason=Reason.RECOVERED, grade=Grade.OK, previous=Grade.WARNING, pool=CALM)),
    "recovered_gone": notice(
        facts(reason=Reason.RECOVERED, grade=Grade.OK, previous=Grade.CRITICAL, pool=None, positions=())
    ),
    "recovered_flat": notice(
        facts(reason=Reason.RECOVERED, grade=Grade.OK, previous=Grade.EMERGENCY, pool=FLAT, positions=())
    ),
    "recovered_closed_in_calm": notice(
        facts(reason=Reason.RECOVERED, grade=Grade.OK, previous=Grade.NOTICE, pool=FLAT, positions=())
    ),
    "venue_warns": notice(
        facts(
            grade=Grade.CRITICAL,
            previous=Grade.OK,
            pool=None,
            positions=(),
            last_cushion=7.2,
            venue_says="margin call",
            unread_because=Cause.VENUE_DOWN,
        )
    ),
    "liquidated": notice(
        facts(
            reason=Reason.LIQUIDATED,
            grade=Grade.OK,
            previous=Grade.OK,
            pool=FLAT,
            positions=(),
            loss=Loss(
                currency="USDT",
                before=Decimal("20110.52"),
                after=Decimal("11.3"),
                read_at=NOW - timedelta(seconds=30),
                positions=("long 2 BTC/USDT:USDT",),
            ),
        )
    ),
    "went_blind": notice(
        facts(reason=Reason.WENT_BLIND, cause=Cause.VENUE_DOWN, advice=VenueDown.advice, **BLIND), subject=""
    ),
    "went_blind_calm": notice(
        facts(reason=Reason.WENT_BLIND, cause=Cause.BANNED, **BLIND | {"grade": Grade.OK, "last_cushion": None}),
        subject="",
    ),
    "still_blind": notice(
        facts(reason=Reason.STILL_BLIND, cause=Cause.RATE_LIMITED, advice=RateLimited.advice, **BLIND), subject=""
    ),
    "key_refused": notice(
        facts(reason=Reason.KEY_REFUSED, cause=Cause.KEY_REFUSED, advice=KeyRefused.advice, **BLIND), subject=""
    ),
    "pool_unknown": notice(
        facts(
            reason=Reason.WENT_BLIND,
            cause=Cause.POOL_UNKNOWN,
            warnings=("isolated:ETH/USDT:USDT:short: the venue gives no maintenance margin",),
            **BLIND | {"grade": None, "last_cushion": None, "pool": UNKNOWN},
        ),
        subject=UNKNOWN.name,
    ),
    "sight_back_calm": notice(
        facts(
            reason=Reason.SIGHT_BACK,
            grade=Grade.OK,
            previous=Grade.OK,
            pool=CALM,
            blind_since=NOW - timedelta(minutes=12),
        ),
        subject="",
    ),
    "sight_back_critical": notice(
        facts(reason=Reason.SIGHT_BACK, previous=Grade.WARNING, blind_since=NOW - timedelta(minutes=12)), subject=""
    ),
    "sight_back_gone": notice(
        facts(
            reason=Reason.SIGHT_BACK,
            grade=Grade.OK,
            previous=Grade.CRITICAL,
            pool=FLAT,
            positions=(),
            blind_since=NOW - timedelta(minutes=12),
        ),
        subject="",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    told = MESSAGES[name]
    html = render_alert.alert(told, NOW + SOON)
    assert "binanceusdm" in "".join(html.split("\n")[:7]), "the venue is near the top"
    check(f"alert_{name}", html, render_alert.buttons(told))
    assert len(LOUD.findall(plain_text(html))) == 1, "one grade in capitals, no more and no less"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("grade", Grade)
def test_every_reason_and_grade_has_a_first_line_that_says_it_all(reason: Reason, grade: Grade) -> None:
    first = render_alert.alert(notice(facts(reason=reason, grade=grade)), NOW).split("\n")[0]
    assert re.search(r"</b> · main · \w+", first), "the account, and what to do"
    assert len(LOUD.findall(first)) == 1


def test_a_position_that_is_gone_after_danger_is_no_good_news() -> None:
    gone = to_plain(render_alert.alert(MESSAGES["recovered_gone"], NOW))
    assert not gone.startswith("✅")
    assert "If you did not close it yourself" in gone


def test_an_unknown_room_is_never_shown_as_safe() -> None:
    assert "not known" in render_alert.alert(MESSAGES["worsened_room_not_known"], NOW)
    assert "no price move" not in render_alert.alert(MESSAGES["worsened_room_not_known"], NOW)
    assert "no price move" not in render_alert.alert(MESSAGES["worsened_deficit"], NOW)


@pytest.mark.parametrize(
    ("late", "attempts", "delayed", "repeat"),
    [
        pytest.param(30, 0, False, False, id="thirty seconds are on time"),
        pytest.param(31, 0, True, False, id="a second more is late"),
        pytest.param(0, 1, False, True, id="an attempt that may have arrived"),
    ],
)
def test_late_and_repeated_messages_say_so(late: int, attempts: int, delayed: bool, repeat: bool) -> None:
    html = render_alert.alert(notice(attempts=attempts), NOW + timedelta(seconds=late))
    assert ("delayed, written 03:24:00 UTC" in html) is delayed
    assert ("may be a repeat" in html) is repeat


@pytest.mark.parametrize("name", MESSAGES)
def test_every_line_with_a_figure_fits_a_phone(name: str) -> None:
    lines = plain_text(render_alert.alert(MESSAGES[name], NOW + SOON)).split("\n")
    figures = [line for line in lines[:12] if "exchange" not in line and "isolated" not in line and "send" not in line]
    assert [line for line in figures if len(line) > 40] == []


def test_what_a_venue_says_beyond_the_cause_is_kept() -> None:
    own = "Bitget did not say in time what kind of account this is."
    blind = facts(reason=Reason.WENT_BLIND, cause=Cause.VENUE_DOWN, advice=own, **BLIND)
    assert own in render_alert.alert(notice(blind, subject=""), NOW + SOON)


hostile = st.text(max_size=80) | st.sampled_from(
    [*STATES, "<b>", "&lt;", "a_b*c`d[", "</b><script>", "\n\nCRITICAL", "\u202e"]
)
amounts = st.none() | st.decimals(allow_nan=False, allow_infinity=False)
fractions = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    shown = pool(
        name=draw(hostile),
        currency=draw(hostile),
        scenario=draw(st.none() | hostile),
        equity=draw(amounts),
        maintenance_margin=draw(amounts),
        margin_ratio=draw(amounts),
        buffer=draw(amounts),
        room=draw(fractions),
        cushion=draw(st.none() | st.floats(0, 1e300)),
        top_up=draw(amounts),
        close_share=draw(st.none() | st.decimals("0.01", 1, places=2)),
    )
    return facts(
        label=draw(hostile),
        exchange=draw(hostile),
        reason=draw(st.sampled_from(Reason)),
        grade=draw(st.none() | st.sampled_from(Grade)),
        previous=draw(st.none() | st.sampled_from(Grade)),
        pool=draw(st.none() | st.just(shown)),
        positions=tuple(draw(st.lists(hostile, max_size=12))),
        warnings=tuple(draw(st.lists(hostile, max_size=12))),
        advice=draw(hostile),
        cause=draw(st.none() | st.sampled_from(Cause)),
    )


@settings(max_examples=150, deadline=None)
@given(any_facts(), hostile)
def test_nothing_in_the_facts_can_break_a_message(drawn: Facts, subject: str) -> None:
    told = notice(drawn, subject=subject)
    html = render_alert.alert(told, NOW)
    assert length(html) <= LIMIT
    assert len(LOUD.findall(plain_text(html))) == 1
    assert len(render_alert.short(told)) <= 400
    assert all(len(b.data.encode()) <= 64 for row in render_alert.buttons(replace(told, id=10**15)) for b in row)


def test_facts_that_cannot_be_shown_are_told_all_the_same() -> None:
    broken = notice(facts(pool=pool(margin_ratio="no number")))
    letter = letter_of(broken, NOW)
    assert letter.html.startswith("🔴 <b>CRITICAL</b> · main · binanceusdm")


def test_an_alert_says_when_the_account_was_read_not_when_it_was_judged() -> None:
    told = notice(facts(read_at=NOW - timedelta(seconds=40)))
    shown = plain_text(render_alert.alert(told, NOW))
    assert f"Read {NOW - timedelta(seconds=40):%H:%M:%S} UTC" in shown


def test_a_monstrous_room_stays_short() -> None:
    assert fig.move(1e299) == "over +9999%"
    assert fig.move(99.99) == "+9999.0%"


def test_a_position_that_eased_and_then_went_is_told_as_serious() -> None:
    gone = notice(
        facts(reason=Reason.RECOVERED, grade=Grade.OK, previous=Grade.NOTICE, episode_worst=Grade.CRITICAL, pool=None)
    )
    html = render_alert.alert(gone, NOW)
    assert html.startswith("❗ <b>POSITION GONE</b>")
    assert "It was notice, at worst critical." in html
    calm = replace(gone, facts=replace(gone.facts, episode_worst=Grade.NOTICE))
    assert render_alert.alert(calm, NOW).startswith("✅ <b>RECOVERED</b>")


@pytest.mark.parametrize("error", [*ReadingError.__subclasses__()], ids=lambda error: error.__name__)
def test_failure_19_every_cause_of_blindness_is_named_with_what_to_do(error: type[ReadingError]) -> None:
    about = facts(reason=Reason.WENT_BLIND, cause=error.cause, advice=error.advice, pool=None)
    shown = render_alert.alert(notice(about, subject=""), NOW)
    assert render_news.CAUSES[error.cause] in shown
    assert "at the exchange" in shown or (error.cause is Cause.KEY_REFUSED and "IP list" in shown)


def test_every_cause_has_words() -> None:
    assert set(render_news.CAUSES) == set(Cause)
