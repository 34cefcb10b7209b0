"""What the venue tests share: the real reader on a loopback venue, and spoiled payloads."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.grading import Ladders
from marginbot.domain.margin import Pool, PoolState, Snapshot
from marginbot.domain.report import AccountReport, PoolReport, assess
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Payloads, Reference, Venue
from tests.servers.base import LoopbackServer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOTHING = Reference(instruments={})
SPOILS: Mapping[str, Callable[[Decimal], Any]] = {
    "null": lambda _: None,
    "blank": lambda _: "",
    "negative": lambda value: str(-value),
    "huge": lambda value: str(value * 1000 if value else Decimal(10) ** 9),
}
IDLE = Decimal("0.001")  # below this a ratio says the same whatever it is
FAR = 20.0  # above this a cushion is no news either
NEVER_ALARMED = Ladders(ratio=(0.96, 0.97, 0.98, 0.99), cushion=(0.04, 0.03, 0.02, 0.01))
Corpus = Callable[[str], Any]
Path_ = tuple[str | int, ...]


@asynccontextmanager
async def reading(exchange: str, server: LoopbackServer) -> AsyncIterator[CcxtReader]:
    """The reader that the bot uses, on a loopback venue."""
    async with server:
        reader = CcxtReader({exchange: server.url})
        try:
            yield reader
        finally:
            await reader.close()


def clock() -> datetime:
    """The real time, with which ccxt signs."""
    return datetime.now(UTC)


def pool_named(snapshot: Snapshot, name: str) -> Pool:
    return next(pool for pool in snapshot.pools if pool.name == name)


def gap(ours: Decimal | None, theirs: Decimal) -> Decimal:
    assert ours is not None
    return abs(ours - theirs) / theirs


# -- spoiled payloads


def number_paths(payload: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Where the numbers of a payload are."""
    if isinstance(payload, dict | list):
        items = payload.items() if isinstance(payload, dict) else enumerate(payload)
        for key, value in items:
            yield from number_paths(value, (*path, key))
    elif _as_number(payload) is not None:
        yield path


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def spoiled(payloads: Payloads, path: Path_) -> Iterator[tuple[str, Payloads]]:
    """The payloads with the number at `path` gone or wrong, each way once."""
    for name, spoil in SPOILS.items():
        changed = copy.deepcopy(payloads)
        holder = _holder(changed, path)
        value = _as_number(holder[path[-1]])
        assert value is not None
        holder[path[-1]] = spoil(value)
        yield name, changed
    changed = copy.deepcopy(payloads)
    holder = _holder(changed, path)
    if isinstance(holder, dict):
        del holder[path[-1]]
        yield "dropped", changed


def _holder(payloads: Any, path: Path_) -> Any:
    for step in path[:-1]:
        payloads = payloads[step]
    return payloads


def looks_calmer(before: AccountReport, venue: Venue, changed: Payloads, reference: Reference) -> str | None:
    """In what way a spoiled payload makes the account look calmer without a word; None when it does not."""
    try:
        after = judged(venue.parse(changed, reference, NOW))
    except BadPayload:
        return None
    if set(after.warnings) - set(before.warnings):
        return None
    pools = {pool.name: pool for pool in after.pools}
    for pool in before.pools:
        # A size is the only thing that tells a short from a long at some venues: then the mirror image is looked at.
        reason = _calmer(pool, pools.get(pool.name) or pools.get(_mirrored(pool.name)))
        if reason:
            return f"{pool.name}: {reason}"
    return None


def _mirrored(name: str) -> str:
    """The pool of the opposite side."""
    head, _, side = name.rpartition(":")
    other = {"long": "short", "short": "long"}.get(side)
    return f"{head}:{other}" if other else name


def judged(snapshot: Snapshot) -> AccountReport:
    moves = {name: Volatility(0.01, 500) for name in ("BTC", "ETH", "SOL", "HYPE", "XYZ-XYZ100", "XYZ-TSLA")}
    return assess(snapshot, moves, ladders=NEVER_ALARMED, previous={}, now=NOW)


def _calmer(before: PoolReport, after: PoolReport | None) -> str | None:
    if after is None:
        return None if before.state is PoolState.FLAT else "the pool is gone"
    if after.margin_ratio is not None and after.margin_ratio >= 1:
        return None  # an alarm
    if after.state.severity < before.state.severity:
        return f"state {before.state} became {after.state}"
    if after.state is not PoolState.OK or before.margin_ratio is None or after.margin_ratio is None:
        return None
    if before.margin_ratio > IDLE and after.margin_ratio < before.margin_ratio * Decimal("0.97"):
        return f"ratio {before.margin_ratio:.4f} became {after.margin_ratio:.4f}"
    if (
        before.cushion is not None
        and before.cushion < FAR
        and (after.cushion is None or after.cushion > before.cushion * 1.06)
    ):
        return f"cushion {before.cushion:.2f} became {after.cushion}"
    return None
