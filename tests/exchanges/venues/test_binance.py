"""Binance Portfolio Margin and spot margin: which of them an account is, and what its ratio is then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, KeyRefused, VenueDown
from marginbot.domain.margin import MarginMode, PoolState, Snapshot
from marginbot.domain.room import room_of
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.binance import VENUE
from tests.exchanges.kit import ALICE, now
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Path_,
    gap,
    judged,
    looks_calmer,
    number_paths,
    pool_named,
    reading,
    spoiled,
)
from tests.exchanges.venues.test_binancecoinm import line, perpetual
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal
Corpus = Callable[[str], Any]
CALM = {name: Volatility(0.01, 500) for name in ("BTC", "ETH", "BNB")}
LINEAR = Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D(1))
MARKETS = Reference(instruments={"BTCUSDT": LINEAR, "ETHUSD_PERP": perpetual("ETH", 10)})


# -- portfolio margin


def um(amount: str, mark: str = "50000") -> dict[str, Any]:
    row = line("BTCUSDT", amount, mark=mark, value=str(D(amount) * D(mark)), pnl="0")
    row["notional"] = row.pop("notionalValue")
    return {name: value for name, value in row.items() if name not in ("marginType", "isolatedMargin")}


def balance(asset: str, free: str, **more: str) -> dict[str, str]:
    nothing = dict.fromkeys(("crossMarginLocked", "crossMarginBorrowed", "crossMarginInterest"), "0")
    wallets = dict.fromkeys(("umWalletBalance", "umUnrealizedPNL", "cmWalletBalance", "cmUnrealizedPNL"), "0")
    return {"asset": asset, "crossMarginFree": free, **nothing, **wallets, "negativeBalance": "0", **more}


def portfolio(**changes: Any) -> Payloads:
    """2 BTC long at 50000 (400 required by its bracket), 500 USD short of ETH (2.5), 1 BTC of collateral at 95 %."""
    brackets = {
        "BTCUSDT": {
            "symbol": "BTCUSDT",
            "brackets": [
                {"notionalFloor": 0, "notionalCap": 300_000, "maintMarginRatio": 0.004, "cum": 0},
                {"notionalFloor": 300_000, "notionalCap": 800_000, "maintMarginRatio": 0.005, "cum": 300},
            ],
        },
        "ETHUSD_PERP": {
            "symbol": "ETHUSD_PERP",
            "brackets": [{"qtyFloor": 0, "qtyCap": 500, "maintMarginRatio": 0.005, "cum": 0}],
        },
    }
    account = {"accountEquity": "57500", "actualEquity": "60000", "accountMaintMargin": "402.5"}
    told = {
        "kind": "portfolio",
        "account": {**account, "uniMMR": "142.85714286", "accountStatus": "NORMAL"},
        "balances": [balance("USDT", "10000"), balance("BTC", "1")],
        "um": [um("2")],
        "cm": [line("ETHUSD_PERP", "-50", mark="2500", value="-0.2", pnl="0")],
        "rates": [{"asset": "BTC", "collateralRate": "0.95"}],
        "prices": [{"asset": "BTC", "assetIndexPrice": "49990"}],
        "brackets": brackets,
    }
    return told | changes


def test_one_pool_at_the_venues_own_trigger() -> None:
    snapshot = VENUE.parse(portfolio(), MARKETS, NOW)
    (pool,) = snapshot.pools
    assert (pool.margin_mode, pool.currency, pool.equity) == (MarginMode.PORTFOLIO, "USD", D(57500))
    assert gap(pool.margin_ratio, D("1.05") / D("142.85714286")) < D("1e-9")
    assert [position.maintenance_margin for position in pool.positions] == [D(400), D("2.5")]
    values = [(coin.asset, coin.value) for coin in pool.collateral]
    assert values == [("USDT", D(10000)), ("BTC", D(47500))], "at the position's mark, after the collateral rate"
    assert (snapshot.mode, snapshot.warnings) == ("portfolio margin", ())


def test_room_counts_positions_and_what_backs_them() -> None:
    """57500 + (100000 + 47500) x = 1.05 (400 (1 + x) + 2.5) at the breach (all other things fixed)."""
    decisive = room_of(VENUE.parse(portfolio(), MARKETS, NOW).pools[0], CALM, NOW).decisive
    assert decisive is not None
    assert decisive.name == "BTC"
    assert decisive.room == pytest.approx((1.05 * 402.5 - 57500) / (147500 - 1.05 * 400), rel=1e-4)


def test_documented_account_is_reproduced(corpus: Corpus) -> None:
    told = portfolio(account=corpus("binance-papi/account__openxapi.json"), um=[], cm=[], balances=[])
    (pool,) = VENUE.parse(told, NOTHING, NOW).pools
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    assert gap(pool.maintenance_margin / pool.equity, D("1.05") / D("5167.92171923")) < D("1e-9")


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        pytest.param({"uniMMR": ""}, PoolState.OK, "missing or impossible", id="no ratio: by the amounts"),
        pytest.param({"accountMaintMargin": ""}, PoolState.OK, "added up from the positions", id="by the positions"),
        pytest.param({"accountEquity": "-5", "uniMMR": "0"}, PoolState.DEFICIT, "missing or impossible", id="ruin"),
        pytest.param({"accountEquity": None}, PoolState.UNKNOWN, "missing or impossible", id="no equity"),
        pytest.param({"uniMMR": "40"}, PoolState.OK, "the worse reading counts", id="the two differ"),
        pytest.param({"accountStatus": "MARGIN_CALL"}, PoolState.OK, "MARGIN_CALL", id="the venue's own alarm"),
        pytest.param({"accountMaintMargin": "100"}, PoolState.OK, "positions require more", id="less than it needs"),
    ],
)
def test_what_is_missing_or_odd_is_told(changes: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse(portfolio(account=portfolio()["account"] | changes), MARKETS, NOW)
    assert snapshot.state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_the_worse_of_two_ratios_counts() -> None:
    snapshot = VENUE.parse(portfolio(account=portfolio()["account"] | {"uniMMR": "40"}), MARKETS, NOW)
    assert gap(snapshot.margin_ratio, D("1.05") / 40) < D("1e-9")
    assert snapshot.pools[0].equity == D("402.5") * 40, "so the room is no wider than the ratio says"


def test_an_account_that_needs_no_margin_is_flat() -> None:
    idle = {"accountEquity": "100", "accountMaintMargin": "0", "uniMMR": "99999999", "accountStatus": "NORMAL"}
    told = portfolio(account=idle, um=[], cm=[], balances=[balance("USDT", "100")])
    assert VENUE.parse(told, MARKETS, NOW).state is PoolState.FLAT


def test_no_requirement_for_an_open_position_is_unknown() -> None:
    idle = {"accountEquity": "100", "accountMaintMargin": "0", "uniMMR": "99999999", "accountStatus": "NORMAL"}
    told = portfolio(account=idle, brackets={})
    assert VENUE.parse(told, MARKETS, NOW).state is PoolState.UNKNOWN


def test_a_loan_counts_in_full_and_as_a_debt() -> None:
    loan = balance("BTC", "0", crossMarginBorrowed="1", crossMarginInterest="0.01")
    (pool,) = VENUE.parse(portfolio(balances=[loan]), MARKETS, NOW).pools
    assert ([coin.value for coin in pool.collateral], pool.has_debt) == ([D("-50500.00")], True)


@pytest.mark.parametrize("path", [pytest.param(p, id=".".join(map(str, p))) for p in number_paths(portfolio())])
def test_a_number_gone_or_wrong_never_calms_a_portfolio(path: Path_) -> None:
    before = judged(VENUE.parse(portfolio(), MARKETS, NOW))
    for how, changed in spoiled(portfolio(), path):
        assert looks_calmer(before, VENUE, changed, MARKETS) is None, how


# -- spot margin


def side(asset: str, free: str, borrowed: str = "0", interest: str = "0") -> dict[str, str]:
    return {"asset": asset, "free": free, "locked": "0", "borrowed": borrowed, "interest": interest}


def margin(**changes: Any) -> Payloads:
    """2 BTC at 50000 against 40000 USDT: level 2.5. 10 ETH at 2500 against 20000 USDT: level 1.25."""
    cross = {
        "marginLevel": "2.5",
        "totalAssetOfBtc": "2",
        "totalLiabilityOfBtc": "0.8",
        "totalNetAssetOfBtc": "1.2",
        "accountType": "MARGIN_1",
        "userAssets": [side("BTC", "2"), side("USDT", "0", "39990", "10"), side("BNB", "0")],
    }
    pair = {"symbol": "ETHUSDT", "marginLevel": "1.25", "indexPrice": "2500", "liquidatePrice": "2200"}
    told = {
        "kind": "margin",
        "cross": cross,
        "isolated": {"assets": [pair | {"baseAsset": side("ETH", "10"), "quoteAsset": side("USDT", "0", "20000")}]},
        "coefficients": {"normalBar": "1.5", "marginCallBar": "1.3", "forceLiquidationBar": "1.1"},
        "prices": [{"symbol": "BTCUSDT", "price": "50000"}, {"symbol": "ETHBTC", "price": "0.05"}],
        "tiers": {"ETHUSDT": [{"symbol": "ETHUSDT", "tier": 1, "liquidationRiskRatio": "1.1"}]},
        "um": None,
        "cm": None,
    }
    return told | changes


def test_levels_become_ratios_of_equity() -> None:
    """Cross 0.1 x 40000 / 60000 = 0.1 / 1.5; isolated 0.1 x 20000 / 5000 = 0.1 / 0.25."""
    snapshot = VENUE.parse(margin(), NOTHING, NOW)
    cross, pair = pool_named(snapshot, "cross"), pool_named(snapshot, "isolated:ETH/USDT")
    assert (cross.currency, cross.equity) == ("USDT", D(60000))
    assert gap(cross.margin_ratio, D("0.1") / D("1.5")) < D("1e-9")
    assert (pair.margin_ratio, pair.equity, pair.margin_mode) == (D("0.4"), D(5000), MarginMode.ISOLATED)
    assert (snapshot.mode, snapshot.warnings) == ("spot margin/classic", ())


def test_room_ends_at_the_venues_liquidation_price() -> None:
    """2 BTC against 40000 at a level of 1.1: 22000; 10 ETH against 20000: 2200, as the payload says."""
    snapshot = VENUE.parse(margin(), NOTHING, NOW)
    for name, mark, at in (("cross", 50000, 22000), ("isolated:ETH/USDT", 2500, 2200)):
        decisive = room_of(pool_named(snapshot, name), CALM, NOW).decisive
        assert decisive is not None
        assert decisive.room is not None
        assert mark * (1 + decisive.room) == pytest.approx(at, rel=1e-6)


def test_a_borrowed_coin_grows_with_its_price() -> None:
    """100000 USDT against 1 BTC at 50000: the level is 1.1 at 90909.09."""
    cross = margin()["cross"] | {"marginLevel": "2", "totalLiabilityOfBtc": "1", "totalNetAssetOfBtc": "1"}
    cross["userAssets"] = [side("USDT", "100000"), side("BTC", "0", "1")]
    pool = pool_named(VENUE.parse(margin(cross=cross), NOTHING, NOW), "cross")
    decisive = room_of(pool, CALM, NOW).decisive
    assert decisive is not None
    assert decisive.room is not None
    assert 50000 * (1 + decisive.room) == pytest.approx(100000 / 1.1, rel=1e-6)
    assert [(p.symbol, p.side, p.contracts) for p in pool.positions] == [("BTC loan", "short", D(1))]


@pytest.mark.parametrize("name", ["jkorf", "openxapi"])
def test_documented_cross_account_is_reproduced(corpus: Corpus, name: str) -> None:
    told = margin(cross=corpus(f"binance-margin/cross-account__{name}.json"), prices=None, isolated={"assets": []})
    snapshot = VENUE.parse(told, NOTHING, NOW)
    pool = pool_named(snapshot, "cross")
    assert pool.currency == "BTC"
    assert gap(pool.margin_ratio, D("0.1") / (D("11.64405625") - 1)) < D("1e-6")
    assert not room_of(pool, CALM, NOW).known, "no prices: the room is unknown, not endless"


def test_an_account_that_owes_nothing_is_flat(corpus: Corpus) -> None:
    empty = corpus("binance-margin/cross-account__ccxtsrc.json")
    pairs = corpus("binance-margin/isolated-account__openxapi.json")
    snapshot = VENUE.parse(margin(cross=empty, isolated=pairs), NOTHING, NOW)
    assert (snapshot.state, snapshot.warnings) == (PoolState.FLAT, ())


def test_cross_margin_pro_counts_by_its_level() -> None:
    pro = margin()["cross"] | {"accountType": "MARGIN_2"}
    snapshot = VENUE.parse(margin(cross=pro), NOTHING, NOW)
    assert gap(pool_named(snapshot, "cross").margin_ratio, D("1.1") / D("2.5")) < D("1e-9")
    assert snapshot.mode == "spot margin/pro"
    assert any("haircuts" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"coefficients": None}, "1.1 is usual", id="no trigger told"),
        pytest.param({"tiers": {}}, "worked out from the liquidation price", id="no tier"),
        pytest.param({"isolated": None}, "not part of this reading", id="isolated not answered"),
        pytest.param({"cross": None}, "not part of this reading", id="cross not answered"),
        pytest.param({"is_certain": False}, "what kind of account", id="the kind is not told"),
        pytest.param({"um": [um("1")]}, "binanceusdm", id="futures elsewhere"),
        pytest.param({"cm": [line("X", "1", mark="1", value="1", pnl="0")]}, "binancecoinm", id="coins elsewhere"),
        pytest.param(
            {"tiers": {"ETHUSDT": [{"liquidationRiskRatio": "1.05"}]}}, "1.100 by its price", id="tier and price differ"
        ),
    ],
)
def test_what_is_missing_in_spot_margin_is_told(changes: dict[str, Any], word: str) -> None:
    snapshot = VENUE.parse(margin(**changes), NOTHING, NOW)
    assert any(word in warning for warning in snapshot.warnings)
    assert snapshot.margin_ratio is not None
    assert snapshot.margin_ratio >= D("0.06")


def test_more_owed_than_owned_is_a_deficit() -> None:
    cross = margin()["cross"] | {"marginLevel": "0.95", "totalNetAssetOfBtc": "-0.04"}
    cross["userAssets"] = [side("BTC", "0.76"), side("USDT", "0", "40000")]
    assert pool_named(VENUE.parse(margin(cross=cross), NOTHING, NOW), "cross").state is PoolState.DEFICIT


@pytest.mark.parametrize("path", [pytest.param(p, id=".".join(map(str, p))) for p in number_paths(margin())])
def test_a_number_gone_or_wrong_never_calms_spot_margin(path: Path_) -> None:
    before = judged(VENUE.parse(margin(), NOTHING, NOW))
    for how, changed in spoiled(margin(), path):
        assert looks_calmer(before, VENUE, changed, NOTHING) is None, how


@given(st.integers(min_value=1, max_value=1000))
def test_the_ratio_does_not_depend_on_the_size(scale: int) -> None:
    cross = margin()["cross"] | {
        name: str(D(margin()["cross"][name]) * scale)
        for name in ("totalAssetOfBtc", "totalLiabilityOfBtc", "totalNetAssetOfBtc")
    }
    cross["userAssets"] = [side("BTC", str(2 * scale)), side("USDT", "0", str(40000 * scale))]
    pool = pool_named(VENUE.parse(margin(cross=cross), NOTHING, NOW), "cross")
    assert gap(pool.margin_ratio, D("0.1") / D("1.5")) < D("1e-9")


# -- which of them it is


class Binance(LoopbackServer):
    """Answers the paths it is given; refuses all others as a key without that right is refused."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(wall_clock_ms)
        self.answers = {f"/{name.replace('__', '/')}": answer for name, answer in answers.items()}

    def routes(self) -> Routes:
        return {}

    def not_found(self, call: Call) -> Reply:
        answer = self.answers.get(call.path)
        if isinstance(answer, Reply):
            return answer
        if answer is None and call.path.startswith("/api/"):
            return Reply({"code": -1, "msg": "no such path"}, 404)
        if answer is None:
            return Reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401)
        return Reply(answer)


