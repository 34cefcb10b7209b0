"""BingX perpetual futures: risk rates against leverage tiers and liquidation prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, VenueDown
from marginbot.domain.margin import PoolState, Side
from marginbot.domain.passport import Verdict, verdict
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.bingx import VENUE, fetch_rights, parse_rights
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap, pool_named
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
SINGLE = {"code": 0, "data": {"assetMode": "singleAssetMode"}}
MULTI = {"code": 0, "data": {"assetMode": "multiAssetsMode"}}
MARKETS = Reference(
    instruments={
        "BTC-USDT": Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D(1)),
        "SOL-USD": Instrument(
            symbol="SOL/USD:SOL", underlying="SOL", settle="SOL", contract_size=D(10), is_inverse=True
        ),
    }
)
TIERS: dict[str, Any] = {
    "data": [
        {"minPositionVal": "0", "maxPositionVal": "150000", "maintMarginRatio": "0.0038", "maintAmount": "0"},
        {"minPositionVal": "150000", "maxPositionVal": "900000", "maintMarginRatio": "0.004", "maintAmount": "30"},
    ]
}
# Half a coin at 100000: requirement (0.38 % + 0.05 %) of 50000 = 215.
LONG: dict[str, Any] = {
    "symbol": "BTC-USDT", "currency": "USDT", "positionAmt": "0.5", "positionSide": "LONG", "isolated": False,
    "avgPrice": "99000", "initialMargin": "4950", "margin": "5450", "leverage": 10, "unrealizedProfit": "500",
    "liquidationPrice": 0, "riskRate": "0.0430", "markPrice": "100000", "positionValue": "50000",
    "onlyOnePosition": True,
}  # fmt: skip
BALANCE = {"asset": "USDT", "balance": "4500", "equity": "5000", "unrealizedProfit": "500"}
# Isolated with 1500: liquidated where 1500 - 0.5 (100000 - L) = 0.0043 x 0.5 L.
ISOLATED = LONG | {"isolated": True, "margin": "1500", "initialMargin": "1000", "riskRate": "0.1433",
                   "liquidationPrice": 97418.9}  # fmt: skip


def told(*positions: Mapping[str, Any], mode: Any = SINGLE, balances: Any = None, rules: Any = None) -> Payloads:
    owned = balances or [dict(BALANCE)]
    return {
        "linear": {"positions": {"data": [dict(row) for row in positions]}, "balance": {"data": owned}},
        "inverse": {"positions": {"data": []}, "balance": {"data": []}},
        "mode": mode,
        "tiers": {"BTC-USDT": TIERS},
        "rules": rules,
    }


def test_a_coin_margined_position_is_liquidated_where_the_venue_says(corpus: Corpus) -> None:
    account = {
        "positions": corpus("bingx/cswap-positions__ccxtsrc.json"),
        "balance": corpus("bingx/cswap-balance__ccxtsrc.json"),
    }
    snapshot = VENUE.parse({"inverse": account}, MARKETS, NOW)
    pool = pool_named(snapshot, "cross:SOL")
    assert (pool.currency, pool.equity, pool.positions[0].coin_settled) == ("SOL", D("0.35791051"), True)
    assert gap(pool.margin_ratio, D("0.00123783")) < D("1e-9")
    # 0.7 % of ten dollars in SOL
    assert gap(pool.maintenance_margin, D("0.007") * 10 / D("158.402")) < D("0.005")
    down = room_of(pool, {}, NOW).scenarios[0].down
    assert down is not None
    assert 158.402 * (1 + down) == pytest.approx(23.968303426677032, rel=0.01)
    assert not [warning for warning in snapshot.warnings if "unchecked" in warning]


@pytest.mark.parametrize("reference", [MARKETS, NOTHING], ids=["markets loaded", "no markets"])
def test_the_documented_linear_account_is_read(corpus: Corpus, reference: Reference) -> None:
    account = {
        "positions": corpus("bingx/positions__ccxtsrc.json"),
        "balance": corpus("bingx/swap-balance__ccxtsrc.json"),
    }
    pool = pool_named(VENUE.parse({"linear": account, "mode": SINGLE}, reference, NOW), "cross:USDT")
    assert (pool.equity, pool.margin_ratio) == (D("196.7431"), D("0.0008"))


def test_cross_by_hand() -> None:
    snapshot = VENUE.parse(told(LONG), MARKETS, NOW)
    pool = pool_named(snapshot, "cross:USDT")
    assert pool.positions[0].maintenance_margin == D("215.00000")
    assert (pool.equity, pool.margin_ratio, snapshot.warnings) == (D(5000), D("0.0430"), ())
    assert snapshot.mode == "single-asset/one-way"


def test_isolated_margin_leaves_the_wallet() -> None:
    snapshot = VENUE.parse(told(LONG | {"riskRate": "0.0614"}, ISOLATED), MARKETS, NOW)
    cross, isolated = (pool_named(snapshot, name) for name in ("cross:USDT", "isolated:BTC/USDT:USDT:long"))
    assert (cross.equity, isolated.equity) == (D(3500), D(1500))
    assert gap(isolated.margin_ratio, D(215) / 1500) < D("0.001")
    assert snapshot.warnings == ()
    down = room_of(isolated, {}, NOW).scenarios[0].down
    assert down is not None
    assert 100000 * (1 + down) == pytest.approx(97418.9, rel=1e-4)


@pytest.mark.parametrize(
    ("rates", "expected", "warned"),
    [(("0.086", "0.086"), "0.086", False), (("0.043", "0.063"), "0.106", True), (("0.086", ""), "0.086", True)],
)
def test_the_accounts_ratio_out_of_several_rows(rates: tuple[str, str], expected: str, warned: bool) -> None:
    rows = [LONG | {"riskRate": rates[0]}, LONG | {"riskRate": rates[1], "positionSide": "SHORT"}]
    snapshot = VENUE.parse(told(*rows), MARKETS, NOW)
    assert snapshot.pools[0].reported_ratio == D(expected)
    assert bool(snapshot.warnings) is warned


def test_multi_assets_are_counted_at_index_and_ratio() -> None:
    coins = [dict(BALANCE), {"asset": "BTC", "balance": "0.1", "equity": "0.1", "unrealizedProfit": "0"}]
    rules = {"data": [{"marginAssets": "BTC", "indexPrice": "100000", "collateralValueRatio": "0.9"}]}
    row = LONG | {"riskRate": "0.0154"}
    snapshot = VENUE.parse(told(row, mode=MULTI, balances=coins, rules=rules), MARKETS, NOW)
    pool = pool_named(snapshot, "cross")
    assert (pool.currency, pool.equity) == ("USD", D(14000))
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D(9000))]
    unknown = VENUE.parse(told(row, mode=MULTI, balances=coins), MARKETS, NOW)
    assert pool_named(unknown, "cross").margin_ratio == D("0.0154")
    assert any("worked out from BingX's risk rate" in warning for warning in unknown.warnings)


@pytest.mark.parametrize(
    ("side", "amount", "profit", "expected"),
    [
        ("SHORT", "0.5", "500", Side.SHORT),
        ("BOTH", "-0.5", "-500", Side.SHORT),
        ("BOTH", "0.5", "500", Side.LONG),
        ("BOTH", "0.5", "-500", Side.SHORT),
    ],
)
def test_the_direction(side: str, amount: str, profit: str, expected: Side) -> None:
    row = LONG | {"positionSide": side, "positionAmt": amount, "unrealizedProfit": profit}
    assert VENUE.parse(told(row), MARKETS, NOW).pools[0].positions[0].side is expected


@pytest.mark.parametrize(
    ("changes", "payload", "state", "word"),
    [
        pytest.param({"riskRate": "0"}, {}, PoolState.OK, "missing or impossible", id="a rate of zero"),
        pytest.param({"riskRate": ""}, {"tiers": {}}, PoolState.UNKNOWN, "no usable", id="neither rate nor tiers"),
        pytest.param({}, {"tiers": {}}, PoolState.OK, "unchecked", id="no tiers"),
        pytest.param({"riskRate": "0.5"}, {}, PoolState.OK, "the worse one counts", id="the venue sees more danger"),
        pytest.param({"isolated": None}, {}, PoolState.OK, "cross or isolated", id="no margin mode"),
        pytest.param({"positionValue": "80000"}, {}, PoolState.OK, "values it at", id="two sizes"),
        pytest.param({"markPrice": ""}, {}, PoolState.OK, "no mark price", id="no mark"),
        pytest.param({}, {"mode": None}, PoolState.OK, "multi-assets mode is on", id="no mode"),
        pytest.param({}, {"inverse": None}, PoolState.OK, "coin-margined account", id="an account without answer"),
        pytest.param(
            {"isolated": True, "liquidationPrice": 99999}, {}, PoolState.OK, "less counts", id="near by the price"
        ),
    ],
)
def test_edges(changes: dict[str, Any], payload: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse({**told(LONG | changes), **payload}, MARKETS, NOW)
    assert snapshot.state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_negative_equity_is_a_deficit() -> None:
    balance = BALANCE | {"equity": "-20", "balance": "-520"}
    assert VENUE.parse(told(LONG, balances=[balance]), MARKETS, NOW).state is PoolState.DEFICIT


def test_an_older_balance_is_an_object() -> None:
    payloads = told(LONG)
    payloads["linear"]["balance"] = {"data": {"balance": dict(BALANCE)}}
    assert VENUE.parse(payloads, MARKETS, NOW).pools[0].equity == D(5000)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"linear": None, "inverse": None}, id="no account"),
        pytest.param({"linear": {"positions": {}, "balance": {"data": []}}}, id="no list of positions"),
        pytest.param({"linear": {"positions": {"data": []}, "balance": {"data": None}}}, id="no balances"),
        pytest.param(told(LONG | {"positionAmt": ""}), id="no size"),
        pytest.param(told(LONG | {"symbol": None}), id="no symbol"),
    ],
)
def test_what_cannot_be_read_is_refused(payload: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse({**told(LONG), **payload}, MARKETS, NOW)


@pytest.mark.parametrize("rows", [(LONG,), (LONG | {"riskRate": "0.0614"}, ISOLATED)], ids=["cross", "isolated"])
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(rows: tuple[Mapping[str, Any], ...]) -> None:
    assert list(silent_faults(VENUE, told(*rows), MARKETS)) == []


# -- asking

ANSWERS: dict[str, Any] = {
    "swapV2PrivateGetUserPositions": {"data": [{"symbol": f"C{i}-USDT", "positionValue": str(i)} for i in range(12)]},
    "swapV3PrivateGetUserBalance": {"data": []},
    "cswapV1PrivateGetUserPositions": {"data": []},
    "cswapV1PrivateGetUserBalance": {"data": []},
}


async def test_tiers_are_asked_for_the_largest_positions() -> None:
    told_of = await VENUE.fetch(Asked(ANSWERS))
    assert list(told_of["tiers"]) == [f"C{i}-USDT" for i in range(11, 3, -1)]


async def test_an_account_that_does_not_exist_is_left_out_but_one_that_fails_is_not() -> None:
    refused = await VENUE.fetch(Asked(ANSWERS | {"cswapV1PrivateGetUserPositions": None}))
    assert refused["inverse"] is None
    with pytest.raises(VenueDown):
        await VENUE.fetch(Asked(ANSWERS | {"cswapV1PrivateGetUserPositions": VenueDown("down")}))
    with pytest.raises(BadPayload):
        await VENUE.fetch(Asked({}))


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ([2], Verdict.READ_ONLY),
        (["2"], Verdict.READ_ONLY),
        ([2, 3], Verdict.NEEDS_CONSENT),
        ([2, 9], Verdict.NEEDS_CONSENT),
        ([2, 4], Verdict.REFUSED),
        ([2, 7], Verdict.REFUSED),
        ([2, 5], Verdict.REFUSED),
        ([], Verdict.NOT_VERIFIED),
        ([True], Verdict.NOT_VERIFIED),
        (None, Verdict.NOT_VERIFIED),
    ],
)
async def test_what_a_key_may_do(rights: Any, expected: Verdict) -> None:
    for answer in ({"permissions": rights, "ipAddresses": []}, {"code": 0, "data": {"permissions": rights}}):
        asked = await fetch_rights(Asked({"accountV1PrivateGetAccountApiPermissions": answer}))
        assert verdict(parse_rights(asked)) is expected
