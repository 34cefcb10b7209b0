"""Where each number of a report came from, found out by asking the adapter itself.

Each number of the payloads is changed a little, one at a time, and the reading is done again: what changes with it
depends on it. So the answer holds for every adapter and cannot fall behind the code. What merely checks another
figure without deciding is not named.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Pool, Position, Snapshot
from marginbot.exchanges.recording import Reads, Recording

MOST_NUMBERS = 4000  # of one reading; more would take minutes
_CHANGES = (Decimal("1.013"), Decimal("0.987"))
_POOL_FIELDS = ("equity", "maintenance_margin", "reported_ratio")
_POSITION_FIELDS = (
    "contracts",
    "notional",
    "entry_price",
    "mark_price",
    "liquidation_price",
    "maintenance_margin",
    "unrealized_pnl",
)
Path_ = tuple[str | int, ...]
Name = tuple[str, ...]  # (pool, field), or (pool, symbol, side, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One number of the report. `paths` lead to the payload numbers it depends on; none: it is fixed or unknown."""

    paths: tuple[str, ...]
    as_told: bool  # the venue's figure as it stands, not one of ours


def origins(recording: Recording, venue: Reads) -> dict[Name, Origin]:
    """The origin of each known number, by pool (and position) and field."""
    told = numbers(recording.snapshot(venue))
    found: dict[Name, list[Path_]] = {name: [] for name, value in told.items() if value is not None}
    for path in _moving_paths(recording.payloads):
        for name in _dependent(recording, venue, path, told):
            found[name].append(path)
    return {name: _origin(recording.payloads, paths, told[name]) for name, paths in found.items()}


def numbers(snapshot: Snapshot) -> dict[Name, Decimal | None]:
    """All numbers of a snapshot by name."""
    values: dict[Name, Decimal | None] = {}
    for pool in snapshot.pools:
        values |= _of_pool(pool)
        for position in pool.positions:
            values |= _of_position(pool.name, position)
    return values


def _of_pool(pool: Pool) -> dict[Name, Decimal | None]:
    return {(pool.name, field): getattr(pool, field) for field in _POOL_FIELDS}


def _of_position(pool: str, position: Position) -> dict[Name, Decimal | None]:
    name = (pool, position.symbol, str(position.side))
    return {(*name, field): getattr(position, field) for field in _POSITION_FIELDS}


def _dependent(recording: Recording, venue: Reads, path: Path_, told: Mapping[Name, Decimal | None]) -> Iterator[Name]:
    """The numbers that change when the one at `path` does, either way."""
    changed: set[Name] = set()
    for factor in _CHANGES:
        payloads = _changed(recording.payloads, path, factor)
        try:
            after = numbers(venue.parse(payloads, recording.reference, recording.taken_at))
        except BadPayload:
            continue  # a number that must have this very value: a version, a code
        changed |= {name for name, value in after.items() if told.get(name) is not None and value != told[name]}
    yield from sorted(changed)


def _moving_paths(payloads: Any) -> list[Path_]:
    found = list(_number_paths(payloads))
    if len(found) > MOST_NUMBERS:
        raise BadPayload(f"{len(found)} numbers are too many to trace, {MOST_NUMBERS} is the most")
    return found


def _number_paths(payload: Any, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(payload, dict | list):
        items = payload.items() if isinstance(payload, dict) else enumerate(payload)
        for key, value in items:
            yield from _number_paths(value, (*path, key))
    elif _as_number(payload) is not None:
        yield path


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _changed(payloads: Any, path: Path_, factor: Decimal) -> Any:
    """The payloads with one number changed; only the way to it is copied."""
    top = copy.copy(payloads)
    holder = top
    for step in path[:-1]:
        holder[step] = copy.copy(holder[step])
        holder = holder[step]
    value = _as_number(holder[path[-1]])
    assert value is not None
    changed = value * factor or factor - 1  # a zero is moved a little too: it may be one part of a sum
    holder[path[-1]] = f"{changed:f}" if isinstance(holder[path[-1]], str) else float(changed)
    return top


def _origin(payloads: Any, paths: list[Path_], value: Decimal | None) -> Origin:
    as_told = len(paths) == 1 and value is not None and abs(_at(payloads, paths[0])) == abs(value)
    return Origin(paths=tuple(written(path) for path in paths), as_told=as_told)


def _at(payloads: Any, path: Path_) -> Decimal:
    for step in path:
        payloads = payloads[step]
    value = _as_number(payloads)
    assert value is not None
    return value


def written(path: Path_) -> str:
    """`account.assets[0].walletBalance`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
