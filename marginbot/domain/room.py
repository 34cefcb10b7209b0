"""How far the market may move before a pool reaches its trigger.

For a scenario (one underlying alone, or all together) and a relative price move x, equity and maintenance
margin are revalued from what the venue reported:

    linear          profit  s N x           notional N (1 + x)
    coin-settled    profit  s N x / (1 + x)  notional N / (1 + x)      (in the coin; s = +1 long, -1 short)
    collateral      V x
    option          Black-76 at the implied volatility of the venue's mark

The requirement of a position follows its leverage tiers where known, else its notional; the sum is scaled so
that at x = 0 it equals the venue's own requirement. The trigger is the smallest |x| with equity = requirement,
searched on a grid and then bisected, because both are piecewise. `room` is signed: -0.05 means a fall of 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marginbot.domain.margin import Pool, PoolState, Position, Side
from marginbot.domain.options import OptionModel, fit
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility, default_volatility

MARKET = "market"
STABLE = frozenset({"USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "DAI", "USDE", "USD1", "BFUSD", "BNFCR", "EUR"})

_DOWN_LIMIT = -0.99
_UP_LIMIT = 5.0
_FIRST_STEP = 0.01
_STEP_GROWTH = 0.1  # a step is never more than a tenth of the distance already searched
_PROBES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way the market may move, and how far until the pool's trigger either way."""

    name: str  # an underlying, or MARKET
    down: float | None  # negative fraction; None: no fall breaches
    up: float | None  # positive fraction; None: no rise breaches
    hourly: float  # move of an ordinary hour

    @property
    def room(self) -> float | None:
        """The nearer of the two."""
        moves = [move for move in (self.down, self.up) if move is not None]
        return min(moves, key=abs, default=None)

    @property
    def cushion(self) -> float | None:
        """Room in ordinary hourly moves."""
        return None if self.room is None else abs(self.room) / self.hourly


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomReport:
    """All scenarios of a pool, the decisive one first, and what had to be assumed."""

    scenarios: tuple[Scenario, ...] = ()
    notes: tuple[str, ...] = ()
    known: bool = True  # False: no decisive scenario says nothing, because room could not be computed

    @property
    def decisive(self) -> Scenario | None:
        """The scenario with the smallest cushion, None where no move can breach."""
        reachable = [scenario for scenario in self.scenarios if scenario.cushion is not None]
        return min(reachable, key=lambda scenario: scenario.cushion or 0.0, default=None)


def room_of(pool: Pool, volatilities: Mapping[str, Volatility], now: datetime) -> RoomReport:
    """Room of a pool in every scenario; empty (with a note) where it cannot be computed."""
    if pool.state is not PoolState.OK:
        return RoomReport(known=pool.state is not PoolState.UNKNOWN)
    if not pool.positions and not pool.collateral:
        return RoomReport(known=False)  # margin is required for something that is not listed
    unknown = [p.symbol for p in pool.positions if p.notional is None]
    if unknown:
        return _room_from_liquidation_prices(pool, volatilities, unknown)
    book = _Book.of(pool, now)
    scenarios = [_scenario(book, name, moving, hourly) for name, moving, hourly in _scenarios(book, volatilities)]
    chosen = _chosen(book, volatilities)
    assumed = [f"{name} {volatility.hourly:.1%}" for name, volatility in chosen.items() if volatility.assumed]
    notes = (f"{pool.name}: too few candles yet, hourly move assumed: {', '.join(assumed)}",) if assumed else ()
    priced = all(line.option is not None for line in book.lines if line.position.option is not None)
    return RoomReport(scenarios=tuple(scenarios), notes=notes + book.notes, known=priced)


def _chosen(book: _Book, volatilities: Mapping[str, Volatility]) -> dict[str, Volatility]:
    return {name: volatilities.get(name) or default_volatility(name) for name in sorted(book.underlyings)}


def _scenarios(book: _Book, volatilities: Mapping[str, Volatility]) -> list[tuple[str, set[str], float]]:
    """Each underlying alone and, if there are several, all together: name, what moves, its ordinary hour."""
    chosen = _chosen(book, volatilities)
    alone = [(name, {name}, volatility.hourly) for name, volatility in chosen.items()]
    together = [(MARKET, set(chosen), book.market_volatility(chosen))] if len(chosen) > 1 else []
    return alone + together


@dataclass(frozen=True, slots=True)
class Tightest:
    """Where least is left, of the moves that a pool is to withstand; `buffer` <= 0: it does not."""

    buffer: float  # equity less requirement there, in the pool's currency
    moving: frozenset[str] = frozenset()  # the underlyings that moved
    move: float = 0.0  # by this fraction


