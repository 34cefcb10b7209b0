"""Binance COIN-M: pools kept in coins; against documented figures and worked ones."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import PoolState
from marginbot.domain.room import room_of
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.binancecoinm import VENUE, parse_tiers
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Path_,
    gap,
    judged,
    looks_calmer,
    number_paths,
    pool_named,
    spoiled,
)

D = Decimal
Corpus = Callable[[str], Any]
CALM = {"BTC": Volatility(0.01, 500), "ETH": Volatility(0.01, 500)}


def perpetual(coin: str, dollars: int) -> Instrument:
    return Instrument(
        symbol=f"{coin}/USD:{coin}", underlying=coin, settle=coin, contract_size=D(dollars), is_inverse=True
    )


LISTED = {"BTCUSD_PERP": perpetual("BTC", 100), "ETHUSD_PERP": perpetual("ETH", 10)}
TIERS = {
    "BTC/USD:BTC": (LeverageTier(D(0), D(5), D("0.004")), LeverageTier(D(5), D(50), D("0.005"), D("0.005"))),
    "ETH/USD:ETH": (LeverageTier(D(0), D(500), D("0.005")),),
}
MARKETS = Reference(instruments=LISTED, tiers=TIERS)


def coin(asset: str, wallet: str, pnl: str, required: str) -> dict[str, Any]:
    return {
        "asset": asset,
        "walletBalance": wallet,
        "unrealizedProfit": pnl,
        "marginBalance": str(D(wallet) + D(pnl)),
        "maintMargin": required,
        "crossWalletBalance": wallet,
        "crossUnPnl": pnl,
    }


def line(
    symbol: str, amount: str, *, mark: str, value: str, pnl: str, side: str = "BOTH", **more: str
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "positionAmt": amount,
        "entryPrice": "50000",
        "markPrice": mark,
        "unRealizedProfit": pnl,
        "liquidationPrice": "0",
        "marginType": "cross",
        "isolatedMargin": "0",
        "positionSide": side,
        "notionalValue": value,
        **more,
    }


def held(symbol: str, amount: str, required: str, pnl: str, side: str = "BOTH") -> dict[str, Any]:
    row = {"symbol": symbol, "positionAmt": amount, "maintMargin": required, "unrealizedProfit": pnl}
    return {**row, "positionSide": side, "isolated": False}


def long_and_short() -> Payloads:
    """4000 contracts of 100 USD at 40000 are 10 BTC: 10 x 0.5 % - 0.005 = 0.045. 2 ETH in contracts of 10 USD."""
    return {
        "account": {
            "assets": [coin("BTC", "1.0", "-0.1", "0.045"), coin("ETH", "3", "0.1", "0.01")],
            "positions": [held("BTCUSD_PERP", "4000", "0.045", "-0.1"), held("ETHUSD_PERP", "-400", "0.01", "0.1")],
        },
        "positions": [
            line("BTCUSD_PERP", "4000", mark="40000", value="10", pnl="-0.1"),
            line("ETHUSD_PERP", "-400", mark="2000", value="-2", pnl="0.1"),
        ],
        "sides": {"dualSidePosition": False},
    }


def test_each_coin_is_a_pool_of_its_own() -> None:
    snapshot = VENUE.parse(long_and_short(), MARKETS, NOW)
    bitcoin, ether = pool_named(snapshot, "cross:BTC"), pool_named(snapshot, "cross:ETH")
    assert (bitcoin.equity, bitcoin.maintenance_margin, bitcoin.margin_ratio) == (D("0.9"), D("0.045"), D("0.05"))
    assert (ether.equity, ether.maintenance_margin) == (D("3.1"), D("0.01"))
    assert snapshot.mode == "coin-margined/one-way"
    assert snapshot.warnings == ()
    (position,) = bitcoin.positions
    assert (position.notional, position.coin_settled, position.underlying) == (D(10), True, "BTC")


def test_room_is_where_the_coin_runs_out() -> None:
    """Long 400000 USD: 0.9 + 400000 (1/40000 - 1/p) = 0.5 % x 400000/p - 0.005 gives p = 402000/10.905 = 36863.8."""
    room = room_of(pool_named(VENUE.parse(long_and_short(), MARKETS, NOW), "cross:BTC"), CALM, NOW)
    assert room.decisive is not None
    assert room.decisive.room == pytest.approx(402000 / 10.905 / 40000 - 1, rel=1e-6)


def test_the_value_in_the_coin_is_found_from_the_mark() -> None:
    told = long_and_short()
    del told["positions"][0]["notionalValue"]
    (position,) = pool_named(VENUE.parse(told, MARKETS, NOW), "cross:BTC").positions
    assert position.notional == D(10)


def test_without_markets_the_name_is_taken_apart() -> None:
    snapshot = VENUE.parse(long_and_short(), NOTHING, NOW)
    assert [p.symbol for pool in snapshot.pools for p in pool.positions] == ["BTC/USD:BTC", "ETH/USD:ETH"]
    assert pool_named(snapshot, "cross:BTC").positions[0].coin_settled
    assert any("not in the market list" in warning for warning in snapshot.warnings)


def test_documented_isolated_position() -> None:
    """Long 2 x 100 USD from 37643.1 with 0.00268058 BTC: the venue liquidates at 25119.97427985."""
    row = line("BTCUSD_PERP", "2", mark="38000", value="0.00526315", pnl="0.00004984", side="BOTH")
    row |= {"marginType": "isolated", "isolatedWallet": "0.00268058", "isolatedMargin": "0.00273042"}
    row |= {"entryPrice": "37643.10000021", "liquidationPrice": "25119.97427985"}
    told: Payloads = {"account": {"assets": [], "positions": []}, "positions": [row], "sides": None}
    (pool,) = VENUE.parse(told, MARKETS, NOW).pools
    decisive = room_of(pool, CALM, NOW).decisive
    assert decisive is not None
    assert decisive.room is not None
    assert 38000 * (1 + decisive.room) == pytest.approx(25119.97427985, rel=1e-3)
    (without_tiers,) = VENUE.parse(told, Reference(instruments=LISTED), NOW).pools
    assert pool.maintenance_margin is not None
    assert gap(without_tiers.maintenance_margin, pool.maintenance_margin) < D("0.05"), "from the liquidation price"


def test_documented_account(corpus: Corpus) -> None:
    """The account does not list the position: without requirement and tiers it is unknown, never flat."""
    told = {
        "account": corpus("binance-coinm/account__coincise.json"),
        "positions": corpus("binance-coinm/positionrisk__coincise.json"),
        "sides": None,
    }
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert (snapshot.state, snapshot.mode) == (PoolState.UNKNOWN, "coin-margined/hedge")
    assert any("no maintenance margin" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize("spelling", ["qtyFloor", "qtylFloor"])
def test_both_spellings_of_the_lower_bound_are_read(spelling: str) -> None:
    bracket = {spelling: 5, "qtyCap": 50, "maintMarginRatio": 0.005, "cum": 0.005}
    first = {spelling: 0, "qtyCap": 5, "maintMarginRatio": 0.004, "cum": 0.0}
    tiers = parse_tiers([{"symbol": "BTCUSD_PERP", "brackets": [bracket, first]}], LISTED)
    assert tiers == {"BTC/USD:BTC": TIERS["BTC/USD:BTC"]}


def test_brackets_made_for_the_asking_account_are_not_shared(corpus: Corpus) -> None:
    assert parse_tiers(corpus("binance-coinm/leveragebracket__jkorf.json"), LISTED) == {}


@pytest.mark.parametrize("gone", ["account", "positions"])
def test_a_payload_that_is_gone_is_no_reading(gone: str) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse({**long_and_short(), gone: None}, MARKETS, NOW)


@pytest.mark.parametrize("path", [pytest.param(p, id=".".join(map(str, p))) for p in number_paths(long_and_short())])
@pytest.mark.parametrize("reference", [MARKETS, Reference(instruments=LISTED)], ids=["tiers", "no tiers"])
def test_a_number_gone_or_wrong_never_calms(reference: Reference, path: Path_) -> None:
    before = judged(VENUE.parse(long_and_short(), reference, NOW))
    for how, changed in spoiled(long_and_short(), path):
        assert looks_calmer(before, VENUE, changed, reference) is None, how


def at(mark: float) -> Payloads:
    """The Bitcoin long of `long_and_short` alone, entered at 40000 with a wallet of 0.9, at another mark."""
    value = D(400_000) / D(str(mark))
    pnl = str(D(10) - value)
    return {
        "account": {"assets": [coin("BTC", "0.9", pnl, "0")], "positions": []},
        "positions": [line("BTCUSD_PERP", "4000", mark=str(mark), value=str(value), pnl=pnl)],
        "sides": None,
    }


def test_at_the_price_where_room_ends_the_ratio_is_one() -> None:
    decisive = room_of(pool_named(VENUE.parse(at(40_000), MARKETS, NOW), "cross:BTC"), CALM, NOW).decisive
    assert decisive is not None
    assert decisive.room is not None
    there = pool_named(VENUE.parse(at(40_000 * (1 + decisive.room)), MARKETS, NOW), "cross:BTC")
    assert there.margin_ratio is not None
    assert abs(there.margin_ratio - 1) < D("1e-6")


@given(st.integers(min_value=30_000, max_value=60_000), st.integers(min_value=1, max_value=5_000))
def test_the_ratio_of_a_long_rises_as_the_price_falls(price: int, fall: int) -> None:
    def ratio(mark: int) -> Decimal:
        told = long_and_short()
        value = D(400_000) / mark
        pnl = D(400_000) / 50_000 - value
        told["account"]["assets"][0] = coin("BTC", "10", str(pnl), "0")
        told["account"]["positions"] = []
        told["positions"] = [line("BTCUSD_PERP", "4000", mark=str(mark), value=str(value), pnl=str(pnl))]
        found = pool_named(VENUE.parse(told, MARKETS, NOW), "cross:BTC").margin_ratio
        assert found is not None
        return found

    assert ratio(price - fall) > ratio(price)
