"""A pool prepared for revaluation: what its equity and requirement become when prices move.

    linear          profit  s N y           notional N (1 + y)
    coin-settled    profit  s N y / (1 + y)  notional N / (1 + y)      (in the coin; s = +1 long, -1 short)
    collateral      V y
    option          revalued at the moved price and volatility (`domain.options`)

The requirement of a position follows its leverage tiers where known, else its notional; the sum is scaled so that
without a move it equals the venue's own requirement.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from marginbot.domain.margin import Pool, Position, Side
from marginbot.domain.options import Model, OptionModel, model_of
from marginbot.domain.roots import Shape
from marginbot.domain.tiers import Schedule, schedule_of

STABLE = frozenset({"USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "DAI", "USDE", "USD1", "BFUSD", "BNFCR", "EUR"})

LEAST_MOVE = -0.99  # no price falls further than this
_LONG = Side.LONG


class Line(NamedTuple):
    """A position reduced to what revaluing needs, in floats of the pool's currency."""

    underlying: str
    sign: int
    notional: float
    coin_settled: bool
    held: float  # its own requirement as the venue states it
    is_option: bool
    option: Model | None
    per_dollar: float  # pool currency per dollar of option value now
    counts: bool  # False: an option value the pool's equity leaves out
    tiers: Schedule | None
    symbol: str

    def profit(self, move: float, shock: float = 0.0) -> float:
        """Change of equity after the underlying moved by `move` and its volatility by `shock` (fractions)."""
        if self.is_option:
            return self._option_change(move, shock) if self.counts else 0.0
        return self.sign * self.notional * (move / (1 + move) if self.coin_settled else move)

    def requirement(self, move: float, shock: float = 0.0) -> float:
        """Maintenance margin after the move, before scaling to the venue's sum."""
        if self.is_option:
            # What a sold option has gained in value is needed on top; a bought one never needs more.
            outside = self.sign < 0 and not self.counts
            return self.held + (max(0.0, -self._option_change(move, shock)) if outside else 0.0)
        notional = self.notional / (1 + move) if self.coin_settled else self.notional * (1 + move)
        if self.tiers:
            tier = bisect_right(self.tiers.caps, notional)
            return max(0.0, notional * self.tiers.rates[tier] - self.tiers.deductions[tier])
        return self.held * notional / self.notional if self.notional else self.held

    @property
    def is_convex(self) -> bool:
        """Whether its requirement is a chain of straight pieces, each steeper than the one before."""
        return not self.is_option and (self.tiers is None or self.tiers.is_convex)

    def knots(self) -> list[float]:
        """Moves of the underlying at which the requirement changes its slope."""
        if self.is_option or not self.notional or self.tiers is None:
            return []
        bends = [cap for cap in self.tiers.caps if math.isfinite(cap)]
        lines = zip(self.tiers.rates, self.tiers.deductions, strict=True)
        bends += [deduction / rate for rate, deduction in lines if rate > 0 and deduction > 0]
        if self.coin_settled:
            return [self.notional / at - 1 for at in bends if at > 0]
        return [at / self.notional - 1 for at in bends]

    def _option_change(self, move: float, shock: float) -> float:
        if self.option is None:
            return 0.0
        units = self.notional / self.option.forward / self.per_dollar if self.per_dollar else 0.0
        before = self.option.value(0.0) * self.per_dollar
        after = self.option.value(move, shock) * self.per_dollar / (1 + move if self.coin_settled else 1)
        return self.sign * units * (after - before)


@dataclass(frozen=True, slots=True)
class Book:
    """A pool's lines and collateral, anchored to the venue's own amounts."""

    equity: float
    maintenance_margin: float
    lines: tuple[Line, ...]
    collateral: tuple[tuple[str, float], ...]
    scale: float
    fixed: float
    notes: tuple[str, ...]
    # What a move does is the sum of what it does to the lines it touches: the others keep what they need now.
    touched_by: Mapping[str, Sequence[tuple[Line, float]]]  # lines by underlying, each with its need now
    modelled: float

    @classmethod
    def of(cls, pool: Pool, now: datetime) -> Book:
        """A pool whose amounts and sizes are known."""
        assert pool.equity is not None
        assert pool.maintenance_margin is not None
        lines = tuple(_line(pool, position, now) for position in pool.positions)
        collateral = tuple((c.asset, float(c.value)) for c in pool.collateral if c.asset not in STABLE)
        requirement = float(pool.maintenance_margin)
        touched_by: dict[str, list[tuple[Line, float]]] = {}
        for line in lines:
            touched_by.setdefault(line.underlying, []).append((line, line.requirement(0.0)))
        modelled = sum(need for touched in touched_by.values() for _, need in touched)
        # Anchor: scale the model where it has anything to say, else hold the venue's amount fixed.
        scale, fixed = (requirement / modelled, 0.0) if modelled > 0 else (0.0, requirement)
        return cls(
            equity=float(pool.equity),
            maintenance_margin=requirement,
            lines=lines,
            collateral=collateral,
            scale=scale,
            fixed=fixed,
            notes=_notes(pool, lines),
            touched_by=touched_by,
            modelled=modelled,
        )

    @property
    def underlyings(self) -> set[str]:
        """Everything whose price can hurt."""
        moving = {line.underlying for line in self.lines} | {asset for asset, value in self.collateral if value}
        return moving - STABLE

    @property
    def has_options(self) -> bool:
        """Whether volatility itself can hurt."""
        return any(line.option is not None for line in self.lines)

    def survives(self, underlying: str, moves: Iterable[float]) -> bool:
        """Whether more than the requirement is left after each of these moves of one underlying alone."""
        touched = self.touched_by.get(underlying, ())
        collateral = sum(value for asset, value in self.collateral if asset == underlying)
        for move in moves:
            left, modelled = self.equity + collateral * move, self.modelled
            for line, need in touched:
                left += line.profit(move)
                modelled += line.requirement(move) - need
            if not left > modelled * self.scale + self.fixed:
                return False
        return True

    def is_concave(self, underlying: str) -> bool:
        """Whether the distance to the trigger, if this alone moves, has no dent: what holds at both ends holds."""
        lines = [line for line, _ in self.touched_by.get(underlying, ())]
        inverse = any(line.coin_settled for line in lines)
        if inverse and (
            not all(line.coin_settled for line in lines) or any(a == underlying for a, _ in self.collateral)
        ):
            return False
        return all(line.is_convex for line in lines)

    def after(self, moves: Mapping[str, float], shock: float = 0.0) -> tuple[float, float]:
        """Equity and maintenance margin after `moves` (fraction by underlying) and a shock to implied volatility."""
        profit = sum(value * moves[asset] for asset, value in self.collateral if asset in moves)
        added = 0.0
        for name, move in moves.items():  # a shock, too, reaches only the lines of what is named
            for line, need in self.touched_by.get(name, ()):
                profit += line.profit(move, shock)
                added += line.requirement(move, shock) - need
        return self.equity + profit, (self.modelled + added) * self.scale + self.fixed

    def stakes(self) -> dict[str, float]:
        """What is at stake in each underlying."""
        stakes: dict[str, float] = {}
        for line in self.lines:
            stakes[line.underlying] = stakes.get(line.underlying, 0.0) + abs(line.notional)
        for asset, value in self.collateral:
            stakes[asset] = stakes.get(asset, 0.0) + abs(value)
        return stakes


