"""Room of any book: exact at the trigger, indifferent to size and to how a position is split."""

from __future__ import annotations

from dataclasses import replace
from math import isclose

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marginbot.domain.margin import Collateral, Pool, Side
from marginbot.domain.room import MARKET, Scenario, revaluation, room_of, tightest
from tests.builders import HOURLY, T0, D, pool, position


def scenarios(judged: Pool) -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in room_of(judged, HOURLY, T0).scenarios}


amounts = st.integers(1_000, 500_000).map(str)
rates = st.sampled_from(["0.004", "0.005", "0.01", "0.02"])
legs = st.builds(
    lambda underlying, side, notional, rate: position(underlying, side, notional=notional, rate=rate),
    st.sampled_from(["BTC", "ETH"]),
    st.sampled_from(Side),
    amounts,
    rates,
)
books = st.builds(
    lambda positions, equity, coin: pool(
        *positions, equity=equity, collateral=[Collateral(asset="ETH", value=D(coin))]
    ),
    st.lists(legs, min_size=1, max_size=4),
    amounts,
    st.integers(-20_000, 20_000),
)


def moving(judged: Pool, scenario: Scenario, move: float) -> dict[str, float]:
    names = [s.name for s in room_of(judged, HOURLY, T0).scenarios if s.name != MARKET]
    return dict.fromkeys(names if scenario.name == MARKET else [scenario.name], move)


@given(books)
def test_at_the_room_equity_equals_the_requirement_and_just_before_it_does_not(judged: Pool) -> None:
    assume(judged.buffer is not None and judged.buffer > 0)
    for scenario in room_of(judged, HOURLY, T0).scenarios:
        for move in (scenario.down, scenario.up):
            if move is None:
                continue
            equity, requirement = revaluation(judged, T0)(moving(judged, scenario, move))
            size = max(abs(equity), float(judged.equity or 0))
            assert equity == pytest.approx(requirement, abs=1e-6 * size)
            equity, requirement = revaluation(judged, T0)(moving(judged, scenario, move * 0.999))
            assert equity > requirement


def same(one: Scenario, other: Scenario) -> bool:
    pairs = ((one.down, other.down), (one.up, other.up))
    alike = (a == b if a is None or b is None else isclose(a, b, rel_tol=1e-6) for a, b in pairs)
    return one.name == other.name and all(alike)


def scaled(judged: Pool, factor: int) -> Pool:
    assert judged.equity is not None
    assert judged.maintenance_margin is not None
    return replace(
        judged,
        equity=judged.equity * factor,
        maintenance_margin=judged.maintenance_margin * factor,
        positions=tuple(
            replace(
                p, notional=(p.notional or D(0)) * factor, maintenance_margin=(p.maintenance_margin or D(0)) * factor
            )
            for p in judged.positions
        ),
        collateral=tuple(replace(c, value=c.value * factor) for c in judged.collateral),
    )


@given(books, st.integers(2, 1000))
def test_a_book_ten_times_as_large_has_the_same_room(judged: Pool, factor: int) -> None:
    assume(judged.buffer is not None and judged.buffer > 0)
    for one, other in zip(scenarios(judged).values(), scenarios(scaled(judged, factor)).values(), strict=True):
        assert same(one, other)


@given(books)
def test_two_halves_of_a_position_are_the_position(judged: Pool) -> None:
    assume(judged.buffer is not None and judged.buffer > 0)
    halves = [
        replace(p, notional=(p.notional or D(0)) / 2, maintenance_margin=(p.maintenance_margin or D(0)) / 2)
        for p in judged.positions
    ]
    split = replace(judged, positions=(*halves, *halves))
    for one, other in zip(scenarios(judged).values(), scenarios(split).values(), strict=True):
        assert same(one, other)


@given(books, st.integers(1, 50_000))
def test_more_equity_never_means_less_room(judged: Pool, added: int) -> None:
    assume(judged.buffer is not None and judged.buffer > 0 and judged.equity is not None)
    assert judged.equity is not None
    richer = scenarios(replace(judged, equity=judged.equity + added))
    for name, scenario in scenarios(judged).items():
        for before, after in ((scenario.down, richer[name].down), (scenario.up, richer[name].up)):
            assert after is None or (before is not None and abs(after) >= abs(before) - 1e-12)


@given(books, st.floats(0.1, 20))
def test_what_withstands_a_cushion_has_at_least_that_cushion(judged: Pool, cushion: float) -> None:
    assume(judged.buffer is not None and judged.buffer > 0)
    decisive = room_of(judged, HOURLY, T0).decisive
    if tightest(judged, HOURLY, cushion, T0).buffer > 0:
        assert decisive is None or (decisive.cushion or 0) >= cushion * (1 - 1e-9)