def tightest(pool: Pool, volatilities: Mapping[str, Volatility], cushion: float, now: datetime) -> Tightest:
    """The worst point of all moves up to `cushion` ordinary hours, either way, in every scenario."""
    book = _Book.of(pool, now)
    worst = Tightest(book.equity - book.requirement)
    for _, moving, hourly in _scenarios(book, volatilities):
        reach = cushion * hourly
        for probe in range(1, _PROBES + 1):
            for move in (max(_DOWN_LIMIT, -reach * probe / _PROBES), reach * probe / _PROBES):
                equity, requirement = book.after(dict.fromkeys(moving, move))
                if equity - requirement < worst.buffer:
                    worst = Tightest(equity - requirement, frozenset(moving), move)
    return worst


def withstands(pool: Pool, volatilities: Mapping[str, Volatility], cushion: float, now: datetime) -> bool:
    """Whether a pool survives `cushion` ordinary hourly moves either way in every scenario."""
    return tightest(pool, volatilities, cushion, now).buffer > 0


Revaluation = Callable[[Mapping[str, float]], tuple[float, float]]


def revaluation(pool: Pool, now: datetime) -> Revaluation:
    """Projected equity and maintenance margin for any moves (fraction by underlying), prepared once for many."""
    return _Book.of(pool, now).after


def equity_and_requirement(pool: Pool, moves: Mapping[str, float], now: datetime) -> tuple[float, float]:
    """Projected equity and maintenance margin after `moves` (fraction by underlying)."""
    return revaluation(pool, now)(moves)


def _scenario(book: _Book, name: str, moving: Iterable[str], hourly: float) -> Scenario:
    def distance(move: float) -> float:
        equity, requirement = book.after(dict.fromkeys(moving, move))
        return equity - requirement

    if distance(0.0) <= 0:
        # Already past the trigger: no room is left.
        return Scenario(name=name, down=0.0, up=0.0, hourly=hourly)
    return Scenario(
        name=name,
        down=_first_breach(distance, _DOWN_LIMIT),
        up=_first_breach(distance, _UP_LIMIT),
        hourly=hourly,
    )


def _first_breach(distance: Callable[[float], float], limit: float) -> float | None:
    """Smallest move towards `limit` at which `distance` falls to zero; None if it never does."""
    safe, sign = 0.0, math.copysign(1.0, limit)
    while abs(safe) < abs(limit):
        step = max(_FIRST_STEP, _STEP_GROWTH * abs(safe))
        probe = sign * min(abs(safe) + step, abs(limit))
        if distance(probe) <= 0:
            return _bisect(distance, safe, probe)
        safe = probe
    return None


def _bisect(distance: Callable[[float], float], safe: float, breached: float) -> float:
    for _ in range(60):
        middle = (safe + breached) / 2
        if distance(middle) <= 0:
            breached = middle
        else:
            safe = middle
    return breached


@dataclass(frozen=True, slots=True)
class _Line:
    """A position reduced to what revaluing needs, in floats of the pool's currency."""

    underlying: str
    sign: int
    notional: float
    coin_settled: bool
    position: Position
    option: OptionModel | None
    per_dollar: float  # pool currency per dollar of option value now
    counts: bool  # False: an option value the pool's equity leaves out
    tiers: tuple[tuple[float, float, float], ...]  # cap, rate, deduction

    def profit(self, move: float) -> float:
        if self.position.option is not None:
            return self._option_change(move) if self.counts else 0.0
        return self.sign * self.notional * (move / (1 + move) if self.coin_settled else move)

    def requirement(self, move: float) -> float:
        if self.position.option is not None:
            # What a sold option has gained in value is needed on top; a bought one never needs more.
            held = float(self.position.maintenance_margin or 0)
            return held + (max(0.0, -self._option_change(move)) if self.sign < 0 and not self.counts else 0.0)
        notional = self.notional / (1 + move) if self.coin_settled else self.notional * (1 + move)
        if self.tiers:
            rate, deduction = next(((r, c) for cap, r, c in self.tiers if notional < cap), self.tiers[-1][1:])
            return max(0.0, notional * rate - deduction)
        held = float(self.position.maintenance_margin or 0)
        return held * notional / self.notional if self.notional else held

    def _option_change(self, move: float) -> float:
        if self.option is None:
            return 0.0
        units = self.notional / self.option.forward / self.per_dollar if self.per_dollar else 0.0
        before = self.option.value(0.0) * self.per_dollar
        after = self.option.value(move) * self.per_dollar / (1 + move if self.coin_settled else 1)
        return self.sign * units * (after - before)


