"""OKX: payloads in, pools out; against the venue's own ratios and liquidation prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission, RateLimited, ReadingError, VenueDown
from marginbot.domain.margin import MarginMode, Pool, PoolState, Side
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Payloads, Reference
from marginbot.exchanges.venues.okx import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Corpus,
    clock,
    gap,
    pool_named,
    reading,
)
from tests.exchanges.venues.okx_payloads import (
    COIN_SHORT,
    HOLDINGS,
    ISOLATED,
    LONG,
    MARKETS,
    PRICES,
    holding,
    parsed,
    payloads,
)
from tests.servers.okx import OkxBook, OkxMarket, OkxPosition, OkxServer

D = Decimal
TOLERANCE = D("0.005")
CREDENTIAL = Credential("okx-key", "okx-secret", "okx-passphrase")


# -- recorded payloads


def recorded(corpus: Corpus, positions: str, balance: str = "okx/balance__ccxtsrc.json") -> Payloads:
    return {"balance": corpus(balance), "positions": corpus(positions), "config": None}


def liquidation(pool: Pool) -> float:
    """The price at which our own model reaches the trigger."""
    position = pool.positions[0]
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert position.mark_price is not None
    return float(position.mark_price) * (1 + down)


@pytest.mark.parametrize("reference", [MARKETS, NOTHING], ids=["markets loaded", "no markets"])
def test_a_spot_margin_long_keeps_the_venues_ratio_and_liquidation_price(corpus: Corpus, reference: Reference) -> None:
    snapshot = VENUE.parse(recorded(corpus, "okx/positions__openxapi.json"), reference, NOW)
    pool = pool_named(snapshot, "isolated:BTC/USDT:long")
    venue = 1 / D("9.404143929947395")
    assert (pool.currency, pool.has_debt, pool.margin_mode) == ("BTC", True, MarginMode.ISOLATED)
    assert gap(pool.margin_ratio, venue) < D("1e-15")
    assert pool.positions[0].maintenance_margin is not None
    assert pool.equity is not None
    assert gap(pool.positions[0].maintenance_margin / pool.equity, venue) < D("1e-10")
    assert liquidation(pool) == pytest.approx(53615.448336593756, rel=1e-6)


@pytest.mark.parametrize("name", ["okx/positions__ccxtsrc.json", "okx/positions__jkorf.json"])
def test_an_isolated_inverse_future_keeps_the_venues_ratio(corpus: Corpus, name: str) -> None:
    snapshot = VENUE.parse(recorded(corpus, name), MARKETS, NOW)
    pool = pool_named(snapshot, "isolated:ETH/USD:ETH-210430:long")
    assert gap(pool.margin_ratio, 1 / D("11.731726509588816")) < D("1e-12")
    assert pool.positions[0].coin_settled


def test_an_isolated_inverse_future_is_liquidated_where_the_venue_says(corpus: Corpus) -> None:
    snapshot = VENUE.parse(recorded(corpus, "okx/positions__ccxtsrc.json"), MARKETS, NOW)
    pool = pool_named(snapshot, "isolated:ETH/USD:ETH-210430:long")
    assert liquidation(pool) == pytest.approx(2352.8496681818233, rel=3e-4)  # its mark is not in the payload


def test_the_accounts_ratio_contains_the_liquidation_fee(corpus: Corpus) -> None:
    snapshot = VENUE.parse(
        {"balance": corpus("okx/balance__jkorf.json"), "positions": {"data": []}, "config": None}, NOTHING, NOW
    )
    pool = pool_named(snapshot, "cross")
    assert gap(pool.margin_ratio, 1 / D("143682.59776662575")) < D("1e-12")
    assert not [warning for warning in snapshot.warnings if "recomputed" in warning or "worse" in warning]


def test_a_spot_account_without_debt_is_flat(corpus: Corpus) -> None:
    config = {"data": [{"acctLv": "1", "posMode": "net_mode"}]}
    told = {"balance": corpus("okx/balance__ccxtsrc.json"), "positions": {"data": []}, "config": config}
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert (snapshot.mode, snapshot.state) == ("spot/net", PoolState.FLAT)
    assert snapshot.pools[0].equity == D("1918.55678")


def test_a_position_of_contradictory_size_is_told(corpus: Corpus) -> None:
    snapshot = VENUE.parse(recorded(corpus, "okx/positions__nautilus.json"), MARKETS, NOW)
    assert any("5000.00 USD" in warning for warning in snapshot.warnings)


# -- payloads of the loopback venue, without the network


def test_each_currency_of_futures_mode_is_a_pool_and_idle_ones_are_left_out() -> None:
    snapshot = parsed(holding("2", LONG, ISOLATED, balances={**HOLDINGS, "ETH": D(1)}))
    assert [pool.name for pool in snapshot.pools] == ["cross:USDT", "isolated:ETH/USDT:USDT:short"]
    pool = snapshot.pools[0]
    assert (pool.currency, pool.equity) == ("USDT", D(10000))
    assert snapshot.mode == "futures/net"
    assert snapshot.warnings == ()


def test_a_flat_account_has_flat_pools() -> None:
    for level in ("2", "3", "4"):
        snapshot = parsed(holding(level, balances={"USDT": D(10)}))
        assert (snapshot.state, snapshot.pools[0].equity) == (PoolState.FLAT, D(10))


def test_coin_margined_positions_are_kept_in_the_coin() -> None:
    pool = pool_named(parsed(holding("2", COIN_SHORT)), "cross:BTC")
    position = pool.positions[0]
    assert (position.side, position.notional, position.coin_settled) == (Side.SHORT, D("0.5"), True)
    assert gap(position.maintenance_margin, D("0.5") * (D("0.004") + D("0.0005"))) < D("1e-12")


@pytest.mark.parametrize("level", ["3", "4"])
def test_one_pool_in_dollars_shows_its_coins_as_collateral(level: Any) -> None:
    pool = parsed(holding(level, LONG, COIN_SHORT)).pools[0]
    assert (pool.name, pool.currency) == ("cross", "USD")
    assert [position.notional for position in pool.positions] == [D(60000), D(30000)]
    assert not any(position.coin_settled for position in pool.positions)
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D("0.2") * 60000 * D("0.98"))]
    assert gap(sum((entry.value for entry in (*pool.collateral, *pool.stables)), D(0)), pool.equity or D(0)) < D(
        "0.001"
    )
    assert pool.margin_mode is (MarginMode.PORTFOLIO if level == "4" else MarginMode.CROSS)


@pytest.mark.parametrize("positions", [(LONG,), (COIN_SHORT,), (LONG, COIN_SHORT)])
def test_room_ends_where_the_venue_liquidates(positions: tuple[OkxPosition, ...]) -> None:
    account = holding("3", *positions, balances={"USDT": D(9000), "BTC": D("0.1")})
    pool = parsed(account).pools[0]
    scenario = room_of(pool, {}, NOW).scenarios[0]
    for move in (scenario.down, scenario.up):
        if move is not None:
            moved = OkxMarket({**PRICES, "BTC": PRICES["BTC"] * D(1 + move)})
            venue = OkxBook(account, moved).account_pool()
            assert pool.equity is not None
            assert abs(venue.equity - venue.mmr - venue.fee) < pool.equity * D("0.025")
    assert scenario.room is not None


def test_the_mode_is_inferred_with_a_warning_when_the_venue_does_not_say() -> None:
    for level, mode in (("2", "futures"), ("3", "multi-currency")):
        told = payloads(holding(level, LONG)) | {"config": None}
        snapshot = VENUE.parse(told, MARKETS, NOW)
        assert snapshot.mode == mode
        assert f"{mode} mode" in snapshot.warnings[0]
        assert snapshot.margin_ratio == parsed(holding(level, LONG)).margin_ratio


def test_without_loaded_markets_the_venues_dollar_value_stands_in() -> None:
    snapshot = parsed(holding("2", LONG, COIN_SHORT), NOTHING)
    positions = [position for pool in snapshot.pools for position in pool.positions]
    assert [p.symbol for p in positions] == ["BTC/USDT:USDT", "BTC/USD:BTC"]
    assert [p.notional for p in positions] == [D(60000), D("0.5")]
    assert any("contract size not known" in warning for warning in snapshot.warnings)


def test_a_positions_currency_without_a_balance_is_unknown_not_calm() -> None:
    told = payloads(holding("2", LONG))
    told["balance"]["data"][0]["details"] = []
    told["positions"]["data"][0]["mgnRatio"] = ""
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert snapshot.state is PoolState.UNKNOWN
    assert any("no balance in USDT" in warning for warning in snapshot.warnings)


def test_a_loan_in_a_dollar_pool_is_a_position_and_not_counted_twice() -> None:
    told = payloads(holding("3", balances={"USDT": D(-58000), "BTC": D(2)}))
    told["balance"]["data"][0] |= {"mmr": "1200", "mgnRatio": "47", "notionalUsd": "0"}
    row = {"instType": "MARGIN", "instId": "BTC-USDT", "mgnMode": "cross", "posSide": "net", "posCcy": "BTC"}
    row |= {"pos": "1", "ccy": "USDT", "liab": "-60000", "markPx": "60000", "mmr": "1200", "notionalUsd": "60000"}
    told["positions"]["data"] = [row]
    pool = VENUE.parse(told, NOTHING, NOW).pools[0]
    assert pool.has_debt
    assert (pool.positions[0].side, pool.positions[0].notional) == (Side.LONG, D(60000))
    assert [entry.value for entry in pool.collateral] == [2 * D(60000) * D("0.98") - 60000]


OPTION_ROW = {
    "instType": "OPTION",
    "instId": "BTC-USD-271231-100000-C",
    "mgnMode": "cross",
    "posSide": "net",
    "pos": "-50",
    "ccy": "BTC",
    "markPx": "0.05",
    "idxPx": "60000",
    "notionalUsd": "30000",
    "optVal": "-0.025",
    "avgPx": "0.04",
    "mmr": "",
}


def test_an_options_terms_are_read_from_its_name() -> None:
    told = payloads(holding("4", LONG))
    told["positions"]["data"].append(OPTION_ROW)
    position = VENUE.parse(told, MARKETS, NOW).pools[0].positions[1]
    assert position.symbol == "BTC/USD:BTC-271231-100000-C"
    assert (position.side, position.contracts, position.notional) == (Side.SHORT, D(50), D(30000))
    option = position.option
    assert option is not None
    assert (option.is_call, option.strike, option.mark_usd) == (True, D(100000), D(3000))
    assert option.expires_at == datetime(2027, 12, 31, 8, tzinfo=UTC)


def test_an_option_of_unknown_terms_leaves_room_to_a_fallback() -> None:
    told = payloads(holding("4", LONG))
    told["positions"]["data"].append({**OPTION_ROW, "idxPx": ""})
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert snapshot.pools[0].positions[1].notional is None
    assert any("terms are missing" in warning for warning in snapshot.warnings)


def test_a_debt_without_any_requirement_is_unknown() -> None:
    told = payloads(holding("3", balances={"USDT": D(-100), "BTC": D(1)}))
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert snapshot.state is PoolState.UNKNOWN


def test_text_in_place_of_a_number_is_refused() -> None:
    told = payloads(holding("2", LONG))
    told["balance"]["data"][0]["details"][0]["mgnRatio"] = "n/a"
    with pytest.raises(BadPayload):
        VENUE.parse(told, MARKETS, NOW)


# -- the real client against the loopback venue


@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
@pytest.mark.parametrize("level", ["2", "3", "4"])
async def test_every_mode_agrees_with_the_venue_as_prices_move(level: Any, pos_mode: Any) -> None:
    account = holding(level, LONG, COIN_SHORT, ISOLATED, pos_mode=pos_mode)
    server = OkxServer([account])
    pools = {"cross:USDT": "cross:USDT", "cross:BTC": "cross:BTC"} if level == "2" else {"cross": "cross"}
    pools["isolated:ETH/USDT:USDT:short"] = "isolated:ETH-USDT-SWAP:short"
    async with reading("okx", server) as reader:
        for btc, eth in ((60000, 3000), (55500, 3100), (63000, 3220)):
            server.set_price("BTC", btc)
            server.set_price("ETH", eth)
            snapshot = await reader.read("okx", CREDENTIAL, clock())
            assert {pool.name for pool in snapshot.pools} == set(pools)
            assert snapshot.warnings == ()
            for ours, theirs in pools.items():
                assert gap(pool_named(snapshot, ours).margin_ratio, server.margin_ratio(theirs)) < TOLERANCE


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"passphrase": "another"}, KeyRefused, "passphrase"),
        ({"secret": "another"}, KeyRefused, "secret"),
        ({"key": "another"}, KeyRefused, "copied whole"),
        ({"ip": "203.0.113.7"}, NoPermission, "IP list"),
        ({"refusal": "50011"}, RateLimited, "limiting requests"),
        ({"refusal": "50001"}, VenueDown, "does not answer"),
    ],
)
async def test_refusals_carry_advice(fields: dict[str, Any], error: type[ReadingError], words: str) -> None:
    async with reading("okx", OkxServer([holding("2", LONG, **fields)])) as reader:
        with pytest.raises(error) as caught:
            await reader.read("okx", CREDENTIAL, clock())
    assert words in caught.value.advice


async def test_losses_beyond_the_collateral_are_a_deficit() -> None:
    server = OkxServer([holding("2", LONG, balances={"USDT": D(10000)})])
    async with reading("okx", server) as reader:
        server.set_price("BTC", 49000)
        snapshot = await reader.read("okx", CREDENTIAL, clock())
    assert snapshot.state is PoolState.DEFICIT