UNIFIED = {"isPortfolioMarginRetailEnabled": True}
SEPARATE = {"isPortfolioMarginRetailEnabled": False}
PAPI = {"papi__v1__account": portfolio()["account"], "papi__v1__balance": portfolio()["balances"]}
PAPI |= {"papi__v1__um__positionRisk": [um("2")], "papi__v1__cm__positionRisk": []}
SAPI = {"sapi__v1__margin__account": margin()["cross"], "sapi__v1__margin__isolated__account": {"assets": []}}
PRO = {"sapi__v1__portfolio__account": portfolio()["account"] | {"accountType": "PM_1"}}
PRO |= {"fapi__v3__positionRisk": [um("2")], "dapi__v1__positionRisk": []}
DOWN = Reply("<html>bad gateway</html>", 502)


@pytest.mark.parametrize(
    ("answers", "mode", "not_asked"),
    [
        pytest.param({"sapi__v1__account__info": UNIFIED, **PAPI, **SAPI}, "portfolio margin", "/sapi/", id="told"),
        pytest.param({**PAPI, **SAPI}, "portfolio margin", "/sapi/v1/margin", id="not told: found out"),
        pytest.param({"sapi__v1__account__info": SEPARATE, **PRO}, "portfolio margin pro PM_1", "/papi/", id="pro"),
        pytest.param({"sapi__v1__account__info": SEPARATE, **SAPI}, "spot margin/classic", "/papi/", id="spot margin"),
        pytest.param(SAPI, "spot margin/classic", "/none", id="refused as a portfolio: spot margin"),
    ],
)
async def test_the_kind_of_account_is_found_out(answers: dict[str, Any], mode: str, not_asked: str) -> None:
    server = Binance(**{"sapi__v1__account__info": Reply({"code": -1000, "msg": "x"}, 400), **answers})
    async with reading("binance", server) as reader:
        snapshot = await reader.read("binance", ALICE, now())
    assert snapshot.mode == mode
    asked = {call.path for call in server.requests} - {"/sapi/v1/account/info"}
    assert not any(path.startswith(not_asked) and "portfolio/" not in path for path in asked)


