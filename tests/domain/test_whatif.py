"""What a shock does to a pool, by closed forms of the test's own and by the room that live grading uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marginbot.domain.funding import is_perpetual
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.domain.margin import Collateral, MarginMode, Option, Pool, PoolState, Side
from marginbot.domain.options import fit
from marginbot.domain.rescue_sheet import CLOSING_FEE, rescue_sheet
from marginbot.domain.room import room_of
from marginbot.domain.shocks import Shock, parse_shock
from marginbot.domain.shortfall import Target
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.domain.whatif import Basis, Outcome, spare_of, spares_after, stressed
from tests.builders import HOURLY, T0, D, pool, position, snapshot

BASIS = Basis(volatilities=HOURLY, ladders=DEFAULT_LADDERS, now=T0)
TIERS = with_deductions([LeverageTier(D(0), D(100_000), D("0.004")), LeverageTier(D(100_000), None, D("0.01"))])


def after(held: Pool, words: str) -> Outcome:
    [outcome] = stressed(snapshot(held), parse_shock(words.split()), BASIS)
    return outcome


def amounts(outcome: Outcome) -> tuple[float, float]:
    assert outcome.after is not None
    assert outcome.after.equity is not None
    assert outcome.after.maintenance_margin is not None
    return float(outcome.after.equity), float(outcome.after.maintenance_margin)


def dollars(*held: Collateral, equity: str = "10000") -> Pool:
    """A pool kept in dollars, with a long of 20 000."""
    return replace(pool(position(notional="20000"), equity=equity, collateral=held), currency="USD", name="cross")


# -- prices


def test_a_linear_long_loses_its_notional_times_the_move() -> None:
    """E = 10 000 - 0.05 x 100 000, MM = 0.005 x 95 000."""
    assert amounts(after(pool(position()), "-5")) == pytest.approx((5_000, 475))


def test_an_inverse_long_loses_more_than_in_proportion() -> None:
    """2 BTC of face value at 50 000: profit N (1/m - 1/p), requirement r N / p, in coin."""
    held = replace(pool(position(notional="2", coin_settled=True), equity="0.5"), currency="BTC")
    equity, requirement = amounts(after(held, "BTC -10"))
    assert equity == pytest.approx(0.5 + 100_000 * (1 / 50_000 - 1 / 45_000))
    assert requirement == pytest.approx(0.005 * 100_000 / 45_000)


def test_a_move_through_a_tier_takes_the_tiers_rate() -> None:
    held = replace(position(notional="95000", tiers=TIERS), maintenance_margin=D(380))
    _, requirement = amounts(after(pool(held), "+10"))
    assert requirement == pytest.approx(104_500 * 0.01 - 600)


def test_only_what_is_named_moves_and_a_coin_may_differ_from_the_rest() -> None:
    book = pool(position(), position("ETH", notional="50000"), equity="20000")
    assert amounts(after(book, "ETH -10"))[0] == pytest.approx(15_000)
    assert amounts(after(book, "-10 BTC +2"))[0] == pytest.approx(20_000 + 2_000 - 5_000)


def test_a_coin_that_backs_the_pool_falls_too() -> None:
    held = dollars(Collateral(asset="BTC", value=D(4_000)))
    assert amounts(after(held, "BTC -10"))[0] == pytest.approx(10_000 - 2_000 - 400)


leg = st.tuples(st.sampled_from(Side), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(leg, min_size=1, max_size=4),
    st.integers(500, 30_000),
    st.sampled_from([-0.9, 4.0]),
)
def test_what_dies_on_the_way_dies_at_its_room(legs: list[tuple[Side, int]], equity: int, move: float) -> None:
    held = pool(*(position("BTC", side, notional=f"{size}0000") for side, size in legs), equity=str(equity))
    assume(held.margin_ratio is not None and held.margin_ratio < 1)
    [outcome] = stressed(snapshot(held), Shock(market=move), BASIS)
    [alone] = room_of(held, HOURLY, T0).scenarios
    room = alone.down if move < 0 else alone.up
    if room is None or abs(room) > abs(move):
        assert outcome.breaks_at is None
    else:
        assert outcome.breaks_at == pytest.approx(room / move, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(300, 20_000), st.floats(-0.4, 0.4))
def test_a_pool_after_a_shock_is_graded_like_one_that_is_read_there(equity: int, move: float) -> None:
    held = pool(position(notional="60000", tiers=TIERS), equity=str(equity), maintenance_margin="240")
    [outcome] = stressed(snapshot(held), Shock(market=move), BASIS)
    moved_notional = 60_000 * (1 + move)
    read = replace(
        held,
        equity=D(equity) + Decimal(60_000 * move),
        maintenance_margin=Decimal(max(moved_notional * 0.004, moved_notional * 0.01 - 600)),
        positions=(replace(held.positions[0], notional=Decimal(moved_notional)),),
    )
    [there] = stressed(snapshot(read), Shock(funding=None, moves={"BTC": 0.0}), BASIS)
    assert outcome.after is not None
    assert there.after is not None
    assert outcome.after.grade == there.after.grade


# -- pegs


def test_a_peg_takes_dollars_but_no_ratio_from_a_pool_kept_in_that_coin() -> None:
    outcome = after(pool(position()), "USDT=0.97")
    assert outcome.after is not None
    assert float(outcome.after.margin_ratio or 0) == pytest.approx(float(outcome.before.margin_ratio or 0))
    assert outcome.dollars == 0.97
    assert any("kept in USDT" in note for note in outcome.notes)


def test_a_peg_takes_what_a_dollar_pool_holds_in_it() -> None:
    coins = (Collateral(asset="USDT", value=D(6_000)), Collateral(asset="USDC", value=D(1_000)))
    held = replace(dollars(), stables=coins)
    assert amounts(after(held, "USDT=0.95")) == pytest.approx((10_000 - 300, 100))
    assert amounts(after(held, "USDT=0.95 USDC=0.9"))[0] == pytest.approx(10_000 - 300 - 100)


def test_where_the_exchange_names_no_stablecoin_all_of_it_is_taken_and_said() -> None:
    outcome = after(dollars(Collateral(asset="BTC", value=D(4_000))), "USDT=0.9")
    assert amounts(outcome)[0] == pytest.approx(10_000 - 600)
    assert any("does not say" in note for note in outcome.notes)


# -- funding


@pytest.mark.parametrize(
    ("words", "paid"),
    [
        pytest.param("funding 8h", 0.0001 * 160_000, id="not known: every side pays"),
        pytest.param("funding 0.01%x3", 0.0003 * (100_000 - 60_000), id="stated: longs pay shorts"),
        pytest.param("funding -0.01%x3", -0.0003 * (100_000 - 60_000), id="below zero shorts pay"),
    ],
)
def test_funding_is_paid_on_notional(words: str, paid: float) -> None:
    book = pool(position(), position(side=Side.SHORT, notional="60000"))
    assert amounts(after(book, words))[0] == pytest.approx(10_000 - paid)


@pytest.mark.parametrize(
    ("words", "paid", "notes"),
    [
        pytest.param(
            "funding 16h",
            2 * (-0.0003 * 100_000 + 0.0001 * 60_000),
            ("funding announced, each 8 h: BTC -0.0300%", "funding not announced, the usual taken: ETH"),
            id="what is announced goes by side, what is not is paid",
        ),
        pytest.param("funding 0.01%x1", 0.0001 * (100_000 - 60_000), (), id="what was stated counts"),
    ],
)
def test_announced_funding_is_taken_where_none_is_stated(words: str, paid: float, notes: tuple[str, ...]) -> None:
    book = pool(position(), position("ETH", side=Side.SHORT, notional="60000"))
    basis = replace(BASIS, funding={"BTC/USDT:USDT": -0.0003})
    [outcome] = stressed(snapshot(book), parse_shock(words.split()), basis)
    assert amounts(outcome)[0] == pytest.approx(10_000 - paid)
    assert outcome.notes == notes


def test_contracts_that_expire_pay_no_funding() -> None:
    dated = replace(position(), symbol="BTC/USDT:USDT-261225")
    assert amounts(after(pool(dated), "funding 30d"))[0] == pytest.approx(10_000)
    assert is_perpetual("BTC/USD:BTC")
    assert not is_perpetual("BTC/USD:BTC-261225-60000-C")
    assert not is_perpetual("BTC/USDT")


# -- options


def option_pool(side: Side, *, counts: bool) -> Pool:
    option = Option(
        is_call=False,
        strike=D(50_000),
        expires_at=T0 + timedelta(days=30),
        underlying_price=D(50_000),
        mark_usd=D(2_500),
    )
    held = replace(
        position(side=side, notional="100000"),
        symbol="BTC/USDT:USDT-261223-50000-P",
        option=option,
        maintenance_margin=D(5_000) if side is Side.SHORT else D(0),
    )
    return replace(pool(held, equity="20000"), option_equity_counts=counts)


@pytest.mark.parametrize(("side", "sign"), [(Side.LONG, 1), (Side.SHORT, -1)])
def test_volatility_reprices_options(side: Side, sign: int) -> None:
    """Two at-the-money puts: their value is nearly proportional to the volatility."""
    outcome = after(option_pool(side, counts=True), "IV +20")
    assert outcome.after is not None
    assert outcome.after.equity is not None
    gained = float(outcome.after.equity) - 20_000
    assert gained == pytest.approx(sign * 2 * 2_500 * 0.2, rel=0.01)
    assert any("Black-76" in note for note in outcome.notes)


def test_a_sold_option_outside_the_equity_needs_what_it_gained() -> None:
    equity, requirement = amounts(after(option_pool(Side.SHORT, counts=False), "IV +20"))
    assert equity == pytest.approx(20_000)
    assert requirement == pytest.approx(5_000 + 1_000, rel=0.01)


def test_volatility_and_price_together_are_the_value_at_both() -> None:
    held = option_pool(Side.LONG, counts=True)
    option = held.positions[0].option
    assert option is not None
    model = fit(option, T0)
    assert model is not None
    both = replace(model, deviation=model.deviation * 1.5).value(-0.1)
    assert amounts(after(held, "BTC -10 IV +50"))[0] == pytest.approx(20_000 + 2 * (both - 2_500))


# -- what cannot be judged


def test_a_pool_whose_requirement_is_not_known_is_not_worked_out() -> None:
    outcome = after(pool(position(), maintenance_margin=None), "-10")
    assert (outcome.after, outcome.breaks_at) == (None, None)
    assert outcome.notes


def test_a_pool_past_its_trigger_is_dead_from_the_start() -> None:
    outcome = after(pool(position(), equity="-1"), "+10")
    assert outcome.breaks_at == 0


def test_the_pool_that_dies_first_is_in_front() -> None:
    safe = pool(position(), equity="60000", name="a")
    near, nearer = (pool(position(), equity=equity, name=name) for equity, name in (("9000", "b"), ("5000", "c")))
    found = stressed(snapshot(safe, near, nearer), parse_shock(["-20"]), BASIS)
    assert [outcome.before.name for outcome in found] == ["c", "b", "a"]
    assert found[2].breaks_at is None


# -- spare


def test_what_is_spare_can_leave_and_both_ladders_stay_calm() -> None:
    held = pool(position(), equity="30000")
    spare = spare_of(held, BASIS)
    left = replace(held, equity=D("30000") - Decimal(spare) + 1)
    gone = replace(held, equity=D("30000") - Decimal(spare) - 1)
    found = [stressed(snapshot(one), Shock(moves={"BTC": 0.0}), BASIS)[0].after for one in (left, gone)]
    assert [one.grade for one in found if one is not None] == [Grade.OK, Grade.NOTICE]


@pytest.mark.parametrize(
    ("held", "spare"),
    [
        pytest.param(pool(equity="700"), 700.0, id="nothing held: all of it"),
        pytest.param(pool(position(), equity="900"), 0.0, id="in trouble itself"),
        pytest.param(pool(position(), equity="90000", name="isolated:x"), 0.0, id="margin of a position"),
        pytest.param(pool(position(), maintenance_margin=None), 0.0, id="not known"),
    ],
)
def test_spare(held: Pool, spare: float) -> None:
    assert spare_of(held, BASIS) == spare


def test_the_other_leg_of_a_hedge_has_more_to_spare_after_the_move() -> None:
    short = pool(position(side=Side.SHORT), equity="20000", name="short")
    before, later = (spares_after(snapshot(short), parse_shock([move]), BASIS)["short"] for move in ("-0", "-8"))
    assert later > before + 7_000


# -- advice for coin-margined books, by the coin's own arithmetic


@pytest.mark.parametrize("side", Side)
def test_advice_for_an_inverse_book_lands_on_the_target(side: Side) -> None:
    """A wallet in BTC behind contracts of dollars: E = wallet + s N (1/entry - 1/mark), MM = r N / mark."""
    contracts, entry, mark, rate = 200_000, 52_000, 50_000, 0.01
    wallet = 0.25
    equity = wallet + side.sign * contracts * (1 / entry - 1 / mark)
    worth = contracts / mark
    held = replace(
        pool(position(side=side, notional=str(worth), rate=str(rate), coin_settled=True), equity=f"{equity:.12f}"),
        currency="BTC",
    )
    found = rescue_sheet(held, Target(ratio=0.08), HOURLY, sources=(), now=T0)
    [deposit], [close] = found.deposits, found.closes
    assert (deposit.asset, deposit.amount) == ("BTC", deposit.counts)
    assert rate * worth / (equity + float(deposit.counts)) == pytest.approx(0.08, rel=0.005)
    share = float(close.share)
    fee = float(CLOSING_FEE) * contracts * share / mark
    assert rate * worth * (1 - share) / (equity - fee) == pytest.approx(0.08, rel=0.005)


def test_a_flat_pool_is_left_as_it_is() -> None:
    outcome = after(pool(equity="500"), "-20")
    assert outcome.after is not None
    assert (outcome.after.state, outcome.breaks_at) == (PoolState.FLAT, None)


def test_portfolio_margin_is_said_to_be_an_estimate() -> None:
    outcome = after(replace(pool(position()), margin_mode=MarginMode.PORTFOLIO), "-5")
    assert any("estimate" in note for note in outcome.notes)
