"""The liquidation map against the venues' own prices: recorded isolated positions and the simulated exchange's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.liquidation_map import Way, liquidation_map
from marginbot.domain.margin import MarginMode, Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.whatif import Basis
from marginbot.exchanges.venue import Instrument, Reference
from marginbot.exchanges.venues import binanceusdm, hyperliquid, okx
from tests.exchanges.kit import D
from tests.exchanges.venues.kit import NOTHING, NOW

Corpus = Callable[[str], Any]
BITCOIN = Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D(1))
# Bitcoin's tiers of the time when the recorded positions were held
OLD_TIERS = (
    LeverageTier(D(0), D(50_000), D("0.004")),
    LeverageTier(D(50_000), D(250_000), D("0.005"), D(50)),
)
OLD = Reference(instruments={"BTCUSDT": BITCOIN}, tiers={"BTC/USDT:USDT": OLD_TIERS})


def binance(corpus: Corpus, name: str) -> Snapshot:
    risk = corpus(f"binance-usdm/{name}.json")
    told = {"account": {"assets": [], "positions": []}, "positions": risk, "config": None, "index": None}
    return binanceusdm.VENUE.parse(told, OLD, NOW)


def from_okx(corpus: Corpus, name: str) -> Snapshot:
    told = {"balance": corpus("okx/balance__ccxtsrc.json"), "positions": corpus(f"okx/{name}.json"), "config": None}
    return okx.VENUE.parse(told, NOTHING, NOW)


def from_hyperliquid(corpus: Corpus, name: str) -> Snapshot:
    state = corpus(f"hyperliquid/{name}.json")
    told = {"mode": "default", "spot": {"balances": []}, "dexes": {"": state}}
    return hyperliquid.VENUE.parse(told, NOTHING, datetime.fromtimestamp(state["time"] / 1000, UTC))


def isolated_ways(snapshot: Snapshot) -> list[Way]:
    """The way of each isolated position whose liquidation price the venue names."""
    isolated = {pool.name for pool in snapshot.pools if pool.margin_mode is MarginMode.ISOLATED}
    maps = liquidation_map(snapshot, Basis(volatilities={}, ladders=DEFAULT_LADDERS, now=NOW))
    return [way for found in maps if found.name in isolated for way in found.ways if way.venue_price is not None]


@pytest.mark.parametrize(
    ("read", "name", "count"),
    [
        pytest.param(binance, "positionrisk-v2__gobinance", 1, id="binance one-way"),
        pytest.param(binance, "positionrisk-v2__nautilus-hedge", 2, id="binance hedge"),
        pytest.param(from_okx, "positions__openxapi", 1, id="okx spot margin"),
        pytest.param(from_hyperliquid, "clearinghousestate__jkorf", 1, id="hyperliquid"),
    ],
)
def test_recorded_isolated_positions_are_liquidated_where_the_venue_says(
    corpus: Corpus, read: Callable[[Corpus, str], Snapshot], name: str, count: int
) -> None:
    ways = isolated_ways(read(corpus, name))
    assert len(ways) == count
    for way in ways:
        assert way.venue_price is not None
        ours = [price for price in (way.price(way.down), way.price(way.up)) if price is not None]
        assert min(abs(price / float(way.venue_price) - 1) for price in ours) < 0.01
        assert not way.disagrees
