"""The price at which an account is liquidated by our map, against the venue's own in a recording.

Isolated positions, and positions that are alone in a cross pool: elsewhere the venue's price supposes that everything
else stands still, or is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.liquidation_map import AGREES, PoolMap, liquidation_map
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.whatif import Basis

NEAREST_NEVER = (-0.98, 4.9)  # a venue's price beyond such a move is its way to say that none is near

# Recordings where the two differ or ours is missing, and why. Whoever agrees must not be here.
EXPLAINED: Mapping[str, str] = {
    "binance-coinm/docs": "requires nothing for a position and has no tiers: the pool is unknown",
    "binance-usdm/connector-doc": "has no requirement and no tiers: the pool is unknown",
    "binance-usdm/gobinance-v2-isolated": "two documents: 0.436 in the account, 0.003 where the price is 9332.61",
    "bitget/mix-crossed": "two documents: equity 19.89 in the account, 11.63 by the ratio that goes with the price",
    "coinbase/cfm": "made up: a fall of a fifth cannot take 7500 from a position worth 1000",
    "extended/ccxtsrc": "made up: a fall of 4.5 % cannot take 45 375 from a position worth 4000",
    "okx/jkorf-futures": "its mark is not that of its profit, which is 2565.7: at that one the price is right",
    "okx/nautilus-synthetic": "made up: it requires a hundred times its margin and is not liquidated",
}


def compared(snapshot: Snapshot) -> list[str]:
    """Every price that could be compared: empty where none could, else what the differences are, or "agrees"."""
    basis = Basis(volatilities={}, ladders=DEFAULT_LADDERS, now=snapshot.taken_at)
    maps = {found.name: found for found in liquidation_map(snapshot, basis)}
    return [_verdict(maps[pool.name], position) for pool, position in _comparable(snapshot)]


def _comparable(snapshot: Snapshot) -> Iterator[tuple[Pool, Position]]:
    for pool in snapshot.pools:
        if pool.margin_mode is MarginMode.PORTFOLIO or len(pool.positions) != 1:
            continue
        [position] = pool.positions
        if position.liquidation_price and position.liquidation_price > 0 and position.mark_price:
            yield pool, position


def _verdict(found: PoolMap, position: Position) -> str:
    assert position.liquidation_price is not None
    assert position.mark_price is not None
    theirs, mark = float(position.liquidation_price), float(position.mark_price)
    way = next((one for one in found.ways if one.name == position.underlying), None)
    ours = None if way is None else way.price(way.down if position.side is Side.LONG else way.up)
    if ours is None:
        never = not NEAREST_NEVER[0] < theirs / mark - 1 < NEAREST_NEVER[1]
        return "agrees" if never and way is not None else f"{position.symbol}: {theirs:g} there, none here"
    return "agrees" if abs(ours / theirs - 1) <= AGREES else f"{position.symbol}: {theirs:g} there, {ours:g} here"


def assert_agrees(case: str, snapshot: Snapshot) -> None:
    """Within 1 %, or named in `EXPLAINED`."""
    found = compared(snapshot)
    differing = [verdict for verdict in found if verdict != "agrees"]
    if case in EXPLAINED:
        assert differing, f"{case} agrees now: strike it from the list"
    else:
        assert not differing, differing
