"""Binance USDⓈ-M: payloads in, pools out; against recorded figures and the simulated venue's own ratios."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, PoolState, Snapshot
from marginbot.domain.room import room_of
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.binanceusdm import VENUE, parse_tiers
from marginbot.sim import listings, statements
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import INSTRUMENTS, Market
from tests.exchanges.kit import ALICE, KEY, SECRET, D, now, reading
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
from tests.servers.base import wall_clock_ms
from tests.sim.books import wallets

Corpus = Callable[[str], Any]
TOLERANCE = D("0.005")
BRACKETS = [listings.leverage_bracket(instrument) for instrument in INSTRUMENTS.values()]
LISTED = {
    listed.symbol: Instrument(
        symbol=f"{listed.base}/{listed.margin_asset}:{listed.margin_asset}",
        underlying=listed.base,
        settle=listed.margin_asset,
        contract_size=D(1),
    )
    for listed in INSTRUMENTS.values()
}
MARKETS = Reference(instruments=LISTED, tiers=parse_tiers(BRACKETS, LISTED))
NO_TIERS = Reference(instruments=LISTED)
# Bitcoin's tiers of the time when the recorded isolated positions were held
OLD_TIERS = (
    LeverageTier(D(0), D(50_000), D("0.004")),
    LeverageTier(D(50_000), D(250_000), D("0.005"), D(50)),
)
OLD = Reference(instruments=LISTED, tiers={"BTC/USDT:USDT": OLD_TIERS})
CALM = {name: Volatility(0.01, 500) for name in ("BTC", "ETH", "SOL", "WLD")}


def account(shape: str) -> Account:
    """An account of each shape, at the market's first prices."""
    market = Market()
    kind, _, sides = shape.partition("/")
    hedge = sides == "hedge"
    held = Account(market, wallets(USDT="6000", USDC="900"), hedge=hedge, multi_assets=kind == "multi")
    if kind == "multi":
        held.deposit("BTC", D("0.05"))
    held.open("BTCUSDT", D("1.2"))
    held.open("SOLUSDT", D("-100"))
    held.open("ETHUSDC", D("2"))
    if hedge:
        held.open("BTCUSDT", D("-0.4"), D(61_000))
    if kind == "isolated":
        held.open("WLDUSDT", D("-4000"), isolated_wallet=D(700))
        held.open("ETHUSDT", D("5"), D(3050), isolated_wallet=D(900))
    return held


SHAPES = [f"{kind}/{sides}" for kind in ("single", "isolated", "multi") for sides in ("one-way", "hedge")]


def payloads(held: Account) -> Payloads:
    indexes = [listings.asset_index(held.market, asset, 0) for asset in ("BTC", "ETH", "BNB", "USDT", "USDC")]
    return {
        "account": statements.account_v3(held),
        "positions": [statements.position_risk_v3(held, position) for position in held.positions],
        "config": statements.account_config(held),
        "index": indexes if held.multi_assets else None,
    }


def theirs(held: Account) -> dict[str, Decimal]:
    """The venue's own ratios by our names of the pools."""
    names = {f"cross:{asset}": f"cross:{asset}" for asset in held.assets()} | {"cross:USD": "cross"}
    for position in held.isolated_positions():
        side = "long" if position.amount > 0 else "short"
        names[held.pool_name(position)] = f"isolated:{LISTED[position.symbol].symbol}:{side}"
    return {names[pool.name]: pool.margin_ratio for pool in held.pools()}


def assert_agrees(snapshot: Snapshot, held: Account) -> None:
    expected = {name: ratio for name, ratio in theirs(held).items() if ratio}
    ours = {pool.name: pool.margin_ratio for pool in snapshot.pools if pool.margin_ratio}
    assert set(ours) == set(expected)
    for name, ratio in expected.items():
        assert gap(ours[name], ratio) < TOLERANCE, name


# -- against the simulated venue, through ccxt


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(Market(), wall_clock_ms) as running:
        yield running


