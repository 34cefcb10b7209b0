"""Crypto.com Exchange: the account's own sums, checked against their parts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import PoolState, Side
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.cryptocom import VENUE
from tests.exchanges.venues.asked import Asked
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, gap
from tests.exchanges.venues.spoiling import silent_faults

D = Decimal
MARKETS = Reference(
    instruments={
        "BTCUSD-PERP": Instrument(symbol="BTC/USD:USD", underlying="BTC", settle="USD", contract_size=D(1)),
    }
)
ACCOUNT: dict[str, Any] = {
    "instrument_name": "USD", "total_margin_balance": "7500", "total_collateral_value": "8000",
    "total_session_unrealized_pnl": "-500", "total_initial_margin": "2800", "total_maintenance_margin": "1400",
    "is_liquidating": False,
    "position_balances": [
        {"instrument_name": "CRO", "quantity": "20000", "market_value": "4000", "collateral_amount": "3800",
         "collateral_eligible": "true"},
        {"instrument_name": "USD", "quantity": "4200", "market_value": "4200", "collateral_amount": "4200"},
    ],
}  # fmt: skip
SHORT: dict[str, Any] = {
    "instrument_name": "BTCUSD-PERP", "quantity": "-0.2", "cost": "-10000", "open_pos_cost": "-10000",
    "open_position_pnl": "-500",
}  # fmt: skip


def told(*positions: Mapping[str, Any], account: Any = ACCOUNT, last: Any = "52500") -> Payloads:
    return {
        "balance": {"code": 0, "result": {"data": [dict(account)]}},
        "positions": {"code": 0, "result": {"data": [dict(row) for row in positions]}},
        "tickers": [{"result": {"data": [{"i": "BTCUSD-PERP", "a": last}]}}],
    }


def test_the_documented_account_keeps_its_ratio_and_its_sums(corpus: Corpus) -> None:
    payloads = told(SHORT) | {"balance": corpus("cryptocom/user-balance__coincise.json")}
    snapshot = VENUE.parse(payloads, MARKETS, NOW)
    pool = snapshot.pools[0]
    # 7651.18811483 - 55.76239701 and 2874.36673202 / 2, to the last digit
    assert (pool.equity, pool.maintenance_margin) == (D("7595.42571782"), D("1437.18336601"))
    assert gap(pool.margin_ratio, D("0.1892169602")) < D("1e-9")
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("CRO", D("4537.302561971453"))]
    assert snapshot.warnings == ()


def test_an_older_example_whose_balance_is_its_requirement_is_told(corpus: Corpus) -> None:
    payloads = told(SHORT) | {"balance": corpus("cryptocom/user-balance__jkorf.json")}
    snapshot = VENUE.parse(payloads, MARKETS, NOW)
    assert snapshot.margin_ratio == D(1)
    assert any("figures for the margin balance differ" in warning for warning in snapshot.warnings)


def test_the_value_of_a_position_is_its_cost_and_its_profit(corpus: Corpus) -> None:
    payloads = told() | {"positions": corpus("cryptocom/get-positions__jkorf.json")}
    position = VENUE.parse(payloads, MARKETS, NOW).pools[0].positions[0]
    # 10159.3522 sold, 497.743736 lost since: 10657.095936 for 0.1984
    assert (position.side, position.notional) == (Side.SHORT, D("10657.095936"))
    assert gap(position.mark_price, D("53715.20129")) < D("1e-9")
    assert gap(position.entry_price, D("10159.3522") / D("0.1984")) < D("1e-9")


@pytest.mark.parametrize("reference", [MARKETS, NOTHING], ids=["markets loaded", "no markets"])
def test_a_rally_ends_at_the_requirement(reference: Reference) -> None:
    pool = VENUE.parse(told(SHORT), reference, NOW).pools[0]
    up = next(scenario.up for scenario in room_of(pool, {}, NOW).scenarios if scenario.name == "BTC")
    # 7500 - 10500 x = 1400 (1 + x)
    assert up == pytest.approx(6100 / 11900, rel=1e-6)


@pytest.mark.parametrize(
    ("account", "position", "state", "word"),
    [
        pytest.param({"total_maintenance_margin": "0"}, {}, PoolState.OK, "half of the initial", id="no requirement"),
        pytest.param({"total_maintenance_margin": "90"}, {}, PoolState.OK, "below half", id="a requirement too small"),
        pytest.param(
            {"total_maintenance_margin": "", "total_initial_margin": ""}, {}, PoolState.UNKNOWN, "unknown", id="neither"
        ),
        pytest.param({"total_margin_balance": "9000"}, {}, PoolState.OK, "smaller counts", id="two balances"),
        pytest.param(
            {"total_margin_balance": "-1", "total_collateral_value": "499"},
            {},
            PoolState.DEFICIT,
            "",
            id="nothing left",
        ),
        pytest.param({"is_liquidating": True}, {}, PoolState.OK, "is being liquidated", id="the venue says it"),
        pytest.param({"total_borrow": "5"}, {}, PoolState.OK, "", id="a loan"),
        pytest.param({}, {"open_position_pnl": ""}, PoolState.OK, "cost or profit", id="no profit"),
        pytest.param({}, {"open_pos_cost": "-90000", "cost": ""}, PoolState.OK, "values it at", id="two values"),
    ],
)
def test_edges(account: dict[str, Any], position: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = VENUE.parse(told(SHORT | position, account=ACCOUNT | account), MARKETS, NOW)
    assert snapshot.state is state
    assert not word or any(word in warning for warning in snapshot.warnings)


def test_an_account_being_liquidated_is_at_its_trigger() -> None:
    snapshot = VENUE.parse(told(SHORT, account=ACCOUNT | {"is_liquidating": True}), MARKETS, NOW)
    assert snapshot.margin_ratio == D(1)


def test_without_position_and_loan_a_requirement_is_told_and_nothing_is_flat() -> None:
    assert any("lists no position" in warning for warning in VENUE.parse(told(), MARKETS, NOW).warnings)
    idle = ACCOUNT | {"total_initial_margin": "0", "total_maintenance_margin": "0"}
    snapshot = VENUE.parse(told(account=idle), MARKETS, NOW)
    assert (snapshot.state, snapshot.warnings) == (PoolState.FLAT, ())


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"balance": {"result": {"data": []}}}, id="no account"),
        pytest.param({"balance": {"result": {"data": [ACCOUNT, ACCOUNT]}}}, id="two accounts"),
        pytest.param({"positions": {"result": {}}}, id="no list of positions"),
        pytest.param({"positions": told(SHORT | {"quantity": ""})["positions"]}, id="no quantity"),
        pytest.param({"positions": told(SHORT | {"instrument_name": None})["positions"]}, id="no instrument"),
    ],
)
def test_what_cannot_be_read_is_refused(payload: Payloads) -> None:
    with pytest.raises(BadPayload):
        VENUE.parse({**told(SHORT), **payload}, MARKETS, NOW)


def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence() -> None:
    assert VENUE.parse(told(SHORT), MARKETS, NOW).warnings == ()
    assert list(silent_faults(VENUE, told(SHORT), MARKETS)) == []


async def test_few_prices_are_asked_for_one_by_one_and_many_at_once() -> None:
    for count, asked in ((0, 0), (2, 2), (9, 1)):
        listed = [{"instrument_name": f"C{index}USD-PERP"} for index in range(count)]
        api = Asked({
            "v1PrivatePostPrivateUserBalance": {"result": {}},
            "v1PrivatePostPrivateGetPositions": {"result": {"data": listed}},
        })  # fmt: skip
        await VENUE.fetch(api)
        assert sum("Tickers" in method for method, _ in api.made) == asked
