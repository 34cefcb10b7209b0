"""Bitget: both kinds of account, their own ratios and ours."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, KeyRefused, VenueDown
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.bitget import VENUE, parse, parse_permissions
from marginbot.exchanges.venues.bitget_rows import PRODUCTS
from marginbot.flow.ports import Credential
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Path_,
    clock,
    gap,
    judged,
    looks_calmer,
    number_paths,
    pool_named,
    spoiled,
)
from tests.servers.corpus import CorpusServer

D = Decimal
KEY = Credential("bg_" + "a" * 30, "s" * 64, "passphrase")


def position(symbol: str = "BTCUSDT", **told: Any) -> dict[str, Any]:
    """Classic: 2 BTC at 50,000, 0.46 % of it required, 10,000 behind it."""
    row = {"symbol": symbol, "marginCoin": "USDT", "holdSide": "long", "marginMode": "crossed", "total": "2"}
    row |= {"leverage": "10", "marginSize": "10000", "openPriceAvg": "50000", "unrealizedPL": "0"}
    row |= {"keepMarginRate": "0.004", "markPrice": "50000", "liquidationPrice": "45230", "marginRatio": "0.046"}
    return {**row, **told}


ISOLATED = position("ETHUSDT", marginMode="isolated", total="20", markPrice="5000", openPriceAvg="5000")
COIN = position("BTCUSD", marginCoin="BTC", total="2", marginSize="0.2", marginRatio="0.023")
TIERS = {
    "data": [
        {"symbol": "BTCUSDT", "startUnit": "0", "endUnit": "150000", "keepMarginRate": "0.004"},
        {"symbol": "BTCUSDT", "startUnit": "150000", "endUnit": "500000", "keepMarginRate": "0.005"},
    ]
}


def wallet(coin: str = "USDT", equity: str = "10000", rate: str = "0.046", **more: str) -> dict[str, Any]:
    return {"marginCoin": coin, "accountEquity": equity, "crossedRiskRate": rate, **more}


def classic(accounts: list[dict[str, Any]], *rows: dict[str, Any], product: str = "USDT-FUTURES") -> Payloads:
    return {
        "accounts": {at: {"data": accounts if at == product else []} for at in PRODUCTS},
        "positions": {at: {"data": list(rows) if at == product else []} for at in PRODUCTS},
        "tiers": {"BTCUSDT": TIERS},
    }


def unified(*rows: dict[str, Any], mmr: str = "400", equity: str = "10000", debt: str = "0") -> Payloads:
    assets = [
        {"coin": "USDT", "usdValue": "6000", "debt": "0"},
        {"coin": "BTC", "usdValue": "5000", "debt": debt},
    ]
    account = {"effEquity": equity, "accountEquity": "11000", "mmr": mmr, "assets": assets}
    account["mgnRatio"] = str(D(mmr) / D(equity)) if D(equity) else "0"
    lists: dict[str, Any] = {at: {"data": {"list": []}} for at in PRODUCTS}
    return {
        "settings": {"data": {"accountLevel": "advanced"}},
        "assets": {"data": account},
        "positions": {**lists, "USDT-FUTURES": {"data": {"list": list(rows)}}},
    }


def held(**told: Any) -> dict[str, Any]:
    """Unified: 2 BTC at 50,000."""
    row = {"symbol": "BTCUSDT", "marginCoin": "USDT", "posSide": "long", "marginMode": "crossed", "total": "2"}
    row |= {"leverage": "10", "positionBalance": "10000", "avgPrice": "50000", "unrealisedPnl": "0"}
    row |= {"mmr": "0.004", "markPrice": "50000", "liquidationPrice": "45230"}
    return {**row, **told}


def read(payloads: Payloads) -> Snapshot:
    return parse(payloads, NOTHING, NOW)


# -- classic


def test_a_cross_wallet() -> None:
    pool = pool_named(read(classic([wallet()], position())), "cross:USDT")
    # (0.4 % + 0.06 %) of 100,000 over 10,000.
    assert (pool.equity, pool.reported_ratio) == (D(10000), D("0.046"))
    assert pool.margin_ratio == D("0.046")
    assert pool.positions[0].tiers[0].maintenance_margin_rate == D("0.0046")


def test_what_isolated_positions_hold_does_not_back_the_others() -> None:
    found = read(classic([wallet(equity="20000")], position(), ISOLATED))
    assert pool_named(found, "cross:USDT").equity == D(10000)
    assert pool_named(found, "isolated:ETH/USDT:USDT:long").margin_ratio == D("0.046")


@pytest.mark.parametrize(
    ("account", "told", "expected"),
    [
        pytest.param("0", "0.046", "0.046", id="the account says zero, the position does not"),
        pytest.param("0.05", "0.046", "0.05", id="the worse of two"),
        pytest.param("0.01", "0.01", "0.046", id="ours is worse"),
        pytest.param("0", "0", "0.046", id="neither says anything: ours"),
    ],
)
def test_the_worst_figure_counts_and_it_is_said(account: str, told: str, expected: str) -> None:
    found = read(classic([wallet(rate=account)], position(marginRatio=told)))
    assert found.margin_ratio == D(expected)
    assert any("not in the market list" not in warning for warning in found.warnings)


def test_coin_margined_positions_are_kept_in_the_coin() -> None:
    pool = pool_named(read(classic([wallet("BTC", "0.4", "0.023")], COIN, product="COIN-FUTURES")), "cross:BTC")
    assert (pool.currency, pool.maintenance_margin, pool.positions[0].notional) == ("BTC", D("0.0092"), D(2))
    in_dollars = position("BTCUSD", marginCoin="BTC", total="100000", marginSize="0.2")
    pool = pool_named(read(classic([wallet("BTC", "0.4", "0.023")], in_dollars, product="COIN-FUTURES")), "cross:BTC")
    assert pool.positions[0].notional == D(2)


def test_a_wallet_of_the_same_coin_in_two_products_is_two_pools() -> None:
    payloads = classic([wallet()], position())
    payloads["accounts"]["COIN-FUTURES"]["data"] = [wallet(equity="700", rate="0")]
    assert {pool.name for pool in read(payloads).pools} == {"cross:USDT:USDT-FUTURES"}
    payloads["accounts"]["COIN-FUTURES"]["data"] = [wallet()]
    assert {pool.name for pool in read(payloads).pools} == {"cross:USDT"}


def test_union_mode() -> None:
    account = wallet(assetMode="union", unionTotalMagin="9200", unionMm="460", rate="0.05")
    found = read(classic([account], position(marginRatio="0.05")))
    pool = pool_named(found, "cross:USDT")
    assert (pool.currency, pool.equity, pool.margin_ratio) == ("USD", D(9200), D("0.05"))
    broken = {**account, "unionTotalMagin": "111,1"}
    found = read(classic([broken], position(marginRatio="0.05")))
    assert pool_named(found, "cross:USDT").margin_ratio == D("0.05")
    assert any("is no number" in warning for warning in found.warnings)


# -- unified


@pytest.mark.parametrize(("mmr", "own"), [("400", "400"), ("430", "430"), ("460", "460"), ("300", "460")])
def test_the_unified_account(mmr: str, own: str) -> None:
    found = read(unified(held(), mmr=mmr))
    pool = pool_named(found, "cross")
    # 0.4 % of 100,000 without the fee, 0.46 % with it.
    assert (pool.equity, pool.maintenance_margin, pool.reported_ratio) == (D(10000), D(own), D(mmr) / 10000)
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D(4000))]
    assert found.mode == "unified/advanced"


def test_a_ratio_that_fits_neither_way_round_is_said() -> None:
    for ratio, said in (("0.04", False), ("25", False), ("0.7", True)):
        payloads = unified(held())
        payloads["assets"]["data"]["mgnRatio"] = ratio
        assert any("does not follow" in warning for warning in read(payloads).warnings) is said


def test_an_isolated_position_is_checked_by_its_liquidation_price() -> None:
    found = read(unified(held(marginMode="isolated"), mmr="0"))
    pool = pool_named(found, "isolated:BTC/USDT:USDT:long")
    # At 45,230 9,540 are lost, and 460 required: 10,000.
    assert (pool.equity, pool.maintenance_margin) == (D(10000), D(460))
    nearer = read(unified(held(marginMode="isolated", liquidationPrice="47500"), mmr="0"))
    assert pool_named(nearer, "isolated:BTC/USDT:USDT:long").equity == D(5460)


# -- states and oddities


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param(classic([wallet(rate="0")]), PoolState.FLAT, id="classic, nothing held"),
        pytest.param(unified(mmr="0"), PoolState.FLAT, id="unified, nothing held"),
        pytest.param(unified(mmr="0", debt="100"), PoolState.UNKNOWN, id="a debt whose needs are not told"),
        pytest.param(unified(held(), mmr="0"), PoolState.OK, id="no requirement told: ours counts"),
        pytest.param(unified(held(), equity="-5"), PoolState.DEFICIT, id="unified, equity gone"),
        pytest.param(classic([wallet(equity="0")], position()), PoolState.DEFICIT, id="classic, equity gone"),
        pytest.param(classic([wallet(equity="")], position(marginRatio="")), PoolState.OK, id="equity by the ratio"),
        pytest.param(
            classic([wallet(rate="")], position(marginRatio="", keepMarginRate="0")), PoolState.OK, id="rate by tiers"
        ),
        pytest.param(
            classic([wallet(rate="")], position("SOLUSDT", marginRatio="", keepMarginRate="")),
            PoolState.UNKNOWN,
            id="no requirement at all",
        ),
        pytest.param(classic([], position(marginRatio="")), PoolState.UNKNOWN, id="positions without a wallet"),
    ],
)
def test_states(payloads: Payloads, state: PoolState) -> None:
    assert read(payloads).state is state


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param({"total": None}, id="no size"),
        pytest.param({"holdSide": ""}, id="no direction"),
        pytest.param({"marginMode": None}, id="no margin mode"),
        pytest.param({"symbol": "?"}, id="a strange name"),
        pytest.param({"markPrice": "x"}, id="no number"),
    ],
)
def test_rows_that_make_no_sense(spoil: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        read(classic([wallet()], position(**spoil)))


@pytest.mark.parametrize("part", ["accounts", "positions"])
def test_a_list_that_is_not_there_is_an_error(part: str) -> None:
    payloads = classic([wallet()], position())
    payloads[part]["USDC-FUTURES"] = {"code": "00000"}
    with pytest.raises(BadPayload):
        read(payloads)


def test_documented_positions_come_to_bitgets_ratio(corpus: Callable[[str], Any]) -> None:
    isolated = corpus("bitget/mix-all-position__jkorf.json")["data"]
    pool = read(classic([wallet(rate="0")], *isolated)).worst
    assert pool is not None
    assert gap(pool.margin_ratio, D("0.1082149545822005")) < D("1e-5")
    crossed = corpus("bitget/mix-all-position__ccxtsrc.json")["data"]
    # The equity that the ratio implies gives Bitget's liquidation price when the requirement stays what it is now.
    pool = read(classic([wallet(rate="0", equity="11.63475817")], *crossed)).worst
    assert pool is not None
    assert gap(pool.margin_ratio, D("0.029550120396")) < D("1e-6")
    assert pool.buffer is not None
    assert gap(D("37370.5") - pool.buffer / D("0.002"), D("31725.023602417")) < D("1e-6")


SOUND = {
    "cross": classic([wallet()], position()),
    "isolated": classic([wallet(equity="20000")], position(), ISOLATED),
    "coin": classic([wallet("BTC", "0.4", "0.023")], COIN, product="COIN-FUTURES"),
    "unified": unified(held()),
    "unified isolated": unified(held(marginMode="isolated"), mmr="0"),
}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name} {'.'.join(map(str, path[-3:]))}")
        for name, payloads in SOUND.items()
        for path in number_paths(payloads)
    ],
)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str, path: Path_) -> None:
    sound = copy.deepcopy(SOUND[name])
    before = judged(read(sound))
    for how, changed in spoiled(sound, path):
        assert looks_calmer(before, VENUE, changed, NOTHING) is None, how


@given(st.integers(40_000, 49_000), st.integers(1, 900))
def test_the_ratio_rises_as_the_price_moves_against_an_isolated_position(mark: int, more: int) -> None:
    def ratio(price: int) -> Decimal:
        row = position(marginMode="isolated", markPrice=str(price), marginRatio="", marginSize="22000")
        found = read(classic([wallet(rate="0")], {**row, "unrealizedPL": str(2 * (price - 50_000))})).margin_ratio
        assert found is not None
        return found

    assert ratio(mark) > ratio(mark + more)


# -- the key


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"unified": {"data": {"permType": "read-only", "ips": "1.2.3.4"}}}, Verdict.READ_ONLY),
        ({"unified": {"data": {"permType": "read-and-write"}}}, Verdict.NEEDS_CONSENT),
        ({"classic": {"data": {"authorities": ["readonly"]}}}, Verdict.READ_ONLY),
        ({"classic": {"data": {"authorities": ["readonly", "trade"]}}}, Verdict.NEEDS_CONSENT),
        ({"classic": {"data": {"authorities": ["trade", "withdraw"]}}}, Verdict.REFUSED),
        ({"classic": {"data": {"authorities": []}}}, Verdict.NOT_VERIFIED),
    ],
)
def test_what_the_key_may_do(answer: Any, found: Verdict) -> None:
    assert verdict(parse_permissions(answer)) is found


# -- through the real client

CLASSIC_ACCOUNT = {
    "/api/v2/mix/account/accounts": {"code": "00000", "data": [wallet()]},
    "/api/v2/mix/position/all-position": {"code": "00000", "data": [position()]},
}
UNIFIED_ACCOUNT = {
    "/api/v3/account/settings": {"code": "00000", "data": {"accountLevel": "advanced"}},
    "/api/v3/account/assets": {"code": "00000", **unified()["assets"]},
    "/api/v3/position/current-position": {"code": "00000", "data": {"list": [held()]}},
}
REFUSED = {"code": "40085", "msg": "You are in Unified Account mode", "data": None}


async def asked(answers: dict[str, Any], times: int = 1) -> tuple[Snapshot, list[str]]:
    async with CorpusServer([], answers) as server:
        reader = CcxtReader({"bitget": server.url})
        try:
            for _ in range(times):
                found = await reader.read("bitget", KEY, clock())
        finally:
            await reader.close()
        return found, [call.path for call in server.requests]


async def test_the_kind_of_account_is_found_and_remembered_when_told() -> None:
    found, calls = await asked(UNIFIED_ACCOUNT, times=2)
    assert found.mode == "unified/advanced"
    assert (calls.count("/api/v3/account/settings"), calls.count("/api/v3/account/assets")) == (1, 2)
    assert not any("/v2/mix/account" in path for path in calls)


async def test_a_unified_account_that_does_not_tell_its_kind_is_still_read_as_one() -> None:
    answers = {path: answer for path, answer in UNIFIED_ACCOUNT.items() if "settings" not in path}
    found, calls = await asked(answers, times=2)
    assert (found.mode, len(pool_named(found, "cross").positions)) == ("unified", 1)
    assert calls.count("/api/v3/account/settings") == 2, "a failed question is asked again"


async def test_a_classic_account() -> None:
    found, _ = await asked(CLASSIC_ACCOUNT)
    assert (found.mode, found.margin_ratio) == ("classic", D("0.046"))


async def test_a_unified_account_is_never_taken_for_an_empty_classic_one() -> None:
    with pytest.raises(VenueDown, match="40085"):
        await asked(dict.fromkeys(CLASSIC_ACCOUNT, REFUSED))


async def test_a_wrong_passphrase_says_so() -> None:
    answer = {"code": "40012", "msg": "apikey/password is incorrect"}
    with pytest.raises(KeyRefused) as caught:
        await asked(dict.fromkeys((*CLASSIC_ACCOUNT, *UNIFIED_ACCOUNT), answer))
    assert "passphrase is wrong" in caught.value.advice
