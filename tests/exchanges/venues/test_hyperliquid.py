"""Hyperliquid: payloads in, pools out; against the venue's own requirements and liquidation prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload, VenueDown
from marginbot.domain.margin import MarginMode, PoolState, Side
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Payloads, Reference
from marginbot.exchanges.venues.hyperliquid import VENUE, parse_tiers
from marginbot.flow.ports import Credential
from tests.exchanges.venues.hyperliquid_payloads import (
    BOOK,
    BTC,
    ETH,
    HYPE,
    NOW_MS,
    TIERS,
    XYZ,
    holding,
    parsed,
    payloads,
)
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, judged, pool_named, reading
from tests.servers.base import Reply
from tests.servers.hyperliquid import HyperliquidPosition, HyperliquidServer

D = Decimal
TOLERANCE = D("0.005")
POOLS = {
    "cross": "cross",
    "cross:xyz": "cross:xyz",
    "isolated:ETH/USDC:USDC:long": "isolated:ETH",
    "isolated:XYZ-TSLA/USDC:USDC:short": "isolated:xyz:TSLA",
}


# -- recorded payloads


def recorded(corpus: Corpus, name: str) -> Payloads:
    return {"mode": "default", "spot": {"balances": []}, "dexes": {"": corpus(f"hyperliquid/{name}.json")}}


def then(payload: Payloads) -> datetime:
    return datetime.fromtimestamp(payload["dexes"][""]["time"] / 1000, UTC)


def test_an_isolated_position_is_liquidated_where_the_venue_says(corpus: Corpus) -> None:
    told = recorded(corpus, "clearinghousestate__jkorf")
    snapshot = VENUE.parse(told, NOTHING, then(told))
    pool = pool_named(snapshot, "isolated:HYPE/USDC:USDC:long")
    assert (pool.equity, pool.margin_mode) == (D("7.525754"), MarginMode.ISOLATED)
    assert gap(pool.margin_ratio, D("75.652") / 20 / D("7.525754")) < D("1e-12")
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert 75.652 / 2 * (1 + down) == pytest.approx(35.8559189474, rel=1e-6)
    cross = pool_named(snapshot, "cross")
    assert (cross.state, cross.equity) == (PoolState.FLAT, D("75.781884"))
    assert snapshot.warnings == ()


def test_an_empty_address_is_one_flat_pool(corpus: Corpus) -> None:
    told = recorded(corpus, "clearinghousestate__roq-empty")
    snapshot = VENUE.parse(told, NOTHING, then(told))
    assert [(pool.name, pool.state, pool.equity) for pool in snapshot.pools] == [("cross", PoolState.FLAT, D("0.0"))]


def test_totals_that_count_positions_which_are_not_listed_are_refused(corpus: Corpus) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse(recorded(corpus, "clearinghousestate__nautilus"), NOTHING, NOW)


def test_a_book_without_any_requirement_is_unknown_and_with_tiers_it_is_worked_out(corpus: Corpus) -> None:
    told = recorded(corpus, "clearinghousestate__hlsdk")
    blind = VENUE.parse(told, NOTHING, NOW)
    assert blind.state is PoolState.UNKNOWN
    tiers = parse_tiers([corpus("hyperliquid/meta__gohl.json")], {})
    pool = VENUE.parse(told, Reference(instruments={}, tiers=tiers), NOW).pools[0]
    assert (pool.equity, len(pool.positions)) == (D("1182.312496"), 12)
    assert pool.state is PoolState.OK
    assert pool.positions[0].side is Side.SHORT


def test_recorded_margin_tables_become_continuous_tiers(corpus: Corpus) -> None:
    tiers = parse_tiers([corpus("hyperliquid/meta__gohl.json")], {})
    small, large = tiers["BTC/USDC:USDC"]
    assert (small.maintenance_margin_rate, small.cap) == (D("0.0125"), D(150_000_000))
    assert (large.maintenance_margin_rate, large.deduction) == (D("0.025"), D(150_000_000) * D("0.0125"))
    assert tiers["ATOM/USDC:USDC"][0].maintenance_margin_rate == D("0.1")


# -- payloads of the loopback venue, without the network


def test_each_dex_and_each_isolated_position_is_a_pool() -> None:
    snapshot = parsed(holding(*BOOK))
    assert {pool.name for pool in snapshot.pools} == set(POOLS)
    assert {position.symbol for pool in snapshot.pools for position in pool.positions} >= {"XYZ-XYZ100/USDC:USDC"}
    assert (snapshot.mode, snapshot.warnings) == ("per dex", ())


@pytest.mark.parametrize("reference", [TIERS, NOTHING], ids=["margin tables", "position's own leverage"])
def test_the_requirement_is_recomputed_from_either_source(reference: Reference) -> None:
    pool = pool_named(parsed(holding(BTC, HYPE), reference), "cross")
    assert sum(position.maintenance_margin or 0 for position in pool.positions) == pool.maintenance_margin
    assert pool.maintenance_margin == D(60000) / 80 + D(20000) / 20


@pytest.mark.parametrize("position", [BTC, HYPE, ETH])
def test_room_ends_at_the_venues_own_liquidation_price(position: HyperliquidPosition) -> None:
    pools = parsed(holding(position, cash={"": D(6000)})).pools
    pool = next(pool for pool in pools if pool.positions)
    held, room = pool.positions[0], room_of(pool, {}, NOW).scenarios[0].room
    assert room is not None
    assert held.liquidation_price is not None
    assert held.mark_price is not None
    assert float(held.mark_price) * (1 + room) == pytest.approx(float(held.liquidation_price), rel=1e-5)


def test_a_requirement_below_that_of_the_positions_is_told_and_the_larger_counts() -> None:
    told = payloads(holding(BTC))
    told["dexes"][""]["crossMaintenanceMarginUsed"] = "500.0"
    snapshot = VENUE.parse(told, TIERS, NOW)
    assert snapshot.pools[0].maintenance_margin == D(750)
    assert any("the larger counts" in warning for warning in snapshot.warnings)


def test_an_unknown_mode_is_told() -> None:
    told = payloads(holding(BTC)) | {"mode": None}
    snapshot = VENUE.parse(told, TIERS, NOW)
    assert snapshot.mode == "per dex"
    assert any("did not say the account's mode" in warning for warning in snapshot.warnings)


def test_what_is_not_read_is_told() -> None:
    told = payloads(holding(BTC)) | {"dexes_known": False, "left_out": 3}
    warnings = VENUE.parse(told, TIERS, NOW).warnings
    assert any("HIP-3" in warning for warning in warnings)
    assert any(warning.startswith("3 further dexes") for warning in warnings)


def test_an_old_answer_is_told() -> None:
    told = payloads(holding(BTC))
    told["dexes"][""]["time"] = NOW_MS - 600_000
    assert "Hyperliquid's answer is 10 minutes old" in VENUE.parse(told, TIERS, NOW).warnings


def test_a_unified_account_is_one_pool_marked_as_an_estimate() -> None:
    snapshot = parsed(holding(*BOOK, mode="unifiedAccount"))
    assert [pool.name for pool in snapshot.pools if pool.margin_mode is MarginMode.CROSS] == ["cross"]
    assert any("estimates" in warning for warning in snapshot.warnings)


def test_what_the_venue_says_is_left_checks_a_unified_account() -> None:
    account = holding(BTC, mode="unifiedAccount")
    sound = VENUE.parse(payloads(account, left="12250.0"), TIERS, NOW).pools[0]
    assert sound.reported_ratio == sound.margin_ratio == D(750) / D(13000)
    worse = judged(VENUE.parse(payloads(account, left="1000.0"), TIERS, NOW))
    assert worse.pools[0].margin_ratio == D(750) / D(1750)


def test_a_unified_account_without_a_balance_is_unknown() -> None:
    told = payloads(holding(BTC, mode="unifiedAccount"))
    told["spot"]["balances"] = []
    assert VENUE.parse(told, TIERS, NOW).state is PoolState.UNKNOWN


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
def test_a_pooled_account_at_rest_is_flat(mode: Any) -> None:
    snapshot = parsed(holding(mode=mode))
    assert [(pool.name, pool.state, pool.equity) for pool in snapshot.pools] == [("cross", PoolState.FLAT, D(14000))]


def test_a_portfolio_account_shows_its_coins_as_collateral() -> None:
    spot = {"USDC": D(5000), "UBTC": D("0.1"), "HYPE": D(100)}
    snapshot = parsed(holding(BTC, mode="portfolioMargin", spot=spot))
    pool = snapshot.pools[0]
    assert pool.margin_mode is MarginMode.PORTFOLIO
    assert {entry.asset: entry.value for entry in pool.collateral} == {"BTC": D(5700), "HYPE": D(3800)}
    assert [entry.per_coin for entry in pool.collateral if entry.asset == "BTC"] == [D(60000) * D("0.95")]
    assert any("not verified" in warning for warning in snapshot.warnings)


def test_a_portfolio_loan_without_positions_is_judged_by_the_venues_ratio() -> None:
    told = payloads(holding(mode="portfolioMargin", spot={"USDC": D(-2000), "HYPE": D(200)}))
    told["spot"]["portfolioMarginRatio"] = "0.475"
    pool = VENUE.parse(told, TIERS, NOW).pools[0]
    assert (pool.state, pool.has_debt, pool.margin_ratio) == (PoolState.OK, True, D("0.5"))


def test_a_portfolio_account_without_its_ratio_is_unknown() -> None:
    told = payloads(holding(BTC, mode="portfolioMargin"))
    for useless in ("0.0", "", "-0.1"):
        told["spot"]["portfolioMarginRatio"] = useless
        assert VENUE.parse(told, TIERS, NOW).state is PoolState.UNKNOWN


# -- the address

ADDRESS = "0x00000000000000000000000000000000000000a1"
SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"


def check(key: str) -> None:
    assert VENUE.check_form is not None
    VENUE.check_form({"key": key})


def test_an_address_in_any_case_passes() -> None:
    check(ADDRESS)
    check("0xABCDEFabcdef0123456789ABCDEFabcdef012345")


@pytest.mark.parametrize("key", ["", "0x12", ADDRESS[2:], ADDRESS + "00", "0x" + "g" * 40, "vitalik.eth"])
def test_what_is_no_address_is_refused_with_an_example(key: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        check(key)
    assert "40 hexadecimal digits" in caught.value.advice


@pytest.mark.parametrize("secret", ["0x" + "ab" * 32, "AB" * 32, SEED])
def test_a_secret_is_refused_loudly_and_not_repeated(secret: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        check(secret)
    advice = caught.value.advice
    assert "STOP" in advice
    assert "stored nothing" in advice
    assert "move your funds" in advice
    assert secret not in advice + str(caught.value)


# -- the real client against the loopback venue


MOVES: tuple[dict[str, int], ...] = (
    {},
    {"BTC": 57500, "ETH": 2900, "HYPE": 42},
    {"BTC": 63000, "ETH": 3200, "xyz:XYZ100": 23500, "xyz:TSLA": 430},
)


@pytest.mark.parametrize("mode", ["default", "disabled", "dexAbstraction"])
async def test_every_dex_agrees_with_the_venue_as_prices_move(mode: str) -> None:
    server = HyperliquidServer([holding(*BOOK, mode=mode)])
    async with reading("hyperliquid", server) as reader:
        for prices in MOVES:
            for coin, price in prices.items():
                server.set_price(coin, price)
            snapshot = await reader.read("hyperliquid", Credential(ADDRESS), clock())
            assert {pool.name for pool in snapshot.pools} == set(POOLS)
            assert len(snapshot.warnings) == (mode == "dexAbstraction")
            for ours, theirs in POOLS.items():
                assert gap(pool_named(snapshot, ours).margin_ratio, server.margin_ratio(theirs)) < TOLERANCE


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
async def test_pooled_accounts_agree_with_the_venue_as_prices_move(mode: str) -> None:
    server = HyperliquidServer([holding(BTC, HYPE, ETH, XYZ, mode=mode)])
    async with reading("hyperliquid", server) as reader:
        for prices in MOVES:
            for coin, price in prices.items():
                server.set_price(coin, price)
            snapshot = await reader.read("hyperliquid", Credential(ADDRESS), clock())
            for ours, theirs in (("cross", "cross"), ("isolated:ETH/USDC:USDC:long", "isolated:ETH")):
                assert gap(pool_named(snapshot, ours).margin_ratio, server.margin_ratio(theirs)) < TOLERANCE


async def test_an_address_nobody_uses_is_flat() -> None:
    async with reading("hyperliquid", HyperliquidServer()) as reader:
        snapshot = await reader.read("hyperliquid", Credential("0x" + "9" * 40), clock())
    assert (snapshot.state, snapshot.warnings) == (PoolState.FLAT, ())


async def test_losses_beyond_the_collateral_are_a_deficit() -> None:
    server = HyperliquidServer([holding(BTC, cash={"": D(1200)})])
    server.set_price("BTC", 59000)
    async with reading("hyperliquid", server) as reader:
        snapshot = await reader.read("hyperliquid", Credential(ADDRESS), clock())
    assert snapshot.state is PoolState.DEFICIT


async def test_a_dex_that_does_not_answer_makes_the_reading_fail_not_shrink() -> None:
    server = HyperliquidServer([holding(*BOOK)])
    server.refusals["clearinghouseState"] = Reply("null", 500)
    async with reading("hyperliquid", server) as reader:
        with pytest.raises(VenueDown):
            await reader.read("hyperliquid", Credential(ADDRESS), clock())
