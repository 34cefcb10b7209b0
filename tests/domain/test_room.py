"""Room against the closed forms: at the move it names, projected equity equals the projected requirement."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marginbot.domain.margin import Collateral, Pool, Position, Side
from marginbot.domain.room import MARKET, Scenario, room_of
from marginbot.domain.tiers import LeverageTier, maintenance_margin, with_deductions
from marginbot.domain.volatility import DEFAULT_MAJOR, DEFAULT_OTHER, Volatility
from tests.builders import HOURLY, T0, D, pool, position

LONG, SHORT = Side.LONG, Side.SHORT
TIERS = with_deductions(
    (
        LeverageTier(D(0), D(50_000), D("0.004")),
        LeverageTier(D(50_000), D(250_000), D("0.005")),
        LeverageTier(D(250_000), D(1_000_000), D("0.01")),
        LeverageTier(D(1_000_000), None, D("0.025")),
    )
)


def scenarios(judged: Pool) -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in room_of(judged, HOURLY, T0).scenarios}


def only(judged: Pool) -> Scenario:
    (scenario,) = scenarios(judged).values()
    return scenario


def tiered(notional: str, side: Side = LONG, underlying: str = "BTC", *, coin: bool = False) -> Position:
    plain = position(underlying, side, notional=notional, coin_settled=coin, tiers=TIERS)
    return replace(plain, maintenance_margin=maintenance_margin(D(notional), TIERS))


def close_to(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9)


# --- closed forms of the linear contract ---------------------------------------------------------


def linear_move(
    equity: float, notional: float, sign: int, rate: float, deduction: float = 0, other: float = 0
) -> float:
    """L = (MM_other - c - E0 + q m) / (q - r |q|), as a move, with m = 1 and |q| = notional."""
    q = sign * notional
    return (other - deduction - equity + q) / (q - rate * notional) - 1


def test_linear_long() -> None:
    scenario = only(pool(position(notional="100000"), equity="10000"))
    assert scenario.down == close_to(linear_move(10_000, 100_000, 1, 0.005))
    assert (scenario.name, scenario.up) == ("BTC", None)
    assert scenario.cushion == close_to(abs(scenario.room or 0) / 0.01)


def test_linear_short() -> None:
    scenario = only(pool(position(side=SHORT, notional="100000"), equity="10000"))
    assert scenario.up == close_to(linear_move(10_000, 100_000, -1, 0.005))
    assert scenario.down is None
    assert scenario.room == scenario.up


def test_linear_long_falls_into_a_lower_tier_on_the_way() -> None:
    scenario = only(pool(tiered("260000"), equity="26000"))
    assert scenario.down == close_to(linear_move(26_000, 260_000, 1, 0.005, deduction=50))
    assert 260_000 * (1 + (scenario.down or 0)) < 250_000


def test_linear_short_climbs_into_a_higher_tier_on_the_way() -> None:
    scenario = only(pool(tiered("240000", SHORT), equity="24000"))
    assert scenario.up == close_to(linear_move(24_000, 240_000, -1, 0.01, deduction=1300))
    assert 240_000 * (1 + (scenario.up or 0)) > 250_000


def test_the_venue_s_own_requirement_anchors_the_model() -> None:
    """A liquidation fee, say, makes the venue ask for more than the tiers do: 1.2 times, at every price."""
    asked = maintenance_margin(D(100_000), TIERS) * D("1.2")
    scenario = only(pool(tiered("100000"), equity="10000", maintenance_margin=asked))
    assert scenario.down == close_to(linear_move(10_000, 100_000, 1, 0.006, deduction=60))


# --- coin-settled contracts: all in the coin ------------------------------------------------------


def inverse_move(equity: float, coins: float, sign: int, rate: float, deduction: float = 0) -> float:
    """L = N (s + r) / (E0 + s N / m + c - MM_other), as a move, with m = 1 dollar and N = coins dollars."""
    return coins * (sign + rate) / (equity + sign * coins + deduction) - 1


def test_coin_settled_long() -> None:
    scenario = only(pool(position(notional="10", coin_settled=True), equity="2"))
    assert scenario.down == close_to(inverse_move(2, 10, 1, 0.005))
    assert scenario.up is None


def test_coin_settled_short() -> None:
    scenario = only(pool(position(side=SHORT, notional="10", coin_settled=True), equity="2"))
    assert scenario.up == close_to(inverse_move(2, 10, -1, 0.005))
    assert scenario.down is None


def test_a_coin_settled_long_loses_faster_than_a_linear_one() -> None:
    coin = only(pool(position(notional="10", coin_settled=True), equity="2")).down
    linear = only(pool(position(notional="10"), equity="2")).down
    assert coin is not None
    assert linear is not None
    assert abs(coin) < abs(linear)


def test_coin_settled_with_tiers() -> None:
    scenario = only(pool(tiered("230000", coin=True), equity="23000"))
    assert scenario.down == close_to(inverse_move(23_000, 230_000, 1, 0.01, deduction=1300))


# --- several positions ----------------------------------------------------------------------------


def test_failure_17_the_other_position_s_requirement_counts_in_every_scenario() -> None:
    found = scenarios(pool(position(notional="50000"), position("ETH", notional="80000", rate="0.01"), equity="9000"))
    assert found["BTC"].down == close_to(linear_move(9000, 50_000, 1, 0.005, other=800))
    assert found["ETH"].down == close_to(linear_move(9000, 80_000, 1, 0.01, other=250))


def test_all_together_follows_the_closed_form_for_a_uniform_move() -> None:
    found = scenarios(pool(position(notional="50000"), position("ETH", notional="80000", rate="0.01"), equity="9000"))
    delta, sensitivity = 50_000 + 80_000, 50_000 * 0.005 + 80_000 * 0.01
    assert found[MARKET].down == close_to(-(9000 - 1050) / (delta - sensitivity))
    assert found[MARKET].hourly == close_to((50_000 * 0.01 + 80_000 * 0.015) / 130_000)


def test_the_smallest_cushion_decides_not_the_smallest_move() -> None:
    report = room_of(pool(position(notional="60000"), position("ETH", notional="50000"), equity="9000"), HOURLY, T0)
    assert report.decisive is not None
    assert report.decisive.cushion == min(s.cushion for s in report.scenarios if s.cushion is not None)


def test_hedged_legs_move_only_by_their_difference() -> None:
    """q = q_L + q_S, while both legs need margin."""
    hedged = pool(position(notional="100000"), position(side=SHORT, notional="40000"), equity="5000")
    expected = -(5000 - 700) / (60_000 - 700)
    assert only(hedged).down == close_to(expected)


def test_a_perfect_hedge_can_still_be_hit_by_a_rally() -> None:
    """Both legs' requirements grow with the price: 800 + 800 x = 1000."""
    scenario = only(pool(position(notional="80000"), position(side=SHORT, notional="80000"), equity="1000"))
    assert scenario.up == close_to(0.25)
    assert scenario.down is None


