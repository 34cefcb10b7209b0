"""Deribit: the growth of a future's requirement, where both of its margins tell it, and only there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marginbot.domain.tiers import maintenance_margin
from marginbot.exchanges.venues.deribit_growth import CHORD, with_growth
from tests.exchanges.venues.deribit_payloads import LINEAR, book_of, holding, parsed
from tests.exchanges.venues.kit import pool_named
from tests.servers.deribit import DeribitPosition
from tests.servers.deribit_rows import position_row

D = Decimal


def future(coins: int, instrument: str = "BTC-PERPETUAL") -> DeribitPosition:
    return DeribitPosition(instrument=instrument, size=D(60_000 * coins), average_price=D(60_000))


@pytest.mark.parametrize("coins", [5, -5, 40, 300])
def test_the_tiers_follow_the_venues_own_requirement_at_other_sizes(coins: int) -> None:
    [position] = pool_named(parsed(holding("segregated_sm", future(coins))), "cross:BTC").positions
    for other in (abs(coins) // 2, abs(coins), abs(coins) * 3):
        [held] = book_of(holding("segregated_sm", future(other))).held
        assert held.mm <= maintenance_margin(held.notional, position.tiers) <= held.mm * (1 + CHORD)


@pytest.mark.parametrize("model", ["segregated_pm", "cross_sm", "cross_pm"])
def test_other_models_have_no_tiers(model: str) -> None:
    assert all(not position.tiers for position in parsed(holding(model, future(40), LINEAR)).pools[0].positions)


def test_a_linear_future_has_no_tiers() -> None:
    pools = parsed(holding("segregated_sm", LINEAR)).pools
    assert [position.tiers for pool in pools for position in pool.positions] == [()]


def test_a_size_that_hardly_grows_has_no_tiers() -> None:
    assert pool_named(parsed(holding("segregated_sm", future(1))), "cross:BTC").positions[0].tiers == ()


@pytest.mark.parametrize("factor", [0.99, 1.01, 2.0, None])
def test_margins_that_do_not_fit_the_published_bases_tell_nothing(factor: float | None) -> None:
    account = holding("segregated_sm", future(40))
    row = position_row(book_of(account), book_of(account).held[0])
    [found] = pool_named(parsed(account), "cross:BTC").positions
    bare = replace(found, tiers=())
    assert with_growth(bare, row).tiers == found.tiers != ()
    row["initial_margin"] = None if factor is None else row["initial_margin"] * factor
    assert with_growth(bare, row).tiers == ()
