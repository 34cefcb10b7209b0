"""What a group sees: a table of 32 columns, in percentages unless an owner shared more."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.bot import render_group
from marginbot.bot.figures import width
from marginbot.bot.language import LANGUAGES, read_in_language
from marginbot.bot.render import LIMIT, length
from marginbot.bot.render_status import View
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Standing
from tests.bot.builders import CALM, FLAT, GONE_EQUITY, NOW, UNKNOWN, pool, report, standing
from tests.bot.golden import check
from tests.servers.telegram_html import plain_text

VIEW = View(now=NOW)
OLD = report(CALM, taken_at=NOW - timedelta(minutes=14))
AMOUNT = re.compile(r"USDT|1,402|402")


def hidden(of: Standing) -> Standing:
    return replace(of, shared_amounts=False)


GROUPS: dict[str, list[Standing]] = {
    "fine": [hidden(standing(report(CALM))), hidden(standing(report(FLAT), label="desk-2"))],
    "all_states": [
        hidden(standing(report(GONE_EQUITY), label="gone")),
        hidden(standing(report(), label="a-label-of-24-characters")),
        hidden(standing(report(UNKNOWN, positions=()), label="odd")),
        hidden(standing(OLD, label="old")),
        hidden(standing(None, label="new")),
        hidden(standing(report(pool(margin_ratio=Decimal("0.0001"), cushion=0.01)), label="tiny")),
        hidden(standing(report(pool(room=None, cushion=None, room_known=True, grade=Grade.OK)), label="hedged")),
    ],
    "amounts": [standing(report()), hidden(standing(report(CALM), label="calm"))],
    "dark": [hidden(standing(OLD)), hidden(standing(None, label="new"))],
}


def table_rows(html: str) -> list[str]:
    return [plain_text(found) for found in re.findall(r"<code>.*?</code>", html)]


@pytest.mark.parametrize("name", GROUPS)
def test_status_in_a_group(name: str) -> None:
    html = render_group.status(GROUPS[name], VIEW)
    plain_text(html)
    check(f"group_status_{name}", html)


@pytest.mark.parametrize("name", GROUPS)
def test_the_board(name: str) -> None:
    html = render_group.boarded(render_group.board(GROUPS[name], VIEW), NOW, GROUPS[name], VIEW)
    plain_text(html)
    check(f"group_board_{name}", html)


def test_a_board_whose_accounts_are_out_of_sight_says_so_first_and_one_in_sight_does_not() -> None:
    dark = render_group.boarded("figures", NOW, GROUPS["dark"], VIEW)
    assert "as of 03:10 UTC, blind since then" in dark.split("\n\n")[0]
    assert "blind" not in render_group.boarded("figures", NOW, GROUPS["fine"], VIEW)


def test_what_became_worse_and_what_is_shared_anywhere() -> None:
    check("group_worse", render_group.worse(GROUPS["amounts"][:1], VIEW))
    check("group_redacted", render_group.redacted(GROUPS["amounts"][0], VIEW))
    check("group_redacted_old", render_group.redacted(standing(OLD), VIEW))


@pytest.mark.parametrize("name", ["fine", "all_states", "dark"])
def test_failure_42_no_amount_without_its_owners_word(name: str) -> None:
    for html in (render_group.status(GROUPS[name], VIEW), render_group.board(GROUPS[name], VIEW)):
        assert AMOUNT.search(html) is None
    assert AMOUNT.search(render_group.status(GROUPS["amounts"], VIEW))


def test_nothing_shared_anywhere_names_an_amount_or_a_venue_even_where_amounts_are_seen() -> None:
    for one in GROUPS["amounts"]:
        html = render_group.redacted(one, VIEW)
        assert AMOUNT.search(html) is None
        assert one.account.exchange not in html


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", GROUPS)
def test_the_table_fits_a_phone_in_every_language(name: str, code: str) -> None:
    with read_in_language(code):
        rows = table_rows(render_group.status(GROUPS[name], VIEW))
    assert len(rows) > len(GROUPS[name])
    assert [row for row in rows if width(row) > 32 or len(row) > 32] == []


@settings(max_examples=60, deadline=None)
@given(
    st.text(min_size=1, max_size=40),
    st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False),
    st.floats(min_value=0, max_value=10**9),
)
def test_whatever_the_label_and_the_figures_a_row_fits(label: str, ratio: Decimal, cushion: float) -> None:
    shown = [standing(report(pool(margin_ratio=ratio, cushion=cushion)), label=label)]
    rows = table_rows(render_group.status(shown, VIEW))
    assert [row for row in rows if width(row) > 32] == []


def test_however_many_are_shared_it_is_one_message_that_names_the_rest() -> None:
    many = [hidden(standing(report(), label=f"account-{n}")) for n in range(60)]
    html = render_group.status(many, VIEW)
    plain_text(html)
    assert length(html) <= LIMIT
    assert "and 30 more" in html
    assert "The rest: /status LABEL" in html