@dataclass(frozen=True, slots=True)
class _Book:
    """A pool prepared for revaluation and anchored to the venue's own amounts."""

    equity: float
    requirement: float
    lines: tuple[_Line, ...]
    collateral: tuple[tuple[str, float], ...]
    scale: float
    fixed: float
    notes: tuple[str, ...]
    # What a move does is the sum of what it does to the lines it touches: the others keep what they need now.
    touched_by: Mapping[str, Sequence[tuple[_Line, float]]]  # lines by underlying, each with its need now
    modelled: float

    @classmethod
    def of(cls, pool: Pool, now: datetime) -> _Book:
        assert pool.equity is not None
        assert pool.maintenance_margin is not None
        lines = tuple(_line(pool, position, now) for position in pool.positions)
        collateral = tuple((c.asset, float(c.value)) for c in pool.collateral if c.asset not in STABLE)
        requirement = float(pool.maintenance_margin)
        touched_by: dict[str, list[tuple[_Line, float]]] = {}
        for line in lines:
            touched_by.setdefault(line.underlying, []).append((line, line.requirement(0.0)))
        modelled = sum(need for touched in touched_by.values() for _, need in touched)
        # Anchor: scale the model where it has anything to say, else hold the venue's amount fixed.
        scale, fixed = (requirement / modelled, 0.0) if modelled > 0 else (0.0, requirement)
        notes = _notes(pool, lines)
        return cls(
            equity=float(pool.equity),
            requirement=requirement,
            lines=lines,
            collateral=collateral,
            scale=scale,
            fixed=fixed,
            notes=notes,
            touched_by=touched_by,
            modelled=modelled,
        )

    @property
    def underlyings(self) -> set[str]:
        moving = {line.underlying for line in self.lines} | {asset for asset, value in self.collateral if value}
        return moving - STABLE

    def after(self, moves: Mapping[str, float]) -> tuple[float, float]:
        profit = sum(value * moves[asset] for asset, value in self.collateral if asset in moves)
        added = 0.0
        for name, move in moves.items():
            for line, need in self.touched_by.get(name, ()):
                profit += line.profit(move)
                added += line.requirement(move) - need
        return self.equity + profit, (self.modelled + added) * self.scale + self.fixed

    def market_volatility(self, chosen: Mapping[str, Volatility]) -> float:
        """Ordinary hourly move of the book's underlyings, weighted by what is at stake in each."""
        stakes: dict[str, float] = {}
        for line in self.lines:
            stakes[line.underlying] = stakes.get(line.underlying, 0.0) + abs(line.notional)
        for asset, value in self.collateral:
            stakes[asset] = stakes.get(asset, 0.0) + abs(value)
        total = sum(stakes.get(name, 0.0) for name in chosen)
        if not total:
            return max(v.hourly for v in chosen.values())
        return sum(v.hourly * stakes.get(name, 0.0) for name, v in chosen.items()) / total


def _line(pool: Pool, position: Position, now: datetime) -> _Line:
    assert position.notional is not None
    option = fit(position.option, now) if position.option else None
    per_dollar = 1.0
    if position.coin_settled and position.option and position.option.underlying_price > 0:
        per_dollar = 1.0 / float(position.option.underlying_price)
    return _Line(
        underlying=position.underlying,
        sign=position.side.sign,
        notional=float(position.notional),
        coin_settled=position.coin_settled,
        position=position,
        option=option,
        per_dollar=per_dollar,
        counts=pool.option_equity_counts,
        tiers=tuple(_floats(tier) for tier in position.tiers),
    )


def _floats(tier: LeverageTier) -> tuple[float, float, float]:
    cap = math.inf if tier.cap is None else float(tier.cap)
    return cap, float(tier.maintenance_margin_rate), float(tier.deduction)


def _notes(pool: Pool, lines: tuple[_Line, ...]) -> tuple[str, ...]:
    options = [line for line in lines if line.position.option is not None]
    if not options:
        return ()
    notes = [f"{pool.name}: room is an estimate, options are revalued at their present implied volatility"]
    unpriced = sorted(line.position.symbol for line in options if line.option is None)
    if unpriced:
        notes.append(f"{pool.name}: no volatility explains the mark of {', '.join(unpriced)}; left out of room")
    return tuple(notes)


def _room_from_liquidation_prices(pool: Pool, volatilities: Mapping[str, Volatility], unknown: list[str]) -> RoomReport:
    """Fallback where a notional is missing: the venue's own liquidation prices, one underlying at a time."""
    scenarios = []
    for position in pool.positions:
        mark, liquidation = position.mark_price, position.liquidation_price
        if not mark or not liquidation or mark <= 0 or liquidation <= 0:
            continue
        move = float(liquidation / mark) - 1
        hourly = (volatilities.get(position.underlying) or default_volatility(position.underlying)).hourly
        if (move < 0) is not (position.side is Side.LONG):
            continue  # on the wrong side of the mark: no price that this position alone could reach
        down, up = (move, None) if position.side is Side.LONG else (None, move)
        scenarios.append(Scenario(name=position.underlying, down=down, up=up, hourly=hourly))
    note = f"{pool.name}: size of {', '.join(sorted(unknown))} unknown, room taken from liquidation prices"
    if not scenarios:
        note = f"{pool.name}: size of {', '.join(sorted(unknown))} unknown, room cannot be computed"
    return RoomReport(scenarios=tuple(scenarios), notes=(note,), known=bool(scenarios))
