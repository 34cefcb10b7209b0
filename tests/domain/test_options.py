"""Black-76: parity, limits, and a fit that reproduces the venue's own mark."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marginbot.domain.margin import Option
from marginbot.domain.options import GreekModel, OptionModel, black76, fit, model_of
from tests.builders import T0, D

prices = st.floats(100, 100_000)
deviations = st.floats(0.01, 3)
OPTION = Option(
    is_call=True,
    strike=D(55_000),
    expires_at=T0 + timedelta(days=60),
    underlying_price=D(50_000),
    mark_usd=D(2000),
)


@given(prices, prices, deviations)
def test_put_call_parity(forward: float, strike: float, deviation: float) -> None:
    call, put = black76(True, forward, strike, deviation), black76(False, forward, strike, deviation)
    assert call - put == pytest.approx(forward - strike, abs=1e-8 * (forward + strike))


@given(st.booleans(), prices, prices, deviations)
def test_value_lies_between_intrinsic_and_the_most_it_can_pay(
    is_call: bool, forward: float, strike: float, deviation: float
) -> None:
    value = black76(is_call, forward, strike, deviation)
    slack = 1e-9 * (forward + strike)
    assert value >= black76(is_call, forward, strike, 0.0) - slack
    assert value <= (forward if is_call else strike) + slack


def test_at_the_money_value_is_about_four_tenths_of_the_deviation() -> None:
    assert black76(True, 100.0, 100.0, 0.10) == pytest.approx(3.9878, abs=1e-4)


@pytest.mark.parametrize(
    ("is_call", "forward", "expected"),
    [(True, 120.0, 20.0), (True, 80.0, 0.0), (False, 80.0, 20.0), (False, 120.0, 0.0), (False, 0.0, 100.0)],
)
def test_without_time_only_intrinsic_value_is_left(is_call: bool, forward: float, expected: float) -> None:
    assert black76(is_call, forward, 100.0, 0.0) == expected


@given(st.booleans(), st.integers(20_000, 90_000), st.integers(1, 400), st.floats(0.05, 3))
def test_the_fit_reproduces_the_mark(is_call: bool, strike: int, days: int, volatility: float) -> None:
    mark = black76(is_call, 50_000.0, float(strike), volatility * sqrt(days / 365))
    assume(mark > 0.01)
    option = replace(
        OPTION, is_call=is_call, strike=D(strike), expires_at=T0 + timedelta(days=days), mark_usd=D(str(mark))
    )
    model = fit(option, T0)
    assert model is not None
    assert model.value(0.0) == pytest.approx(mark, rel=1e-6, abs=1e-6)


def test_a_moved_underlying_moves_the_value() -> None:
    model = fit(OPTION, T0)
    assert model is not None
    assert model.value(0.1) > 2000 > model.value(-0.1) > 0


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(replace(OPTION, mark_usd=D(60_000)), id="worth more than the underlying"),
        pytest.param(replace(OPTION, mark_usd=D(-1)), id="negative mark"),
        pytest.param(replace(OPTION, underlying_price=D(0)), id="no underlying price"),
        pytest.param(replace(OPTION, strike=D(0)), id="no strike"),
    ],
)
def test_a_mark_that_no_volatility_gives_has_no_model(broken: Option) -> None:
    assert fit(broken, T0) is None


def test_an_expired_option_is_worth_its_intrinsic_value() -> None:
    model = fit(replace(OPTION, expires_at=T0, underlying_price=D(60_000)), T0)
    assert model is not None
    assert model.value(0.0) == 5000.0


UNEXPLAINED = replace(OPTION, mark_usd=D(60_000))


def test_the_venue_s_volatility_stands_in_for_a_mark_that_none_explains() -> None:
    model = model_of(replace(UNEXPLAINED, implied_volatility=D("0.6")), T0)
    assert isinstance(model, OptionModel)
    assert model.deviation == pytest.approx(0.6 * sqrt(60 / 365))


@pytest.mark.parametrize("nonsense", [None, D(0), D(-1), D(11)])
def test_without_a_usable_volatility_or_greeks_there_is_no_model(nonsense: Decimal | None) -> None:
    assert model_of(replace(UNEXPLAINED, implied_volatility=nonsense), T0) is None
    assert model_of(replace(UNEXPLAINED, delta=D("0.3")), T0) is None


def test_greeks_agree_with_the_model_near_the_price() -> None:
    exact = fit(OPTION, T0)
    assert exact is not None
    step, root = 1e-4, sqrt(60 / 365)
    up, here, down = (exact.value(move) for move in (step, 0.0, -step))
    delta, gamma = (up - down) / (2 * step * 50_000), (up - 2 * here + down) / (step * 50_000) ** 2
    vega = (exact.value(0.0, 0.001) - here) / (0.001 * exact.deviation / root)
    greeks = GreekModel(True, 50_000.0, 55_000.0, 2000.0, delta, gamma, vega, exact.deviation / root)
    for move, shock in ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.1), (0.01, 0.05)):
        assert greeks.value(move, shock) == pytest.approx(exact.value(move, shock), rel=0.02)


@given(st.booleans(), st.floats(-0.99, 5), st.floats(0, 0.5), st.floats(-2, 2), st.floats(0, 0.01))
def test_greeks_never_leave_what_an_option_can_be_worth(
    is_call: bool, move: float, shock: float, delta: float, gamma: float
) -> None:
    model = GreekModel(is_call, 50_000.0, 45_000.0, 6000.0, delta, gamma, 60.0, 1.0)
    there = 50_000 * (1 + move)
    value = model.value(move, shock)
    assert value >= black76(is_call, there, 45_000.0, 0.0) - 1e-6
    assert value <= max(there if is_call else 45_000.0, 6000.0) + 1e-6
