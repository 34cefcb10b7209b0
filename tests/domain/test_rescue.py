"""Advice that is followed must suffice, and must not ask for much more than that."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marginbot.domain.grading import DEFAULT_LADDERS, Grade, Graded, regrade
from marginbot.domain.margin import Collateral, Pool, Side
from marginbot.domain.rescue import WayBack, target_of, way_back
from marginbot.domain.room import room_of
from marginbot.domain.shortfall import shortfall
from tests.builders import HOURLY, T0, D, pool, position

OK, NOTICE, WARNING, CRITICAL, EMERGENCY, DEFICIT = Grade


def graded(judged: Pool, previous: Grade = OK) -> Grade:
    decisive = room_of(judged, HOURLY, T0).decisive
    cushion = decisive.cushion if decisive else None
    found = regrade(judged.state, judged.margin_ratio, cushion, ladders=DEFAULT_LADDERS, previous=previous)
    assert isinstance(found, Graded)
    return found.grade


def advice(judged: Pool, grade: Grade | None = None) -> WayBack:
    found = way_back(judged, HOURLY, ladders=DEFAULT_LADDERS, graded=grade or graded(judged), now=T0)
    assert found is not None
    return found


def missing(judged: Pool, grade: Grade) -> float:
    return shortfall(judged, target_of(grade, DEFAULT_LADDERS)[1], HOURLY, T0).amount


def topped_up(judged: Pool, amount: Decimal) -> Pool:
    return replace(judged, equity=(judged.equity or D(0)) + amount)


def reduced(judged: Pool, share: Decimal) -> Pool:
    left = 1 - share
    if left == 0:
        return replace(judged, positions=(), maintenance_margin=D(0))
    positions = tuple(
        replace(p, notional=(p.notional or D(0)) * left, maintenance_margin=(p.maintenance_margin or D(0)) * left)
        for p in judged.positions
    )
    return replace(judged, positions=positions, maintenance_margin=(judged.maintenance_margin or D(0)) * left)


legs = st.builds(
    lambda underlying, side, notional, rate: position(underlying, side, notional=notional, rate=rate),
    st.sampled_from(["BTC", "ETH"]),
    st.sampled_from(Side),
    st.integers(20_000, 200_000).map(str),
    st.sampled_from(["0.004", "0.005", "0.01", "0.03"]),
)
books = st.builds(
    lambda positions, equity, coin: pool(
        *positions, equity=equity, collateral=[Collateral(asset="ETH", value=D(coin))]
    ),
    st.lists(legs, min_size=1, max_size=3),
    st.integers(-5_000, 20_000).map(str),
    st.integers(0, 3_000),
)


@settings(max_examples=60)
@given(books)
def test_a_top_up_as_advised_brings_the_pool_back_and_little_less_would_not(judged: Pool) -> None:
    before = graded(judged)
    assume(before > OK)
    found = advice(judged)
    assert found.top_up is not None
    assert graded(topped_up(judged, found.top_up)) <= found.target
    assert missing(topped_up(judged, found.top_up * D("0.98")), before) > 0


@settings(max_examples=60)
@given(books)
def test_closing_as_advised_brings_the_pool_back_and_two_points_less_would_not(judged: Pool) -> None:
    before = graded(judged)
    assume(before > OK)
    found = advice(judged)
    if found.close_share is None:
        return  # equity is gone, or the collateral itself is at stake
    assert 0 < found.close_share <= 1
    assert graded(reduced(judged, found.close_share)) <= found.target
    assert missing(reduced(judged, max(D(0), found.close_share - D("0.02"))), before) > 0


@pytest.mark.parametrize(
    ("equity", "was", "target"),
    [("6000", NOTICE, OK), ("5000", WARNING, NOTICE), ("2500", CRITICAL, WARNING), ("900", EMERGENCY, WARNING)],
)
def test_the_target_is_one_step_back_and_from_an_emergency_what_can_be_done_in_time(
    equity: str, was: Grade, target: Grade
) -> None:
    judged = pool(position(), equity=equity)
    assert graded(judged) is was
    assert advice(judged).target is target


def test_a_long_top_up_follows_the_closed_form_where_the_ratio_binds() -> None:
    """A = MM / t - E with t three points under the rung; room is no matter at a 30 % requirement."""
    tight = pool(position(rate="0.3"), equity="35000")
    assert graded(tight) is CRITICAL
    found = advice(tight)
    assert found.top_up is not None
    exact = D(30_000) / D("0.77") - D(35_000)
    assert exact <= found.top_up <= exact * D("1.01")


def test_amounts_are_rounded_up_to_three_figures() -> None:
    found = advice(pool(position(), equity="900"))
    assert found.top_up is not None
    assert len(found.top_up.normalize().as_tuple().digits) <= 3


def test_in_deficit_nothing_but_closing_all_or_adding_more_than_is_missing_helps() -> None:
    found = advice(pool(position(), equity="-500"))
    assert found.top_up is not None
    assert found.top_up > 500
    assert found.close_share == 1


@pytest.mark.parametrize(
    ("judged", "grade"),
    [
        pytest.param(pool(position()), OK, id="calm"),
        pytest.param(pool(position(), equity=None), WARNING, id="equity unknown"),
        pytest.param(pool(position(), maintenance_margin=None), WARNING, id="requirement unknown"),
        pytest.param(pool(has_debt=True, maintenance_margin="10"), WARNING, id="nothing to close"),
        pytest.param(pool(replace(position(), notional=None)), WARNING, id="size unknown"),
    ],
)
def test_no_advice_where_none_can_be_given(judged: Pool, grade: Grade) -> None:
    assert way_back(judged, HOURLY, ladders=DEFAULT_LADDERS, graded=grade, now=T0) is None
