"""What perpetuals pay: only where the time between payments is known, and for eight hours whatever that is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.domain.funding import STALE, Announcement, FundingRates
from tests.builders import T0

HOUR = timedelta(hours=1)


def announced(hours_ahead: float, interval: float | None = None) -> Announcement:
    told = None if interval is None else interval * HOUR
    return Announcement(rate=0.0001, next_at=T0 + hours_ahead * HOUR, interval=told)


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        pytest.param(announced(3, 4), 0.0002, id="told: twice in eight hours"),
        pytest.param(announced(1, 8), 0.0001, id="told: once"),
        pytest.param(announced(4.01), 0.0001, id="more than four hours away: eight"),
        pytest.param(announced(4), None, id="four hours away: not known"),
        pytest.param(announced(9), None, id="further away than any payment: not believed"),
        pytest.param(Announcement(rate=0.0001), None, id="no time told"),
    ],
)
def test_the_interval(told: Announcement, rate: float | None) -> None:
    rates = FundingRates()
    rates.note("BTC/USDT:USDT", told, T0)
    assert rates.each_eight_hours(T0).get("BTC/USDT:USDT") == (None if rate is None else pytest.approx(rate))


def test_an_interval_is_seen_when_the_time_moves_on_and_kept() -> None:
    rates = FundingRates()
    for ahead, at in ((1, 0.0), (5, 1.1), (5, 3.0)):
        rates.note("NEW/USDT:USDT", announced(ahead), T0 + at * HOUR)
        known = rates.each_eight_hours(T0 + at * HOUR)
        assert known == ({} if at == 0 else {"NEW/USDT:USDT": pytest.approx(0.0002)})


def test_what_was_not_announced_for_long_is_not_known() -> None:
    rates = FundingRates()
    rates.note("BTC/USDT:USDT", announced(8), T0)
    assert rates.each_eight_hours(T0 + STALE)
    assert not rates.each_eight_hours(T0 + STALE + timedelta(seconds=1))