@pytest.mark.parametrize("shape", SHAPES)
async def test_ratios_are_the_venues_own_before_and_after_a_move(exchange: SimulatedExchange, shape: str) -> None:
    held = account(shape)
    held.market = exchange.market
    exchange.add_key(KEY, SECRET, held)
    async with reading(exchange.url, "binanceusdm") as reader:
        for symbol, price in (("BTCUSDT", None), ("BTCUSDT", "57800"), ("SOLUSDT", "165"), ("WLDUSDT", "2.38")):
            if price is not None:
                exchange.set_price(symbol, D(price))
            snapshot = await reader.read("binanceusdm", ALICE, now())
            assert_agrees(snapshot, held)
            assert snapshot.warnings == ()
    assert not held.liquidations
    kind, _, sides = shape.partition("/")
    assert snapshot.mode == f"{'multi-assets' if kind == 'multi' else 'single-asset'}/{sides}"


async def test_an_account_in_ruins_is_a_deficit(exchange: SimulatedExchange) -> None:
    held = Account(exchange.market, wallets(USDT="1000"), liquidates=False)
    held.open("BTCUSDT", D("0.5"))
    exchange.add_key(KEY, SECRET, held)
    exchange.set_price("BTCUSDT", D(55_000))
    async with reading(exchange.url, "binanceusdm") as reader:
        snapshot = await reader.read("binanceusdm", ALICE, now())
    assert snapshot.state is PoolState.DEFICIT
    assert pool_named(snapshot, "cross:USDT").equity == D(-1500)


async def test_an_account_without_anything_is_flat(exchange: SimulatedExchange) -> None:
    exchange.add_key(KEY, SECRET, Account(exchange.market, wallets()))
    async with reading(exchange.url, "binanceusdm") as reader:
        snapshot = await reader.read("binanceusdm", ALICE, now())
    assert (snapshot.state, snapshot.pools) == (PoolState.FLAT, ())


async def test_a_position_opened_between_the_two_answers_is_read_again(exchange: SimulatedExchange) -> None:
    held = account("single/one-way")
    held.market = exchange.market
    exchange.add_key(KEY, SECRET, held)
    exchange.faults.edit("/fapi/v3/positionRisk", lambda listed: listed[1:], times=1)
    async with reading(exchange.url, "binanceusdm") as reader:
        snapshot = await reader.read("binanceusdm", ALICE, now())
    assert_agrees(snapshot, held)
    assert snapshot.warnings == ()
    assert len(exchange.seen("/fapi/v3/account")) == 2


