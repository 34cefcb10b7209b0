"""Straight books: solved in a few steps to what the search finds, and the decisive scenario to what all of them say."""

from __future__ import annotations

from dataclasses import replace
from math import isclose

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from marginbot.domain.book import LEAST_MOVE, Book, Mover
from marginbot.domain.margin import Collateral, Pool, Position, Side
from marginbot.domain.room import Scenario, decisive_room, room_of
from marginbot.domain.roots import Shape, first_breach
from marginbot.domain.straight import Straight
from marginbot.domain.tiers import LeverageTier, Schedule, with_deductions
from marginbot.domain.volatility import Volatility
from tests.builders import T0, D, pool, position
from tests.domain.test_room_options import option

UP = 5.0


def tiers(*steps: tuple[int, str], deducted: bool = True) -> tuple[LeverageTier, ...]:
    floors = [floor for floor, _ in steps]
    caps = [*map(D, floors[1:]), None]
    made = [LeverageTier(D(f), cap, D(rate)) for (f, rate), cap in zip(steps, caps, strict=True)]
    return with_deductions(made) if deducted else tuple(made)


SMOOTH = tiers((0, "0.004"), (20_000, "0.01"), (90_000, "0.05"), (300_000, "0.25"))
STEPPED = tiers((0, "0.004"), (20_000, "0.01"), (90_000, "0.05"), deducted=False)
ODD = (LeverageTier(D(0), D(50_000), D("0.02"), D(400)), LeverageTier(D(50_000), None, D("0.02"), D(400)))

amounts = st.integers(1_000, 400_000).map(str)
coins = st.sampled_from(["BTC", "ETH", "SOL"])
schedules = st.sampled_from([(), SMOOTH, SMOOTH, ODD, STEPPED])
sides = st.sampled_from(Side)
VOLATILITIES = {
    "BTC": Volatility(0.01, 5000, fallen=0.03),
    "ETH": Volatility(0.015, 5000, beta=1.4),
    "SOL": Volatility(0.02, 5000, beta=2.5, risen=0.05),
}


@st.composite
def legs(draw: st.DrawFn, *, coin_settled: bool = False) -> Position:
    held = position(draw(coins), draw(sides), notional=draw(amounts), rate="0.02", coin_settled=coin_settled)
    return replace(held, tiers=draw(schedules))


@st.composite
def books(draw: st.DrawFn, *, inverse: bool = False) -> Pool:
    positions = draw(st.lists(legs(coin_settled=inverse), min_size=1, max_size=4))
    coin = draw(st.integers(-20_000, 20_000)) if not inverse and draw(st.booleans()) else 0
    collateral = [Collateral(asset="ETH", value=D(coin))] if coin else []
    return pool(*positions, equity=draw(amounts), collateral=collateral)


def mover(judged: Pool, betas: dict[str, float]) -> Mover:
    return Mover.of(Book.of(judged, T0), betas, volatility_per_move=0.0, most_shock=0.0)


