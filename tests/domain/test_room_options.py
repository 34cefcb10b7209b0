"""Room of pools that hold options: revalued at the volatility of the venue's own mark."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.margin import Option, Pool, Position, Side
from marginbot.domain.options import black76, fit
from marginbot.domain.room import WITH_VOLATILITY, Scenario, revaluation, room_of
from tests.builders import HOURLY, T0, D, pool, position

LONG, SHORT = Side.LONG, Side.SHORT


def only(judged: Pool) -> Scenario:
    """The scenario in which volatility stands still."""
    plain, shocked = room_of(judged, HOURLY, T0).scenarios
    assert (plain.name, shocked.name) == ("BTC", "BTC" + WITH_VOLATILITY)
    return plain


def option(side: Side, *, is_call: bool, strike: str, mark: str, units: str = "10") -> Position:
    return Position(
        symbol="BTC/USD:BTC-270326",
        underlying="BTC",
        side=side,
        contracts=D(units),
        notional=D(units) * D(50_000),
        maintenance_margin=D(3000) if side is SHORT else D(0),
        option=Option(
            is_call=is_call,
            strike=D(strike),
            expires_at=T0 + timedelta(days=60),
            underlying_price=D(50_000),
            mark_usd=D(mark),
        ),
    )


@pytest.mark.parametrize(("is_call", "strike"), [(True, "55000"), (False, "45000")])
@pytest.mark.parametrize("counts", [True, False], ids=["values in equity", "values outside equity"])
def test_a_sold_option_is_hit_where_its_loss_eats_the_buffer(is_call: bool, strike: str, counts: bool) -> None:
    sold = option(SHORT, is_call=is_call, strike=strike, mark="2000")
    judged = replace(pool(sold, equity="40000"), option_equity_counts=counts)
    scenario = only(judged)
    against, other = (scenario.up, scenario.down) if is_call else (scenario.down, scenario.up)
    assert against is not None
    assert other is None
    assert sold.option is not None
    model = fit(sold.option, T0)
    assert model is not None
    value = black76(is_call, 50_000 * (1 + against), float(strike), model.deviation)
    assert 10 * (value - 2000) == pytest.approx(40_000 - 3000, rel=1e-6)


def test_a_bought_option_alone_cannot_breach() -> None:
    bought = option(LONG, is_call=True, strike="55000", mark="2000")
    scenario = only(pool(bought, equity="21000", maintenance_margin="0"))
    assert (scenario.room, scenario.cushion) == (None, None)


def test_a_window_of_danger_is_found_though_beyond_it_all_is_well() -> None:
    """Twice as many puts as longs: between 7.25 and 8.75 per cent down the pool breaches, below that it is safe."""
    puts = option(LONG, is_call=False, strike="46000", mark="0", units="4")
    assert puts.option is not None
    puts = replace(puts, option=replace(puts.option, expires_at=T0))
    judged = pool(position(notional="100000", rate="0"), puts, equity="7750", maintenance_margin="500")
    assert only(judged).down == pytest.approx(-0.0725)
    equity, requirement = revaluation(judged, T0)({"BTC": -0.09})
    assert equity > requirement


def test_options_make_room_an_estimate_and_say_so() -> None:
    report = room_of(pool(option(SHORT, is_call=True, strike="55000", mark="2000"), equity="40000"), HOURLY, T0)
    assert "estimate" in report.notes[0]


def test_an_option_whose_mark_no_volatility_explains_is_named() -> None:
    impossible = option(SHORT, is_call=True, strike="55000", mark="60000")
    report = room_of(pool(impossible, equity="40000"), HOURLY, T0)
    assert impossible.symbol in report.notes[1]
    assert not report.known, "what is left out cannot be vouched for"


def test_rising_volatility_brings_a_sold_option_s_trigger_nearer() -> None:
    sold = option(SHORT, is_call=True, strike="55000", mark="2000")
    plain, shocked = room_of(pool(sold, equity="40000"), HOURLY, T0).scenarios
    assert plain.up is not None
    assert shocked.up is not None
    assert shocked.up < plain.up
    assert sold.option is not None
    model = fit(sold.option, T0)
    assert model is not None
    risen = min(0.5, shocked.up * 5)
    value = black76(True, 50_000 * (1 + shocked.up), 55_000.0, model.deviation * (1 + risen))
    assert 10 * (value - 2000) == pytest.approx(40_000 - 3000, rel=1e-6)


def test_the_nearer_of_the_two_decides() -> None:
    report = room_of(pool(option(SHORT, is_call=True, strike="55000", mark="2000"), equity="40000"), HOURLY, T0)
    assert report.decisive is not None
    assert report.decisive.name == "BTC" + WITH_VOLATILITY


def test_greeks_stand_in_where_no_volatility_explains_the_mark() -> None:
    sold = option(SHORT, is_call=False, strike="45000", mark="46000")
    assert sold.option is not None
    greeks = replace(sold.option, delta=D("-0.30"), gamma=D("0.00004"), vega=D(60))
    report = room_of(pool(replace(sold, option=greeks), equity="40000"), HOURLY, T0)
    assert report.known
    assert "greeks only" in report.notes[1]
    assert report.decisive is not None
    assert report.decisive.down is not None
