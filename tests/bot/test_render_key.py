"""What is said about keys, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.bot import render_account, render_alert, render_key
from marginbot.bot.render import to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause
from marginbot.domain.passport import KeyCheck, KeyNews, Passport, checked
from tests.bot.builders import NOW, account, facts, notice
from tests.bot.fakes import VENUES
from tests.bot.golden import check

READ_ONLY = Passport(can_read=True, can_trade=False, can_withdraw=False, ip_restricted=True)
ENDING = replace(READ_ONLY, can_trade=True, ip_restricted=False, expires_at=NOW + timedelta(days=9))
SILENT = Passport(notes=("the exchange did not answer the question",))


@pytest.mark.parametrize(
    ("name", "passport"),
    [
        ("read_only", READ_ONLY),
        ("trades", ENDING),
        ("not_verified", SILENT),
        ("half_known", Passport(can_trade=True, notes=("it has a right that I do not know: earn",))),
    ],
)
def test_what_a_key_may_do(name: str, passport: Passport) -> None:
    check(f"key_{name}", render_key.found(passport))


def test_the_question_before_a_key_that_trades_is_stored() -> None:
    check("key_question", render_key.question())


def test_the_list_tells_of_each_account_what_is_known_of_its_key() -> None:
    first = checked(READ_ONLY, None, NOW)
    looks: list[KeyCheck | None] = [
        first,
        checked(ENDING, None, NOW),
        checked(SILENT, None, NOW),
        checked(SILENT, first, NOW),
        None,
    ]
    owned = [account(f"desk-{number}", id=number) for number in range(len(looks))]
    owned.append(account("refused", id=10, refused=Cause.NO_PERMISSION))
    owned.append(account("chain", id=11, exchange="hyperliquid"))
    check("accounts", render_account.accounts(owned, VENUES, dict(enumerate(looks))))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("withdrawal", (KeyNews.CAN_WITHDRAW,)),
        ("expiry", (KeyNews.EXPIRES_SOON,)),
        ("everything", tuple(KeyNews)),
    ],
)
def test_news(name: str, changes: tuple[KeyNews, ...]) -> None:
    about = facts(
        grade=None,
        previous=None,
        pool=None,
        positions=(),
        reason=Reason.UNCHANGED,
        key_news=changes,
        key_expires_at=NOW + timedelta(days=9),
    )
    told = notice(about, subject="key")
    html = render_alert.alert(told, NOW + timedelta(seconds=1))
    check(f"key_news_{name}", html, render_alert.buttons(told))
    short = render_alert.short(told)
    assert short.startswith("🔑 KEY · main · binanceusdm\n")
    assert len(short) <= 400
    assert all(to_plain(line).removeprefix("• ") in short for line in html.split("\n") if line.startswith("•"))
