"""OKX position tiers: contracts become values, only what is held is asked for, and they widen no room."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.margin import Snapshot
from marginbot.domain.room import room_of
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.okx import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.kit import now
from tests.exchanges.venues.kit import NOW, pool_named, reading
from tests.exchanges.venues.okx_payloads import COIN_SHORT, ISOLATED, LONG, MARKETS, holding, payloads
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms
from tests.servers.okx import OkxPosition

D = Decimal
CALM = {"BTC": Volatility(0.01, 500), "ETH": Volatility(0.01, 500)}
SWAP = ("SWAP", "cross", "BTC-USDT")
COIN = ("SWAP", "cross", "BTC-USD")


def rung(family: str, low: str, high: str, rate: str) -> dict[str, str]:
    return {"instFamily": family, "minSz": low, "maxSz": high, "mmr": rate, "instId": "", "tier": "1"}


def table(family: str, *rungs: tuple[str, str, str]) -> dict[str, Any]:
    return {"code": "0", "data": [rung(family, *row) for row in rungs]}


STEPS = {
    SWAP: table("BTC-USDT", ("100", "500", "0.01"), ("0", "100", "0.005")),
    COIN: table("BTC-USD", ("0", "1000", "0.004")),
}


def told(level: str, *positions: OkxPosition, tiers: Any) -> Payloads:
    return {**payloads(holding(level, *positions)), "tiers": tiers}


def test_contracts_become_values_in_the_currency_of_the_pool() -> None:
    """100 contracts of 0.01 BTC at 60000 are 60000 USDT, 600 each; 300 of 100 USD are 0.5 BTC."""
    snapshot = VENUE.parse(told("2", LONG, COIN_SHORT, tiers=STEPS), MARKETS, NOW)
    (linear,) = pool_named(snapshot, "cross:USDT").positions
    assert linear.tiers == (
        LeverageTier(D(0), D(60000), D("0.0055")),
        LeverageTier(D(60000), D(300000), D("0.0105")),
    )
    (inverse,) = pool_named(snapshot, "cross:BTC").positions
    assert inverse.tiers[0].cap is not None
    assert abs(inverse.tiers[0].cap - D(1000) * 100 / 60000) < D("1e-20")


def test_the_requirement_of_now_stays_okxs_own_amount() -> None:
    with_tiers = VENUE.parse(told("2", LONG, tiers=STEPS), MARKETS, NOW)
    without = VENUE.parse(told("2", LONG, tiers={}), MARKETS, NOW)
    assert with_tiers.margin_ratio == without.margin_ratio
    assert with_tiers.warnings == without.warnings


def test_a_short_that_grows_into_the_next_tier_has_less_room() -> None:
    short = OkxPosition(inst_id="BTC-USDT-SWAP", pos=D(-100), avg_px=D(60000))
    steep = {SWAP: table("BTC-USDT", ("0", "101", "0.005"), ("101", "500", "0.1"))}

    def room(snapshot: Snapshot) -> float:
        decisive = room_of(pool_named(snapshot, "cross:USDT"), CALM, NOW).decisive
        assert decisive is not None
        assert decisive.room is not None
        return decisive.room

    flat = room(VENUE.parse(told("2", short, tiers={}), MARKETS, NOW))
    assert 0 < room(VENUE.parse(told("2", short, tiers=steep), MARKETS, NOW)) < flat


@pytest.mark.parametrize(
    ("tiers", "word"),
    [
        pytest.param({SWAP: None}, None, id="not answered"),
        pytest.param({SWAP: table("ETH-USDT", ("0", "9", "0.1"))}, None, id="of another family"),
        pytest.param({SWAP: table("BTC-USDT", ("0", "", "0.1"))}, "cannot be read", id="no bound"),
        pytest.param({SWAP: table("BTC-USDT", ("0", "9", "0"))}, "cannot be read", id="no rate"),
        pytest.param({SWAP: table("BTC-USDT", ("9", "0", "0.1"))}, "cannot be read", id="bounds the wrong way round"),
        pytest.param({SWAP: {"data": 5}}, "cannot be read", id="no list"),
    ],
)
def test_without_tiers_the_requirement_is_taken_as_proportional(tiers: Any, word: str | None) -> None:
    snapshot = VENUE.parse(told("2", LONG, tiers=tiers), MARKETS, NOW)
    assert pool_named(snapshot, "cross:USDT").positions[0].tiers == ()
    assert any("position tiers" in warning for warning in snapshot.warnings) is (word is not None)


def test_portfolio_mode_has_no_tiers() -> None:
    snapshot = VENUE.parse(told("4", LONG, tiers=STEPS), MARKETS, NOW)
    assert pool_named(snapshot, "cross").positions[0].tiers == ()


class Okx(LoopbackServer):
    """Plain answers by the last part of the path."""

    def __init__(self, answers: Payloads) -> None:
        super().__init__(wall_clock_ms)
        self.answers = answers

    def routes(self) -> Routes:
        return {}

    def not_found(self, call: Call) -> Reply:
        name = call.path.rsplit("/", 1)[-1]
        if name == "position-tiers":
            return Reply(table(call.params["instFamily"], ("0", "1000", "0.005")))
        return Reply(self.answers.get(name, {"code": "0", "data": []}))


async def test_each_family_that_is_held_is_asked_for_once_an_hour() -> None:
    server = Okx(payloads(holding("2", LONG, COIN_SHORT, ISOLATED)))
    async with reading("okx", server) as reader:
        for _ in range(2):
            snapshot = await reader.read("okx", Credential("key", "secret", "passphrase"), now())
    assert all(position.tiers for pool in snapshot.pools for position in pool.positions)
    asked = [call.params for call in server.requests if call.path.endswith("position-tiers")]
    assert sorted((params["tdMode"], params["instFamily"]) for params in asked) == [
        ("cross", "BTC-USD"),
        ("cross", "BTC-USDT"),
        ("isolated", "ETH-USDT"),
    ]