async def test_silence_is_no_refusal_and_is_not_remembered() -> None:
    """A portfolio whose endpoint is away must not be read as a spot margin account that owes nothing."""
    server = Binance(**{**PAPI, **SAPI, "papi__v1__account": DOWN, "sapi__v1__account__info": DOWN})
    async with reading("binance", server) as reader:
        with pytest.raises(VenueDown):
            await reader.read("binance", ALICE, now())
        server.answers["/papi/v1/account"] = portfolio()["account"]
        assert (await reader.read("binance", ALICE, now())).mode == "portfolio margin"


async def test_a_portfolio_that_is_known_to_be_one_is_never_read_as_another() -> None:
    server = Binance(**{**SAPI, "sapi__v1__account__info": UNIFIED})
    async with reading("binance", server) as reader:
        with pytest.raises(KeyRefused):
            await reader.read("binance", ALICE, now())


async def read_at(reader: CcxtReader, minutes: int) -> Snapshot:
    return await reader.read("binance", ALICE, now() + timedelta(minutes=minutes))


async def test_a_change_of_the_account_is_noticed_within_ten_minutes() -> None:
    server = Binance(**{**PAPI, **SAPI, "sapi__v1__account__info": SEPARATE})
    async with reading("binance", server) as reader:
        assert (await read_at(reader, 0)).mode == "spot margin/classic"
        server.answers["/sapi/v1/account/info"] = UNIFIED
        assert (await read_at(reader, 5)).mode == "spot margin/classic"
        assert (await read_at(reader, 11)).mode == "portfolio margin"


