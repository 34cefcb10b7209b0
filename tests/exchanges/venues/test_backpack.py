"""Backpack: positions and collateral in, one pool out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused
from marginbot.domain.margin import Collateral, PoolState, Side, Snapshot
from marginbot.domain.tiers import maintenance_margin
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.backpack import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import BACKPACK
from tests.exchanges.venues.dex_payloads import backpack, backpack_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, reading
from tests.servers.base import LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal
SECRET = "YWxpY2VzYWxpY2VzYWxpY2VzYWxpY2VzYWxpY2VzMTI="


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, BACKPACK, NOW)


def changed(**collateral: Any) -> Payloads:
    return backpack() | {"collateral": backpack()["collateral"] | collateral}


def test_the_margin_fraction_is_reproduced() -> None:
    snapshot = parsed(backpack())
    [pool] = snapshot.pools
    assert snapshot.warnings == ()
    assert pool.reported_ratio is not None
    assert gap(pool.reported_ratio, D("532.5") / D(11400)) < D("1e-9")  # 1.25 % of 42,600 over the equity
    assert gap(pool.margin_ratio, pool.reported_ratio) < D("1e-9")
    assert [p.side for p in pool.positions] == [Side.LONG, Side.SHORT]
    assert pool.collateral == (Collateral(asset="SOL", value=D(1300)),)


def test_the_recorded_position_prints_its_base_fraction(corpus: Corpus) -> None:
    snapshot = parsed({"positions": corpus("backpack/position__ccxtsrc.json"), "collateral": None})
    [position] = snapshot.pools[0].positions
    assert position.maintenance_margin == D("0.0125") * D("13.634885278944")
    assert snapshot.state is PoolState.UNKNOWN  # what backs it is not told, and '0' is no liquidation price
    assert snapshot.warnings == ("cross: Backpack gives no account margin, only a liquidation price can tell it",)


def test_without_the_account_a_liquidation_price_tells() -> None:
    row = backpack_row("BTC_USDC_PERP", "-0.5", "60000", "62000", "-1000", "64000")
    [pool] = parsed({"positions": [row], "collateral": None}).pools
    # Short: at 64,000 the loss from here is 1,000, and 1.25 % of 32,000 is left.
    assert gap(pool.equity, D(1400)) < D("1e-9")
    assert pool.maintenance_margin == D("387.5")


@given(value=st.decimals("1000", "400000000", places=0))
def test_the_tiers_follow_the_root_and_never_fall_below_it(value: Decimal) -> None:
    tiers = parsed(backpack()).pools[0].positions[0].tiers
    due = max(D("0.0125"), D("0.00005") * value.sqrt()) * value
    assert due <= maintenance_margin(value, tiers) * D("1.0000000001")
    assert maintenance_margin(value, tiers) <= due * D("1.007")


@pytest.mark.parametrize(
    ("collateral", "state", "word"),
    [
        pytest.param({"netEquity": "-1"}, PoolState.DEFICIT, "do not fit", id="deficit"),
        pytest.param({"netEquity": None}, PoolState.UNKNOWN, "do not fit", id="no equity"),
        pytest.param({"marginFraction": None}, PoolState.OK, "missing or impossible", id="no margin fraction"),
        pytest.param({"mmf": "0.05"}, PoolState.OK, "the worse one counts", id="a worse requirement"),
    ],
)
def test_edges(collateral: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(changed(**collateral))
    assert snapshot.pools[0].state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_loan_needs_the_venues_own_ratio() -> None:
    told = changed(borrowLiability="500", mmf="0.03") | {"positions": []}
    [pool] = parsed(told).pools
    assert (pool.has_debt, pool.state) == (True, PoolState.OK)
    assert gap(pool.margin_ratio, D("0.03") * D(42600) / D(11400)) < D("1e-9")
    assert parsed(changed() | {"positions": []}).state is PoolState.FLAT


def test_names_are_taken_apart_without_a_market_list() -> None:
    snapshot = VENUE.parse(backpack(), NOTHING, NOW)
    assert [p.symbol for p in snapshot.pools[0].positions] == ["BTC/USDC:USDC", "ETH/USDC:USDC"]


@pytest.mark.parametrize("positions", [None, {}, [{"symbol": "BTC_USDC_PERP", "netExposureNotional": "5"}]])
def test_an_answer_without_what_carries_risk_is_refused(positions: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(backpack() | {"positions": positions})


def test_the_secret_must_be_a_seed() -> None:
    assert VENUE.check_form is not None
    VENUE.check_form({"key": "k", "secret": SECRET})
    for secret in ("short", "YWJj", "not base 64!"):
        with pytest.raises(BadCredentials, match="32 bytes"):
            VENUE.check_form({"key": "k", "secret": secret})


class Backpack(LoopbackServer):
    """Refuses what is not signed."""

    accepts = True

    def routes(self) -> Routes:
        told = backpack()
        return {
            ("GET", "/api/v1/position"): lambda _: self.answer(told["positions"]),
            ("GET", "/api/v1/capital/collateral"): lambda _: self.answer(told["collateral"]),
        }

    def answer(self, told: Any) -> Any:
        refusal = {"code": "INVALID_SIGNATURE", "message": "signature mismatch"}
        return told if self.accepts else Reply(refusal, 400)


async def test_the_real_client_signs_with_the_seed() -> None:
    async with reading("backpack", server := Backpack(wall_clock_ms)) as reader:
        snapshot = await reader.read("backpack", Credential("alice", SECRET), clock())
        headers = next(call.headers for call in server.requests if call.path == "/api/v1/position")
        server.accepts = False
        with pytest.raises(KeyRefused) as caught:
            await reader.read("backpack", Credential("alice", SECRET), clock())
    assert snapshot.pools[0].equity == D(11400)
    assert (headers["x-api-key"], bool(headers["x-signature"])) == ("alice", True)
    assert "belong together" in caught.value.advice
