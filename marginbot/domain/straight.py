"""The trigger of a book that is made of straight lines, in a few steps and without a search.

Where requirements follow tiers without steps (each further tier dearer than the one before), equity less requirement
is a concave chain of straight pieces in the move: the least of a few lines. From a point past the trigger, the line
through it meets zero between the trigger and that point. So the steps of Newton's method from there come to the
trigger from outside, never pass it, and end on its very piece: exactly, as in `domain.roots`, which has no need of the
shape. Coin-settled lines that move in step are as straight in the change of 1 / (1 + move).

A price that has reached its floor stays there, which is no concave bend: up to each such move it is looked anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from marginbot.domain.book import LEAST_MOVE, Line, Mover
from marginbot.domain.roots import Shape
from marginbot.domain.tiers import Schedule

_MOST_STEPS = 10_000  # more than there are pieces: a step leaves at least one behind
_FLOOR = LEAST_MOVE * (1 + 1e-12)  # the floor itself belongs to the piece before it


class Arm(NamedTuple):
    """A line, by the common move."""

    beta: float
    pull: float  # profit per own move
    notional: float
    schedule: Schedule | None
    rate: float  # without a schedule


@dataclass(frozen=True, slots=True)
class Straight:
    """A mover of nothing but straight lines; `variable` is the move, or the change of one over one plus the move."""

    variable: Shape
    arms: tuple[Arm, ...]
    equity: float
    collateral: float
    still: float  # modelled requirement of what does not move
    scale: float
    fixed: float

    @classmethod
    def of(cls, mover: Mover) -> Straight | None:
        """None where something is curved, or a requirement has steps."""
        shape = mover.shape
        if shape is Shape.CURVED or not all(line.is_convex for line, _ in mover.moving):
            return None
        book, sign = mover.book, -1 if shape is Shape.INVERSE else 1
        return cls(
            variable=shape,
            arms=tuple(_arm(line, beta, sign) for line, beta in mover.moving if line.notional),
            equity=book.equity,
            collateral=mover.collateral,
            still=mover.still + sum(line.held for line, _ in mover.moving if not line.notional),
            scale=book.scale,
            fixed=book.fixed,
        )

    def first_breach(self, limit: float) -> float | None:
        """Smallest move towards `limit` that brings the pool to its trigger, None if none does; 0: it is past it."""
        for stop in self._stops(limit):
            gap, slope = self._at(stop)
            if gap <= 0:
                return self._move(self._solved(stop, gap, slope))
        return None

    def _solved(self, at: float, gap: float, slope: float) -> float:
        """The trigger between zero and `at`, which is past it."""
        for _ in range(_MOST_STEPS):
            if gap == 0:
                return at
            if slope * at >= 0:
                return 0.0  # what is left is less than what floats can tell
            nearer = at - gap / slope
            if abs(nearer) >= abs(at):
                return at
            at, (gap, slope) = nearer, self._at(nearer)
            if gap > 0:
                return at
        raise ArithmeticError("the trigger was not found")

    def _at(self, variable: float) -> tuple[float, float]:
        """Equity less requirement there, and how fast it changes (where it bends, on either side)."""
        equity, lean = self.equity + self.collateral * variable, self.collateral
        need, steep = self.still, 0.0
        for beta, pull, notional, schedule, rate in self.arms:
            own, speed = beta * variable, beta
            if own < _FLOOR:
                own, speed = LEAST_MOVE, 0.0
            equity += pull * own
            lean += pull * speed
            value = notional * (1.0 + own)
            needed, marginal = _needed(schedule, value) if schedule is not None else (value * rate, rate)
            need += needed
            steep += notional * marginal * speed
        return equity - need * self.scale - self.fixed, lean - steep * self.scale

    def _stops(self, limit: float) -> Iterable[float]:
        """Where a concave chain ends, up to the limit."""
        end = 1.0 / (1.0 + limit) - 1.0 if self.variable is Shape.INVERSE else limit
        floors = {LEAST_MOVE / arm.beta for arm in self.arms if abs(arm.beta) > 1}
        return (*sorted((at for at in floors if 0 < at * end < end * end), key=abs), end)

    def _move(self, variable: float) -> float:
        return 1.0 / (1.0 + variable) - 1.0 if self.variable is Shape.INVERSE else variable


def _arm(line: Line, beta: float, sign: int) -> Arm:
    rate = 0.0 if line.tiers else line.held / line.notional
    return Arm(beta, sign * line.sign * line.notional, line.notional, line.tiers, rate)


def _needed(schedule: Schedule, notional: float) -> tuple[float, float]:
    """The requirement of a notional, and of a little more of it."""
    tier = bisect_right(schedule.caps, notional)
    rate = schedule.rates[tier]
    needed = notional * rate - schedule.deductions[tier]
    return (needed, rate) if needed > 0 else (0.0, 0.0)
