"""Bybit: payloads in, pools out; against recorded figures and the loopback venue's own ratios."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import (
    BadPayload,
    Banned,
    ClockSkew,
    KeyRefused,
    NoPermission,
    RateLimited,
    ReadingError,
    Unsupported,
    VenueDown,
)
from marginbot.domain.margin import MarginMode, Pool, PoolState, Side, Snapshot
from marginbot.domain.room import room_of
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.bybit import VENUE, parse_tiers
from marginbot.exchanges.venues.bybit_rows import guessed
from marginbot.flow.ports import Credential
from tests.exchanges.kit import ALICE, KEY, SECRET, D, candles, now, reading
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
from tests.servers import bybit_rows as rows
from tests.servers.bybit import BybitServer
from tests.servers.bybit_book import CONTRACTS, BybitAccount, BybitMarket, Contract, Mode

Corpus = Callable[[str], Any]
TOLERANCE = D("0.005")
MODES: dict[Mode, str] = {"REGULAR_MARGIN": "cross", "ISOLATED_MARGIN": "isolated", "PORTFOLIO_MARGIN": "portfolio"}
EXPIRY = datetime(2027, 6, 25, 8, tzinfo=UTC)
CALM = {name: Volatility(0.01, 500) for name in ("BTC", "ETH", "SOL")}


def instrument(contract: Contract) -> Instrument:
    symbol = f"{contract.base}/{contract.quote}:{contract.settle}"
    if contract.category != "option":
        return Instrument(
            symbol=symbol,
            underlying=contract.base,
            settle=contract.settle,
            contract_size=D(1),
            is_inverse=contract.is_inverse,
        )
    _, _, strike, kind = contract.symbol.split("-")
    return Instrument(
        symbol=f"{symbol}-270625-{strike}-{kind}",
        underlying=contract.base,
        settle=contract.settle,
        contract_size=D(1),
        is_option=True,
        strike=D(strike),
        is_call=kind == "C",
        expires_at=EXPIRY,
    )


LISTED = {contract.symbol: instrument(contract) for contract in CONTRACTS}
LIMITS = [rows.risk_limit_row(contract, limit) for contract in CONTRACTS for limit in contract.limits]
MARKETS = Reference(instruments=LISTED, tiers=parse_tiers(LIMITS, LISTED))
NO_TIERS = Reference(instruments=LISTED)


def account(mode: Mode, market: BybitMarket | None = None) -> BybitAccount:
    held = BybitAccount(market or BybitMarket(), {"USDT": D(12_000), "USDC": D(6_000), "BTC": D("0.5")}, mode=mode)
    held.open("BTCUSDT", D(2), leverage=D(20))
    held.open("SOLUSDT", D(-300), leverage=D(5), added_margin=D(500))
    held.open("ETHPERP", D(-10), leverage=D(8))
    held.open("BTCUSD", D(-20_000), leverage=D(4))
    held.open("ETHUSDT", D(4), index=1)
    held.open("ETHUSDT", D(-1), index=2)
    if mode == "PORTFOLIO_MARGIN":
        held.open("BTC-25JUN27-80000-C", D(-1))
        held.open("BTC-25JUN27-50000-P", D(1))
    return held


def ok(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": 0}


def payloads(held: BybitAccount) -> Payloads:
    market = held.market
    positions: dict[str, list[Any]] = {"linear": [], "inverse": [], "option": []}
    for position in held.positions:
        positions[position.contract.category].append(rows.position_row(held, position))
    options = [p.contract for p in held.positions if p.contract.category == "option"]
    return {
        "info": ok({"marginMode": held.mode, "unifiedMarginStatus": 5}),
        "wallet": ok({"list": [rows.wallet_row(held)]}),
        "positions": positions,
        "collateral": ok({"list": [rows.collateral_tiers_row(market, coin) for coin in market.collateral_ratios]}),
        "tickers": {contract.symbol: rows.ticker_row(market, contract, 0) for contract in options},
    }


def assert_agrees(snapshot: Snapshot, held: BybitAccount) -> None:
    if held.mode != "ISOLATED_MARGIN":
        assert gap(pool_named(snapshot, MODES[held.mode]).margin_ratio, held.margin_ratio) < TOLERANCE
        return
    for position in held.positions:
        side = "long" if position.side == "Buy" else "short"
        pool = pool_named(snapshot, f"isolated:{LISTED[position.contract.symbol].symbol}:{side}")
        assert gap(pool.margin_ratio, held.isolated_ratio(position)) < TOLERANCE, pool.name
        assert gap(pool.equity, position.margin + held.pnl(position)) < TOLERANCE, pool.name


# -- against the loopback venue, through ccxt


@pytest.fixture
async def server() -> AsyncIterator[BybitServer]:
    async with BybitServer(candles=candles) as running:
        running.add_key(KEY, SECRET, account("REGULAR_MARGIN", running.market))
        yield running


@pytest.mark.parametrize("mode", MODES)
async def test_ratios_are_the_venues_own_before_and_after_a_move(server: BybitServer, mode: Mode) -> None:
    held = account(mode, server.market)
    server.add_key("other", "othersecret", held)
    async with reading(server.url, "bybit") as reader:
        for symbol, price in (("BTCUSDT", None), ("BTCUSDT", "58500"), ("SOLUSDT", "160"), ("ETHPERP", "3090")):
            if price is not None:
                server.set_price(symbol, D(price))
            snapshot = await reader.read("bybit", Credential("other", "othersecret"), now())
            assert_agrees(snapshot, held)
            assert snapshot.warnings == ()
    assert not held.liquidations
    assert snapshot.mode == f"unified/{MODES[mode]}"
    assert len([p for pool in snapshot.pools for p in pool.positions]) == len(held.positions)


async def test_all_pages_of_positions_are_read(server: BybitServer) -> None:
    held = BybitAccount(server.market, {"USDT": D(1_000_000)})
    for number in range(230):
        contract = Contract(
            symbol=f"C{number}USDT",
            category="linear",
            base=f"C{number}",
            quote="USDT",
            settle="USDT",
            limits=CONTRACTS[0].limits,
        )
        server.market.contracts[contract.symbol] = contract
        server.market.coin_prices[contract.base] = D(10)
        held.open(contract.symbol, D(1))
    server.add_key(KEY, SECRET, held)
    async with reading(server.url, "bybit") as reader:
        snapshot = await reader.read("bybit", ALICE, now())
    (pool,) = snapshot.pools
    assert len(pool.positions) == 230
    assert gap(pool.margin_ratio, held.margin_ratio) < TOLERANCE


async def test_a_loan_and_open_orders_are_in_the_ratio(server: BybitServer) -> None:
    held = account("REGULAR_MARGIN", server.market)
    held.loans, held.orders_mm, held.haircut_loss = {"USDT": D(20_000)}, D(150), D(2_000)
    server.add_key(KEY, SECRET, held)
    async with reading(server.url, "bybit") as reader:
        snapshot = await reader.read("bybit", ALICE, now())
    assert_agrees(snapshot, held)
    (pool,) = snapshot.pools
    assert pool.has_debt
    assert [warning for warning in snapshot.warnings if "spot orders" in warning]


async def test_a_loan_in_isolated_mode_is_unknown(server: BybitServer) -> None:
    held = account("ISOLATED_MARGIN", server.market)
    held.loans = {"USDT": D(100)}
    server.add_key(KEY, SECRET, held)
    async with reading(server.url, "bybit") as reader:
        snapshot = await reader.read("bybit", ALICE, now())
    assert pool_named(snapshot, "wallet").state is PoolState.UNKNOWN


async def test_an_account_in_ruins_is_a_deficit(server: BybitServer) -> None:
    held = BybitAccount(server.market, {"USDT": D(1_000)}, liquidates=False)
    held.open("BTCUSDT", D(1))
    server.add_key(KEY, SECRET, held)
    server.set_price("BTCUSDT", D(55_000))
    async with reading(server.url, "bybit") as reader:
        assert (await reader.read("bybit", ALICE, now())).state is PoolState.DEFICIT


async def test_an_empty_account_is_flat(server: BybitServer) -> None:
    server.add_key(KEY, SECRET, BybitAccount(server.market, {"USDT": D(5)}))
    async with reading(server.url, "bybit") as reader:
        snapshot = await reader.read("bybit", ALICE, now())
    assert (snapshot.state, snapshot.pools[0].equity, snapshot.warnings) == (PoolState.FLAT, D(5), ())


async def test_without_option_permission_the_ratio_still_counts_them(server: BybitServer) -> None:
    held = account("REGULAR_MARGIN", server.market)
    held.open("BTC-25JUN27-80000-C", D(-1))
    server.add_key(KEY, SECRET, held)
    async with reading(server.url, "bybit") as reader:
        complete = await reader.read("bybit", ALICE, now())
    told = payloads(held)
    told["positions"]["option"] = None
    partial = VENUE.parse(told, MARKETS, NOW)
    assert partial.margin_ratio == complete.margin_ratio
    assert any("option positions" in warning for warning in partial.warnings)


async def test_public_lists_are_shared(server: BybitServer) -> None:
    async with reading(server.url, "bybit") as reader:
        for _ in range(3):
            await reader.read("bybit", ALICE, now())
    assert len(server.seen("/v5/spot-margin-trade/collateral")) == 1
    assert len(server.seen("/v5/account/wallet-balance")) == 3


async def test_candles(server: BybitServer) -> None:
    async with reading(server.url, "bybit") as reader:
        found = await reader.volatilities("bybit", ["BTC", "NOPE"], now())
    assert found["BTC"].bars > 2500
    assert not found["BTC"].assumed
    assert found["NOPE"].assumed


@pytest.mark.parametrize(
    ("flags", "expected", "word"),
    [
        pytest.param({"revoked": True}, KeyRefused, "does not know", id="revoked"),
        pytest.param({"secret": "anothersecretanother1"}, KeyRefused, "secret", id="wrong secret"),
        pytest.param({"may_read": False}, NoPermission, "read permission", id="no permission"),
        pytest.param({"ips": ("10.0.0.1",)}, NoPermission, "IP list", id="other address"),
        pytest.param({"expires_at_ms": 1}, KeyRefused, "expired", id="expired"),
    ],
)
async def test_keys_that_do_not_open(
    server: BybitServer, flags: dict[str, Any], expected: type[ReadingError], word: str
) -> None:
    for name, value in flags.items():
        setattr(server.keys[KEY], name, value)
    async with reading(server.url, "bybit") as reader:
        with pytest.raises(expected) as caught:
            await reader.read("bybit", ALICE, now())
    shown = f"{caught.value} {caught.value.advice} {caught.value.__context__}"
    assert word in shown
    assert KEY not in shown
    assert SECRET not in shown


@pytest.mark.parametrize("offset", [60_000, -60_000])
async def test_a_clock_that_is_off(server: BybitServer, offset: int) -> None:
    server.faults.clock_offset_ms = offset
    async with reading(server.url, "bybit") as reader:
        with pytest.raises(ClockSkew):
            await reader.read("bybit", ALICE, now())


@pytest.mark.parametrize("path", ["/v5/account/wallet-balance", "/v5/position/list"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", VenueDown),
        ("503", VenueDown),
        ("reset", VenueDown),
        ("hang", VenueDown),
        ("garbage", BadPayload),
        ("html", BadPayload),
        ("banned", Banned),
        ("rate_limited", RateLimited),
    ],
)
async def test_faults_of_the_venue(server: BybitServer, kind: Any, expected: type[ReadingError], path: str) -> None:
    async with reading(server.url, "bybit", timeout=0.3) as reader:
        server.faults.add(kind, path)
        started = time.monotonic()
        with pytest.raises(expected):
            await reader.read("bybit", ALICE, now())
        assert time.monotonic() - started < 15
        server.faults.clear()
        assert (await reader.read("bybit", ALICE, now())).state is PoolState.OK


@pytest.mark.parametrize("kind", ["500", "hang", "garbage"])
async def test_a_mode_that_is_not_told_costs_no_reading_and_is_asked_for_again(server: BybitServer, kind: Any) -> None:
    async with reading(server.url, "bybit", timeout=0.5) as reader:
        server.faults.add(kind, "/v5/account/info")
        unsure = await reader.read("bybit", ALICE, now())
        assert any("margin mode" in warning for warning in unsure.warnings)
        server.faults.clear()
        assert (await reader.read("bybit", ALICE, now())).mode == "unified/cross"


# -- pure


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reference", [MARKETS, NO_TIERS, NOTHING], ids=["all known", "no tiers", "nothing known"])
def test_ratios_hardly_depend_on_reference(mode: Mode, reference: Reference) -> None:
    held = account(mode)
    snapshot = VENUE.parse(payloads(held), reference, NOW)
    ours = [pool.margin_ratio for pool in snapshot.pools if pool.margin_ratio]
    with_all = [pool.margin_ratio for pool in VENUE.parse(payloads(held), MARKETS, NOW).pools if pool.margin_ratio]
    assert len(ours) == len(with_all)
    assert all(gap(one, other) < D("0.02") for one, other in zip(ours, with_all, strict=True))
    assert bool(snapshot.warnings) == (reference is NOTHING)


def test_collateral_after_its_haircut() -> None:
    told = payloads(account("REGULAR_MARGIN"))
    (coin,) = pool_named(VENUE.parse(told, MARKETS, NOW), "cross").collateral
    assert (coin.asset, round(coin.value, 6)) == ("BTC", D("28500"))  # 0.5 x 60000 x 0.95
    assert coin.per_coin == D("57000")
    without = VENUE.parse(told | {"collateral": None}, MARKETS, NOW)
    (guess,) = pool_named(without, "cross").collateral
    assert gap(guess.value, D("28500")) < D("0.001")
    assert any("collateral ratios" in warning for warning in without.warnings)


def test_steps_of_a_haircut() -> None:
    steps = [
        {"minQty": "0", "maxQty": "0.2", "collateralRatio": "1"},
        {"minQty": "0.2", "maxQty": "0.4", "collateralRatio": "0.5"},
        {"minQty": "0.4", "maxQty": "", "collateralRatio": "0"},
    ]
    told = payloads(account("REGULAR_MARGIN"))
    told["collateral"] = ok({"list": [{"currency": "BTC", "collateralRatioList": steps}]})
    (coin,) = pool_named(VENUE.parse(told, MARKETS, NOW), "cross").collateral
    assert round(coin.value, 6) == D("18000")  # (0.2 + 0.1) x 60000
    assert coin.per_coin == 0  # one more counts for nothing


@pytest.mark.parametrize("mode", ["REGULAR_MARGIN", "PORTFOLIO_MARGIN"])
def test_coins_and_stablecoins_together_are_what_backs_the_account(mode: Mode) -> None:
    told = payloads(account(mode))
    pool = pool_named(VENUE.parse(told, MARKETS, NOW), MODES[mode])
    assert {coin.asset for coin in pool.stables} >= {"USDT"}
    assert gap(sum((coin.value for coin in (*pool.collateral, *pool.stables)), D(0)), pool.equity or D(0)) < D("0.001")
    told["wallet"]["result"]["list"][0]["coin"] = [
        row | {"usdValue": ""} if row["coin"] == "USDT" else row for row in told["wallet"]["result"]["list"][0]["coin"]
    ]
    assert pool_named(VENUE.parse(told, MARKETS, NOW), MODES[mode]).stables == ()


def test_a_coin_that_is_switched_off_backs_nothing() -> None:
    held = account("REGULAR_MARGIN")
    held.not_collateral = {"BTC"}
    pool = pool_named(VENUE.parse(payloads(held), MARKETS, NOW), "cross")
    assert pool.collateral == ()
    assert gap(pool.margin_ratio, held.margin_ratio) < TOLERANCE


def test_inverse_positions_count_in_dollars_in_a_cross_pool_and_in_coins_alone() -> None:
    (cross,) = VENUE.parse(payloads(account("REGULAR_MARGIN")), MARKETS, NOW).pools
    inverse = next(position for position in cross.positions if position.symbol == "BTC/USD:BTC")
    assert (inverse.notional, inverse.coin_settled) == (D(20_000), False)
    assert gap(inverse.maintenance_margin, D(100)) < D("1e-5")
    isolated = VENUE.parse(payloads(account("ISOLATED_MARGIN")), MARKETS, NOW)
    pool = pool_named(isolated, "isolated:BTC/USD:BTC:short")
    assert pool.currency == "BTC"
    assert pool.positions[0].coin_settled
    assert pool.positions[0].notional == D(20_000) / D(60_000)


@pytest.mark.parametrize(
    "name", ["isolated:BTC/USDT:USDT:long", "isolated:SOL/USDT:USDT:short", "isolated:ETH/USDC:USDC:short"]
)
def test_room_ends_at_the_venues_liquidation_price(name: str) -> None:
    pool = pool_named(VENUE.parse(payloads(account("ISOLATED_MARGIN")), MARKETS, NOW), name)
    (position,) = pool.positions
    scenario = room_of(pool, CALM, NOW).decisive
    assert scenario is not None
    assert position.liquidation_price is not None
    assert position.mark_price is not None
    assert scenario.room == pytest.approx(float(position.liquidation_price / position.mark_price) - 1, rel=1e-3)


def test_the_rest_of_an_isolated_account_is_flat() -> None:
    held = account("ISOLATED_MARGIN")
    rest = pool_named(VENUE.parse(payloads(held), MARKETS, NOW), "wallet")
    assert rest.state is PoolState.FLAT
    tied = sum(p.margin * (1 if not p.contract.is_inverse else 60_000) for p in held.positions)
    assert gap(rest.equity, held.equity - tied) < D("0.001")


def isolated(**changes: Any) -> tuple[Pool, Snapshot]:
    """A single isolated position whose row is changed; keys set to `...` are dropped."""
    held = BybitAccount(BybitMarket(), {"USDT": D(100_000)}, mode="ISOLATED_MARGIN")
    held.open("BTCUSDT", D(changes.pop("size", 1)), leverage=D(10))
    told = payloads(held)
    row = told["positions"]["linear"][0]
    row.update({name: value for name, value in changes.items() if value is not ...})
    for name in [name for name, value in changes.items() if value is ...]:
        del row[name]
    snapshot = VENUE.parse(told, NO_TIERS, NOW)
    return next(pool for pool in snapshot.pools if pool.positions), snapshot


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        pytest.param({"liqPrice": ""}, PoolState.OK, "at most", id="a long beyond the price limits is covered"),
        pytest.param({"liqPrice": "", "size": -1}, PoolState.UNKNOWN, "unknown", id="a short is not"),
        pytest.param({"liqPrice": None}, PoolState.UNKNOWN, "unknown", id="null is not blank"),
        pytest.param({"liqPrice": ...}, PoolState.UNKNOWN, "unknown", id="a missing field is not blank"),
        pytest.param({"liqPrice": "", "positionBalance": "6000"}, PoolState.OK, "position balance", id="balance"),
        pytest.param({"liqPrice": "", "bustPrice": "54000"}, PoolState.OK, "bankruptcy", id="bankruptcy price"),
        pytest.param({"positionMM": ""}, PoolState.UNKNOWN, "maintenance margin", id="no requirement"),
        pytest.param({"markPrice": ""}, PoolState.UNKNOWN, "cannot be established", id="no mark price"),
        pytest.param({"positionStatus": "Liq"}, PoolState.OK, "liquidating", id="in liquidation"),
    ],
)
def test_isolated_positions_with_gaps(changes: dict[str, Any], state: PoolState, word: str) -> None:
    pool, snapshot = isolated(**changes)
    assert pool.state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_covered_long_is_at_most_as_risky_as_its_rate() -> None:
    pool, _ = isolated(liqPrice="")
    assert pool.margin_ratio == D("0.005")


@pytest.mark.parametrize(
    ("wallet", "expected", "word"),
    [
        pytest.param({"totalMaintenanceMargin": ""}, "0.4001", "Bybit's own rate", id="no requirement"),
        pytest.param({"totalMarginBalance": ""}, "0.4001", "Bybit's own rate", id="no balance"),
        pytest.param({"accountMMRate": ""}, "0.4", "unchecked", id="no rate"),
        pytest.param({"accountMMRate": "0.5"}, "0.5", "spot orders", id="a worse rate counts"),
        pytest.param({"totalMaintenanceMargin": "0", "accountMMRate": "0"}, "0.3", "added up", id="zero is no figure"),
        pytest.param(
            {"totalMaintenanceMargin": "100", "accountMMRate": ""}, "0.3", "more than", id="positions need more"
        ),
    ],
)
def test_account_figures_with_gaps(wallet: dict[str, str], expected: str, word: str) -> None:
    told: dict[str, Any] = {
        "accountType": "UNIFIED",
        "totalEquity": "1000",
        "totalMarginBalance": "1000",
        "totalMaintenanceMargin": "400",
        "accountMMRate": "0.4",
        "coin": [{"coin": "USDT", "equity": "1000", "usdValue": "1000"}],
    }
    position = {"symbol": "BTCUSDT", "side": "Buy", "size": "1", "markPrice": "60000", "positionMM": "300"}
    snapshot = VENUE.parse(
        {
            "info": ok({"marginMode": "REGULAR_MARGIN"}),
            "wallet": ok({"list": [told | wallet]}),
            "positions": {"linear": [position], "inverse": [], "option": []},
        },
        NO_TIERS,
        NOW,
    )
    assert snapshot.margin_ratio is not None
    assert round(snapshot.margin_ratio, 4) == D(expected)
    assert any(word in warning for warning in snapshot.warnings)


def test_an_account_of_another_kind_is_not_supported() -> None:
    told = payloads(account("REGULAR_MARGIN"))
    told["wallet"]["result"]["list"][0]["accountType"] = "CONTRACT"
    with pytest.raises(Unsupported, match="CONTRACT"):
        VENUE.parse(told, MARKETS, NOW)


@pytest.mark.parametrize("mode", MODES)
def test_without_a_mode_the_worse_reading_counts(mode: Mode) -> None:
    told = payloads(account(mode))
    known = VENUE.parse(told, MARKETS, NOW)
    told["info"]["result"].pop("marginMode")
    unsure = VENUE.parse(told, MARKETS, NOW)
    assert any("margin mode" in warning for warning in unsure.warnings)
    assert max(p.margin_ratio or 0 for p in unsure.pools) >= max(p.margin_ratio or 0 for p in known.pools)


def test_inverse_contracts_of_the_first_unified_kind_are_told() -> None:
    told = payloads(account("REGULAR_MARGIN"))
    told["info"]["result"]["unifiedMarginStatus"] = 4
    assert any("first unified kind" in warning for warning in VENUE.parse(told, MARKETS, NOW).warnings)


@pytest.mark.parametrize(
    ("name", "category", "symbol", "settle"),
    [
        ("BTCUSDT", "linear", "BTC/USDT:USDT", "USDT"),
        ("ETHPERP", "linear", "ETH/USDC:USDC", "USDC"),
        ("1000PEPEUSDT", "linear", "1000PEPE/USDT:USDT", "USDT"),
        ("BTCUSD", "inverse", "BTC/USD:BTC", "BTC"),
        ("BTC-25JUN27-80000-C", "option", "BTC-25JUN27-80000-C", "USDC"),
        ("BTC-25JUN27-80000-P-USDT", "option", "BTC-25JUN27-80000-P-USDT", "USDT"),
    ],
)
def test_names_taken_apart(name: str, category: str, symbol: str, settle: str) -> None:
    found = guessed(name, category)
    assert (found.symbol, found.settle, found.is_inverse) == (symbol, settle, category == "inverse")
    if category == "option":
        assert (found.strike, found.is_call, found.expires_at) == (D(80_000), "-C" in name, EXPIRY)


# -- published and recorded figures


def recorded(corpus: Corpus, wallet: str, position: str = "", category: str = "linear", **info: Any) -> Snapshot:
    found = corpus(f"bybit/{position}.json")["result"]["list"] if position else []
    told: Payloads = {
        "info": ok({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5, **info}),
        "wallet": corpus(f"bybit/{wallet}.json"),
        "positions": {"linear": [], "inverse": [], "option": [], category: found},
    }
    return VENUE.parse(told, NOTHING, NOW)


def test_recorded_wallet(corpus: Corpus) -> None:
    snapshot = recorded(corpus, "wallet-balance__roq", "position-linear__roq")
    (pool,) = snapshot.pools
    assert (pool.name, pool.margin_mode, pool.state) == ("cross", MarginMode.CROSS, PoolState.OK)
    assert pool.margin_ratio == D("1.20099314") / D("140743.48632218")
    assert pool.reported_ratio == 0
    assert [coin.asset for coin in pool.collateral] == ["BTC"], "other coins are switched off as collateral"
    assert gap(pool.collateral[0].value, D("122503.7")) < D("0.001")
    (position,) = pool.positions
    assert (position.symbol, position.side, position.contracts) == ("BTC/USDT:USDT", Side.LONG, D("0.002"))
    assert position.notional is not None
    assert gap(position.notional, D("0.002") * D("29252.90") * D("1.000135")) < D("1e-5")


def test_recorded_flat_wallet(corpus: Corpus) -> None:
    snapshot = recorded(corpus, "wallet-balance__hirokisan", "position-linear__hirokisan")
    assert (snapshot.state, snapshot.warnings) == (PoolState.FLAT, ())
    assert snapshot.pools[0].equity == D("78429.79924861")


def test_portfolio_positions_have_no_requirement_of_their_own(corpus: Corpus) -> None:
    """What the venue documents: 1069.934 / 52197.869, printed as 0.0204."""
    found = corpus("bybit/portfolio-margin__bybitdocs.json")["result"]["wallet"]
    wallet = {
        "accountType": "UNIFIED",
        "totalEquity": found["equity"],
        "totalMarginBalance": found["marginBalance"],
        "totalMaintenanceMargin": found["accountMM"],
        "accountMMRate": found["accountMMRate"],
        "coin": [],
    }
    told: Payloads = {
        "info": ok({"marginMode": "PORTFOLIO_MARGIN"}),
        "wallet": ok({"list": [wallet]}),
        "positions": {
            "linear": corpus("bybit/position-linear__ccxtsrc-pm.json")["result"]["list"],
            "inverse": [],
            "option": [],
        },
    }
    (pool,) = VENUE.parse(told, NOTHING, NOW).pools
    assert (pool.margin_mode, pool.reported_ratio) == (MarginMode.PORTFOLIO, D("0.0204"))
    assert gap(pool.margin_ratio, D("0.020498")) < D("1e-4")
    assert pool.positions[0].maintenance_margin is None


@pytest.mark.parametrize(
    ("wallet", "position", "category"),
    [
        ("wallet-balance__bybitdocs", "position-inverse__bybitdocs", "inverse"),
        ("wallet-balance__jkorf", "position-inverse__jkorf", "inverse"),
    ],
)
def test_a_requirement_of_zero_with_a_position_is_not_believed(
    corpus: Corpus, wallet: str, position: str, category: str
) -> None:
    snapshot = recorded(corpus, wallet, position, category)
    assert snapshot.margin_ratio == D("0.0000015") * D("28224.50") / D("3.00326056")
    assert any("added up" in warning for warning in snapshot.warnings)


def test_a_loan_without_a_requirement_is_unknown(corpus: Corpus) -> None:
    snapshot = recorded(corpus, "wallet-balance__nautilus", "position-linear__nautilus")
    assert snapshot.state is PoolState.UNKNOWN


def test_recorded_isolated_positions(corpus: Corpus) -> None:
    """Ratio from liquidation prices: r m / (r L + s (m - L))."""
    snapshot = recorded(corpus, "wallet-balance__hirokisan", "position-linear__nautilus", marginMode="ISOLATED_MARGIN")
    rate, mark, liquidation = D(250) / D(25250), D(50500), D(45000)
    long = pool_named(snapshot, "isolated:BTC/USDT:USDT:long")
    assert gap(long.margin_ratio, rate * mark / (rate * liquidation + mark - liquidation)) < D("1e-9")
    rate, mark, liquidation = D(300) / D(14750), D(2950), D(3500)
    short = pool_named(snapshot, "isolated:ETH/USDT:USDT:short")
    assert gap(short.margin_ratio, rate * mark / (rate * liquidation - mark + liquidation)) < D("1e-9")


def test_recorded_risk_limits(corpus: Corpus) -> None:
    raw = corpus("bybit/risk-limit__hirokisan.json")["result"]["list"]
    (tiers,) = parse_tiers(raw, {"BTCUSDT": LISTED["BTCUSDT"]}).values()
    assert (tiers[0].floor, tiers[0].cap, tiers[0].maintenance_margin_rate) == (D(0), D(2_000_000), D("0.005"))
    assert tiers[1].deduction == D(2_000_000) * (D("0.0056") - D("0.005"))


def test_risk_limits_in_percent() -> None:
    row = {"symbol": "BTCUSD", "riskLimitValue": "150", "maintenanceMargin": "0.5", "maxLeverage": "100.00"}
    (tiers,) = parse_tiers([row], {"BTCUSD": LISTED["BTCUSD"]}).values()
    assert tiers[0].maintenance_margin_rate == D("0.005")


# -- spoiled payloads: nothing may look calmer without a word


def _spoilable() -> list[Any]:
    found = []
    for mode, name in MODES.items():
        told = payloads(account(mode))
        for path in number_paths({part: told[part] for part in ("wallet", "positions", "tickers")}):
            found.append(pytest.param(mode, path, id=f"{name}:{'.'.join(map(str, path))}"))
    return found


@pytest.mark.parametrize(("mode", "path"), _spoilable())
def test_a_field_that_is_gone_or_wrong_never_calms(mode: Mode, path: Path_) -> None:
    told = payloads(account(mode))
    before = judged(VENUE.parse(told, NO_TIERS, NOW))
    for how, changed in spoiled(told, path):
        if how == "huge" and path[-1] == "liqPrice":
            continue  # up to what the account holds, nothing else tells what backs an isolated position
        reason = looks_calmer(before, VENUE, changed, NO_TIERS)
        assert reason is None, f"{how}: {reason}"


@pytest.mark.parametrize("gone", ["wallet", "positions"])
def test_a_payload_that_is_gone_is_no_reading(gone: str) -> None:
    told = payloads(account("REGULAR_MARGIN"))
    for nothing in (None, "", ok({}), ok({"list": [1]})):
        with pytest.raises(BadPayload):
            VENUE.parse({**told, gone: nothing}, MARKETS, NOW)


@pytest.mark.parametrize("kind", ["linear", "inverse"])
def test_a_kind_of_position_that_is_gone_is_no_reading(kind: str) -> None:
    told = payloads(account("REGULAR_MARGIN"))
    told["positions"][kind] = None
    with pytest.raises(BadPayload):
        VENUE.parse(told, MARKETS, NOW)


def test_decimals_are_exact() -> None:
    told = payloads(account("REGULAR_MARGIN"))
    pool = pool_named(VENUE.parse(told, MARKETS, NOW), "cross")
    assert isinstance(pool.equity, Decimal)
    assert str(pool.equity) == told["wallet"]["result"]["list"][0]["totalMarginBalance"]