@dataclass(frozen=True, slots=True)
class Mover:
    """A book of which some underlyings move together by multiples (`betas`) of one common move."""

    book: Book
    betas: Mapping[str, float]
    volatility_per_move: float  # relative rise of implied volatility per unit of the common move, either way
    most_shock: float
    moving: tuple[tuple[Line, float], ...]
    collateral: float  # change of collateral value per unit of the common move
    still: float  # modelled requirement of what does not move

    @classmethod
    def of(cls, book: Book, betas: Mapping[str, float], *, volatility_per_move: float, most_shock: float) -> Mover:
        """The part of a book that moves, apart from the part that stands still."""
        touched = [(line, need, beta) for name, beta in betas.items() for line, need in book.touched_by.get(name, ())]
        moving = tuple((line, beta) for line, _, beta in touched)
        still = book.modelled - sum(need for _, need, _ in touched) if len(touched) < len(book.lines) else 0.0
        collateral = sum(value * betas[asset] for asset, value in book.collateral if asset in betas)
        return cls(book, betas, volatility_per_move, most_shock, moving, collateral, still)

    def distance(self, move: float) -> float:
        """Equity minus requirement after the common move; zero or less: liquidated."""
        shock = self.shock(move)
        equity, modelled = self.book.equity + self.collateral * move, self.still
        for line, beta in self.moving:
            own = max(LEAST_MOVE, beta * move)
            equity += line.profit(own, shock)
            modelled += line.requirement(own, shock)
        return equity - modelled * self.book.scale - self.book.fixed

    def shock(self, move: float) -> float:
        """Relative rise of implied volatility that goes with the common move."""
        return min(self.most_shock, abs(move) * self.volatility_per_move)

    def moves(self, move: float) -> dict[str, float]:
        """What the common move is for each underlying."""
        return {name: max(LEAST_MOVE, beta * move) for name, beta in self.betas.items()}

    @property
    def shape(self) -> Shape:
        """Whether the distance is straight between knots, and in what."""
        if any(line.is_option for line, _ in self.moving):
            return Shape.CURVED
        settled = {line.coin_settled for line, _ in self.moving}
        if settled <= {False}:
            return Shape.LINEAR
        in_step = all(beta == 1.0 for _, beta in self.moving)
        return Shape.INVERSE if settled == {True} and in_step and not self.collateral else Shape.CURVED

    def knots(self) -> list[float]:
        """Common moves at which some line's requirement changes its slope, or a price reaches its floor."""
        found = [knot / beta for line, beta in self.moving if beta for knot in line.knots()]
        return found + [LEAST_MOVE / beta for _, beta in self.moving if abs(beta) > 1]


def _line(pool: Pool, position: Position, now: datetime) -> Line:
    assert position.notional is not None
    per_dollar = 1.0
    if position.coin_settled and position.option and position.option.underlying_price > 0:
        per_dollar = 1.0 / float(position.option.underlying_price)
    return Line(
        underlying=position.underlying,
        sign=1 if position.side is _LONG else -1,
        notional=float(position.notional),
        coin_settled=position.coin_settled,
        held=float(position.maintenance_margin or 0),
        is_option=position.option is not None,
        option=model_of(position.option, now) if position.option else None,
        per_dollar=per_dollar,
        counts=pool.option_equity_counts,
        tiers=schedule_of(position.tiers) if position.tiers else None,
        symbol=position.symbol,
    )


def _notes(pool: Pool, lines: tuple[Line, ...]) -> tuple[str, ...]:
    options = [line for line in lines if line.is_option]
    if not options:
        return ()
    notes = [f"{pool.name}: room is an estimate, options are revalued by a model"]
    by_greeks = sorted(o.symbol for o in options if o.option is not None and not isinstance(o.option, OptionModel))
    if by_greeks:
        notes.append(f"{pool.name}: {', '.join(by_greeks)} by the venue's greeks only, a rough estimate")
    unpriced = sorted(line.symbol for line in options if line.option is None)
    if unpriced:
        notes.append(f"{pool.name}: no volatility explains the mark of {', '.join(unpriced)}; left out of room")
    return tuple(notes)
