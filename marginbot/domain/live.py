"""Pools revalued at live mark prices between two readings: exactly for one of them, in arrays for all at once.

    linear          profit  s N (r - 1)       notional  N r          r = mark now / mark of the reading
    coin-settled    profit  s N (1 - 1 / r)   notional  N / r        (in the coin; s = +1 long, -1 short)

The requirement of a position follows its leverage tiers where known, else its notional; the sum is scaled so that at
the marks of the reading it equals the venue's own requirement. What marks alone do not move is not followed: options,
debts, and pools behind which there are coins.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marginbot.domain.book import STABLE
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.margin import Pool, PoolState, Position
from marginbot.domain.report import PoolReport
from marginbot.domain.tiers import LeverageTier, maintenance_margin

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Table = tuple[Floats, Floats, Floats]  # caps, rates, deductions

EARLY = 1.25  # the cushion shrinks faster than the buffer: its yardstick grows while the price falls
LEAST_STEP = 0.97
RATIO_STEP = 0.005
_FIRST_ROOM = 256
_NEVER = 1e18


def followable(pool: Pool) -> bool:
    """Whether mark prices say all that changes a pool between two readings."""
    known = pool.equity is not None and pool.maintenance_margin is not None and pool.state is PoolState.OK
    coins = any(coin.asset not in STABLE and coin.value for coin in pool.collateral)
    return known and not coins and not pool.has_debt and bool(pool.positions) and all(map(_followable, pool.positions))


def _followable(position: Position) -> bool:
    return position.option is None and bool(position.notional) and position.mark_price is not None


def moved(pool: Pool, marks: Mapping[str, Decimal]) -> Pool:
    """A followable pool at other marks (by symbol), exact; positions without a mark stay where they are."""
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    places = [_moved(position, marks.get(position.symbol)) for position in pool.positions]
    before = sum((_need(old, old.notional) for old in pool.positions), Decimal(0))
    after = sum((_need(old, new.notional) for old, (new, _) in zip(pool.positions, places, strict=True)), Decimal(0))
    profit = sum((gain for _, gain in places), Decimal(0))
    required = pool.maintenance_margin * after / before if before > 0 else pool.maintenance_margin
    return replace(
        pool,
        equity=pool.equity + profit,
        maintenance_margin=required,
        positions=tuple(position for position, _ in places),
        reported_ratio=None,
    )


def _moved(position: Position, mark: Decimal | None) -> tuple[Position, Decimal]:
    """The position there, and what equity gains by it."""
    assert position.notional is not None
    assert position.mark_price is not None
    if mark is None:
        return position, Decimal(0)
    ratio = mark / position.mark_price
    notional = position.notional / ratio if position.coin_settled else position.notional * ratio
    gain = position.side.sign * (notional - position.notional) * (-1 if position.coin_settled else 1)
    held = position.maintenance_margin and position.maintenance_margin * notional / position.notional
    return replace(position, notional=notional, mark_price=mark, maintenance_margin=held), gain


def _need(position: Position, notional: Decimal | None) -> Decimal:
    assert notional is not None
    assert position.notional is not None
    if position.tiers:
        return maintenance_margin(notional, position.tiers)
    return (position.maintenance_margin or Decimal(0)) * notional / position.notional


@dataclass(frozen=True, slots=True)
class Rungs:
    """When a pool is to be looked at: its ratio as high, or its buffer as small (pool's currency)."""

    ratio: float = math.inf  # infinite: never; a very large one: when no equity is left
    buffer: float = -math.inf


@dataclass(frozen=True, slots=True)
class Alarm:
    """A pool that has reached a rung at live marks."""

    account_id: Hashable
    pool: str
    equity: float
    maintenance_margin: float


class LiveBook:
    """All followed pools of a venue as a structure of arrays. A row that is given up is used again."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}
        self._tables: dict[tuple[LeverageTier, ...], int] = {}
        self._ladders: list[Table] = []
        self._rows: dict[Hashable, tuple[list[int], list[int]]] = {}  # account: its positions, its pools
        self._names: dict[int, tuple[Hashable, str]] = {}
        self._free: tuple[list[int], list[int]] = ([], [])
        self._price = np.full(0, np.nan)
        # Of each position: q * price (or q / price) is its notional; `way` is what equity gains with it.
        self._of = {name: np.zeros(0) for name in ("q", "way", "low", "high", "rate", "deduction")}
        self._index: dict[str, Integers] = {name: np.zeros(0, np.int64) for name in ("price", "pool", "table")}
        self._pool = {name: np.zeros(0) for name in ("still", "scale", "fixed", "ratio", "buffer")}

    @property
    def symbols(self) -> Sequence[str]:
        """Everything that anything followed depends on."""
        return list(self._symbols)

    def holds(self, account_id: Hashable) -> bool:
        """Whether an account is followed."""
        return account_id in self._rows

    @property
    def accounts(self) -> int:
        """How many are followed."""
        return len(self._rows)

    def price_of(self, symbol: str) -> float | None:
        """The last mark of a symbol."""
        place = self._symbols.get(symbol)
        return None if place is None or math.isnan(self._price[place]) else float(self._price[place])

    def price(self, marks: Mapping[str, float]) -> None:
        """New marks; symbols that nobody holds are left out."""
        places = [(self._symbols[name], value) for name, value in marks.items() if name in self._symbols]
        if places:
            at, values = zip(*places, strict=True)
            self._price[list(at)] = values

    def drop(self, account_id: Hashable) -> None:
        """Follow an account no longer."""
        positions, pools = self._rows.pop(account_id, ([], []))
        self._of["q"][positions] = self._of["way"][positions] = self._of["rate"][positions] = 0.0
        self._of["low"][positions], self._of["high"][positions] = -math.inf, math.inf
        self._of["deduction"][positions] = 0.0
        self._pool["ratio"][pools], self._pool["buffer"][pools] = math.inf, -math.inf
        self._pool["still"][pools], self._pool["fixed"][pools] = 1.0, 0.0
        for row in pools:
            del self._names[row]
        self._free[0].extend(positions)
        self._free[1].extend(pools)

    def hold(self, account_id: Hashable, pools: Sequence[tuple[Pool, Rungs]]) -> None:
        """Follow an account's pools from this reading on; symbols nobody held start at its marks."""
        self.drop(account_id)
        rows: tuple[list[int], list[int]] = ([], [])
        for pool, rungs in pools:
            row = self._new(1, self._pool)
            rows[1].append(row)
            self._names[row] = (account_id, pool.name)
            rows[0].extend(self._place(position, row) for position in pool.positions)
            self._anchor(pool, row, rows[0][-len(pool.positions) :])
            self.set_rungs(account_id, pool.name, rungs, row=row)
        if rows[1]:
            self._rows[account_id] = rows

    def set_rungs(self, account_id: Hashable, pool: str, rungs: Rungs, *, row: int | None = None) -> None:
        """When to look at a pool from now on."""
        if row is None:
            found = (at for at in self._rows.get(account_id, ([], []))[1] if self._names[at][1] == pool)
            row = next(found, None)
        if row is not None:
            self._pool["ratio"][row], self._pool["buffer"][row] = rungs.ratio, rungs.buffer

    def revalue(self) -> tuple[Floats, Floats]:
        """Equity and maintenance margin of every pool row at the present marks."""
        of, count = self._of, len(self._pool["still"])
        both = np.empty(2 * len(self._price))  # each price, and one over it
        both[::2] = self._price
        np.divide(1.0, self._price, out=both[1::2])
        notional = both.take(self._index["price"]) if len(both) else np.zeros(0)
        notional *= of["q"]
        outside = notional < of["low"]
        outside |= notional >= of["high"]
        left = np.flatnonzero(outside)
        if len(left):
            self._settle(left, notional[left])
        need = notional * of["rate"]
        need -= of["deduction"]
        np.maximum(need, 0.0, out=need)
        pool = self._index["pool"]
        equity = self._pool["still"] + np.bincount(pool, notional * of["way"], count)
        return equity, self._pool["scale"] * np.bincount(pool, need, count) + self._pool["fixed"]

    def rungs(self, account_id: Hashable, pool: str) -> Rungs:
        """When a pool is looked at."""
        row = next((at for at in self._rows.get(account_id, ([], []))[1] if self._names[at][1] == pool), None)
        return Rungs() if row is None else Rungs(float(self._pool["ratio"][row]), float(self._pool["buffer"][row]))

    def value_of(self, account_id: Hashable, pool: str) -> tuple[float, float] | None:
        """Equity and maintenance margin of one pool; None: not followed."""
        equity, required = self.revalue()
        rows = [row for row in self._rows.get(account_id, ([], []))[1] if self._names[row][1] == pool]
        return (float(equity[rows[0]]), float(required[rows[0]])) if rows else None

    def alarms(self) -> list[Alarm]:
        """The pools that have reached a rung, the worst first."""
        equity, required = self.revalue()
        ratio = self._pool["ratio"]
        high = np.isfinite(ratio) & (required >= np.where(np.isfinite(ratio), ratio, 0.0) * equity)
        reached = high | (equity - required <= self._pool["buffer"])
        rows = [int(row) for row in np.flatnonzero(reached) if int(row) in self._names]
        rows.sort(key=lambda row: equity[row] / required[row] if required[row] else math.inf)
        return [Alarm(*self._names[row], float(equity[row]), float(required[row])) for row in rows]

    def _new(self, which: int, arrays: dict[str, Any]) -> int:
        """A row that nobody uses; there is more room when there is none."""
        if not self._free[which]:
            size = len(next(iter(arrays.values())))
            more = max(_FIRST_ROOM, size // 2)
            for name, values in arrays.items():
                arrays[name] = np.concatenate([values, np.zeros(more, values.dtype)])
            if which == 0:
                self._widen(more)
            self._free[which].extend(range(size + more - 1, size - 1, -1))
        return self._free[which].pop()

    def _widen(self, more: int) -> None:
        self._index = {name: np.concatenate([old, np.zeros(more, np.int64)]) for name, old in self._index.items()}
        self._of["high"][-more:], self._of["low"][-more:] = math.inf, -math.inf

    def _place(self, position: Position, pool: int) -> int:
        """Put a position into a row."""
        assert position.notional is not None
        assert position.mark_price is not None
        notional, mark = float(position.notional), float(position.mark_price)
        row, coin = self._new(0, self._of), position.coin_settled
        self._index["price"][row] = 2 * self._symbol(position.symbol, mark) + coin
        self._index["pool"][row] = pool
        self._index["table"][row] = self._table(position.tiers)
        self._of["q"][row] = notional * mark if coin else notional / mark
        self._of["way"][row] = -position.side.sign if coin else position.side.sign
        held = float(position.maintenance_margin or 0) / notional
        self._of["rate"][row], self._of["deduction"][row] = held, 0.0
        self._of["low"][row], self._of["high"][row] = -math.inf, math.inf
        if position.tiers:
            self._settle(np.array([row]), np.array([notional]))
        return row

    def _anchor(self, pool: Pool, row: int, positions: list[int]) -> None:
        """Make the sums equal what the venue said, at the marks of the reading."""
        assert pool.equity is not None
        assert pool.maintenance_margin is not None
        notional = np.array([float(position.notional or 0) for position in pool.positions])
        need = np.maximum(notional * self._of["rate"][positions] - self._of["deduction"][positions], 0.0).sum()
        required = float(pool.maintenance_margin)
        self._pool["still"][row] = float(pool.equity) - float((notional * self._of["way"][positions]).sum())
        self._pool["scale"][row] = required / need if need > 0 else 0.0
        self._pool["fixed"][row] = 0.0 if need > 0 else required

    def _settle(self, rows: Integers, notional: Floats) -> None:
        """Look up the tiers of positions that have left theirs: few at a time."""
        tables = self._index["table"][rows]
        for table in np.unique(tables):
            chosen = tables == table
            caps, rates, deductions = self._ladders[int(table)]
            tier = np.minimum(np.searchsorted(caps, notional[chosen], side="right"), len(caps) - 1)
            at = rows[chosen]
            self._of["rate"][at], self._of["deduction"][at] = rates[tier], deductions[tier]
            self._of["low"][at] = np.where(tier > 0, caps[tier - 1], -math.inf)
            self._of["high"][at] = np.where(tier < len(caps) - 1, caps[tier], math.inf)

    def _symbol(self, name: str, mark: float) -> int:
        if name not in self._symbols:
            self._symbols[name] = len(self._symbols)
            self._price = np.append(self._price, mark)
        return self._symbols[name]

    def _table(self, tiers: tuple[LeverageTier, ...]) -> int:
        if not tiers:
            return -1
        if tiers not in self._tables:
            self._tables[tiers] = len(self._ladders)
            caps = np.array([math.inf if tier.cap is None else float(tier.cap) for tier in tiers])
            rates = np.array([float(tier.maintenance_margin_rate) for tier in tiers])
            self._ladders.append((caps, rates, np.array([float(tier.deduction) for tier in tiers])))
        return self._tables[tiers]


def rungs_of(pool: Pool, judged: PoolReport, ladders: Ladders) -> Rungs:
    """When a pool of this grade may have risen to the next. The ratio is exact; the buffer looks a little early."""
    grade = judged.grade if judged.grade is not None else Grade.DEFICIT
    if grade >= Grade.EMERGENCY:
        return Rungs(_NEVER if grade is Grade.EMERGENCY else math.inf)
    left = float(pool.buffer or 0)
    buffer = -math.inf
    if judged.cushion:
        share = EARLY * ladders.cushion[grade] / judged.cushion
        buffer = left * min(share, LEAST_STEP) if left > 0 else -math.inf
    return Rungs(ladders.ratio[grade], buffer)


def lower(rungs: Rungs, alarm: Alarm) -> Rungs:
    """When to look again at a pool that was looked at and has not risen: after a further step."""
    left = alarm.equity - alarm.maintenance_margin
    ratio = alarm.maintenance_margin / alarm.equity if alarm.equity > 0 else math.inf
    return Rungs(max(rungs.ratio, ratio + RATIO_STEP), min(rungs.buffer, left * LEAST_STEP))
