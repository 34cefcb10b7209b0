"""Lighter: accounts in, pools out; against the venue's own liquidation price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused
from marginbot.domain.margin import PoolState, Side, Snapshot
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.lighter import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import LIGHTER
from tests.exchanges.venues.dex_payloads import lighter, lighter_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, pool_named, reading
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal
ADDRESS = "0x" + "ab" * 20


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, LIGHTER, NOW)


def changed(**account: Any) -> Payloads:
    told = lighter()
    told["accounts"]["accounts"][0] |= account
    return told


def recorded(corpus: Corpus) -> Payloads:
    return {
        "accounts": corpus("lighter/account__ccxtsrc.json"),
        "markets": corpus("lighter/orderbookdetails__nautilus.json"),
    }


def test_cross_and_isolated_pools() -> None:
    snapshot = parsed(lighter())
    cross, isolated = pool_named(snapshot, "cross"), pool_named(snapshot, "isolated:SOL/USDC:USDC:short")
    assert snapshot.warnings == ()
    assert (cross.equity, cross.maintenance_margin) == (D(11400), D("511.2"))  # 1.2 % of 42,600
    assert (isolated.equity, isolated.maintenance_margin) == (D(2000), D("435"))  # 1,500 + 500; 3 % of 14,500
    assert isolated.reported_ratio is not None
    assert gap(isolated.margin_ratio, isolated.reported_ratio) < D("0.0001")  # what its liquidation price says
    assert [p.side for p in cross.positions] == [Side.LONG, Side.SHORT]


def test_the_recorded_account_agrees_with_its_liquidation_price(corpus: Corpus) -> None:
    snapshot = parsed(recorded(corpus))
    [pool] = snapshot.pools
    assert pool.reported_ratio is not None
    assert gap(pool.margin_ratio, pool.reported_ratio) < D("1e-12")
    assert gap(pool.margin_ratio, D("0.0426")) < D("0.001")
    down = room_of(pool, {}, NOW).scenarios[0].down
    mark, told = pool.positions[0].mark_price, pool.positions[0].liquidation_price
    assert down is not None
    assert mark is not None
    assert told is not None
    assert abs(float(mark) * (1 + down) / float(told) - 1) < 0.01


def test_all_accounts_of_an_address_are_read() -> None:
    told = lighter()
    told["accounts"]["accounts"].append(told["accounts"]["accounts"][0] | {"account_index": 2000})
    names = [pool.name for pool in parsed(told).pools]
    assert names == [*(n := ["cross", "isolated:SOL/USDC:USDC:short"]), *(f"2000:{name}" for name in n)]


def test_an_idle_account_with_spot_coins(corpus: Corpus) -> None:
    told = recorded(corpus) | {"accounts": corpus("lighter/account__ccxtsrc-bal.json")}
    snapshot = parsed(told)
    assert (snapshot.state, snapshot.pools[0].equity, snapshot.warnings) == (PoolState.FLAT, D("9536.789088"), ())


def test_without_the_market_list_nothing_can_be_judged() -> None:
    told = changed(cross_maintenance_margin_requirement=None) | {"markets": None}
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert snapshot.state is PoolState.UNKNOWN
    assert "Lighter's market list is missing: margin requirements are not known" in snapshot.warnings
    assert pool_named(snapshot, "cross").positions[0].symbol == "BTC/USDC:USDC"


@pytest.mark.parametrize(
    ("account", "state", "word"),
    [
        pytest.param({"cross_asset_value": "-1"}, PoolState.DEFICIT, "the smaller counts", id="deficit"),
        pytest.param({"cross_asset_value": "", "collateral": ""}, PoolState.UNKNOWN, "missing", id="no equity"),
        pytest.param({"positions": []}, PoolState.FLAT, "equity", id="flat"),
        pytest.param({"cross_maintenance_margin_requirement": "700"}, PoolState.OK, "the larger counts", id="worse"),
    ],
)
def test_edges(account: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(changed(**account))
    assert pool_named(snapshot, "cross").state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_liquidation_price_past_the_mark_means_that_the_margin_is_used_up() -> None:
    row = lighter_row(2, "SOL", -1, "100", "150", "14500", "500", "1", margin_mode=1, allocated_margin="1500")
    snapshot = parsed(changed(positions=[row]))
    assert pool_named(snapshot, "isolated:SOL/USDC:USDC:short").state is PoolState.DEFICIT
    assert any("margin is used up" in warning for warning in snapshot.warnings)


@pytest.mark.parametrize(
    "accounts", [None, {}, {"accounts": []}, {"accounts": [{"account_index": 1}]}, {"accounts": [{"positions": []}]}]
)
def test_an_answer_without_what_carries_risk_is_refused(accounts: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(lighter() | {"accounts": accounts})


def test_what_may_be_sent() -> None:
    assert VENUE.check_form is not None
    for key in (ADDRESS, "1077"):
        VENUE.check_form({"key": key})
    for key, word in (("0x" + "ab" * 40, "PRIVATE KEY"), ("0x12", "account index"), ("main", "account index")):
        with pytest.raises(BadCredentials) as caught:
            VENUE.check_form({"key": key})
        assert word in caught.value.advice


class Lighter(LoopbackServer):
    """Answers for account 1077 alone."""

    def routes(self) -> Routes:
        return {("GET", "/api/v1/account"): self.account}

    def account(self, call: Call) -> Any:
        if call.params.get("value") == "1077":
            return lighter()["accounts"]
        return Reply({"code": 21100, "message": "account not found"}, 400)


@pytest.mark.parametrize(("key", "by"), [("1077", "index"), (ADDRESS, "l1_address")])
async def test_address_or_index_is_asked_for(key: str, by: str) -> None:
    async with reading("lighter", server := Lighter(wall_clock_ms)) as reader:
        if by == "index":
            await reader.read("lighter", Credential(key), clock())
        else:
            with pytest.raises(KeyRefused) as caught:
                await reader.read("lighter", Credential(key), clock())
            assert "knows no account" in caught.value.advice
        asked = [call.params for call in server.requests if call.path == "/api/v1/account"]
    assert asked == [{"by": by, "value": key}]
