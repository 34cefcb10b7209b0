"""How far a price moves in an ordinary hour: awake within minutes, slow to forget, never zero."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.volatility import (
    DEFAULT_MAJOR,
    DEFAULT_OTHER,
    FLOOR,
    MINIMUM_BARS,
    Bar,
    Estimator,
    default_volatility,
    with_betas,
)

MINUTE = 60_000


def steps(count: int, move: float, *, start: int = 0, price: float = 100.0) -> list[Bar]:
    """Bars that close `move` (log) up and down in turn, without a wick beyond open and close."""
    bars = []
    for index in range(start, start + count):
        there = price * math.exp(move if index % 2 == 0 else -move)
        bars.append(Bar(index * MINUTE, price, max(price, there), min(price, there), there))
        price = there
    return bars


def fed(bars: list[Bar], underlying: str = "BTC") -> Estimator:
    estimator = Estimator(underlying)
    estimator.feed(bars)
    return estimator


def test_steady_steps_scale_with_the_root_of_time() -> None:
    found = fed(steps(600, 0.002)).now()
    assert found.hourly == pytest.approx(0.002 * math.sqrt(60))
    assert (found.bars, found.assumed) == (600, False)


def test_a_wick_counts_by_parkinson_when_it_says_more_than_the_close() -> None:
    bars = [Bar(index * MINUTE, 100.0, 101.0, 99.0, 100.0) for index in range(600)]
    spread = math.log(101 / 99)
    assert fed(bars).now().hourly == pytest.approx(math.sqrt(60 * spread**2 / (4 * math.log(2))))


def test_a_gap_between_bars_counts_as_a_move() -> None:
    bars = [Bar(index * MINUTE, price, price, price, price) for index, price in enumerate([100.0, 101.0] * 300)]
    assert fed(bars).now().hourly == pytest.approx(math.log(1.01) * math.sqrt(60), rel=0.01)


def test_a_market_waking_up_is_felt_within_minutes() -> None:
    estimator = fed(steps(3 * 1440, 0.0003))
    calm = estimator.now().hourly
    estimator.feed(steps(10, 0.012, start=3 * 1440))
    assert estimator.now().hourly > 3 * calm


def test_a_quiet_hour_does_not_erase_yesterday_s_crash() -> None:
    estimator = fed(steps(1440, 0.003))
    estimator.feed(steps(120, 0.0001, start=1440))
    assert estimator.now().hourly > 0.9 * 0.003 * math.sqrt(60)


@pytest.mark.parametrize(("count", "assumed"), [(0, True), (MINIMUM_BARS - 1, True), (MINIMUM_BARS, False)])
def test_too_few_bars_are_not_believed(count: int, assumed: bool) -> None:
    found = fed(steps(count, 0.0015), "PEPE").now()
    assert found.assumed is assumed
    assert found.hourly == pytest.approx(DEFAULT_OTHER if assumed else 0.0015 * math.sqrt(60))


def test_few_but_wild_bars_beat_the_default() -> None:
    found = fed(steps(30, 0.01)).now()
    assert found.assumed
    assert found.hourly == pytest.approx(0.01 * math.sqrt(60))


def test_no_market_is_without_risk() -> None:
    assert fed(steps(500, 0.0)).now().hourly == FLOOR


@pytest.mark.parametrize(
    ("underlying", "hourly"), [("BTC", DEFAULT_MAJOR), ("ETH", DEFAULT_MAJOR), ("PEPE", DEFAULT_OTHER)]
)
def test_defaults(underlying: str, hourly: float) -> None:
    assert (default_volatility(underlying).hourly, default_volatility(underlying).assumed) == (hourly, True)


def test_bars_seen_before_change_nothing() -> None:
    bars = steps(300, 0.001)
    twice = fed(bars)
    twice.feed(bars[100:])
    assert twice.now() == fed(bars).now()


@pytest.mark.parametrize(
    "impossible",
    [
        Bar(300 * MINUTE, 100.0, 99.0, 98.0, 100.0),
        Bar(300 * MINUTE, 100.0, 101.0, 100.5, 100.0),
        Bar(300 * MINUTE, 0.0, 101.0, 0.0, 100.0),
        Bar(300 * MINUTE, 100.0, math.inf, 99.0, 100.0),
        Bar(300 * MINUTE, math.nan, 101.0, 99.0, 100.0),
        Bar(300 * MINUTE, 100.0, 101.0, -1.0, 100.0),
    ],
)
def test_impossible_bars_are_left_out(impossible: Bar) -> None:
    estimator = fed(steps(300, 0.001))
    before = estimator.now()
    estimator.feed([impossible])
    assert estimator.now() == before


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 59))
def test_feeding_piecemeal_is_feeding_at_once(moves: list[int], cut: int) -> None:
    bars, price = [], 100.0
    for index, move in enumerate(moves):
        there = price * (1 + (move - 200) / 10_000)
        bars.append(Bar(index * MINUTE, price, max(price, there), min(price, there), there))
        price = there
    piecemeal = Estimator("ETH")
    piecemeal.feed(bars[:cut])
    piecemeal.feed(bars[cut:])
    assert piecemeal.now() == fed(bars, "ETH").now()


def slide(count: int, step: float, *, start: int, price: float) -> list[Bar]:
    """Bars that all go the same way by the factor `step`."""
    bars = []
    for minute in range(start, start + count):
        there = price * step
        bars.append(Bar(minute * MINUTE, price, max(price, there), min(price, there), there))
        price = there
    return bars


def test_a_fall_counts_for_a_further_fall_before_the_variance_of_its_minutes_shows_it() -> None:
    """Ten minutes of half a per cent each: most of the way so far, not the root of the summed squares."""
    calm = [Bar(minute * MINUTE, 100.0, 100.01, 99.99, 100.0) for minute in range(200)]
    found = fed([*calm, *slide(10, 0.995, start=200, price=100.0)]).now()
    assert found.down == found.fallen == pytest.approx(0.8 * math.log(100.01 / (100.0 * 0.995**10)))
    assert found.down > math.sqrt(10) * 0.005
    assert found.up == found.hourly < found.down, "a rise is no nearer than before"


def test_a_rise_counts_for_a_further_rise() -> None:
    calm = [Bar(minute * MINUTE, 100.0, 100.01, 99.99, 100.0) for minute in range(200)]
    found = fed([*calm, *slide(10, 1.005, start=200, price=100.0)]).now()
    assert found.up == found.risen == pytest.approx(0.8 * math.log(100.0 * 1.005**10 / 99.99))
    assert found.down == found.hourly


def test_what_has_been_taken_back_or_is_older_than_an_hour_is_no_trend() -> None:
    calm = [Bar(minute * MINUTE, 100.0, 100.01, 99.99, 100.0) for minute in range(200)]
    fall = slide(10, 0.995, start=200, price=100.0)
    back = slide(10, 1 / 0.995, start=210, price=fall[-1].close)
    assert fed([*calm, *fall, *back]).now().fallen == pytest.approx(0.8 * math.log(100.01 / 100.0), rel=1e-6)
    still = [Bar(minute * MINUTE, *(fall[-1].close,) * 4) for minute in range(210, 271)]
    assert fed([*calm, *fall, *still]).now().fallen == 0.0


# --- moving with the market -----------------------------------------------------------------------


def walk(share: float, *, days: float = 1.0, noise: float = 0.0) -> list[Bar]:
    """Bars that move by `share` of a repeatable market, and by some noise of their own."""
    bars, price = [], 100.0
    for minute in range(round(days * 1440)):
        market, own = ((minute * 7919) % 101 - 50) / 50, ((minute * 104_729) % 103 - 51) / 51
        there = price * math.exp(0.001 * share * market + noise * own)
        bars.append(Bar(minute * MINUTE, price, max(price, there), min(price, there), there))
        price = there
    return bars


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_beta_is_the_share_of_the_market_s_move_drawn_towards_one(share: float) -> None:
    market, own = fed(walk(1.0, days=2)), fed(walk(share, days=2), "SOL")
    pairs = 2 * 96 - 2
    assert own.beta(market) == pytest.approx((pairs * share + 32) / (pairs + 32), rel=1e-6)


def test_without_a_common_history_an_underlying_moves_as_the_market() -> None:
    market = fed(walk(1.0, days=2))
    assert fed(walk(2.0, days=0.2), "SOL").beta(market) == 1.0
    assert fed(steps(600, 0.0), "SOL").beta(fed(steps(600, 0.0))) == 1.0


def test_beta_keeps_within_reason() -> None:
    market = fed(walk(1.0, days=2))
    assert fed(walk(9.0, days=2), "WIF").beta(market) == 3.0
    assert fed(walk(-9.0, days=2), "INV").beta(market) == 0.25


def test_betas_are_told_only_where_there_is_a_market_to_move_with() -> None:
    own, market = fed(walk(2.0, days=2), "SOL"), fed(walk(1.0, days=2))
    known = {"BTC": market.now(), "SOL": own.now()}
    told = with_betas(known, {"BTC": market, "SOL": own})
    assert (told["BTC"].beta, told["SOL"].beta > 1.5) == (1.0, True)
    assert with_betas({"SOL": own.now()}, {"BTC": market, "SOL": own})["SOL"].beta == 1.0
    assert with_betas(known, {"SOL": own}) == known
