"""How much equity a pool lacks to be where it should be, and the least share to close after which nothing is missing.

What a pool must withstand is asked at hundreds of moves, but only a few of them ever decide. So a share is first
sought on the moves that have decided so far, and what is found there is confirmed on all of them; a move that then
turns out to be worse joins those that are asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from marginbot.domain.margin import Pool, PoolState
from marginbot.domain.room import Tightest, revaluation, tightest
from marginbot.domain.volatility import Volatility

_STEPS = 40
_GUESSES = 40
_FINEST = Decimal("1e-6")
_CLOSE_ENOUGH = 0.0005  # of the requirement: how far beyond the target a share may lead
_WHOLE, _ZERO = Decimal(1), Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a pool should be: below this ratio, and withstanding this many ordinary hours. None: no matter."""

    ratio: float | None = None
    cushion: float | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Equity that is missing, in the pool's currency (below zero: the target is met), and the move that decides."""

    amount: float
    at: Tightest | None = None  # None: the ratio decides


def shortfall(pool: Pool, target: Target, volatilities: Mapping[str, Volatility], now: datetime) -> Shortfall:
    """What a pool lacks to meet a target: `requirement / ratio - equity`, or more where a move would breach it."""
    found = Shortfall(_by_ratio(pool, target))
    if target.cushion is not None and pool.state is not PoolState.FLAT:
        worst = tightest(pool, volatilities, target.cushion, now)
        if -worst.buffer > found.amount:
            found = Shortfall(-worst.buffer, worst)
    return found


def _by_ratio(pool: Pool, target: Target) -> float:
    if target.ratio is None or pool.state is PoolState.FLAT:
        return float("-inf")
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    return float(pool.maintenance_margin) / target.ratio - float(pool.equity)


@dataclass(frozen=True, slots=True)
class Demand:
    """A target, what it is judged by, and the moves that have decided so far."""

    target: Target
    volatilities: Mapping[str, Volatility]
    now: datetime
    decided: list[Tightest] = field(default_factory=list)

    def of(self, pool: Pool) -> Shortfall:
        """What a pool lacks."""
        found = shortfall(pool, self.target, self.volatilities, self.now)
        if found.at is not None and not any(_same_move(found.at, known) for known in self.decided):
            self.decided.append(found.at)
        return found

    def foreseen(self, pool: Pool) -> float:
        """What a pool lacks by its ratio and at the moves that have decided before: an estimate, cheap to make."""
        lacks = _by_ratio(pool, self.target)
        if self.decided and pool.state is not PoolState.FLAT:
            after = revaluation(pool, self.now)
            for point in self.decided:
                equity, requirement = after(point.moves, point.shock)
                lacks = max(lacks, requirement - equity)
        return lacks


def _same_move(one: Tightest, other: Tightest) -> bool:
    return one.moves == other.moves and one.shock == other.shock


def tolerance(pool: Pool) -> float:
    """How much more equity than the target asks for is still on the target."""
    return _CLOSE_ENOUGH * float(pool.maintenance_margin or 0)


def least_share(after: Callable[[Decimal], Pool], demand: Demand, *, enough: float) -> Decimal | None:
    """Smallest share after which nothing is missing; None: no share does it. `after`: the pool once it is closed.

    It ends where at most `enough` is left over, or what that is of the part that stays open.
    """
    if demand.foreseen(after(_ZERO)) < 0 and demand.of(after(_ZERO)).amount < 0:
        return _ZERO
    low, high, over = _ZERO, _promising(after, demand, _ZERO), None
    for step in range(_STEPS):
        if high is None or (over is not None and (over <= enough * float(_WHOLE - high) or high - low < _FINEST)):
            return high
        share = _guess(after, demand, (low, high), enough, confirmed=over is not None, step=step)
        lacks = demand.of(after(share)).amount
        if lacks < 0:
            high, over = share, -lacks
        else:
            low = share
            high = high if over is not None else _promising(after, demand, low)
    return high if over is not None else None


def _promising(after: Callable[[Decimal], Pool], demand: Demand, above: Decimal) -> Decimal | None:
    """All of it, or else a part: where a leg covers another, closing all of it would bare that one."""
    shares = [_WHOLE, *(Decimal(eighths) / 8 for eighths in range(1, 8))]
    return next((share for share in shares if share > above and demand.foreseen(after(share)) < 0), None)


def _guess(
    after: Callable[[Decimal], Pool],
    demand: Demand,
    bounds: tuple[Decimal, Decimal],
    enough: float,
    *,
    confirmed: bool,
    step: int,
) -> Decimal:
    """Where about half of `enough` would be left over by what is foreseen; every third time a plain test of the end.

    An upper end that is not yet confirmed is tested itself, one that is gives way to the middle.
    """
    low, high = bounds
    plain = (low + high) / 2 if confirmed else high
    if step % 3 == 2 or high - low < _FINEST:
        return plain

    def beyond(share: Decimal) -> float:
        return demand.foreseen(after(share)) + enough * float(_WHOLE - share) / 2

    at_low, at_high = beyond(low), beyond(high)
    if at_low <= 0 or at_high > 0:
        return plain
    for turn in range(_GUESSES):
        if abs(at_high) <= enough * float(_WHOLE - high) / 4 or high - low < _FINEST / 10:
            break
        middle = (low + high) / 2
        if turn % 3 < 2 and at_high > float("-inf"):
            middle = low + (high - low) * Decimal(at_low / (at_low - at_high))
        found = beyond(middle)
        if abs(found) <= enough * float(_WHOLE - middle) / 4:
            return middle
        low, at_low, high, at_high = (low, at_low, middle, found) if found < 0 else (middle, found, high, at_high)
    return high