@pytest.mark.parametrize("path", ["/fapi/v3/positionRisk", "/fapi/v3/account"])
async def test_a_lasting_difference_is_told_and_nothing_is_lost(exchange: SimulatedExchange, path: str) -> None:
    def without_first(answer: Any) -> Any:
        return answer[1:] if isinstance(answer, list) else {**answer, "positions": answer["positions"][1:]}

    held = account("single/one-way")
    held.market = exchange.market
    exchange.add_key(KEY, SECRET, held)
    exchange.faults.edit(path, without_first)
    async with reading(exchange.url, "binanceusdm") as reader:
        snapshot = await reader.read("binanceusdm", ALICE, now())
    assert_agrees(snapshot, held)
    assert any("BTCUSDT" in warning and "sizes" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize("shape", ["multi/one-way", "single/one-way"])
async def test_the_mode_is_asked_for_elsewhere_when_the_configuration_is_silent(
    exchange: SimulatedExchange, shape: str
) -> None:
    held = account(shape)
    held.market = exchange.market
    exchange.add_key(KEY, SECRET, held)
    exchange.faults.add("500", "/fapi/v1/accountConfig")
    async with reading(exchange.url, "binanceusdm") as reader:
        snapshot = await reader.read("binanceusdm", ALICE, now())
        assert_agrees(snapshot, held)
        assert snapshot.warnings == ()
        exchange.faults.add("500", "/fapi/v1/multiAssetsMargin")
        unsure = await reader.read("binanceusdm", ALICE, now())
    assert any("multi-assets mode" in warning for warning in unsure.warnings)
    assert (unsure.margin_ratio or 0) >= (snapshot.margin_ratio or 0) * (1 - TOLERANCE)


# -- pure


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reference", [MARKETS, NO_TIERS, NOTHING], ids=["all known", "no tiers", "nothing known"])
def test_ratios_do_not_depend_on_reference(shape: str, reference: Reference) -> None:
    held = account(shape)
    snapshot = VENUE.parse(payloads(held), reference, NOW)
    assert_agrees(snapshot, held)
    assert bool(snapshot.warnings) == (reference is NOTHING)


def test_collateral_that_is_no_dollar_moves_the_pool() -> None:
    snapshot = VENUE.parse(payloads(account("multi/one-way")), MARKETS, NOW)
    (coin,) = pool_named(snapshot, "cross").collateral
    assert (coin.asset, coin.value) == ("BTC", D("2850"))  # 0.05 x 60000 x 0.95


def test_coins_and_stablecoins_together_are_what_backs_the_pool() -> None:
    told = payloads(account("multi/one-way"))
    pool = pool_named(VENUE.parse(told, MARKETS, NOW), "cross")
    assert {coin.asset for coin in pool.stables} == {"USDT", "USDC"}
    assert gap(sum((coin.value for coin in (*pool.collateral, *pool.stables)), D(0)), pool.equity or D(0)) < D("0.001")
    told["account"]["assets"][0].pop("crossUnPnl")
    assert pool_named(VENUE.parse(told, MARKETS, NOW), "cross").stables == ()


def test_without_a_price_collateral_is_told() -> None:
    told = payloads(account("multi/one-way")) | {"index": None}
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert pool_named(snapshot, "cross").collateral == ()
    assert any("price of BTC" in warning for warning in snapshot.warnings)


def test_assets_without_positions_are_flat_pools() -> None:
    held = Account(Market(), wallets(USDT="100", BNB="2"))
    snapshot = VENUE.parse(payloads(held), MARKETS, NOW)
    assert [(pool.name, pool.state, pool.equity) for pool in snapshot.pools] == [
        ("cross:USDT", PoolState.FLAT, D(100)),
        ("cross:BNB", PoolState.FLAT, D(2)),
    ]


@pytest.mark.parametrize("shape", ["single/one-way", "isolated/hedge"])
def test_the_second_version_reads_the_same(shape: str) -> None:
    held = account(shape)
    told = {
        "account": statements.account_v2(held),
        "positions": [statements.position_risk_v2(held, position) for position in held.positions],
        "config": None,
        "index": None,
    }
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert_agrees(snapshot, held)
    assert snapshot.warnings == ()


def test_tiers_that_require_more_count_and_are_told() -> None:
    held = account("single/one-way")
    strict = (LeverageTier(D(0), None, D("0.02")),)
    told = Reference(instruments=LISTED, tiers={"BTC/USDT:USDT": strict})
    snapshot = VENUE.parse(payloads(held), told, NOW)
    position = pool_named(snapshot, "cross:USDT").positions[0]
    assert position.maintenance_margin == D("72000") * D("0.02")
    assert any("leverage tiers" in warning for warning in snapshot.warnings)


def test_room_ends_at_the_venues_liquidation_price() -> None:
    snapshot = VENUE.parse(payloads(account("isolated/one-way")), MARKETS, NOW)
    pool = pool_named(snapshot, "isolated:ETH/USDT:USDT:long")
    (position,) = pool.positions
    decisive = room_of(pool, CALM, NOW).decisive
    assert decisive is not None
    assert position.liquidation_price is not None
    assert position.mark_price is not None
    assert decisive.room == pytest.approx(float(position.liquidation_price / position.mark_price) - 1, rel=1e-4)


# -- published and recorded figures


def test_multi_assets_account_with_a_wld_short() -> None:
    """Figures of a real account: 10.77 % for the account, though its USDT alone would say 14.25 %."""
    position = {
        "symbol": "WLDUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-849",
        "unrealizedProfit": "11.17920750",
        "notional": "-1992.46079250",
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "maintMargin": "11.95476475",
    }
    usdt = {"crossWalletBalance": "72.72317863", "crossUnPnl": "11.17920750", "maintMargin": "11.95476475"}
    told = {
        "totalMaintMargin": "11.95453485",
        "totalMarginBalance": "111.02007243",
        "totalCrossWalletBalance": "99.84331553",
        "totalCrossUnPnl": "11.17675690",
        "assets": [{"asset": "USDT", **usdt}],
        "positions": [position],
    }
    tiers = (LeverageTier(D(0), D(5000), D("0.006")),)
    reference = Reference(instruments=LISTED, tiers={"WLD/USDT:USDT": tiers})
    both: Payloads = {"account": told, "positions": [position], "index": None}

    multi = VENUE.parse({**both, "config": {"multiAssetsMargin": True}}, reference, NOW)
    assert multi.margin_ratio is not None
    assert round(multi.margin_ratio, 4) == D("0.1077")
    assert multi.warnings == ()
    assert pool_named(multi, "cross").positions[0].maintenance_margin == D("11.95476475")

    single = VENUE.parse({**both, "config": {"multiAssetsMargin": False}}, reference, NOW)
    unsure = VENUE.parse({**both, "config": None}, reference, NOW)
    assert round(single.margin_ratio or 0, 4) == round(unsure.margin_ratio or 0, 4) == D("0.1425")
    assert unsure.warnings


def test_recorded_isolated_hedge(corpus: Corpus) -> None:
    """No requirement in the payload: taken from tiers, it reproduces the venue's liquidation prices."""
    risk = corpus("binance-usdm/positionrisk-v2__nautilus-hedge.json")
    told = {"account": {"assets": [], "positions": []}, "positions": risk, "config": None, "index": None}
    snapshot = VENUE.parse(told, OLD, NOW)
    long = pool_named(snapshot, "isolated:BTC/USDT:USDT:long")
    assert long.margin_mode is MarginMode.ISOLATED
    assert long.equity == D("15517.54150468")
    assert long.maintenance_margin is not None
    assert gap(long.maintenance_margin, D("617.95067")) < D("1e-6")
    decisive = room_of(long, CALM, NOW).decisive
    assert decisive is not None
    assert decisive.room is not None
    assert 6679.50671178 * (1 + decisive.room) == pytest.approx(5930.78, rel=1e-5)
    assert any("leverage tiers" in warning for warning in snapshot.warnings)
    assert snapshot.mode.endswith("/hedge")


def test_recorded_isolated_one_way(corpus: Corpus) -> None:
    risk = corpus("binance-usdm/positionrisk-v2__gobinance.json")
    told = {"account": {"assets": [], "positions": []}, "positions": risk, "config": None, "index": None}
    (pool,) = VENUE.parse(told, OLD, NOW).pools
    assert pool.equity == D("3.15899368")
    decisive = room_of(pool, CALM, NOW).decisive
    assert decisive is not None
    assert decisive.room is not None
    assert 10348.27548846 * (1 + decisive.room) == pytest.approx(9332.61, rel=1e-3)


def test_recorded_isolated_without_tiers_is_worked_out_from_its_liquidation_price(corpus: Corpus) -> None:
    risk = corpus("binance-usdm/positionrisk-v2__nautilus-hedge.json")
    told: Payloads = {"account": {"assets": [], "positions": []}, "positions": risk, "config": None, "index": None}
    pool = pool_named(VENUE.parse(told, NO_TIERS, NOW), "isolated:BTC/USDT:USDT:long")
    assert pool.maintenance_margin is not None
    assert gap(pool.maintenance_margin, D("617.95067")) < D("0.02"), "0.5 % - 50; the deduction is not known"
    for row in risk:
        row["liquidationPrice"] = "0"
    snapshot = VENUE.parse(told, NO_TIERS, NOW)
    assert snapshot.state is PoolState.UNKNOWN
    assert any("unknown" in warning for warning in snapshot.warnings)


def test_recorded_flat_account(corpus: Corpus) -> None:
    told = {
        "account": corpus("binance-usdm/account-v2__roq-wsapi.json"),
        "positions": corpus("binance-usdm/positionrisk-v3__gobinance.json"),
        "config": None,
        "index": None,
    }
    snapshot = VENUE.parse(told, NO_TIERS, NOW)
    assert (snapshot.mode, snapshot.state) == ("single-asset/one-way", PoolState.FLAT)
    assert [(pool.name, pool.equity) for pool in snapshot.pools] == [("cross:USDC", D(375))]


@pytest.mark.parametrize("name", ["positionrisk-v3__coincise", "positionrisk-v3__coincise-hedge"])
def test_documented_positions_keep_their_requirement(corpus: Corpus, name: str) -> None:
    risk = corpus(f"binance-usdm/{name}.json")
    told = {"account": {"assets": [], "positions": []}, "positions": risk, "config": None, "index": None}
    snapshot = VENUE.parse(told, NO_TIERS, NOW)
    pool = pool_named(snapshot, "cross:USDT")
    assert pool.maintenance_margin == sum(D(row["maintMargin"]) for row in risk)
    assert (pool.state, pool.equity) == (PoolState.UNKNOWN, None), "no balance was told"
    assert all(position.notional for position in pool.positions)


@pytest.mark.parametrize(
    "name", ["account-v3__openxapi", "account-v3__jkorf", "account-v2__gobinance", "account-v2__jkorf"]
)
def test_documented_accounts_are_read(corpus: Corpus, name: str) -> None:
    told = {"account": corpus(f"binance-usdm/{name}.json"), "positions": [], "config": None, "index": None}
    snapshot = VENUE.parse(told, NO_TIERS, NOW)
    assert snapshot.state in (PoolState.OK, PoolState.UNKNOWN, PoolState.FLAT)


def test_recorded_brackets(corpus: Corpus) -> None:
    raw = corpus("binance-usdm/leveragebracket__freqtrade.json")
    listed = {
        row["symbol"]: Instrument(symbol=row["symbol"], underlying="X", settle="USDT", contract_size=D(1))
        for row in raw
    }
    tiers = parse_tiers(raw, listed)
    assert len(tiers) == len(raw)
    for ladder in tiers.values():
        for lower, upper in pairwise(ladder):
            assert lower.cap == upper.floor
            below, above = (upper.floor * t.maintenance_margin_rate - t.deduction for t in (lower, upper))
            assert abs(below - above) <= D("0.02") * max(D(1), above), "the deduction makes the requirement continuous"


def test_brackets_made_for_the_asking_account_are_not_shared(corpus: Corpus) -> None:
    assert parse_tiers(corpus("binance-usdm/leveragebracket__coincise.json"), LISTED) == {}


# -- spoiled payloads: nothing may look calmer without a word


def _spoilable() -> list[Any]:
    found = []
    for shape, reference in (("single/hedge", MARKETS), ("isolated/one-way", NO_TIERS), ("multi/one-way", MARKETS)):
        told = payloads(account(shape))
        for path in number_paths({name: told[name] for name in ("account", "positions", "index") if told[name]}):
            found.append(pytest.param(shape, reference, path, id=f"{shape}:{'.'.join(map(str, path))}"))
    return found


@pytest.mark.parametrize(("shape", "reference", "path"), _spoilable())
def test_a_field_that_is_gone_or_wrong_never_calms(shape: str, reference: Reference, path: Path_) -> None:
    told = payloads(account(shape))
    before = judged(VENUE.parse(told, reference, NOW))
    for how, changed in spoiled(told, path):
        reason = looks_calmer(before, VENUE, changed, reference)
        assert reason is None, f"{how}: {reason}"


@pytest.mark.parametrize("gone", ["account", "positions"])
def test_a_payload_that_is_gone_is_no_reading(gone: str) -> None:
    told = payloads(account("single/one-way"))
    for nothing in (None, "", {"code": 1}):
        with pytest.raises(BadPayload):
            VENUE.parse({**told, gone: nothing}, MARKETS, NOW)


def test_positions_that_are_gone_leave_the_requirement() -> None:
    held = account("single/one-way")
    told = payloads(held)
    told["account"]["positions"], told["positions"] = [], []
    snapshot = VENUE.parse(told, MARKETS, NOW)
    assert gap(pool_named(snapshot, "cross:USDT").margin_ratio, theirs(held)["cross:USDT"]) < TOLERANCE
    assert any("larger figure" in warning for warning in snapshot.warnings)
