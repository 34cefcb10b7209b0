"""All followed pools of a venue revalued at live mark prices: a structure of arrays, nothing allocated at a tick.

Of each position the last gain and need are kept, and of each pool their sums. Where few prices have changed only the
positions that depend on them are valued anew, and the differences are added to the sums; now and then, and where many
have, everything is. A position's tier is looked up only when its notional has left the one it was in. Formulas: `live`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marginbot.domain.live import Alarm, Rungs
from marginbot.domain.margin import Pool, Position
from marginbot.domain.tiers import LeverageTier

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Table = tuple[Floats, Floats, Floats]  # caps, rates, deductions
Told = tuple[list[str], Integers, Integers]  # symbols as they come, which of them are held, and their places

_FIRST_ROOM = 256
_FEW = 8  # fewer than one in so many positions: only those
_MOST_SUMS = 64  # times that differences are added before everything is summed up again
_NOTHING_TOLD: Told = ([], np.zeros(0, np.int64), np.zeros(0, np.int64))


class LiveBook:
    """All followed pools of a venue as a structure of arrays. A row that is given up is used again."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}
        self._tables: dict[tuple[LeverageTier, ...], int] = {}
        self._ladders: list[Table] = []
        self._rows: dict[Hashable, tuple[list[int], list[int]]] = {}  # account: its positions, its pools
        self._names: dict[int, tuple[Hashable, str]] = {}
        self._free: tuple[list[int], list[int]] = ([], [])
        # By symbol: its price, one over it, whether it has changed.
        self._price, self._changed = np.zeros((0, 2)), np.zeros(0, np.bool_)
        # Of each position: q * price (or q / price) is its notional; `way` is what equity gains with it.
        self._of = {
            name: np.zeros(0) for name in ("q", "way", "low", "high", "rate", "deduction", "notional", "gain", "need")
        }
        self._index: dict[str, Integers] = {name: np.zeros(0, np.int64) for name in ("price", "pool", "table")}
        self._outside, self._above = np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        # Of each pool: `ratio` and `buffer` are its rungs, `gate` is infinite where it has no ratio.
        self._pool = {
            name: np.zeros(0) for name in ("still", "scale", "fixed", "ratio", "gate", "buffer", "gain", "need")
        }
        self._used = [0, 0]  # rows of positions and of pools that were ever used; what is beyond is room
        self._told = _NOTHING_TOLD
        self._new_rows: list[int] = []
        self._sums = 0

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

    @property
    def nbytes(self) -> int:
        """What the arrays take."""
        arrays = (*self._of.values(), *self._index.values(), *self._pool.values())
        return sum(one.nbytes for one in arrays) + self._outside.nbytes + self._above.nbytes

    def price_of(self, symbol: str) -> float | None:
        """The last mark of a symbol."""
        place = self._symbols.get(symbol)
        return None if place is None else float(self._price[place, 0])

    def price(self, marks: Mapping[str, float]) -> None:
        """New marks; symbols that nobody holds are left out."""
        names = list(marks)
        if names != self._told[0]:  # a stream names the same ones each time
            places = np.array([self._symbols.get(name, -1) for name in names], np.int64)
            known = np.flatnonzero(places >= 0)
            self._told = (names, known, places[known])
        _, known, at = self._told
        values = np.fromiter(marks.values(), np.float64, len(names))[known]
        self._changed[at] |= self._price[at, 0] != values
        self._price[at, 0], self._price[at, 1] = values, 1.0 / values

    def drop(self, account_id: Hashable) -> None:
        """Follow an account no longer."""
        positions, pools = self._rows.pop(account_id, ([], []))
        for name, values in self._of.items():
            values[positions] = {"low": -math.inf, "high": math.inf}.get(name, 0.0)
        for name, values in self._pool.items():
            values[pools] = {"gate": math.inf, "buffer": -math.inf}.get(name, 0.0)
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
        self._new_rows += rows[0]
        if rows[1]:
            self._rows[account_id] = rows

    def set_rungs(self, account_id: Hashable, pool: str, rungs: Rungs, *, row: int | None = None) -> None:
        """When to look at a pool from now on."""
        row = self._row(account_id, pool) if row is None else row
        if row is not None:
            limited = math.isfinite(rungs.ratio)
            self._pool["ratio"][row] = rungs.ratio if limited else 0.0
            self._pool["gate"][row] = 0.0 if limited else math.inf
            self._pool["buffer"][row] = rungs.buffer

    def rungs(self, account_id: Hashable, pool: str) -> Rungs:
        """When a pool is looked at."""
        row = self._row(account_id, pool)
        if row is None:
            return Rungs()
        ratio, gate, buffer = (float(self._pool[name][row]) for name in ("ratio", "gate", "buffer"))
        return Rungs(math.inf if gate else ratio, buffer)

    def revalue(self) -> tuple[Floats, Floats]:
        """Equity and maintenance margin of every pool row at the present marks; of a row not in use it is 0."""
        rows = self._touched()
        if rows is None or self._sums >= _MOST_SUMS:
            self._sum_all()
        elif len(rows):
            self._add(rows)
        self._changed[:] = False
        self._new_rows.clear()
        still, gain, scale, need, fixed = self._pools("still", "gain", "scale", "need", "fixed")
        return still + gain, scale * need + fixed

    def value_of(self, account_id: Hashable, pool: str) -> tuple[float, float] | None:
        """Equity and maintenance margin of one pool; None: not followed."""
        equity, required = self.revalue()
        row = self._row(account_id, pool)
        return None if row is None else (float(equity[row]), float(required[row]))

    def alarms(self) -> list[Alarm]:
        """The pools that have reached a rung, the worst first."""
        equity, required = self.revalue()
        ratio, gate, buffer = self._pools("ratio", "gate", "buffer")
        reached = (required - ratio * equity >= gate) | (equity - required <= buffer)
        rows = np.flatnonzero(reached).tolist()
        rows.sort(key=lambda row: equity[row] / required[row] if required[row] else math.inf)
        return [Alarm(*self._names[row], float(equity[row]), float(required[row])) for row in rows]

    def _touched(self) -> Integers | None:
        """The positions to be valued anew; None: so many that it may as well be all."""
        size = self._used[0]
        most = size // _FEW
        changed = np.count_nonzero(self._changed)
        if changed > len(self._changed) // _FEW or len(self._new_rows) > most:
            return None
        if not changed:
            return np.unique(np.array(self._new_rows, np.int64))
        moved = np.repeat(self._changed, 2).take(self._index["price"][:size], out=self._outside[:size], mode="clip")
        moved[self._new_rows] = True
        rows = np.flatnonzero(moved)
        return None if len(rows) > most else rows

    def _sum_all(self) -> None:
        """Every position, every pool, in buffers that are kept: fresh memory costs more than the arithmetic."""
        size, pools = self._used
        of = {name: values[:size] for name, values in self._of.items()}
        # Every index is one of ours; the mode that checks them would make a copy first.
        notional = self._price.reshape(-1).take(self._index["price"][:size], out=of["notional"], mode="clip")
        notional *= of["q"]
        outside = np.less(notional, of["low"], out=self._outside[:size])
        outside |= np.greater_equal(notional, of["high"], out=self._above[:size])
        left = np.flatnonzero(outside)
        if len(left):
            self._settle(left, notional[left])
        np.multiply(notional, of["way"], out=of["gain"])
        need = np.multiply(notional, of["rate"], out=of["need"])
        need -= of["deduction"]
        np.maximum(need, 0.0, out=need)
        for name in ("gain", "need"):
            self._pool[name][:pools] = np.bincount(self._index["pool"][:size], of[name], pools)
        self._sums = 0

    def _add(self, rows: Integers) -> None:
        """Some positions; what has changed of them goes to the sums of their pools."""
        of, pool = self._of, self._index["pool"][rows]
        notional = self._price.reshape(-1)[self._index["price"][rows]] * of["q"][rows]
        left = np.flatnonzero((notional < of["low"][rows]) | (notional >= of["high"][rows]))
        if len(left):
            self._settle(rows[left], notional[left])
        gain = notional * of["way"][rows]
        need = np.maximum(notional * of["rate"][rows] - of["deduction"][rows], 0.0)
        for name, new in (("gain", gain), ("need", need)):
            np.add.at(self._pool[name], pool, new - of[name][rows])
            of[name][rows] = new
        self._sums += 1

    def _pools(self, *names: str) -> list[Floats]:
        """Arrays of the pool rows that were ever used."""
        return [self._pool[name][: self._used[1]] for name in names]

    def _row(self, account_id: Hashable, pool: str) -> int | None:
        return next((at for at in self._rows.get(account_id, ([], []))[1] if self._names[at][1] == pool), None)

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
        row = self._free[which].pop()
        self._used[which] = max(self._used[which], row + 1)
        return row

    def _widen(self, more: int) -> None:
        self._index = {name: np.concatenate([old, np.zeros(more, np.int64)]) for name, old in self._index.items()}
        self._of["high"][-more:], self._of["low"][-more:] = math.inf, -math.inf
        size = len(self._of["q"])
        self._outside, self._above = np.zeros(size, np.bool_), np.zeros(size, np.bool_)

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
            self._settle_one(row, notional)
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

    def _settle_one(self, row: int, notional: float) -> None:
        """The same as `_settle`, four times as fast for a single one."""
        caps, rates, deductions = self._ladders[self._index["table"][row]]
        last = len(caps) - 1
        tier = min(int(caps.searchsorted(notional, side="right")), last)
        self._of["rate"][row], self._of["deduction"][row] = rates[tier], deductions[tier]
        self._of["low"][row] = caps[tier - 1] if tier > 0 else -math.inf
        self._of["high"][row] = caps[tier] if tier < last else math.inf

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
            self._told = _NOTHING_TOLD
            self._price = np.append(self._price, [[mark, 1.0 / mark]], axis=0)
            self._changed = np.append(self._changed, False)
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
