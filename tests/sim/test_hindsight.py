"""An account of today in the days of another year: what is carried over, and what is left out and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from marginbot.domain.margin import Collateral, MarginMode
from marginbot.domain.volatility import Bar
from marginbot.sim.hindsight import parse_period, portfolios_of, spec_of
from marginbot.sim.replay import run
from marginbot.sim.spec import BadSpec
from tests.builders import D, pool, position, snapshot

DAY = datetime(2025, 10, 10, tzinfo=UTC)
START, MINUTE = int(DAY.timestamp() * 1000), 60_000


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("2025-10-10", 10, 11), ("2025-10-10..2025-10-12", 10, 13), (" 2025-10-10 .. 2025-10-10 ", 10, 11)],
)
def test_a_period_is_whole_days(text: str, first: int, last: int) -> None:
    assert parse_period(text) == (DAY.replace(day=first), DAY.replace(day=last))


@pytest.mark.parametrize("text", ["", "yesterday", "2025-10-11..2025-10-10", "2025-10-01..2025-10-15", "2025-13-01"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadSpec):
        parse_period(text)


def test_a_pool_keeps_its_equity_its_sizes_and_its_rate() -> None:
    [made], notes = portfolios_of(snapshot(pool(position(notional="80000"), position("ETH", notional="20000"))))
    assert (made.equity, made.maintenance_margin_rate, made.margin_mode) == (10_000.0, 0.005, MarginMode.CROSS)
    assert [(h.asset, h.notional) for h in made.positions] == [("BTC", 80_000.0), ("ETH", 20_000.0)]
    assert notes == ()


def test_what_cannot_be_carried_is_named() -> None:
    coin = pool(position(notional="10", coin_settled=True), equity="2", name="cross:BTC")
    backed = pool(position(), collateral=[Collateral(asset="ETH", value=D(500))])
    sizeless = pool(replace(position(), notional=None), name="cross:USDC", maintenance_margin="1")
    made, notes = portfolios_of(snapshot(coin, backed, sizeless, pool(equity="5", name="cross:EUR")))
    assert [portfolio.name for portfolio in made] == ["cross:USDT"]
    assert [note.partition(":")[2].split(":")[0] for note in notes] == ["BTC", "USDT", "USDC"]


def test_days_without_candles_are_refused() -> None:
    made, _ = portfolios_of(snapshot(pool(position())))
    with pytest.raises(BadSpec, match="no candles of BTC"):
        spec_of(made, {"BTC": []}, (DAY, DAY.replace(day=11)), 30)


def test_the_account_goes_through_the_day_as_if_opened_at_its_start() -> None:
    """10x at the first price of the day: 100, so the trigger is at 90.4523; the two days before only warm up."""
    made, _ = portfolios_of(snapshot(pool(position(notional="100000"))))
    before = [Bar(START - n * MINUTE, *(50.0,) * 4) for n in range(200, 0, -1)]
    day = [Bar(START + n * MINUTE, *(price,) * 4) for n, price in enumerate([100.0] * 90 + [91.0] * 10 + [90.0] * 10)]
    [outcome] = run(spec_of(made, {"BTC": [*before, *day]}, (DAY, DAY.replace(day=11)), 30))
    assert outcome.breach_at == START + 100 * MINUTE
