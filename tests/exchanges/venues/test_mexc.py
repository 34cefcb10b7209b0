"""MEXC futures: requirement and equity are worked out, the liquidation price is the second opinion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, PoolState, Side
from marginbot.domain.passport import Verdict, verdict
from marginbot.domain.room import room_of
from marginbot.domain.tiers import maintenance_margin
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.mexc import VENUE, parse_rights
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap, pool_named
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
TERMS: dict[str, Any] = {
    "symbol": "BTC_USDT", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT", "contractSize": 0.0001,
    "takerFeeRate": 0.0006, "maintenanceMarginRate": 0.004, "riskBaseVol": 10000, "riskIncrVol": 10000,
    "riskIncrMmr": 0.004, "riskLevelLimit": 5,
}  # fmt: skip
COIN_TERMS = TERMS | {"symbol": "BTC_USD", "quoteCoin": "USD", "settleCoin": "BTC", "contractSize": 100}
# 0.5 BTC at 100000: requirement 0.46 % of 50000 = 230. Isolated margin 1000, entry 99000: profit 500, equity 1500.
# Liquidated where 1000 + 0.5 (L - 99000) = 0.0046 x 0.5 L: at 97448.26.
LONG: dict[str, Any] = {
    "symbol": "BTC_USDT", "positionType": 1, "openType": 1, "holdVol": 5000, "holdAvgPrice": 99000, "im": 1000,
    "liquidatePrice": 97448.2,
}  # fmt: skip
# The wallet without the isolated position: 3500 behind a cross short of 0.1 BTC.
SHORT = LONG | {"positionType": 2, "openType": 2, "holdVol": 1000, "holdAvgPrice": 101000, "liquidatePrice": 134383.8}


def told(*positions: Mapping[str, Any], equity: Any = 5000, mark: Any = 100000, last: Any = 100100) -> Payloads:
    tickers = [{"symbol": row["symbol"], "fairPrice": mark, "lastPrice": last} for row in (TERMS, COIN_TERMS)]
    return {
        "assets": {"data": [{"currency": "USDT", "equity": equity, "unrealized": 600}]},
        "positions": {"success": True, "data": [dict(row) for row in positions]},
        "contracts": {"data": [dict(TERMS), dict(COIN_TERMS)]},
        "tickers": [{"data": tickers}],
    }


def test_isolated_and_cross_pools_by_hand() -> None:
    snapshot = VENUE.parse(told(LONG, SHORT), NOTHING, NOW)
    isolated, cross = (pool_named(snapshot, name) for name in ("isolated:BTC/USDT:USDT:long", "cross:USDT"))
    assert isolated.equity is not None
    assert gap(isolated.equity, D(1500)) < D("1e-12")
    assert (isolated.maintenance_margin, isolated.margin_mode) == (D("230.0000"), MarginMode.ISOLATED)
    assert cross.equity is not None
    assert gap(cross.equity, D(3500)) < D("1e-12")
    assert (cross.maintenance_margin, cross.positions[0].side) == (D("46.0000"), Side.SHORT)
    assert snapshot.warnings == ()


def test_the_liquidation_price_is_reproduced(corpus: Corpus) -> None:
    # 100x, 0.01 ETH at 1217.3: 0.1290338 is 1 % and the opening fee. 0.4 % + 0.06 % gives 1209.96, MEXC said 1211.2.
    position, terms = corpus("mexc/open-positions__ccxtsrc.json"), corpus("mexc/contract-detail__jkorf.json")
    terms["data"][1]["contractSize"] = 0.01
    ticker = {"data": {"symbol": "ETH_USDT", "fairPrice": 1217.3, "lastPrice": 1217.3}}
    assets = corpus("mexc/account-assets__jkorf.json")
    payloads = {"assets": assets, "positions": position, "contracts": terms, "tickers": [ticker]}
    pool = pool_named(VENUE.parse(payloads, NOTHING, NOW), "isolated:ETH/USDT:USDT:long")
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert 1217.3 * (1 + down) == pytest.approx(1209.96, abs=0.01)
    assert 1217.3 * (1 + down) == pytest.approx(1211.2, rel=0.01)


def test_a_size_that_the_liquidation_price_contradicts_is_told_and_the_price_counts(corpus: Corpus) -> None:
    payloads = {
        "assets": corpus("mexc/account-assets__jkorf.json"),
        "positions": corpus("mexc/open-positions__jkorf.json"),
        "contracts": corpus(
            "mexc/contract-detail__jkorf.json"
        ),  # 0.001 ETH a contract, the position has ten times that
        "tickers": [],
    }
    snapshot = VENUE.parse(payloads, NOTHING, NOW)
    pool = pool_named(snapshot, "isolated:ETH/USDT:USDT:long")
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert 1217.3 * (1 + down) == pytest.approx(1211.2, rel=1e-9)
    assert any("by the liquidation price" in warning for warning in snapshot.warnings)
    assert any("worked out from the profit" in warning for warning in snapshot.warnings)


def test_risk_levels_are_counted_in_contracts_and_raise_the_rate() -> None:
    position = VENUE.parse(told(LONG), NOTHING, NOW).pools[-1].positions[0]
    assert [(tier.floor, tier.cap) for tier in position.tiers][:2] == [(D(0), D(100000)), (D(100000), D(200000))]
    assert position.tiers[-1].cap is None
    assert maintenance_margin(D(250000), position.tiers) == 250000 * (D("0.0046") + 2 * D("0.004"))


def test_a_coin_margined_position_is_kept_in_its_coin() -> None:
    # 500 contracts of 100 dollars at 100000: 0.5 BTC. Short from 101000: 50000 (1/100000 - 1/101000) = 0.00495 BTC.
    row = LONG | {"symbol": "BTC_USD", "positionType": 2, "holdVol": 500, "holdAvgPrice": 101000, "im": 0.01}
    pool = VENUE.parse(told(row | {"liquidatePrice": 0}), NOTHING, NOW).pools[-1]
    assert (pool.currency, pool.positions[0].notional, pool.positions[0].coin_settled) == ("BTC", D("0.5"), True)
    assert pool.equity is not None
    assert gap(pool.equity, D("0.01") + D("0.00495049504950")) < D("1e-9")


@pytest.mark.parametrize(
    ("changes", "payload", "state", "word"),
    [
        pytest.param(
            {}, {"tickers": [{"data": []}], "assets": {"data": []}}, PoolState.UNKNOWN, "judged", id="no mark"
        ),
        pytest.param({}, {"contracts": None}, PoolState.UNKNOWN, "terms are missing", id="no contract terms"),
        pytest.param({"openType": 7}, {}, PoolState.OK, "cross or isolated", id="no margin mode"),
        pytest.param({"im": None}, {}, PoolState.OK, "worked out from the liquidation", id="no margin"),
        pytest.param({"im": 9000}, {}, PoolState.OK, "less counts", id="more margin than the liquidation price allows"),
        pytest.param({"liquidatePrice": 101000}, {}, PoolState.DEFICIT, "less counts", id="past the trigger"),
        pytest.param(
            {"openType": 2}, {"assets": {"data": []}}, PoolState.OK, "worked out", id="cross without a balance"
        ),
    ],
)
def test_edges(changes: dict[str, Any], payload: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse({**told(LONG | changes), **payload}, NOTHING, NOW)
    assert snapshot.state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_doubtful_mark_is_told() -> None:
    for mark, last, word in (
        ("", 100000, "last traded price"),
        (100000, 50000, "confirmed"),
        (100000, "", "confirmed"),
    ):
        assert any(word in warning for warning in VENUE.parse(told(LONG, mark=mark, last=last), NOTHING, NOW).warnings)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"positions": {"success": True}}, id="no list"),
        pytest.param({"assets": {"data": None}}, id="no balances"),
        *(
            pytest.param({"positions": {"data": [dict(LONG | {name: ""})]}}, id=f"no {name}")
            for name in ("holdVol", "positionType")
        ),
    ],
)
def test_what_cannot_be_read_is_refused(payload: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse({**told(LONG), **payload}, NOTHING, NOW)


def test_an_account_without_positions_is_flat() -> None:
    snapshot = VENUE.parse(told(), NOTHING, NOW)
    assert (snapshot.state, snapshot.pools[0].equity, snapshot.warnings) == (PoolState.FLAT, D(5000), ())


def test_the_market_list_stands_in_for_the_terms_size() -> None:
    known = Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D("0.0001"))
    payloads = {**told(LONG), "contracts": None}
    position = VENUE.parse(payloads, Reference(instruments={"BTC_USDT": known}), NOW).pools[-1].positions[0]
    assert position.notional == D(50000)
    assert replace(position, tiers=()).maintenance_margin is None


def isolated_ratio(row: Mapping[str, Any], mark: Decimal) -> Decimal:
    ratio = VENUE.parse(told(row, mark=str(mark), last=str(mark)), NOTHING, NOW).pools[-1].margin_ratio
    assert ratio is not None
    return ratio


@given(st.decimals(min_value=97500, max_value=99000, places=2), st.decimals(min_value=1, max_value=2000, places=2))
def test_the_ratio_rises_as_the_price_falls_on_a_long(mark: Decimal, fall: Decimal) -> None:
    lower = max(mark - fall, D(97460))
    assert isolated_ratio(LONG, lower) > isolated_ratio(LONG, mark)


@given(st.integers(min_value=1, max_value=9000), st.decimals(min_value=98000, max_value=110000, places=1))
def test_the_size_of_a_position_does_not_change_its_ratio(contracts: int, mark: Decimal) -> None:
    sized = LONG | {"holdVol": contracts, "im": str(D(1000) * contracts / 5000)}
    assert gap(isolated_ratio(sized, mark), isolated_ratio(LONG, mark)) < D("1e-9")


def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence() -> None:
    assert list(silent_faults(VENUE, told(LONG, SHORT), NOTHING)) == []


async def test_few_symbols_are_asked_for_one_by_one_and_many_at_once() -> None:
    def answers(count: int) -> Asked:
        rows = [{"symbol": f"C{index}_USDT"} for index in range(count)]
        return Asked({
            "contractPrivateGetAccountAssets": {"data": []},
            "contractPrivateGetPositionOpenPositions": {"data": rows},
            "contractPublicGetTicker": {"data": []},
        })  # fmt: skip

    for count, asked in ((0, 0), (2, 2), (9, 1)):
        api = answers(count)
        await VENUE.fetch(api)
        assert sum(method == "contractPublicGetTicker" for method, _ in api.made) == asked


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"permissions": "CONTRACT_ACCOUNT_READ,CONTRACT_DEAL_READ", "ipWhiteList": ""}, Verdict.READ_ONLY),
        ({"permissions": "CONTRACT_ACCOUNT_READ,SPOT_DEAL_WRITE"}, Verdict.NEEDS_CONSENT),
        ({"permissions": "CONTRACT_ACCOUNT_READ,SOMETHING"}, Verdict.NEEDS_CONSENT),
        ({"permissions": "SPOT_ACCOUNT_READ,SPOT_WITHDRAW_WRITE"}, Verdict.REFUSED),
        ({"permissions": "SPOT_ACCOUNT_READ,SPOT_TRANSFER_WRITE"}, Verdict.REFUSED),
        ({"permissions": None}, Verdict.NOT_VERIFIED),
    ],
)
def test_what_a_key_may_do(answer: dict[str, Any], expected: Verdict) -> None:
    assert verdict(parse_rights(answer)) is expected
