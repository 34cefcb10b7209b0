"""HTX futures: the USDT-margined account, the coin-margined ones, and the first version's answers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, RateLimited, Unsupported, VenueDown
from marginbot.domain.margin import PoolState, Side
from marginbot.domain.passport import Verdict, verdict
from marginbot.domain.room import room_of
from marginbot.exchanges.priced import priced_equity
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.htx import VENUE, fetch_rights, parse_rights
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap, pool_named
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
MARKETS = Reference(
    instruments={
        "BTC-USDT": Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D("0.001")),
        "ETH-USDT": Instrument(symbol="ETH/USDT:USDT", underlying="ETH", settle="USDT", contract_size=D("0.01")),
    }
)
NOTHING_HELD: dict[str, Any] = {"accounts": {"data": []}, "positions": {"data": []}}
# Half a coin at 100000: requirement 0.4 % = 200, equity 5000.
LONG: dict[str, Any] = {
    "contract_code": "BTC-USDT", "position_side": "both", "direction": "buy", "margin_mode": "cross",
    "open_avg_price": "99000", "volume": "500", "lever_rate": 10, "initial_margin": "5000", "margin": "5000",
    "maintenance_margin": "200", "profit_unreal": "500", "margin_rate": "0.0400", "mark_price": "100000",
    "last_price": "100050", "liquidation_price": "90361.4",
}  # fmt: skip
ISOLATED = LONG | {"contract_code": "ETH-USDT", "margin_mode": "isolated", "volume": "100", "mark_price": "4000",
                   "last_price": "4001", "open_avg_price": "4100", "initial_margin": "400", "margin": "400",
                   "profit_unreal": "-100", "maintenance_margin": "20", "margin_rate": "0.0666",
                   "liquidation_price": "3718.6"}  # fmt: skip
DETAIL = {"currency": "USDT", "equity": "5000", "isolated_equity": "0"}
ACCOUNT: dict[str, Any] = {"state": "normal", "equity": "5000", "maintenance_margin": "200", "details": [DETAIL]}


def told(*positions: Mapping[str, Any], account: Any = ACCOUNT, **others: Any) -> Payloads:
    return {
        "balance": {"code": 200, "data": dict(account)},
        "positions": {"code": 200, "data": [dict(row) for row in positions]},
        "swaps": NOTHING_HELD,
        "futures": NOTHING_HELD,
        **others,
    }


# -- the USDT-margined account


def test_the_documented_position_fits_its_rate_and_its_negative_liquidation_price(corpus: Corpus) -> None:
    payloads = told() | {"balance": corpus("htx/v5-balance__ccxtsrc.json")}
    payloads["positions"] = corpus("htx/v5-positions__ccxtsrc.json")
    snapshot = VENUE.parse(payloads, MARKETS, NOW)
    pool = pool_named(snapshot, "cross")
    assert (pool.equity, pool.maintenance_margin) == (D("174.216697577770536136"), D("0.2147627"))
    assert pool.positions[0].liquidation_price is None
    # E + 0.001 (L - 63165.5) = 0.34 % x 0.001 L with L = -110163.844: E = 172.9548, and 0.2147627 / E = 0.0012 4
    behind = D("63.1655") + D("110.163844268") * (1 - D("0.0034"))
    assert str(D("0.2147627") / behind)[:6] == "0.0012"
    assert gap(pool.equity, behind) < D("0.01")  # the two answers are months apart


def test_cross_and_isolated_by_hand() -> None:
    account = ACCOUNT | {"equity": "5300", "maintenance_margin": "220"}
    account["details"] = [DETAIL | {"equity": "5300", "isolated_equity": "300"}]
    snapshot = VENUE.parse(told(LONG, ISOLATED, account=account), MARKETS, NOW)
    cross, isolated = (pool_named(snapshot, name) for name in ("cross", "isolated:ETH/USDT:USDT:long"))
    assert (cross.equity, cross.margin_ratio) == (D(5000), D("0.04"))
    assert (isolated.equity, isolated.positions[0].notional) == (D(300), D(4000))
    assert gap(isolated.margin_ratio, D(20) / 300) < D("0.002")
    assert snapshot.warnings == ()
    down = room_of(isolated, {}, NOW).scenarios[0].down
    assert down is not None
    # 300 - 4000 x = 20 (1 - x)
    assert 4000 * (1 + down) == pytest.approx(4000 * (1 - 280 / 3980), rel=1e-3)


def test_without_markets_margin_and_leverage_tell_the_value() -> None:
    snapshot = VENUE.parse(told(LONG), NOTHING, NOW)
    assert snapshot.pools[0].positions[0].notional == D(50000)
    assert any("contract size not known" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize(("rates", "expected"), [(("0.08", "0.08"), "0.08"), (("0.04", "0.06"), "0.10")])
def test_the_accounts_ratio_out_of_several_rows(rates: tuple[str, str], expected: str) -> None:
    short = {"position_side": "short", "direction": "sell", "liquidation_price": "-1"}
    rows = [LONG | {"margin_rate": rates[0]}, LONG | short | {"margin_rate": rates[1]}]
    snapshot = VENUE.parse(told(*rows, account=ACCOUNT | {"maintenance_margin": "400"}), MARKETS, NOW)
    assert snapshot.pools[0].reported_ratio == D(expected)
    assert [position.side for position in snapshot.pools[0].positions] == [Side.LONG, Side.SHORT]


@pytest.mark.parametrize(
    ("position", "account", "state", "word"),
    [
        pytest.param(
            {"maintenance_margin": "", "margin_rate": ""}, {"maintenance_margin": ""}, PoolState.UNKNOWN, "no usable",
            id="no requirement at all",
        ),
        pytest.param({"maintenance_margin": "0"}, {}, PoolState.OK, "no maintenance margin", id="none of the row"),
        pytest.param({}, {"maintenance_margin": "0"}, PoolState.OK, "added up", id="none of the account"),
        pytest.param({}, {"maintenance_margin": "900"}, PoolState.OK, "requires more", id="the account needs more"),
        pytest.param({"margin_rate": "0"}, {}, PoolState.OK, "missing or impossible", id="a rate of zero"),
        pytest.param({"margin_rate": "0.5"}, {}, PoolState.OK, "the worse one", id="the venue sees more danger"),
        pytest.param({}, {"equity": "9000"}, PoolState.OK, "smaller counts", id="two balances"),
        pytest.param({}, {"equity": "-3", "details": []}, PoolState.DEFICIT, "", id="nothing left"),
        pytest.param({"margin_mode": ""}, {}, PoolState.OK, "cross or isolated", id="no margin mode"),
        pytest.param({"mark_price": ""}, {}, PoolState.OK, "last traded price", id="no mark"),
        pytest.param({"mark_price": "130000"}, {}, PoolState.OK, "confirmed", id="a doubtful mark"),
        pytest.param({"volume": "900"}, {}, PoolState.OK, "margin and leverage", id="two sizes"),
        pytest.param({"liquidation_price": "99990"}, {}, PoolState.OK, "less counts", id="near by the price"),
        pytest.param({}, {"state": "liquidating"}, PoolState.OK, "liquidating", id="a state of its own"),
        pytest.param(
            {}, {"details": [DETAIL, {"currency": "BTC", "equity": "1"}]}, PoolState.OK, "not in the room", id="a coin"
        ),
    ],
)  # fmt: skip
def test_edges(position: dict[str, Any], account: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse(told(LONG | position, account=ACCOUNT | account), MARKETS, NOW)
    assert snapshot.state is state
    assert not word or any(word in warning for warning in snapshot.warnings)


def test_an_account_without_positions_is_flat_unless_it_requires_margin() -> None:
    idle = VENUE.parse(told(account=ACCOUNT | {"maintenance_margin": "0"}), MARKETS, NOW)
    assert (idle.state, idle.warnings) == (PoolState.FLAT, ())
    assert any("lists no cross position" in warning for warning in VENUE.parse(told(), MARKETS, NOW).warnings)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"positions": {"code": 500, "message": "busy"}}, id="an error that passed as an answer"),
        pytest.param({"balance": {"code": 200, "data": None}}, id="no balance"),
        pytest.param({"swaps": {"accounts": {"data": []}, "positions": {}}}, id="no list of coin-margined positions"),
        *(
            pytest.param({"positions": {"data": [LONG | {name: ""}]}}, id=f"no {name}")
            for name in ("contract_code", "volume", "direction")
        ),
    ],
)
def test_what_cannot_be_read_is_refused(payload: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse({**told(LONG), **payload}, MARKETS, NOW)


# -- coin-margined

COIN = {
    "symbol": "BTC", "contract_code": "BTC-USD", "margin_balance": "0.1", "margin_position": "0.02",
    "margin_frozen": "0.005", "risk_rate": "3.8", "adjust_factor": "0.2",
}  # fmt: skip
COIN_SHORT = {
    "symbol": "BTC", "contract_code": "BTC-USD", "volume": "100", "direction": "sell", "position_margin": "0.02",
    "lever_rate": "5", "last_price": "100000", "cost_open": "101000", "profit_unreal": "0.00099",
}  # fmt: skip


def coins(account: Mapping[str, Any] = COIN, position: Mapping[str, Any] = COIN_SHORT) -> Payloads:
    return {"accounts": {"data": [dict(account)] if account else []}, "positions": {"data": [dict(position)]}}


def test_a_coin_margined_account_by_hand() -> None:
    # 0.1 / 0.025 - 0.2 = 3.8; liquidated where the balance is 0.2 x 0.025
    snapshot = VENUE.parse(told(account=ACCOUNT | {"maintenance_margin": "0"}, swaps=coins()), MARKETS, NOW)
    pool = pool_named(snapshot, "swaps:BTC")
    assert (pool.currency, pool.equity) == ("BTC", D("0.1"))
    assert gap(pool.margin_ratio, D("0.05")) < D("1e-12")
    assert (pool.positions[0].notional, pool.positions[0].coin_settled) == (D("0.1"), True)
    assert snapshot.warnings == ()


@pytest.mark.parametrize(
    ("account", "position", "state", "word"),
    [
        pytest.param(COIN | {"risk_rate": None}, {}, PoolState.OK, "missing or impossible", id="no ratio"),
        pytest.param(COIN | {"risk_rate": "-0.1"}, {}, PoolState.OK, "worse one counts", id="past the trigger"),
        pytest.param(COIN | {"adjust_factor": ""}, {}, PoolState.UNKNOWN, "no usable", id="no factor"),
        pytest.param(COIN | {"margin_balance": "-0.01"}, {}, PoolState.DEFICIT, "", id="nothing left"),
        pytest.param({}, {}, PoolState.UNKNOWN, "no usable", id="a position without account"),
        pytest.param(COIN, {"lever_rate": ""}, PoolState.OK, "value is not known", id="no leverage"),
    ],
)
def test_edges_of_coin_margined_accounts(
    account: Mapping[str, Any], position: Mapping[str, Any], state: PoolState, word: str
) -> None:
    futures = coins(account, COIN_SHORT | {"contract_code": "BTC261225"} | dict(position))
    snapshot = VENUE.parse(told(account=ACCOUNT | {"maintenance_margin": "0"}, futures=futures), MARKETS, NOW)
    pool = pool_named(snapshot, "futures:BTC")
    assert (pool.state, pool.positions[0].symbol) == (state, "BTC/USD:BTC-261225")
    assert not word or any(word in warning for warning in snapshot.warnings)


# -- the first version


def test_the_documented_risk_rates_are_reproduced(corpus: Corpus) -> None:
    older = {
        "isolated": corpus("htx/isolated-account-position__jkorf.json"),
        "cross": corpus("htx/cross-account-position__jkorf.json"),
    }
    snapshot = VENUE.parse({"older": older, "swaps": NOTHING_HELD, "futures": NOTHING_HELD}, MARKETS, NOW)
    isolated, cross = (pool_named(snapshot, name) for name in ("isolated:BTC/USDT:USDT", "cross:USDT"))
    # 99.75173164 / (1.30699 + 12.73) - 0.075 = 7.0313477, and 10000.02705679 / (0.7835736 + 1.32) - 1 = 4752.828
    assert gap(isolated.margin_ratio, D("0.075") / (D("7.0313477027482385") + D("0.075"))) < D("1e-9")
    assert gap(D("0.075") * (D("1.30699") + D("12.73")) / D("99.75173164"), isolated.margin_ratio or D(0)) < D("1e-9")
    assert gap(cross.margin_ratio, 1 / (D("4752.827989089614") + 1)) < D("1e-9")
    assert gap(D("2.1035736") / D("10000.02705679"), cross.margin_ratio or D(0)) < D("1e-9")
    assert [position.symbol for position in cross.positions] == ["BTC/USDT:USDT", "BTC/USDT:USDT-211210"]
    assert not [warning for warning in snapshot.warnings if "market list" not in warning]
    assert priced_equity(cross.positions) is None


# -- spoiled

SOUND = {
    "cross": told(LONG),
    "both": told(
        LONG,
        ISOLATED,
        account=ACCOUNT | {"equity": "5300", "maintenance_margin": "220",
                           "details": [DETAIL | {"equity": "5300", "isolated_equity": "300"}]},
    ),
    "coin-margined": told(account=ACCOUNT | {"maintenance_margin": "0"}, swaps=coins()),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str) -> None:
    assert VENUE.parse(SOUND[name], MARKETS, NOW).warnings == ()
    assert list(silent_faults(VENUE, SOUND[name], MARKETS)) == []


# -- asking

ANSWERS: dict[str, Any] = {
    "contractPrivateGetV5AccountBalance": {"data": {}},
    "contractPrivateGetV5TradePositionOpens": {"data": []},
    "contractPrivatePostSwapApiV1SwapAccountInfo": {"data": []},
    "contractPrivatePostSwapApiV1SwapPositionInfo": {"data": []},
    "contractPrivatePostApiV1ContractAccountInfo": {"data": []},
    "contractPrivatePostApiV1ContractPositionInfo": {"data": []},
}


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        pytest.param(Unsupported("not opened"), NOTHING_HELD, id="never opened"),
        pytest.param(BadPayload("odd"), None, id="no answer that we know"),
        pytest.param(VenueDown("htx: ExchangeNotAvailable HTTP 404"), None, id="no such address"),
    ],
)
async def test_coin_margined_accounts_may_be_missing(answer: Exception, left: Any) -> None:
    payloads = await VENUE.fetch(Asked(ANSWERS | {"contractPrivatePostSwapApiV1SwapAccountInfo": answer}))
    assert payloads["swaps"] == left
    warned = any("coin-margined swaps" in text for text in VENUE.parse(told(LONG, swaps=left), MARKETS, NOW).warnings)
    assert warned is (left is None)


@pytest.mark.parametrize("failure", [VenueDown("htx: RequestTimeout"), RateLimited("slow down")])
async def test_a_request_that_failed_is_not_an_empty_account(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        await VENUE.fetch(Asked(ANSWERS | {"contractPrivatePostApiV1ContractPositionInfo": failure}))


@pytest.mark.parametrize(
    ("row", "expected", "ip"),
    [
        ({"permission": "readOnly", "ipAddresses": "192.0.2.1"}, Verdict.READ_ONLY, True),
        ({"permission": "readOnly", "ipAddresses": ""}, Verdict.READ_ONLY, False),
        ({"permission": "readOnly,trade"}, Verdict.NEEDS_CONSENT, None),
        ({"permission": "readOnly,other"}, Verdict.NEEDS_CONSENT, None),
        ({"permission": "readOnly,trade,withdraw"}, Verdict.REFUSED, None),
        ({}, Verdict.NOT_VERIFIED, None),
    ],
)
async def test_what_a_key_may_do(row: dict[str, Any], expected: Verdict, ip: bool | None) -> None:
    api = Asked({"spotPrivateGetV2UserUid": {"code": 200, "data": 1}, "spotPrivateGetV2UserApiKey": {"data": [row]}})
    passport = parse_rights(await fetch_rights(api))
    assert (verdict(passport), passport.ip_restricted) == (expected, ip)
    assert api.made[-1][1] == {"uid": 1, "accessKey": "key"}