def agree(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else isclose(one, other, rel_tol=1e-9)


@given(st.one_of(books(), books(inverse=True)), st.sampled_from([0.25, 1.0, 1.7, 3.0]), st.booleans())
def test_a_straight_book_is_solved_to_what_the_search_finds(judged: Pool, beta: float, alone: bool) -> None:
    betas = {"BTC": 1.0} if alone else {"BTC": 1.0, "ETH": beta, "SOL": beta}
    moving = mover(judged, betas)
    straight = Straight.of(moving)
    assume(straight is not None and moving.distance(0.0) > 1e-6 * moving.book.equity)
    assert straight is not None
    for limit in (LEAST_MOVE, UP):
        exact = first_breach(moving.distance, limit, moving.knots(), moving.shape)
        found = straight.first_breach(limit)
        assert agree(found, exact), (found, exact)


def test_a_requirement_with_steps_and_a_curve_are_left_to_the_search() -> None:
    stepped = replace(position(notional="100000"), tiers=STEPPED)
    assert Straight.of(mover(pool(stepped), {"BTC": 1.0})) is None
    mixed = pool(position(), position(coin_settled=True))
    assert Straight.of(mover(mixed, {"BTC": 1.0})) is None
    assert Straight.of(mover(pool(replace(stepped, tiers=SMOOTH)), {"BTC": 1.0})) is not None


def test_a_price_at_its_floor_stays_there() -> None:
    """A long that can lose no more, and a short that gains on: danger lies in the middle."""
    long = position("SOL", notional="100000", rate="0")
    short = position("BTC", Side.SHORT, notional="150000", rate="0")
    moving = mover(pool(long, short, equity="40000", maintenance_margin="1"), {"BTC": 1.0, "SOL": 3.0})
    straight = Straight.of(moving)
    assert straight is not None
    exact = first_breach(moving.distance, LEAST_MOVE, moving.knots(), Shape.LINEAR)
    assert exact is not None
    assert straight.first_breach(LEAST_MOVE) == pytest.approx(exact, rel=1e-12)
    assert exact > LEAST_MOVE / 3, "it is before the floor"


def test_beyond_a_floor_the_rest_goes_on() -> None:
    moving = mover(
        pool(position("SOL", notional="10000", rate="0.01"), position(notional="100000", rate="0.01"), equity="50000"),
        {"BTC": 1.0, "SOL": 3.0},
    )
    straight = Straight.of(moving)
    assert straight is not None
    # 50,000 - 9,900 of the first, whose last 100 need 1, and of the second 100,000 x that need 1 % of what is left.
    assert straight.first_breach(LEAST_MOVE) == pytest.approx(-(50_000 - 9_900 - 1 - 1_000) / 99_000, rel=1e-12)


def test_a_danger_that_passes_is_not_overlooked() -> None:
    """Down to 90,000 a twentieth is required, below next to nothing: what holds further down did not hold before."""
    stepped = replace(position(notional="100000", rate="0.05"), tiers=STEPPED)
    judged = pool(stepped, position("ETH", Side.SHORT, notional="52000", rate="0.05"), equity="19600")
    calm = {"BTC": Volatility(0.01, 5000), "ETH": Volatility(0.01, 5000, beta=0.5)}
    [found] = decisive_room(judged, calm, T0).scenarios
    assert found == room_of(judged, calm, T0).decisive
    assert found.name == "BTC"


def every_kind() -> st.SearchStrategy[Pool]:
    sold = option(Side.SHORT, is_call=True, strike="55000", mark="2000")
    with_option = books().map(lambda judged: replace(judged, positions=(*judged.positions, sold)))
    mixed = st.builds(lambda *held: pool(*held, equity="5"), legs(), legs(coin_settled=True))
    return st.one_of(books(), books(inverse=True), with_option, mixed)


def best(judged: Pool) -> Scenario | None:
    return room_of(judged, VOLATILITIES, T0).decisive


@example(pool(position(), position("ETH"), equity="900"))  # past the trigger
@example(pool(position(notional="1000"), position("ETH", Side.LONG, notional="1000"), equity="100000"))  # out of reach
@given(every_kind())
def test_the_decisive_scenario_is_the_first_of_the_smallest_of_all(judged: Pool) -> None:
    everything, found = room_of(judged, VOLATILITIES, T0), decisive_room(judged, VOLATILITIES, T0)
    assert (found.notes, found.known) == (everything.notes, everything.known)
    assert len(found.scenarios) <= 1
    if everything.decisive is None or found.decisive is None:
        assert everything.decisive is found.decisive is None
        return
    assert found.decisive == everything.decisive


@pytest.mark.parametrize(
    ("steps", "is_convex"),
    [
        (SMOOTH, True),
        (STEPPED, False),
        (ODD, True),
        (tiers((0, "0.05"), (20_000, "0.01")), False),
        (tiers((0, "0.01")), True),
    ],
)
def test_what_is_convex(steps: tuple[LeverageTier, ...], is_convex: bool) -> None:
    assert Schedule.of(steps).is_convex is is_convex
