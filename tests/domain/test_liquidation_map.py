"""Where an account is liquidated: by closed form, and beside the venue's own price."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.liquidation_map import PoolMap, liquidation_map
from marginbot.domain.margin import Collateral, Pool, PoolState, Side
from marginbot.domain.whatif import Basis
from tests.builders import HOURLY, T0, D, pool, position, snapshot

BASIS = Basis(volatilities=HOURLY, ladders=DEFAULT_LADDERS, now=T0)


def mapped(*pools: Pool) -> tuple[PoolMap, ...]:
    return liquidation_map(snapshot(*pools), BASIS)


def test_a_long_alone_dies_at_the_closed_form() -> None:
    """L = (q m - E) / (q - r q), with q = 2 at 50 000 and 10 000 behind it."""
    [found] = mapped(pool(position()))
    [way] = found.ways
    assert way.price(way.down) == pytest.approx((2 * 50_000 - 10_000) / (2 - 0.005 * 2), rel=1e-6)
    assert (way.up, found.together) == (None, None)


def test_an_inverse_long_dies_at_the_closed_form() -> None:
    """L = N (s + r) / (E0 + s N / m), in coin."""
    held = replace(pool(position(notional="2", coin_settled=True), equity="0.5"), currency="BTC")
    [way] = mapped(held)[0].ways
    assert way.price(way.down) == pytest.approx(100_000 * 1.005 / (0.5 + 2), rel=1e-6)


def test_each_coin_alone_and_all_together_the_nearest_first() -> None:
    book = pool(position(), position("ETH", Side.SHORT, notional="300000"), equity="20000")
    [found] = mapped(book)
    assert [way.name for way in found.ways] == ["ETH", "BTC"]
    assert found.ways[0].up is not None
    assert found.together is not None
    assert found.together.up == pytest.approx((20_000 - 2_000) / (200_000 + 2_000), rel=0.01)
    assert found.together.down is None


@pytest.mark.parametrize(
    ("venue", "disagrees"),
    [
        pytest.param("45200", False, id="within one per cent"),
        pytest.param("46000", True, id="another one"),
        pytest.param(None, False, id="it names none"),
    ],
)
def test_the_venues_own_price_is_held_against_ours(venue: str | None, disagrees: bool) -> None:
    """Ours is 45 226."""
    held = replace(position(), liquidation_price=None if venue is None else D(venue))
    [way] = mapped(pool(held))[0].ways
    assert way.venue_price == held.liquidation_price
    assert way.disagrees is disagrees


def test_the_venues_price_of_one_leg_says_nothing_of_two() -> None:
    legs = [replace(position(side=side), liquidation_price=D(45_000)) for side in Side]
    [way] = mapped(pool(*legs))[0].ways
    assert way.venue_price is None


def test_the_peg_at_which_a_dollar_pool_dies() -> None:
    """The buffer of 9 500 is 95 % of the 10 000 held in the coin."""
    held = replace(pool(position()), currency="USD", stables=(Collateral(asset="USDT", value=D(10_000)),))
    [found] = mapped(held)
    assert found.pegged == "USDT"
    assert found.peg == pytest.approx(0.05)


def test_a_peg_that_cannot_take_the_buffer_is_no_way_to_die() -> None:
    coin = Collateral(asset="BTC", value=D(6_000))
    [found] = mapped(replace(pool(position(notional="20000"), collateral=[coin]), currency="USD"))
    assert (found.pegged, found.peg) == ("stablecoins", None)
    [kept_in_it] = mapped(pool(position()))
    assert (kept_in_it.pegged, kept_in_it.peg) == ("", None)


def test_what_is_past_the_trigger_or_not_known_stands_in_front_without_prices() -> None:
    found = mapped(
        pool(position(), name="fine"),
        pool(position(), equity="-5", name="gone"),
        pool(position(), maintenance_margin=None, name="unknown"),
        pool(name="flat"),
    )
    assert [pool.name for pool in found][2] == "fine"
    assert {pool.state for pool in found[:2]} == {PoolState.DEFICIT, PoolState.UNKNOWN}
    assert all(not pool.ways for pool in found[:2])
