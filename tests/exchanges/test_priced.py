"""Equity out of liquidation prices: it must be the equity with which those prices were computed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.margin import Side
from marginbot.exchanges.priced import least_equity, priced_equity
from tests.builders import D, position

units = st.decimals(min_value="0.1", max_value="50", places=2)
RATE = D("0.005")


def liquidated_at(equity: Decimal, signed: Decimal, *, size: Decimal, mark: Decimal, others: Decimal) -> Decimal:
    """Where equity + signed (L - mark) = others + rate size L."""
    return (others - equity + signed * mark) / (signed - RATE * size)


@given(units, units, st.sampled_from(Side), st.decimals(min_value="2000", max_value="60000", places=2))
def test_the_equity_of_a_hedge_beside_another_position_is_found(
    held: Decimal, other: Decimal, side: Side, equity: Decimal
) -> None:
    mark, leg = D(100), held / 3
    signed = side.sign * (held - leg)
    beside = position("ETH", notional=str(other * mark), mark_price=str(mark))
    others = beside.maintenance_margin or D(0)
    liquidation = liquidated_at(equity, signed, size=held + leg, mark=mark, others=others)
    if liquidation <= 1:  # the end of the price scale
        return
    away = Side.SHORT if side is Side.LONG else Side.LONG
    legs = [
        replace(position("BTC", way, notional=str(size * mark), mark_price=str(mark)), liquidation_price=liquidation)
        for way, size in ((side, held), (away, leg))
    ]
    found = priced_equity([*legs, beside])
    assert found is not None
    assert abs(found - equity) < D("1e-9")


def test_an_inverse_position_is_kept_in_its_coin() -> None:
    # 20 coins long at 100, requirement 0.5 %: E(L) = MM(L) at L = 80: 20 (100/80 - 1) = 5, MM = 0.1 x 1.25 = 0.125
    held = replace(
        position(notional="20", mark_price="100", coin_settled=True), liquidation_price=D(80), symbol="BTC/USD:BTC"
    )
    assert priced_equity([held]) == D("5.125")


@pytest.mark.parametrize(
    ("told", "liquidation", "expected", "warned"),
    [
        pytest.param("2095", "80", "2095", False, id="the smaller figure is the venue's"),
        pytest.param("2102", "80", "2102", False, id="a rounded liquidation price is no disagreement"),
        pytest.param("9000", "80", "2080", True, id="clearly less by the liquidation price"),
        pytest.param("2095", None, "2095", False, id="no liquidation price"),
        pytest.param(None, "80", "2080", True, id="no balance"),
        pytest.param(None, None, None, False, id="nothing at all"),
    ],
)
def test_what_counts(told: str | None, liquidation: str | None, expected: str | None, warned: bool) -> None:
    # 100 units at 100, requirement 1 %: at 80 it is 80, and 2000 were lost on the way.
    held = replace(
        position(notional="10000", rate="0.01", mark_price="100"),
        liquidation_price=None if liquidation is None else D(liquidation),
    )
    warnings: list[str] = []
    found = least_equity("cross", None if told is None else D(told), [held], warnings)
    assert found == (None if expected is None else D(expected))
    assert bool(warnings) is warned


def test_of_several_liquidation_prices_the_one_that_leaves_least_counts() -> None:
    near, far = (
        replace(position(name, notional="10000", mark_price="100"), liquidation_price=D(liquidation))
        for name, liquidation in (("BTC", "90"), ("ETH", "50"))
    )
    # By the nearer one: 50 for the other, 45 at 90, and 1000 on the way.
    assert priced_equity([near, far]) == priced_equity([far, near]) == D(1095)


def test_past_the_trigger_nothing_is_left() -> None:
    held = replace(position(notional="10000", mark_price="100"), liquidation_price=D(120))
    warnings: list[str] = []
    assert (least_equity("cross", D(500), [held], warnings) or D(0)) < 0
    assert warnings


def test_the_smallest_price_there_is_says_nothing() -> None:
    held = replace(position(notional="10000", mark_price="100"), liquidation_price=D("0.01"))
    assert priced_equity([held]) is None


def test_a_position_without_requirement_says_nothing() -> None:
    bare = replace(position(mark_price="100"), liquidation_price=D(80), maintenance_margin=None)
    assert priced_equity([bare]) is None
    beside = replace(position("ETH", mark_price="100"), liquidation_price=D(80))
    assert priced_equity([bare, beside]) is None
