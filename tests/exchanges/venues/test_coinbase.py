"""Coinbase's US derivatives: the liquidation threshold and what is left above it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.coinbase import VENUE, check_form, parse
from tests.exchanges.venues.kit import NOTHING, NOW, Path_, gap, judged, looks_calmer, number_paths, spoiled

D = Decimal
MARKETS = {"BTC-FUT": Instrument(symbol="BTC/USD:USD", underlying="BTC", settle="USD", contract_size=D("0.01"))}
REFERENCE = Reference(instruments=MARKETS)


def usd(value: str) -> dict[str, str]:
    return {"value": value, "currency": "USD"}


def row(**told: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "product_id": "BTC-FUT",
        "side": "LONG",
        "number_of_contracts": "20",
        "contract_size": "0.01",
    }
    found |= {"current_price": usd("50000"), "position_notional": usd("10000"), "mm_contribution": usd("1000")}
    return {**found, "avg_entry_price": usd("49000"), "liquidation_price": usd("45000"), **told}


def told(*listed: dict[str, Any], threshold: str = "1000", buffer: str = "1500") -> Payloads:
    percent = str(D(buffer) / D(threshold) * 100) if D(threshold) else "0"
    summary: dict[str, Any] = {"liquidation_threshold": usd(threshold), "liquidation_buffer_amount": usd(buffer)}
    summary["available_margin"] = usd(str(D(threshold) + D(buffer)))
    summary["liquidation_buffer_percentage"] = percent
    return {"summary": {"balance_summary": summary}, "positions": {"positions": list(listed)}}


def read(payloads: Payloads) -> Snapshot:
    return parse(payloads, REFERENCE, NOW)


def test_the_threshold_over_what_is_there() -> None:
    found = read(told(row()))
    pool = found.pools[0]
    assert (pool.equity, pool.margin_ratio, pool.reported_ratio) == (D(2500), D("0.4"), D("0.4"))
    assert (pool.positions[0].notional, pool.positions[0].underlying) == (D(10000), "BTC")
    assert found.warnings == ()


def test_amounts_may_be_plain_text() -> None:
    plain = row(current_price="50000", position_notional=None, mm_contribution=None, avg_entry_price="49000")
    assert read(told(plain)).pools[0].positions[0].notional == D(10000)


def test_the_night_is_announced() -> None:
    payloads = told(row())
    night = {"liquidation_buffer_percentage": "25"}
    payloads["summary"]["balance_summary"]["overnight_margin_window_measure"] = night
    assert any("overnight margins the ratio is 80.0%" in warning for warning in read(payloads).warnings)


def test_the_documented_summary(corpus: Callable[[str], Any]) -> None:
    payloads = {
        "summary": corpus("coinbase/cfm-balance-summary__nautilus.json"),
        "positions": corpus("coinbase/cfm-positions__nautilus.json"),
    }
    pool = parse(payloads, NOTHING, NOW).pools[0]
    # 300 of 7,500; the buffer of 2400 % says the same.
    assert gap(pool.margin_ratio, D("0.04")) < D("1e-9")
    assert pool.reported_ratio == D("0.04")


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param(told(threshold="0"), PoolState.FLAT, id="nothing held"),
        pytest.param(told(row(), buffer="-1000"), PoolState.DEFICIT, id="equity gone"),
        pytest.param(told(row(mm_contribution=None), threshold="0"), PoolState.OK, id="by the percentage alone"),
    ],
)
def test_states(payloads: Payloads, state: PoolState) -> None:
    assert read(payloads).state is state


def test_without_any_requirement_it_is_unknown() -> None:
    payloads = told(row(mm_contribution=None), threshold="0")
    payloads["summary"]["balance_summary"]["liquidation_buffer_percentage"] = ""
    assert read(payloads).state is PoolState.UNKNOWN


@pytest.mark.parametrize("listed", [row(side=""), row(number_of_contracts=None), row(current_price="much")])
def test_rows_that_make_no_sense(listed: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        read(told(listed))


SOUND = told(row())


@pytest.mark.parametrize("path", [pytest.param(p, id=".".join(map(str, p[-2:]))) for p in number_paths(SOUND)])
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(path: Path_) -> None:
    for how, changed in spoiled(copy.deepcopy(SOUND), path):
        assert looks_calmer(judged(read(SOUND)), VENUE, changed, REFERENCE) is None, how


@pytest.mark.parametrize(
    "secret", ["", "abc", "-----BEGIN EC PRIVATE KEY-----\nMHc\n", base64.b64encode(b"x").decode()]
)
def test_only_an_ed25519_secret_is_taken(secret: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        check_form({"key": "organizations/1/apiKeys/2", "secret": secret})
    assert "Ed25519" in caught.value.advice
    check_form({"key": "k", "secret": base64.b64encode(bytes(64)).decode()})
