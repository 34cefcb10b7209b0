"""How far the market may move before a pool reaches its trigger.

Asked for each underlying alone and, if there are several, for all of them along a common market move, each by its
beta. Pools with options are asked a second time with implied volatility rising along with the move. The book is
revalued as `domain.book` says; the trigger is the smallest move with equity = requirement (`domain.straight`, and
`domain.roots` for what is not).
`room` is signed: -0.05 means a fall of 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from marginbot.domain.book import LEAST_MOVE, STABLE, Book, Mover
from marginbot.domain.margin import Pool, PoolState, Position, Side
from marginbot.domain.roots import first_breach
from marginbot.domain.straight import Straight
from marginbot.domain.volatility import Volatility, default_volatility

__all__ = [
    "MARKET",
    "STABLE",
    "Revaluation",
    "RoomReport",
    "Scenario",
    "Tightest",
    "decisive_room",
    "revaluation",
    "room_of",
    "tightest",
]

MARKET = "market"
WITH_VOLATILITY = " + volatility"

# Implied volatility rises with the size of a move: by half at a move of 10 %, and no further.
MOST_SHOCK = 0.5
SHOCK_PER_MOVE = MOST_SHOCK / 0.10

_UP_LIMIT = 5.0
_CLEARLY_LARGER = 1 + 1e-9  # beyond what floats make of equal cushions
_PROBES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way the market may move, and how far until the pool's trigger either way."""

    name: str  # an underlying, or MARKET; followed by WITH_VOLATILITY where implied volatility rises too
    down: float | None  # negative fraction; None: no fall breaches
    up: float | None  # positive fraction; None: no rise breaches
    hourly: float  # move of an ordinary hour
    hourly_down: float | None = None  # the yardstick of a fall, where it is larger
    hourly_up: float | None = None  # of a rise

    @property
    def room(self) -> float | None:
        """The move with the smaller cushion."""
        sides = self._sides
        return min(sides, key=lambda side: (side[1], abs(side[0])))[0] if sides else None

    @property
    def cushion(self) -> float | None:
        """Room in ordinary hourly moves."""
        return min((cushion for _, cushion in self._sides), default=None)

    @property
    def _sides(self) -> list[tuple[float, float]]:
        down = [] if self.down is None else [(self.down, abs(self.down) / (self.hourly_down or self.hourly))]
        return down + ([] if self.up is None else [(self.up, self.up / (self.hourly_up or self.hourly))])


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
    return _room(pool, volatilities, now, lambda judged: tuple(map(_scenario, judged.ways())))


def decisive_room(pool: Pool, volatilities: Mapping[str, Volatility], now: datetime) -> RoomReport:
    """`room_of` with none but the decisive scenario: of the others it is enough that they hold as far."""
    return _room(pool, volatilities, now, _decisive)


def _room(
    pool: Pool,
    volatilities: Mapping[str, Volatility],
    now: datetime,
    scenarios_of: Callable[[_Judged], tuple[Scenario, ...]],
) -> RoomReport:
    if pool.state is not PoolState.OK:
        return RoomReport(known=pool.state is not PoolState.UNKNOWN)
    if not pool.positions and not pool.collateral:
        return RoomReport(known=False)  # margin is required for something that is not listed
    unknown = [p.symbol for p in pool.positions if p.notional is None]
    if unknown:
        return _room_from_liquidation_prices(pool, volatilities, unknown)
    judged = _Judged.of(Book.of(pool, now), volatilities)
    assumed = [f"{name} {volatility.hourly:.1%}" for name, volatility in judged.chosen.items() if volatility.assumed]
    notes = (f"{pool.name}: too few candles yet, hourly move assumed: {', '.join(assumed)}",) if assumed else ()
    priced = all(line.option is not None for line in judged.book.lines if line.is_option)
    return RoomReport(scenarios=scenarios_of(judged), notes=notes + judged.book.notes, known=priced)


@dataclass(frozen=True, slots=True)
class Tightest:
    """Where least is left, of the moves that a pool is to withstand; `buffer` <= 0: it does not."""

    buffer: float  # equity less requirement there, in the pool's currency
    moves: Mapping[str, float] = field(default_factory=dict)  # by underlying, as a fraction
    shock: float = 0.0  # added to implied volatilities on the way, as a fraction


def tightest(pool: Pool, volatilities: Mapping[str, Volatility], cushion: float, now: datetime) -> Tightest:
    """The worst point of all moves up to `cushion` ordinary hours, either way, in every scenario."""
    book = Book.of(pool, now)
    worst = Tightest(book.equity - book.maintenance_margin)
    for way in _Judged.of(book, volatilities).ways():
        for probe in range(1, _PROBES + 1):
            share = cushion * probe / _PROBES
            for move in (max(LEAST_MOVE, -share * way.hourly_down), share * way.hourly_up):
                buffer = way.mover.distance(move)
                if buffer < worst.buffer:
                    worst = Tightest(buffer, way.mover.moves(move), way.mover.shock(move))
    return worst


class Revaluation(Protocol):
    """Projected equity and maintenance margin after moves (fraction by underlying) and a shock to volatility."""

    def __call__(self, moves: Mapping[str, float], shock: float = 0.0) -> tuple[float, float]: ...


def revaluation(pool: Pool, now: datetime) -> Revaluation:
    """Projected equity and maintenance margin for any moves (fraction by underlying), prepared once for many."""
    return Book.of(pool, now).after


class _Moving(NamedTuple):
    """What a scenario is about."""

    name: str
    betas: Mapping[str, float]
    is_shocked: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """What moves in a scenario, and the yardsticks of that move."""

    name: str
    mover: Mover = field(repr=False)
    hourly: float
    hourly_down: float
    hourly_up: float


