"""What a passport means, and which changes of it are news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from marginbot.domain.passport import KeyCheck, KeyNews, Passport, Verdict, checked, news, verdict

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
READ_ONLY = Passport(can_read=True, can_trade=False, can_withdraw=False, ip_restricted=True)
TRADES = replace(READ_ONLY, can_trade=True)
WITHDRAWS = replace(READ_ONLY, can_withdraw=True)
OPEN = replace(READ_ONLY, ip_restricted=False)
SILENT = Passport(notes=("the exchange did not answer the question",))


def ending(days: float) -> Passport:
    return replace(READ_ONLY, expires_at=T0 + timedelta(days=days))


@pytest.mark.parametrize(
    ("passport", "expected"),
    [
        pytest.param(READ_ONLY, Verdict.READ_ONLY, id="both were denied"),
        pytest.param(TRADES, Verdict.NEEDS_CONSENT, id="it can trade"),
        pytest.param(WITHDRAWS, Verdict.REFUSED, id="it can withdraw"),
        pytest.param(Passport(can_withdraw=True), Verdict.REFUSED, id="withdrawal alone is known, and enough"),
        pytest.param(Passport(can_trade=True), Verdict.NEEDS_CONSENT, id="trading alone is known"),
        pytest.param(Passport(can_trade=False), Verdict.NOT_VERIFIED, id="withdrawal was not told"),
        pytest.param(Passport(can_withdraw=False), Verdict.NOT_VERIFIED, id="trading was not told"),
        pytest.param(Passport(can_read=True), Verdict.NOT_VERIFIED, id="nothing that matters was told"),
    ],
)
def test_what_is_not_known_is_never_taken_for_read_only(passport: Passport, expected: Verdict) -> None:
    assert verdict(passport) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(READ_ONLY, READ_ONLY, (), id="no change"),
        pytest.param(READ_ONLY, WITHDRAWS, (KeyNews.CAN_WITHDRAW,), id="it gained withdrawal"),
        pytest.param(WITHDRAWS, WITHDRAWS, (), id="told already"),
        pytest.param(WITHDRAWS, READ_ONLY, (), id="a right that was taken away needs no word"),
        pytest.param(READ_ONLY, TRADES, (KeyNews.CAN_TRADE,), id="it gained trading"),
        pytest.param(TRADES, TRADES, (), id="its owner agreed"),
        pytest.param(READ_ONLY, OPEN, (KeyNews.OPEN_TO_ALL_ADDRESSES,), id="the IP list is gone"),
        pytest.param(OPEN, OPEN, (), id="there never was one"),
        pytest.param(SILENT, OPEN, (), id="nor can one be missed that was not known"),
        pytest.param(SILENT, TRADES, (KeyNews.CAN_TRADE,), id="known at last"),
        pytest.param(READ_ONLY, SILENT, (), id="silence is no change"),
        pytest.param(None, OPEN, (), id="the first look at an open key"),
        pytest.param(None, WITHDRAWS, (KeyNews.CAN_WITHDRAW,), id="the first look at a dangerous key"),
        pytest.param(ending(16), ending(16), (), id="a day later still more than two weeks"),
        pytest.param(ending(15), ending(15), (KeyNews.EXPIRES_SOON,), id="a day later exactly two weeks"),
        pytest.param(ending(15), SILENT, (KeyNews.EXPIRES_SOON,), id="known from before, though nobody says so today"),
        pytest.param(ending(14), ending(14), (), id="it was two weeks a day ago"),
        pytest.param(ending(3), ending(10), (KeyNews.EXPIRES_SOON,), id="another end, still soon"),
        pytest.param(None, ending(10), (KeyNews.EXPIRES_SOON,), id="soon at the first look"),
    ],
)
def test_each_change_is_told_once(before: Passport | None, after: Passport, expected: tuple[KeyNews, ...]) -> None:
    previous = None if before is None else checked(before, None, T0)
    assert news(previous, checked(after, previous, T0 + DAY)) == expected


def test_a_day_without_an_answer_forgets_nothing() -> None:
    first = checked(READ_ONLY, None, T0)
    second = checked(SILENT, first, T0 + DAY)
    assert second.latest == SILENT
    assert second.known == replace(READ_ONLY, notes=SILENT.notes)
    assert news(second, checked(OPEN, second, T0 + 2 * DAY)) == (KeyNews.OPEN_TO_ALL_ADDRESSES,)


def test_every_change_of_a_long_story_is_told_exactly_once() -> None:
    told: list[KeyNews] = []
    previous: KeyCheck | None = checked(READ_ONLY, None, T0)
    for day, seen in enumerate((OPEN, SILENT, OPEN, TRADES, SILENT, WITHDRAWS, WITHDRAWS, READ_ONLY, WITHDRAWS), 1):
        current = checked(seen, previous, T0 + day * DAY)
        told += news(previous, current)
        previous = current
    assert told == [
        KeyNews.OPEN_TO_ALL_ADDRESSES,
        KeyNews.CAN_TRADE,
        KeyNews.CAN_WITHDRAW,
        KeyNews.CAN_WITHDRAW,
    ]
