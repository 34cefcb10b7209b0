"""Market stress: when it begins, spreads and ends, and that nothing of it is told twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.turmoil import CROWD, QUIET_FOR, Crowd, Quote, TurmoilReason, TurmoilState, exposed_to, judge
from tests.builders import T0

CALM = TurmoilState()
NOBODY = Crowd(0, 100)
MANY = Crowd(20, 100)
MINUTE = timedelta(minutes=1)


def quote(price: float, *, asset: str = "USDC", minutes: float = 0) -> Quote:
    return Quote("bybit", asset, "USDT", price, T0 + minutes * MINUTE)


@pytest.mark.parametrize(
    ("worsened", "watched", "expected"),
    [
        pytest.param(2, 2, False, id="all, but too few"),
        pytest.param(3, 15, True, id="exactly a fifth"),
        pytest.param(3, 16, False, id="just under a fifth"),
        pytest.param(200, 1001, False, id="many, not enough of all"),
        pytest.param(201, 1001, True, id="many enough"),
    ],
)
def test_a_crowd(worsened: int, watched: int, expected: bool) -> None:
    decision = judge(CALM, Crowd(worsened, watched), [], T0)
    assert (decision.reason is TurmoilReason.BEGAN) is expected
    assert decision.news == ((CROWD,) if expected else ())


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        pytest.param(0.9951, False, id="just within"),
        pytest.param(0.9949, True, id="below"),
        pytest.param(1.0049, False, id="just within, above"),
        pytest.param(1.0051, True, id="above: the other one is below"),
        pytest.param(1.0, False, id="at it"),
    ],
)
def test_a_peg(price: float, expected: bool) -> None:
    assert judge(CALM, NOBODY, [quote(price)], T0).news == (("USDC/USDT",) if expected else ())


def test_an_old_quote_says_nothing() -> None:
    assert judge(CALM, NOBODY, [quote(0.9, minutes=-16)], T0).reason is TurmoilReason.CALM


def test_what_is_told_once_is_not_told_again_until_all_is_over() -> None:
    steps = [
        (0, MANY, 1.0, TurmoilReason.BEGAN, (CROWD,)),
        (1, MANY, 1.0, TurmoilReason.GOES_ON, ()),
        (5, NOBODY, 0.99, TurmoilReason.SPREADS, ("USDC/USDT",)),
        (9, NOBODY, 0.9965, TurmoilReason.GOES_ON, ()),  # not clearly back
        (20, NOBODY, 0.998, TurmoilReason.GOES_ON, ()),  # back; quiet begins
        (25, MANY, 0.99, TurmoilReason.GOES_ON, ()),
        (54, NOBODY, 1.0, TurmoilReason.GOES_ON, ()),
        (55, NOBODY, 1.0, TurmoilReason.ENDED, ()),
        (56, MANY, 1.0, TurmoilReason.BEGAN, (CROWD,)),
    ]
    state = CALM
    for minute, crowd, price, reason, news in steps:
        decision = judge(state, crowd, [quote(price, minutes=minute)], T0 + minute * MINUTE)
        assert (decision.reason, decision.news) == (reason, news), minute
        state = decision.state


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans(), st.sampled_from([0.99, 0.996, 1.0, 1.01])), max_size=60))
def test_within_an_episode_nothing_is_told_twice(steps: list[tuple[int, bool, float]]) -> None:
    state, now, told = CALM, T0, list[str]()
    for wait, many, price in steps:
        now += wait * MINUTE
        decision = judge(state, MANY if many else NOBODY, [Quote("x", "USDC", "USDT", price, now)], now)
        if decision.reason is TurmoilReason.BEGAN:
            told = []
        told += decision.news
        assert len(told) == len(set(told))
        assert (decision.state.since is None) is (decision.reason in (TurmoilReason.CALM, TurmoilReason.ENDED))
        if decision.reason is TurmoilReason.ENDED:
            assert state.seen_at is not None and now - state.seen_at >= QUIET_FOR
        state = decision.state


@pytest.mark.parametrize(
    ("coins", "expected"), [(("USDC", "BTC"), True), (("USDT",), True), (("BTC", "USD"), False), ((), False)]
)
def test_either_coin_of_a_pair_may_be_the_one_that_left(coins: tuple[str, ...], expected: bool) -> None:
    assert exposed_to("USDC/USDT", coins) is expected