async def test_an_account_that_has_left_portfolio_margin_is_read_as_what_it_is_now() -> None:
    server = Binance(**{**PAPI, **SAPI, "sapi__v1__account__info": UNIFIED})
    async with reading("binance", server) as reader:
        assert (await read_at(reader, 0)).mode == "portfolio margin"
        server.answers |= {"/sapi/v1/account/info": SEPARATE} | {f"/{path.replace('__', '/')}": None for path in PAPI}
        assert (await read_at(reader, 1)).mode == "spot margin/classic"


@pytest.mark.parametrize(("enabled", "asked"), [(True, 2), (False, 0)])
async def test_positions_outside_spot_margin_are_noticed(enabled: bool, asked: int) -> None:
    """Asked for once in ten minutes, and not at all where the account has no futures."""
    elsewhere = {"fapi__v3__positionRisk": [um("2")], "dapi__v1__positionRisk": []}
    server = Binance(**{**SAPI, **elsewhere, "sapi__v1__account__info": {**SEPARATE, "isFutureEnabled": enabled}})
    async with reading("binance", server) as reader:
        for minutes in (0, 5):
            snapshot = await read_at(reader, minutes)
            assert any("binanceusdm" in warning for warning in snapshot.warnings) is enabled
    assert sum(call.path.endswith("positionRisk") for call in server.requests) == asked


