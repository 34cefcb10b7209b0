"""How far the market may move before a pool reaches its trigger.

Asked for each underlying alone and, if there are several, for all of them along a common market move, each by its
beta. Pools with options are asked a second time with implied volatility rising along with the move. The book is
revalued as `domain.book` says; the trigger is the smallest move with equity = requirement (`domain.roots`).
`room` is signed: -0.05 means a fall of 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from marginbot.domain.book import LEAST_MOVE, STABLE, Book, Mover
from marginbot.domain.margin import Pool, PoolState, Position, Side
from marginbot.domain.roots import first_breach
from marginbot.domain.volatility import Volatility, default_volatility

__all__ = [
    "MARKET",
    "STABLE",
    "Revaluation",
    "RoomReport",
    "Scenario",
    "Tightest",
    "equity_and_requirement",
    "revaluation",
    "room_of",
    "tightest",
    "withstands",
]

MARKET = "market"
WITH_VOLATILITY = " + volatility"

# Implied volatility rises with the size of a move: by half at a move of 10 %, and no further.
MOST_SHOCK = 0.5
SHOCK_PER_MOVE = MOST_SHOCK / 0.10

_UP_LIMIT = 5.0
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
    if pool.state is not PoolState.OK:
        return RoomReport(known=pool.state is not PoolState.UNKNOWN)
    if not pool.positions and not pool.collateral:
        return RoomReport(known=False)  # margin is required for something that is not listed
    unknown = [p.symbol for p in pool.positions if p.notional is None]
    if unknown:
        return _room_from_liquidation_prices(pool, volatilities, unknown)
    book = Book.of(pool, now)
    chosen = _chosen(book, volatilities)
    assumed = [f"{name} {volatility.hourly:.1%}" for name, volatility in chosen.items() if volatility.assumed]
    notes = (f"{pool.name}: too few candles yet, hourly move assumed: {', '.join(assumed)}",) if assumed else ()
    priced = all(line.option is not None for line in book.lines if line.is_option)
    scenarios = tuple(_scenario(way) for way in _ways(book, chosen))
    return RoomReport(scenarios=scenarios, notes=notes + book.notes, known=priced)


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
    for way in _ways(book, _chosen(book, volatilities)):
        for probe in range(1, _PROBES + 1):
            share = cushion * probe / _PROBES
            for move in (max(LEAST_MOVE, -share * way.hourly_down), share * way.hourly_up):
                buffer = way.mover.distance(move)
                if buffer < worst.buffer:
                    worst = Tightest(buffer, way.mover.moves(move), way.mover.shock(move))
    return worst


def withstands(pool: Pool, volatilities: Mapping[str, Volatility], cushion: float, now: datetime) -> bool:
    """Whether a pool survives `cushion` ordinary hourly moves either way in every scenario."""
    return tightest(pool, volatilities, cushion, now).buffer > 0


class Revaluation(Protocol):
    """Projected equity and maintenance margin after moves (fraction by underlying) and a shock to volatility."""

    def __call__(self, moves: Mapping[str, float], shock: float = 0.0) -> tuple[float, float]: ...


def revaluation(pool: Pool, now: datetime) -> Revaluation:
    """Projected equity and maintenance margin for any moves (fraction by underlying), prepared once for many."""
    return Book.of(pool, now).after


def equity_and_requirement(pool: Pool, moves: Mapping[str, float], now: datetime) -> tuple[float, float]:
    """Projected equity and maintenance margin after `moves` (fraction by underlying)."""
    return revaluation(pool, now)(moves)


def _chosen(book: Book, volatilities: Mapping[str, Volatility]) -> dict[str, Volatility]:
    return {name: volatilities.get(name) or default_volatility(name) for name in sorted(book.underlyings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """What moves in a scenario, and the yardsticks of that move."""

    name: str
    mover: Mover = field(repr=False)
    hourly: float
    hourly_down: float
    hourly_up: float


def _ways(book: Book, chosen: Mapping[str, Volatility]) -> list[_Way]:
    """Each underlying alone and, if there are several, all by their betas; with options, all that again, shocked."""
    moving: list[tuple[str, dict[str, float]]] = [(name, {name: 1.0}) for name in chosen]
    if len(chosen) > 1:
        moving.append((MARKET, {name: volatility.beta for name, volatility in chosen.items()}))
    plain = [_way(book, name, betas, chosen) for name, betas in moving]
    if not book.has_options:
        return plain
    exposed = {line.underlying for line in book.lines if line.is_option}
    shocked = [(name, betas) for name, betas in moving if exposed & set(betas)]
    return plain + [_way(book, name + WITH_VOLATILITY, betas, chosen, SHOCK_PER_MOVE) for name, betas in shocked]


def _way(
    book: Book, name: str, betas: Mapping[str, float], chosen: Mapping[str, Volatility], shock: float = 0.0
) -> _Way:
    """The yardstick of a common move: at it, what is at stake moves by its own yardsticks on the whole."""
    stakes = book.stakes()
    if not any(stakes.get(other) for other in betas):
        stakes = dict.fromkeys(betas, 1.0)
    reach = sum(stakes.get(other, 0.0) * abs(beta) for other, beta in betas.items())

    def common(own: Mapping[str, float]) -> float:
        return sum(stakes.get(other, 0.0) * own[other] for other in betas) / reach

    return _Way(
        name=name,
        mover=Mover.of(book, betas, volatility_per_move=shock, most_shock=MOST_SHOCK),
        hourly=common({other: chosen[other].hourly for other in betas}),
        hourly_down=common({other: chosen[other].down for other in betas}),
        hourly_up=common({other: chosen[other].up for other in betas}),
    )


def _scenario(way: _Way) -> Scenario:
    mover = way.mover
    down: float | None = 0.0
    up: float | None = 0.0  # past the trigger no room is left
    if mover.distance(0.0) > 0:
        knots, shape = mover.knots(), mover.shape
        down = first_breach(mover.distance, LEAST_MOVE, knots, shape)
        up = first_breach(mover.distance, _UP_LIMIT, knots, shape)
    return Scenario(
        name=way.name,
        down=down,
        up=up,
        hourly=way.hourly,
        hourly_down=way.hourly_down,
        hourly_up=way.hourly_up,
    )


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
