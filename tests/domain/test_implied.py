"""The equity behind a position, from its liquidation price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.implied import implied_equity, proportional
from marginbot.domain.margin import Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin

D = Decimal
TIERS = (LeverageTier(D(0), D(50000), D("0.004"), D(0)), LeverageTier(D(50000), None, D("0.005"), D(50)))
moves = st.decimals("0.01", "0.5", places=4)
rates = st.decimals("0.003", "0.05", places=4)
notionals = st.decimals("10", "1000000", places=2)


def requirement(notional: Decimal) -> Decimal:
    return maintenance_margin(notional, TIERS)


def test_the_documented_isolated_long_is_reproduced() -> None:
    # 20 BTC at 6679.50671178, liquidation at 5930.7836 with tiers: the venue says 15517.54 behind it.
    mark = D("6679.50671178")
    equity = implied_equity(requirement, side=Side.LONG, notional=20 * mark, mark=mark, liquidation=D("5930.7836"))
    assert equity is not None
    assert abs(equity - D("15517.54")) < D("0.1")


@given(st.sampled_from(Side), st.booleans(), notionals, moves, rates)
def test_at_the_liquidation_price_equity_is_the_requirement(
    side: Side, is_inverse: bool, notional: Decimal, move: Decimal, rate: Decimal
) -> None:
    mark = D(1000)
    liquidation = mark * (1 - side.sign * move)
    equity = implied_equity(
        proportional(rate), side=side, notional=notional, mark=mark, liquidation=liquidation, is_inverse=is_inverse
    )
    assert equity is not None
    ratio_of = D(1) / liquidation if is_inverse else liquidation  # value of one contract there, up to a constant
    there = notional * (ratio_of / (D(1) / mark if is_inverse else mark))
    profit = side.sign * (notional - there if is_inverse else there - notional)
    assert float(equity + profit) == pytest.approx(float(rate * there), rel=1e-9, abs=1e-9)


def test_a_liquidation_price_behind_the_mark_means_the_trigger_was_passed() -> None:
    equity = implied_equity(proportional(D("0.005")), side=Side.LONG, notional=D(100), mark=D(100), liquidation=D(105))
    assert equity is not None
    assert equity < D("0.5")


@pytest.mark.parametrize("figure", ["notional", "mark", "liquidation"])
def test_a_figure_that_is_not_positive_tells_nothing(figure: str) -> None:
    told = {"notional": D(100), "mark": D(100), "liquidation": D(90), figure: D(0)}
    found = implied_equity(
        proportional(D("0.005")),
        side=Side.LONG,
        notional=told["notional"],
        mark=told["mark"],
        liquidation=told["liquidation"],
    )
    assert found is None
