"""What an owner did between two readings, told from what the market did."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.actions import acted_on
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.margin import Pool, Position, Side
from marginbot.domain.report import AccountReport, assess
from tests.builders import HOURLY, T0, pool, position, snapshot

CROSS = {"cross:USDT"}


def report(*pools: Pool) -> AccountReport:
    return assess(snapshot(*pools), HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0)


def held(price: int = 50_000, contracts: str = "2", *, underlying: str = "BTC", side: Side = Side.LONG) -> Position:
    return position(underlying, side, notional=str(Decimal(contracts) * price), mark_price=str(price))


SHORT, ETH = Side.SHORT, held(underlying="ETH")


def backed(equity: str | None, *positions: Position) -> Pool:
    return pool(*positions, equity=equity)


@pytest.mark.parametrize(
    ("before", "after", "acted"),
    [
        pytest.param(backed("5000", held()), backed("5600", held()), True, id="added"),
        pytest.param(backed("5000", held()), backed("5400", held()), False, id="added too little to tell"),
        pytest.param(backed("5000", held()), backed("7000", held(51_000)), False, id="the price rose"),
        pytest.param(backed("5000", held()), backed("8000", held(51_000)), True, id="the price rose, and added"),
        pytest.param(backed("5000", held()), backed("4500", held(49_000)), True, id="the price fell, and added"),
        pytest.param(backed("5000", held(side=SHORT)), backed("7000", held(49_000, side=SHORT)), False, id="short"),
        pytest.param(backed("5000", held()), backed("5000", held(contracts="1.7")), True, id="closed a part"),
        pytest.param(backed("5000", held()), backed("5000", held(contracts="1.9")), False, id="closed a little"),
        pytest.param(backed("5000", held(), ETH), backed("5000", held()), True, id="closed one of two"),
        pytest.param(
            backed("5000", held(), ETH),
            backed("5000", held(contracts="3")),
            False,
            id="closed one to open more of the other",
        ),
        pytest.param(backed("5000", held()), backed("9000", held(contracts="3")), True, id="added, and opened more"),
        pytest.param(backed("5000", held()), backed("9000", held(), ETH), True, id="and another"),
        pytest.param(backed("5000", held()), backed("2000", held()), False, id="withdrawn"),
        pytest.param(backed(None, held()), backed("9000", held()), False, id="unknown before"),
        pytest.param(backed("5000", held()), backed(None, held()), False, id="unknown now"),
        pytest.param(
            backed("5000", replace(held(), mark_price=None)), backed("9000", held()), False, id="at an unknown price"
        ),
    ],
)
def test_acted_on(before: Pool, after: Pool, acted: bool) -> None:
    assert acted_on(report(before), report(after)) == (CROSS if acted else set())


def test_a_pool_that_was_not_there_is_not_acted_on() -> None:
    assert acted_on(report(), report(backed("5000", held()))) == set()


@given(st.decimals("0.5", "1.5", places=4), st.sampled_from(list(Side)), st.integers(1_000, 100_000))
def test_no_move_of_the_price_alone_passes_for_a_deposit(move: Decimal, side: Side, equity: int) -> None:
    price = int(50_000 * move)
    sign = 1 if side is Side.LONG else -1
    later = equity + sign * 2 * (price - 50_000)
    before, after = backed(str(equity), held(side=side)), backed(str(later), held(price, side=side))
    assert acted_on(report(before), report(after)) == set()
