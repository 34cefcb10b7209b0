"""The least share to close: enough on every move, and not more than that, whatever was foreseen."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marginbot.domain.margin import Collateral, Pool, Side
from marginbot.domain.rescue import reduced
from marginbot.domain.shortfall import Demand, Target, least_share, tolerance
from tests.builders import HOURLY, T0, D, pool, position

legs = st.builds(
    lambda underlying, side, notional, coin: position(underlying, side, notional=str(notional), coin_settled=coin),
    st.sampled_from(["BTC", "ETH"]),
    st.sampled_from(Side),
    st.integers(20_000, 300_000),
    st.booleans(),
)
books = st.builds(
    lambda positions, equity, coin: pool(
        *positions, equity=str(equity), collateral=[Collateral(asset="ETH", value=D(coin))]
    ),
    st.lists(legs, min_size=1, max_size=4),
    st.integers(2_000, 30_000),
    st.integers(0, 3_000),
)
targets = st.builds(
    lambda ratio, cushion: Target(ratio=ratio, cushion=cushion),
    st.one_of(st.none(), st.floats(0.05, 0.9)),
    st.floats(1.0, 12.0),
)


def closing_all(of: Pool, share: Decimal) -> Pool:
    return reduced(of, dict.fromkeys(range(len(of.positions)), share), D("0.0006"))


@settings(max_examples=80, deadline=None)
@given(books, targets)
def test_the_share_is_enough_and_what_is_left_over_is_little(held: Pool, target: Target) -> None:
    demand, enough = Demand(target, HOURLY, T0), tolerance(held)
    share = least_share(lambda part: closing_all(held, part), demand, enough=enough)
    afresh = Demand(target, HOURLY, T0)
    tried = [D(hundredths) / 100 for hundredths in range(101)]
    short = [part for part in tried if afresh.of(closing_all(held, part)).amount >= 0]
    if share is None:
        assert short == tried
        return
    assert not [part for part in short if part >= share + D("0.01")]
    assert len([part for part in tried if part < share - D("0.01") and part not in short]) == 0
    over = -afresh.of(closing_all(held, share)).amount
    assert over > 0
    if 0 < share < D("0.999"):
        assert over <= enough * float(1 - share) + float(sum(p.notional or 0 for p in held.positions)) * 2e-6


@given(books, targets)
def test_what_is_foreseen_is_what_the_deciding_move_takes(held: Pool, target: Target) -> None:
    demand = Demand(target, HOURLY, T0)
    lacks = demand.of(held).amount
    assume(demand.decided)
    assert demand.foreseen(held) == pytest.approx(lacks, rel=1e-9, abs=1e-6)


def test_of_two_moves_of_which_either_decides_both_are_remembered() -> None:
    """Long in one and short in the other: a fall decides for the one, a rise for the other."""
    demand = Demand(Target(cushion=5.0), HOURLY, T0)
    demand.of(pool(position("BTC", notional="200000"), equity="5000"))
    demand.of(pool(position("BTC", Side.SHORT, notional="200000"), equity="5000"))
    demand.of(pool(position("BTC", notional="200000"), equity="5000"))
    assert [point.moves["BTC"] < 0 for point in demand.decided] == [True, False]