def test_a_long_and_a_short_in_different_coins_are_safer_together_than_alone() -> None:
    found = scenarios(pool(position(notional="100000"), position("ETH", SHORT, notional="50000"), equity="10000"))
    alone, together = found["BTC"].down, found[MARKET].down
    assert found["ETH"].up is not None
    assert alone is not None
    assert together is not None
    assert abs(together) > abs(alone)


def test_collateral_in_a_coin_falls_with_it() -> None:
    """Dlt = position + collateral: a long backed by the coin itself is hit twice."""
    backed = pool(position(notional="50000"), equity="10000", collateral=[Collateral(asset="BTC", value=D(8000))])
    assert only(backed).down == close_to(-(10_000 - 250) / (58_000 - 250))


def test_collateral_in_another_coin_is_a_scenario_of_its_own() -> None:
    found = scenarios(
        pool(
            position(notional="50000"),
            equity="10000",
            collateral=[Collateral(asset="ETH", value=D(9900)), Collateral(asset="USDC", value=D(100))],
        )
    )
    assert set(found) == {"BTC", "ETH", MARKET}
    assert found["ETH"].down == close_to(-(10_000 - 250) / 9900)


def test_a_debt_in_a_coin_is_hit_by_its_rise() -> None:
    owing = pool(
        equity="5000",
        maintenance_margin="1000",
        has_debt=True,
        collateral=[Collateral(asset="ETH", value=D(-20_000))],
    )
    assert only(owing).up == close_to(0.2)
    assert only(owing).down is None


def test_stablecoins_stand_still() -> None:
    steady = [Collateral(asset="USDC", value=D(5000))]
    assert scenarios(pool(position(), collateral=steady)) == scenarios(pool(position()))


# --- a common market move -------------------------------------------------------------------------


def test_each_moves_by_its_beta_in_the_market_scenario() -> None:
    """x in bitcoin, 1.5 x in ether: 9000 - 1050 = -(50 + 1.5 * 80) x + (250 + 1.5 * 800) x / 1000, in thousands."""
    held = pool(position(notional="50000"), position("ETH", notional="80000", rate="0.01"), equity="9000")
    volatilities = {"BTC": Volatility(0.01, 5000), "ETH": Volatility(0.015, 5000, beta=1.5)}
    found = {s.name: s for s in room_of(held, volatilities, T0).scenarios}
    delta, sensitivity = 50_000 + 1.5 * 80_000, 50_000 * 0.005 + 1.5 * 80_000 * 0.01
    assert found[MARKET].down == close_to(-(9000 - 1050) / (delta - sensitivity))
    assert found[MARKET].hourly == close_to((50_000 * 0.01 + 80_000 * 0.015) / (50_000 + 1.5 * 80_000))