@dataclass(frozen=True, slots=True)
class _Judged:
    """A book and the yardsticks of everything that moves it."""

    book: Book
    chosen: Mapping[str, Volatility]
    stakes: Mapping[str, float]

    @classmethod
    def of(cls, book: Book, volatilities: Mapping[str, Volatility]) -> _Judged:
        chosen = {name: volatilities.get(name) or default_volatility(name) for name in sorted(book.underlyings)}
        return cls(book, chosen, book.stakes())

    def moving(self) -> list[_Moving]:
        """Each underlying alone and, if several, all by their betas; with options, all that again, shocked."""
        plain = [_Moving(name, {name: 1.0}) for name in self.chosen]
        if len(plain) > 1:
            plain.append(_Moving(MARKET, {name: volatility.beta for name, volatility in self.chosen.items()}))
        exposed = {line.underlying for line in self.book.lines if line.is_option} if self.book.has_options else set()
        touched = [one for one in plain if exposed & set(one.betas)]
        return plain + [_Moving(one.name + WITH_VOLATILITY, one.betas, is_shocked=True) for one in touched]

    def ways(self) -> list[_Way]:
        """All of them."""
        return [self.way(one) for one in self.moving()]

    def way(self, one: _Moving) -> _Way:
        """The yardstick of a common move: at it, what is at stake moves by its own yardsticks on the whole."""
        at_stake = {name: self.stakes.get(name, 0.0) for name in one.betas}
        if not any(at_stake.values()):
            at_stake = dict.fromkeys(one.betas, 1.0)
        reach = sum(stake * abs(one.betas[name]) for name, stake in at_stake.items())
        per_move, most = (SHOCK_PER_MOVE, MOST_SHOCK) if one.is_shocked else (0.0, 0.0)
        return _Way(
            name=one.name,
            mover=Mover.of(self.book, one.betas, volatility_per_move=per_move, most_shock=most),
            hourly=sum(stake * self.chosen[name].hourly for name, stake in at_stake.items()) / reach,
            hourly_down=sum(stake * self.chosen[name].down for name, stake in at_stake.items()) / reach,
            hourly_up=sum(stake * self.chosen[name].up for name, stake in at_stake.items()) / reach,
        )

    def holds(self, one: _Moving, cushion: float) -> bool:
        """Whether the cushion of an underlying alone is known to be larger, without working it out."""
        if one.name not in self.chosen or math.isinf(cushion) or not self.book.is_concave(one.name):
            return False
        yardsticks, reach = self.chosen[one.name], cushion * _CLEARLY_LARGER
        ends = max(LEAST_MOVE, -reach * yardsticks.down), min(_UP_LIMIT, reach * yardsticks.up)
        return self.book.survives(one.name, ends)


def _scenario(way: _Way) -> Scenario:
    down, up = _breaches(way.mover)
    return Scenario(
        name=way.name,
        down=down,
        up=up,
        hourly=way.hourly,
        hourly_down=way.hourly_down,
        hourly_up=way.hourly_up,
    )


def _breaches(mover: Mover) -> tuple[float | None, float | None]:
    if mover.book.equity <= mover.book.maintenance_margin:
        return 0.0, 0.0  # past the trigger no room is left
    straight = Straight.of(mover)
    if straight is not None:
        return straight.first_breach(LEAST_MOVE), straight.first_breach(_UP_LIMIT)
    knots, shape = mover.knots(), mover.shape
    down = first_breach(mover.distance, LEAST_MOVE, knots, shape)
    return down, first_breach(mover.distance, _UP_LIMIT, knots, shape)


def _decisive(judged: _Judged) -> tuple[Scenario, ...]:
    """The first of those with the smallest cushion, looked for from the end: the common move is the likeliest."""
    best: Scenario | None = None
    cushion = math.inf
    for one in reversed(judged.moving()):
        if judged.holds(one, cushion):
            continue
        found = _scenario(judged.way(one))
        if found.cushion is not None and found.cushion <= cushion:
            best, cushion = found, found.cushion
    return () if best is None else (best,)


def _room_from_liquidation_prices(pool: Pool, volatilities: Mapping[str, Volatility], unknown: list[str]) -> RoomReport:
    """Fallback where a notional is missing: the venue's own liquidation prices, one underlying at a time."""
    found = [_by_liquidation_price(position, volatilities) for position in pool.positions]
    scenarios = tuple(scenario for scenario in found if scenario is not None)
    note = f"{pool.name}: size of {', '.join(sorted(unknown))} unknown, room taken from liquidation prices"
    if not scenarios:
        note = f"{pool.name}: size of {', '.join(sorted(unknown))} unknown, room cannot be computed"
    return RoomReport(scenarios=scenarios, notes=(note,), known=bool(scenarios))


def _by_liquidation_price(position: Position, volatilities: Mapping[str, Volatility]) -> Scenario | None:
    mark, liquidation = position.mark_price, position.liquidation_price
    if not mark or not liquidation or mark <= 0 or liquidation <= 0:
        return None
    move = float(liquidation / mark) - 1
    if (move < 0) is not (position.side is Side.LONG):
        return None  # on the wrong side of the mark: no price that this position alone could reach
    chosen = volatilities.get(position.underlying) or default_volatility(position.underlying)
    down, up = (move, None) if position.side is Side.LONG else (None, move)
    return Scenario(
        name=position.underlying,
        down=down,
        up=up,
        hourly=chosen.hourly,
        hourly_down=chosen.down,
        hourly_up=chosen.up,
    )
