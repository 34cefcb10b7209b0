"""/status, /positions, Details and the rest that is looked up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.bot import render_account, render_status
from marginbot.bot.render import LIMIT, length, pages, to_plain, to_rich
from marginbot.bot.render_status import View
from marginbot.domain.alerting import ACCOUNT, AlertState, Mute, MuteKind
from marginbot.domain.errors import Cause
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.flow.ports import Credential, Standing
from marginbot.flow.preferences import Quieted
from marginbot.flow.registration import Request
from tests.bot.builders import (
    CALM,
    FLAT,
    GONE_EQUITY,
    NOW,
    UNKNOWN,
    account,
    pool,
    position,
    report,
    standing,
)
from tests.bot.fakes import VENUES
from tests.bot.golden import check
from tests.servers.telegram_html import plain_text

VIEW = View(now=NOW)
BLIND = {
    ACCOUNT: AlertState(
        grade=Grade.WARNING,
        blind_since=NOW - timedelta(minutes=4),
        blind_cause=Cause.VENUE_DOWN,
        seen_at=NOW - timedelta(minutes=4),
    )
}
OLD = report(CALM, taken_at=NOW - timedelta(minutes=4))
SNOOZED = {
    "cross:USDT": AlertState(
        grade=Grade.CRITICAL, mute=Mute(MuteKind.SNOOZED, Grade.CRITICAL, NOW + timedelta(minutes=59))
    )
}

STATUSES: dict[str, list[Standing]] = {
    "fine": [standing(report(CALM)), standing(report(FLAT), label="desk-2")],
    "flat": [standing(report(FLAT))],
    "notice": [standing(report(pool(grade=Grade.NOTICE, margin_ratio=Decimal("0.52"), cushion=5.1, room=-0.061)))],
    "critical_and_blind": [
        standing(report()),
        standing(report(pool(grade=Grade.WARNING), taken_at=NOW - timedelta(minutes=4)), label="desk", states=BLIND),
        standing(report(CALM), label="calm"),
    ],
    "deficit": [standing(report(GONE_EQUITY))],
    "snoozed": [standing(report(), states=SNOOZED)],
    "first_reading_under_way": [standing(None)],
    "key_refused": [Standing(account=account(refused=Cause.KEY_REFUSED), report=OLD, states=BLIND)],
    "reading_too_old": [standing(OLD)],
    "pool_unknown": [standing(report(UNKNOWN, CALM, positions=()))],
    "critical_with_unknown_pool": [standing(report(pool(), UNKNOWN))],
    "several_pools": [standing(report(pool(), *(pool(name=f"isolated:X{n}/USDT:USDT:long") for n in range(8))))],
    "group": [standing(report(), shared_amounts=False), standing(report(CALM), label="calm", shared_amounts=False)],
}


@pytest.mark.parametrize("name", STATUSES)
def test_status(name: str) -> None:
    html = render_status.status(STATUSES[name], VIEW)
    plain_text(html)
    check(f"status_{name}", html)


@pytest.mark.parametrize("name", sorted(set(STATUSES) - {"fine", "flat"}))
def test_fine_is_said_only_when_everything_is_known_and_calm(name: str) -> None:
    assert "All fine" not in render_status.status(STATUSES[name], VIEW)


def test_failure_42_a_group_sees_no_amounts() -> None:
    html = render_status.status(STATUSES["group"], VIEW)
    assert "USDT" not in html
    assert "71.3%" in html


def test_a_reading_counts_until_its_limit_and_not_longer() -> None:
    at_limit = standing(report(CALM, taken_at=NOW - timedelta(seconds=180)))
    beyond = standing(report(CALM, taken_at=NOW - timedelta(seconds=181)))
    assert "All fine" in render_status.status([at_limit], VIEW)
    assert "All fine" not in render_status.status([beyond], VIEW)


def test_the_one_account_asked_for_shows_the_chance_of_its_liquidation() -> None:
    html = render_status.single(standing(report()), VIEW)
    plain_text(html)
    check("status_single", html)


@pytest.mark.parametrize(
    "unfit",
    [
        pytest.param(standing(OLD), id="the reading is old"),
        pytest.param(standing(report(GONE_EQUITY)), id="nothing is left"),
        pytest.param(standing(report(pool(cushion=0.0))), id="no cushion"),
        pytest.param(standing(report(pool(cushion=None, room=None))), id="no move can breach"),
        pytest.param(standing(report(UNKNOWN, positions=())), id="not known"),
        pytest.param(standing(None), id="never read"),
    ],
)
def test_no_chance_is_told_where_none_can_be(unfit: Standing) -> None:
    assert render_status.single(unfit, VIEW) == render_status.status([unfit], VIEW)


def test_details() -> None:
    full = report(
        pool(),
        pool(name="isolated:ETH/USDT:USDT:short", grade=Grade.OK, margin_ratio=Decimal("0.2"), room=None, cushion=None),
        UNKNOWN,
        positions=(
            position(),
            position(pool=UNKNOWN.name, symbol="ETH/USDT:USDT", side="short", liquidation_price=None, mark_price=None),
        ),
        warnings=("isolated:ETH/USDT:USDT:short: the venue gives no <maintenance> margin",),
    )
    check("details", render_status.details(standing(full), VIEW))


def test_positions() -> None:
    check(
        "positions",
        render_status.positions([standing(report()), standing(report(FLAT), label="flat"), standing(None)], VIEW),
    )


def test_positions_say_how_old_a_price_is_that_was_told_before() -> None:
    carried = replace(report(), carried_from=report().taken_at - timedelta(seconds=190))
    assert "), told 3 min before\n" in render_status.positions([standing(carried)], VIEW) + "\n"
    assert "before" not in render_status.positions([standing(report())], VIEW)


FOUND = {"critical": pool(), "calm": CALM, "flat": FLAT, "unknown": UNKNOWN, "deficit": GONE_EQUITY}


@pytest.mark.parametrize("name", FOUND)
def test_what_add_found(name: str) -> None:
    asked = Request(venue=VENUES["binanceusdm"], label="main", credential=Credential("k"))
    seen = report(FOUND[name], warnings=("this key can trade; one that can only read is safer",))
    check(f"add_found_{name}", render_account.found(asked, seen))


def test_the_rest_of_what_is_managed() -> None:
    check("add_watching", render_account.watching(account(), DEFAULT_LADDERS))
    check("thresholds", render_account.thresholds(DEFAULT_LADDERS, None))
    check("thresholds_changed", render_account.thresholds(DEFAULT_LADDERS, "main", changed=True))
    check("accounts_none", render_account.accounts([], VENUES))
    quieted = Quieted(account(), "cross:USDT", Mute(MuteKind.ACKNOWLEDGED, Grade.CRITICAL, NOW))
    check("acknowledged", render_account.quieted([quieted], "Acknowledged", ["03:39 UTC"]))


words = st.text(alphabet="<>&\n aé🚨", max_size=300)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=60), st.integers(200, LIMIT))
def test_pages_are_whole_and_short_enough(labels: list[str], limit: int) -> None:
    """However long the answer, every part is valid by itself and nothing of ordinary size is lost."""
    standings = [standing(report(), label=label) for label in labels]
    html = render_status.status(standings, VIEW)
    found = pages(html, limit)
    assert all(length(page) <= limit for page in found)
    for page in found:
        plain_text(page)
    assert sum(page.count("binanceusdm") for page in found) == len(labels)


def test_one_monstrous_line_is_shortened_not_cut_in_its_markup() -> None:
    [page] = pages("<b>" + "&amp;" * 3000 + "</b>")
    assert plain_text(page).endswith("…")


def test_for_a_terminal() -> None:
    html = "🔴 <b>CRITICAL</b> · [main] &lt;x&gt; <code>a</code>"
    assert to_plain(html) == "🔴 CRITICAL · [main] <x> a"
    assert to_rich(html) == r"🔴 [bold]CRITICAL[/bold] · \[main] <x> [cyan]a[/cyan]"
