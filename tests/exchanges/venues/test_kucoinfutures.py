"""KuCoin futures: classic and unified accounts, against the documented examples and their own figures."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, PoolState, Side
from marginbot.domain.passport import Verdict, verdict
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.kucoinfutures import VENUE, parse_rights
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap, pool_named
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
CLASSIC = {"code": "200000", "data": {"selfAccountMode": "CLASSIC"}}
UNIFIED = {"code": "200000", "data": {"selfAccountMode": "UNIFIED"}}
MARKETS = Reference(
    instruments={
        "XBTUSDTM": Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D("0.001")),
        "ETHUSDTM": Instrument(symbol="ETH/USDT:USDT", underlying="ETH", settle="USDT", contract_size=D("0.01")),
        "XBTUSDM": Instrument(
            symbol="BTC/USD:BTC", underlying="BTC", settle="BTC", contract_size=D(1), is_inverse=True
        ),
    }
)
LONG: dict[str, Any] = {
    "symbol": "XBTUSDTM", "crossMode": True, "maintMarginReq": 0.004, "currentQty": 100, "markPrice": 100000,
    "markValue": 10000, "posMaint": 40, "unrealisedPnl": 100, "avgEntryPrice": 99000, "liquidationPrice": 91000,
    "settleCurrency": "USDT", "marginMode": "CROSS", "positionSide": "BOTH",
}  # fmt: skip
WALLET = {"currency": "USDT", "accountEquity": 1000, "marginBalance": 900, "unrealisedPNL": 100, "riskRatio": 0.046}


def classic(*positions: Mapping[str, Any], **wallets: Mapping[str, Any]) -> Payloads:
    told = {name: {"data": dict(wallet)} for name, wallet in (wallets or {"USDT": WALLET}).items()}
    return {"mode": CLASSIC, "positions": {"data": [dict(row) for row in positions]}, "wallets": told}


def unified(overview: Mapping[str, Any], *positions: Mapping[str, Any], balances: Any = None) -> Payloads:
    listed = {"data": {"accounts": [{"currencies": balances or []}]}}
    contracts = {"data": [{"baseCurrency": "XBT", "quoteCurrency": "USDT", "isInverse": False, "markPrice": 50000}]}
    told = {"mode": UNIFIED, "overview": {"data": dict(overview)}, "positions": {"data": list(positions)}}
    return {**told, "balances": listed, "contracts": contracts}


# -- documented examples


@pytest.mark.parametrize(
    ("name", "symbol", "equity", "margin", "liquidation"),
    [
        ("ccxtsrc", "ETH", "4.54717586", "0.50637594", 4023.00),
        ("jkorf", "BTC", "8.03733576", "0.23284656", 32211.0),
    ],
)
def test_an_isolated_position_is_liquidated_where_the_venue_says(
    corpus: Corpus, name: str, symbol: str, equity: str, margin: str, liquidation: float
) -> None:
    told = {**classic(), "positions": corpus(f"kucoinfutures/positions__{name}.json")}
    pool = pool_named(VENUE.parse(told, MARKETS, NOW), f"isolated:{symbol}/USDT:USDT:long")
    assert (pool.equity, pool.maintenance_margin) == (D(equity), D(margin))
    scenario = room_of(pool, {}, NOW).scenarios[0]
    assert scenario.down is not None
    mark = pool.positions[0].mark_price
    assert mark is not None
    assert float(mark) * (1 + scenario.down) == pytest.approx(liquidation, rel=0.01)


def test_the_ratio_of_a_unified_account_holds_the_closing_fee(corpus: Corpus) -> None:
    # 24x on 92.8345: initial margin 3.8681042, requirement 0.4 % = 0.371338; (0.4 % + 0.06 %) / equity is riskRatio.
    row = {"symbol": "XBTUSDTM", "id": "1", "marginMode": "CROSS", "size": "1", "positionValue": "92.8345"}
    row |= {"markPrice": "92834.5", "mmr": "0.004", "maintenanceMargin": "0.371338"}
    told = {**unified({}, row), "overview": corpus("kucoinfutures/uta-account-overview__jkorf.json")}
    snapshot = VENUE.parse(told, MARKETS, NOW)
    pool = pool_named(snapshot, "cross")
    assert pool.equity == D("49.9358942670")
    own = pool.positions[0].maintenance_margin
    assert own is not None
    assert gap(own / pool.equity, D("0.0085517383")) < D("1e-8")
    assert (snapshot.mode, snapshot.warnings) == ("unified/one-way", ())


def test_a_cross_position_without_its_wallet_is_judged_by_its_liquidation_price(corpus: Corpus) -> None:
    told = {**classic(), "positions": corpus("kucoinfutures/positions__ccxtsrc-adl.json")}
    told["wallets"] = {"USDT": corpus("kucoinfutures/account-overview__roq.json")}
    snapshot = VENUE.parse(told, MARKETS, NOW)
    pool = pool_named(snapshot, "cross:USDT")
    # 0.001 BTC from 96985.6 down to 52351.69 loses 44.63391; the requirement there is 0.2408
    assert pool.equity is not None
    assert gap(pool.equity, D("44.63391") + D("0.2408")) < D("0.001")
    assert any("worked out from the liquidation price" in warning for warning in snapshot.warnings)


def test_a_closed_account_is_flat(corpus: Corpus) -> None:
    told = {**classic(), "positions": corpus("kucoinfutures/positions__roq-old.json")}
    told["wallets"] = {"XBT": corpus("kucoinfutures/account-overview__roq.json")}
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert (snapshot.state, snapshot.warnings) == (PoolState.FLAT, ())


# -- pools


def test_a_cross_pool_is_the_wallet_of_its_coin_without_isolated_margin() -> None:
    isolated = {**LONG, "crossMode": False, "marginMode": "ISOLATED", "posMargin": 200, "maintMargin": 300,
                "currentQty": -100, "markValue": -10000, "liquidationPrice": 0}  # fmt: skip
    snapshot = VENUE.parse(classic(LONG, isolated, USDT=WALLET | {"riskRatio": 0.0657142857}), MARKETS, NOW)
    cross, apart = (pool_named(snapshot, name) for name in ("cross:USDT", "isolated:BTC/USDT:USDT:short"))
    assert (cross.equity, cross.margin_mode) == (D(700), MarginMode.CROSS)
    assert cross.margin_ratio is not None
    assert gap(cross.margin_ratio, D(46) / 700) < D("1e-8")
    assert (apart.equity, apart.positions[0].side) == (D(300), Side.SHORT)
    assert snapshot.warnings == ()


def test_of_two_figures_for_isolated_margin_the_smaller_counts() -> None:
    row = LONG | {"crossMode": False, "posMargin": 900, "maintMargin": 1400, "liquidationPrice": 0}
    snapshot = VENUE.parse(classic(row), MARKETS, NOW)
    assert pool_named(snapshot, "isolated:BTC/USDT:USDT:long").equity == D(1000)
    assert any("behind it differ" in warning for warning in snapshot.warnings)


def test_each_coin_is_a_pool_kept_in_the_coin() -> None:
    row = {**LONG, "symbol": "XBTUSDM", "settleCurrency": "XBT", "currentQty": -5000, "markValue": 0.05,
           "posMaint": 0.0002, "unrealisedPnl": 0.001}  # fmt: skip
    wallet = {
        "currency": "XBT",
        "accountEquity": 0.1,
        "marginBalance": 0.099,
        "unrealisedPNL": 0.001,
        "riskRatio": 0.0023,
    }
    snapshot = VENUE.parse(classic(row, XBT=wallet), MARKETS, NOW)
    pool = pool_named(snapshot, "cross:BTC")
    assert (pool.currency, pool.positions[0].notional, pool.positions[0].coin_settled) == ("BTC", D("0.05"), True)
    assert pool.positions[0].side is Side.SHORT


def test_open_orders_are_inside_the_ratio_and_no_contradiction() -> None:
    snapshot = VENUE.parse(classic(LONG, USDT=WALLET | {"riskRatio": 0.2, "orderMargin": 300}), MARKETS, NOW)
    assert (snapshot.margin_ratio, snapshot.warnings) == (D("0.2"), ())


def test_a_unified_account_shows_its_coins() -> None:
    coins = [
        {"currency": "BTC", "equity": "0.1"},
        {"currency": "USDT", "equity": "500"},
        {"currency": "X", "equity": "1"},
    ]
    overview = {"riskRatio": "0", "equity": "5500", "adjustedEquity": "5000", "liability": "0", "mm": "0"}
    snapshot = VENUE.parse(unified(overview, balances=coins), MARKETS, NOW)
    assert [(entry.asset, entry.value) for entry in snapshot.pools[0].collateral] == [("BTC", D(5000))]
    assert snapshot.warnings == ("cross: no price of X; what its fall would cost is not in the room",)
    assert snapshot.state is PoolState.FLAT


# -- edges


@pytest.mark.parametrize(
    ("changes", "wallet", "state", "word"),
    [
        pytest.param(
            {"posMaint": 0, "maintMarginReq": 0}, {"riskRatio": 0}, PoolState.UNKNOWN, "no usable", id="no requirement"
        ),
        pytest.param({}, {"riskRatio": ""}, PoolState.OK, "missing or impossible", id="no ratio"),
        pytest.param({}, {"accountEquity": -5}, PoolState.DEFICIT, "differ", id="equity is gone"),
        pytest.param({}, {"riskRatio": 0.5}, PoolState.OK, "the worse one counts", id="the venue sees more danger"),
        pytest.param({"posMaint": 400}, {}, PoolState.OK, "more counts", id="a requirement beside its rate"),
        pytest.param({"currentQty": 1000}, {}, PoolState.OK, "its contracts come to", id="a size beside its value"),
        pytest.param(
            {"crossMode": None, "marginMode": None}, {}, PoolState.OK, "cross or isolated", id="no margin mode"
        ),
    ],
)
def test_edges(changes: dict[str, Any], wallet: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse(classic({**LONG, **changes}, USDT=WALLET | wallet), MARKETS, NOW)
    assert snapshot.state is state
    assert any(word in warning for warning in snapshot.warnings)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({**classic(LONG), "positions": {"code": "200000"}}, id="no list of positions"),
        pytest.param({**classic(LONG), "wallets": {"USDT": {"data": None}}}, id="no wallet"),
        pytest.param(classic({**LONG, "currentQty": ""}), id="no size"),
        pytest.param(classic({**LONG, "symbol": ""}), id="no symbol"),
        pytest.param(classic({**LONG, "markPrice": "n/a"}), id="a price that is no number"),
    ],
)
def test_what_cannot_be_read_is_refused(told: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse(told, MARKETS, NOW)


def test_a_ratio_without_a_listed_position_is_not_flat() -> None:
    snapshot = VENUE.parse(classic(USDT=WALLET), MARKETS, NOW)
    assert snapshot.state is PoolState.OK
    assert any("lists no position" in warning for warning in snapshot.warnings)


SOUND = {
    "classic": classic(LONG, {**LONG, "symbol": "ETHUSDTM", "crossMode": False, "marginMode": "ISOLATED",
                              "posMargin": 200, "maintMargin": 300, "markPrice": 10000,
                              "liquidationPrice": 9738},
                       USDT=WALLET | {"riskRatio": 0.0657142857}),
    "unified": unified({"riskRatio": "0.0092", "equity": "5000", "adjustedEquity": "5000", "mm": "40"},
                       {"symbol": "XBTUSDTM", "id": "1", "marginMode": "CROSS", "size": "100", "positionValue": "10000",
                        "markPrice": "100000", "mmr": "0.004", "maintenanceMargin": "40"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str) -> None:
    assert VENUE.parse(SOUND[name], MARKETS, NOW).warnings == ()
    assert list(silent_faults(VENUE, SOUND[name], MARKETS)) == []


# -- asking


async def test_every_coin_with_a_position_is_asked_for() -> None:
    rows = [LONG, {**LONG, "settleCurrency": "XBT", "symbol": "XBTUSDM"}]
    api = Asked({
        "utaPrivateGetAccountMode": CLASSIC,
        "futuresPrivateGetPositions": {"data": rows},
        "futuresPrivateGetAccountOverview": lambda params: {"data": {"currency": params["currency"]}},
    })  # fmt: skip
    told = await VENUE.fetch(api)
    assert {name: answer["data"]["currency"] for name, answer in told["wallets"].items()} == {
        "USDT": "USDT",
        "XBT": "XBT",
    }


async def test_all_pages_of_a_unified_account_are_read_and_an_endless_list_is_refused() -> None:
    def page(params: Mapping[str, Any]) -> Any:
        start = (params["pageNumber"] - 1) * 200
        return {"data": [{"id": str(index)} for index in range(start, min(start + 200, total))]}

    answers = {"utaPrivateGetAccountMode": UNIFIED, "utaPrivateGetAccountModeAccountOverview": {"data": {}},
               "utaPrivateGetAccountModePositionOpenList": page}  # fmt: skip
    total = 410
    assert len((await VENUE.fetch(Asked(answers)))["positions"]["data"]) == 410
    total = 10**6
    with pytest.raises(BadPayload, match="does not end"):
        await VENUE.fetch(Asked(answers))


async def test_an_unknown_kind_of_account_is_what_answers() -> None:
    overview = {
        "utaPrivateGetAccountModeAccountOverview": {"data": {"riskRatio": "0", "adjustedEquity": "1", "mm": "0"}}
    }
    told = await VENUE.fetch(Asked({**overview, "utaPrivateGetAccountModePositionOpenList": {"data": []}}))
    assert "overview" in told
    with pytest.raises(BadPayload):  # a unified account whose positions cannot be read is not an empty one
        await VENUE.fetch(Asked(overview))


@pytest.mark.parametrize(
    ("told", "expected", "ip"),
    [
        ({"permission": "General", "ipWhitelist": "192.0.2.1"}, Verdict.READ_ONLY, True),
        ({"permission": "General", "ipWhitelist": ""}, Verdict.READ_ONLY, False),
        ({"permission": "General, Futures"}, Verdict.NEEDS_CONSENT, None),
        ({"permission": "General,Frobnicate"}, Verdict.NEEDS_CONSENT, None),
        ({"permission": "General,InnerTransfer"}, Verdict.REFUSED, None),
        ({"permission": "General,Withdrawal"}, Verdict.REFUSED, None),
        ({"permission": ""}, Verdict.NOT_VERIFIED, None),
        ({}, Verdict.NOT_VERIFIED, None),
    ],
)
def test_what_a_key_may_do(told: dict[str, Any], expected: Verdict, ip: bool | None) -> None:
    passport = parse_rights({"code": "200000", "data": told})
    assert (verdict(passport), passport.ip_restricted) == (expected, ip)