async def test_a_key_that_is_refused_everywhere_is_refused() -> None:
    async with reading("binance", Binance()) as reader:
        with pytest.raises(KeyRefused, match="2015"):
            await reader.read("binance", ALICE, now())


async def test_an_answer_without_substance_is_no_account() -> None:
    server = Binance(sapi__v1__account__info=SEPARATE, sapi__v1__margin__account={"code": 0})
    async with reading("binance", server) as reader:
        with pytest.raises(BadPayload):
            await reader.read("binance", ALICE, now())


async def test_brackets_and_prices_are_asked_for_what_is_held() -> None:
    bracket = [portfolio()["brackets"]["BTCUSDT"]]
    server = Binance(**{**PAPI, "sapi__v1__account__info": UNIFIED, "papi__v1__um__leverageBracket": bracket})
    async with reading("binance", server) as reader:
        await reader.read("binance", ALICE, now())
    assert [call.params["symbol"] for call in server.seen("/papi/v1/um/leverageBracket")] == ["BTCUSDT"]
    prices = Binance(**{**SAPI, "sapi__v1__account__info": SEPARATE, "api__v3__ticker__price": margin()["prices"]})
    async with reading("binance", prices) as reader:
        snapshot = await reader.read("binance", ALICE, now())
    assert pool_named(snapshot, "cross").currency == "USDT"
    assert [call.params["symbols"] for call in prices.seen("/api/v3/ticker/price")] == ['["BTCUSDT"]']
