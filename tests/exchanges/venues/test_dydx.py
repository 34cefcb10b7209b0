"""dYdX: sub-accounts in, pools out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused, VenueDown
from marginbot.domain.margin import MarginMode, PoolState, Side, Snapshot
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.dydx import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import DYDX
from tests.exchanges.venues.dex_payloads import dydx, dydx_row
from tests.exchanges.venues.kit import NOTHING, NOW, clock, pool_named, reading
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal
ADDRESS = "dydx1" + "q" * 38


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, DYDX, NOW)


def alone(row: dict[str, Any], **account: Any) -> Payloads:
    """Sub-account 0 with one position."""
    told = dydx()
    main = told["accounts"]["subaccounts"][0] | {"openPerpetualPositions": {row["market"]: row}} | account
    return told | {"accounts": {"subaccounts": [main]}}


def test_a_sub_account_is_a_pool() -> None:
    snapshot = parsed(dydx())
    cross, isolated = pool_named(snapshot, "cross"), pool_named(snapshot, "isolated:128")
    assert snapshot.warnings == ()
    assert (cross.equity, cross.maintenance_margin) == (D(11400), D("511.2"))  # 1.2 % of 31,000 + 11,600
    assert (isolated.equity, isolated.maintenance_margin) == (D(250), D("43.5"))  # 3 % of 1,450
    assert isolated.margin_mode is MarginMode.ISOLATED
    assert [(p.symbol, p.side, p.mark_price) for p in cross.positions] == [
        ("BTC/USDC:USDC", Side.LONG, D(62000)),
        ("ETH/USDC:USDC", Side.SHORT, D(2900)),
    ]


def test_the_equity_of_a_recorded_account_follows_from_cash_and_profit() -> None:
    row = dydx_row("BTC-USD", "-0.491", "118703.60811320754716981132", "1339.12776155490566037735812")
    cash = {"USDC": {"size": "82291.083758", "side": "LONG"}}
    told = alone(row, equity="25346.73993597", freeCollateral="24207.8530595294", assetPositions=cash)
    snapshot = parsed(told)
    [pool] = snapshot.pools
    assert snapshot.warnings == ()
    value = pool.positions[0].notional
    assert value is not None
    assert abs(D("82291.083758") - value - D("25346.73993597")) < D("0.001")
    # What is held back is 2 % of it, the market's initial margin.
    assert abs((D("25346.73993597") - D("24207.8530595294")) / value - D("0.02")) < D("0.000001")
    assert pool.maintenance_margin == value * D("0.012")


def test_the_account_that_was_recorded_idle_is_flat(corpus: Callable[[str], Any]) -> None:
    told = {"accounts": corpus("dydx/subaccount__nautilus.json"), "markets": None, "whole": False}
    snapshot = parsed(told)
    assert (snapshot.state, snapshot.pools[0].equity) == (PoolState.FLAT, D("45.201296"))
    assert "dYdX did not list all sub-accounts: only those of number 0 are seen" in snapshot.warnings


def test_answers_of_older_indexers_are_read() -> None:
    both = dydx()["accounts"]["subaccounts"]
    parent = dydx() | {"accounts": {"subaccount": {"parentSubaccountNumber": 0, "childSubaccounts": both}}}
    assert parsed(parent).pools == parsed(dydx()).pools
    single = dydx() | {"accounts": {"subaccount": both[0]}}
    assert [pool.name for pool in parsed(single).pools] == ["cross"]


def test_without_rates_the_initial_margin_counts() -> None:
    snapshot = VENUE.parse(dydx() | {"markets": None}, NOTHING, NOW)
    assert pool_named(snapshot, "cross").maintenance_margin == D(11400) - D(10548)
    assert "cross: the initial margin counts in place of the maintenance margin" in snapshot.warnings
    assert "BTC-USD: not in the market list, its name was taken apart" in snapshot.warnings


def test_less_held_back_than_must_be_maintained_is_told() -> None:
    told = dydx()
    told["accounts"]["subaccounts"][0]["freeCollateral"] = "11300"
    snapshot = parsed(told)
    assert pool_named(snapshot, "cross").maintenance_margin == D("511.2")
    assert any("the larger counts" in warning for warning in snapshot.warnings)


def test_without_profit_the_price_of_the_list_counts() -> None:
    told = alone(dydx_row("BTC-USD", "0.5", "60000", ""), assetPositions={"USDC": {"size": "20000", "side": "SHORT"}})
    told["markets"]["markets"]["BTC-USD"]["oraclePrice"] = "62800"
    snapshot = parsed(told)
    assert snapshot.pools[0].positions[0].mark_price == D(62800)
    assert any("that of the market list counts" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize(
    ("account", "state"),
    [
        pytest.param({"equity": "-5"}, PoolState.DEFICIT, id="equity below zero"),
        pytest.param({"equity": "", "assetPositions": {"USDC": {"size": ""}}}, PoolState.UNKNOWN, id="no equity"),
        pytest.param({"openPerpetualPositions": {}}, PoolState.FLAT, id="no position"),
    ],
)
def test_edges(account: dict[str, Any], state: PoolState) -> None:
    assert parsed(alone(dydx_row("BTC-USD", "0.5", "60000", "1000"), **account)).pools[0].state is state


@pytest.mark.parametrize(
    "accounts",
    [
        None,
        {},
        {"subaccounts": None},
        {"subaccounts": [{"subaccountNumber": 0, "equity": "1"}]},
        {"subaccounts": [{"openPerpetualPositions": {}, "assetPositions": {}}]},
    ],
)
def test_an_answer_without_what_carries_risk_is_refused(accounts: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(dydx() | {"accounts": accounts})


@given(fall=st.decimals("0.01", "0.3", places=3), size=st.decimals("0.1", "5", places=2))
def test_the_ratio_rises_as_the_price_falls_and_size_does_not_matter(fall: Decimal, size: Decimal) -> None:
    def ratio(price: Decimal, units: Decimal) -> Decimal:
        row = dydx_row("BTC-USD", str(units), "60000", str(units * (price - 60000)))
        cash = {"USDC": {"size": str(40000 * units), "side": "SHORT"}}
        equity = units * (price - 40000)
        told = alone(row, equity=str(equity), freeCollateral=str(equity - units * price / 50), assetPositions=cash)
        found = parsed(told).pools[0].margin_ratio
        assert found is not None
        return found

    lower = 60000 * (1 - fall)
    assert ratio(lower, size) > ratio(D(60000), size)
    assert abs(ratio(lower, size) - ratio(lower, D(1))) < D("1e-9")


@pytest.mark.parametrize(
    ("key", "word"),
    [
        pytest.param("0x" + "ab" * 32, "PRIVATE KEY", id="a private key"),
        pytest.param(" ".join(["abandon"] * 12), "SEED PHRASE", id="a seed phrase"),
        pytest.param("0x" + "ab" * 20, "dydx1", id="an Ethereum address"),
        pytest.param("dydx1" + "q" * 37, "43 characters", id="too short"),
    ],
)
def test_only_an_address_is_taken(key: str, word: str) -> None:
    assert VENUE.check_form is not None
    with pytest.raises(BadCredentials) as caught:
        VENUE.check_form({"key": key})
    assert word in caught.value.advice
    VENUE.check_form({"key": ADDRESS})


# -- through the real client


class Indexer(LoopbackServer):
    """Knows one address with the account above."""

    def routes(self) -> Routes:
        return {
            ("GET", f"/v4/addresses/{ADDRESS}"): lambda _: dydx()["accounts"],
            ("GET", "/v4/perpetualMarkets"): lambda _: dydx()["markets"],
        }

    def not_found(self, call: Call) -> Reply:
        return Reply({"errors": [{"msg": f"No subaccounts found for address {call.path.split('/')[3]}"}]}, 404)


async def test_one_request_reads_all_sub_accounts() -> None:
    async with reading("dydx", server := Indexer(wall_clock_ms)) as reader:
        await reader.read("dydx", Credential(ADDRESS), clock())
        before = len(server.requests)
        snapshot = await reader.read("dydx", Credential(ADDRESS), clock())
        assert len(server.requests) - before == 1
    assert [pool.name for pool in snapshot.pools] == ["cross", "isolated:128"]


async def test_an_unknown_address_is_refused() -> None:
    async with reading("dydx", server := Indexer(wall_clock_ms)) as reader:
        with pytest.raises(KeyRefused, match="dydx") as caught:
            await reader.read("dydx", Credential("dydx1" + "p" * 38), clock())
        asked = [call.path for call in server.requests if "/addresses/" in call.path]
    assert "knows no account" in caught.value.advice
    assert len(asked) == 1  # the answer is final: no older way of asking is tried


async def test_an_outage_is_not_taken_for_an_older_indexer() -> None:
    server = Indexer(wall_clock_ms)
    server.faults.add("500", f"/v4/addresses/{ADDRESS}", times=1)
    async with reading("dydx", server) as reader:
        with pytest.raises(VenueDown):
            await reader.read("dydx", Credential(ADDRESS), clock())