def test_a_hedge_that_moves_more_than_what_it_hedges_is_hit_by_a_rally() -> None:
    held = pool(position(notional="80000"), position("ETH", SHORT, notional="80000"), equity="10000")
    even = {"BTC": Volatility(0.01, 5000), "ETH": Volatility(0.01, 5000)}
    lively = even | {"ETH": Volatility(0.01, 5000, beta=1.5)}
    calm, hit = ({s.name: s for s in room_of(held, v, T0).scenarios}[MARKET].up for v in (even, lively))
    assert hit == close_to((10_000 - 800) / (40_000 + 2.5 * 400))
    assert calm is None, "in step they cancel, and the requirement alone never reaches the equity"


# --- the yardstick of either side -----------------------------------------------------------------


def test_a_recent_fall_shrinks_the_cushion_of_a_long_and_not_that_of_a_short() -> None:
    falling = {"BTC": Volatility(0.01, 5000, fallen=0.03)}
    for side, yardstick in ((Side.LONG, 0.03), (SHORT, 0.01)):
        decisive = room_of(pool(position(side=side, notional="100000")), falling, T0).decisive
        assert decisive is not None
        assert decisive.cushion == close_to(abs(decisive.room or 0) / yardstick)


def test_the_smaller_cushion_decides_which_side_is_the_room() -> None:
    scenario = Scenario(name="BTC", down=-0.10, up=0.05, hourly=0.01, hourly_down=0.04, hourly_up=0.01)
    assert (scenario.room, scenario.cushion) == (-0.10, 2.5)


# --- where there is nothing to compute ------------------------------------------------------------


@pytest.mark.parametrize(
    "judged",
    [
        pytest.param(pool(equity="100"), id="flat"),
        pytest.param(pool(position(), maintenance_margin=None), id="unknown"),
        pytest.param(pool(position(), equity="-1"), id="deficit"),
    ],
)
def test_no_room_without_a_known_ratio(judged: Pool) -> None:
    assert room_of(judged, HOURLY, T0).scenarios == ()


@pytest.mark.parametrize(
    ("down", "up", "room"),
    [(-0.2, 0.1, 0.1), (-0.1, 0.2, -0.1), (None, 0.1, 0.1), (-0.1, None, -0.1), (None, None, None)],
)
def test_room_is_the_nearer_of_the_two(down: float | None, up: float | None, room: float | None) -> None:
    scenario = Scenario(name="BTC", down=down, up=up, hourly=0.01)
    assert scenario.room == room
    assert scenario.cushion == (None if room is None else close_to(10.0))


def test_null_where_no_move_can_breach() -> None:
    report = room_of(pool(position(notional="10000"), equity="10000"), HOURLY, T0)
    assert report.scenarios[0].room is None
    assert report.decisive is None


def test_no_room_is_left_past_the_trigger() -> None:
    scenario = only(pool(position(), equity="499"))
    assert (scenario.room, scenario.cushion) == (0.0, 0.0)


@pytest.mark.parametrize(("underlying", "hourly"), [("BTC", DEFAULT_MAJOR), ("DOGE", DEFAULT_OTHER)])
def test_missing_candles_are_assumed_and_told(underlying: str, hourly: float) -> None:
    report = room_of(pool(position(underlying)), {}, T0)
    assert report.scenarios[0].hourly == hourly
    assert report.notes == (f"cross:USDT: too few candles yet, hourly move assumed: {underlying} {hourly:.1%}",)


def test_without_a_size_room_comes_from_the_venue_s_liquidation_price() -> None:
    sizeless = replace(position(), notional=None, liquidation_price=D(47_500), mark_price=D(50_000))
    report = room_of(pool(sizeless), HOURLY, T0)
    assert report.decisive is not None
    assert report.decisive.room == close_to(-0.05)
    assert "liquidation prices" in report.notes[0]
    assert report.known


@pytest.mark.parametrize("price", [None, D(0), D(-5)])
def test_a_missing_liquidation_price_is_not_a_price_of_zero(price: Decimal | None) -> None:
    sizeless = replace(position(), notional=None, liquidation_price=price)
    report = room_of(pool(sizeless), HOURLY, T0)
    assert report.scenarios == ()
    assert not report.known
    assert "cannot be computed" in report.notes[0]


def test_margin_required_for_nothing_that_is_listed_leaves_the_room_unknown() -> None:
    report = room_of(pool(equity="1000", maintenance_margin="100"), HOURLY, T0)
    assert (report.known, report.decisive) == (False, None)
