"""Portfolios through historic prices, with the very code that grades live accounts.

Inside a bar the price goes open, low, high, close if it closes up, else open, high, low, close, in four equal
steps. The breach is looked for at every step; grades are taken only at readings, `poll_interval` apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from marginbot.domain.alerting import AlertState, Decision, Policy, Reason, Seen
from marginbot.domain.chart import COLUMNS
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Grade, Ladders, regrade
from marginbot.domain.history import Point, folded
from marginbot.domain.margin import MarginMode, Pool, PoolState, Position, Side
from marginbot.domain.room import Scenario, room_of
from marginbot.domain.transition import step
from marginbot.domain.volatility import Estimator, Volatility, with_betas
from marginbot.sim.spec import BAR, STEP, History, Portfolio, Spec

STALE_AFTER = timedelta(minutes=3)
MOST_POINTS = 8192  # of a pool; more are folded to what a picture can show


class Stopped(Exception):
    """Nobody waits for the replay any more."""


@dataclass(slots=True)
class Outcome:
    """What a portfolio went through; times in ms UTC."""

    name: str
    breach_at: int | None = None
    first: dict[Grade, int | None] = field(default_factory=lambda: dict.fromkeys(RUNGS))
    raises: dict[Grade, int] = field(default_factory=lambda: dict.fromkeys(RUNGS, 0))
    alerts: list[tuple[int, Grade]] = field(default_factory=list)  # each grade as it was raised; OK: it was over
    points: dict[str, list[Point]] = field(default_factory=dict)  # readings by pool, folded where there are many

    def as_json(self) -> dict[str, Any]:
        """The documented answer."""
        leads = {g.name: self.lead_minutes(g) for g in RUNGS}
        return {
            "name": self.name,
            "breach_at": _iso(self.breach_at),
            "first": {g.name: _iso(at) for g, at in self.first.items()},
            "lead_minutes": leads,
            "raises": {g.name: count for g, count in self.raises.items()},
        }

    def lead_minutes(self, grade: Grade) -> float | None:
        """Minutes from the first announcement of the last climb to the breach."""
        at = self.first[grade]
        return None if at is None or self.breach_at is None else round((self.breach_at - at) / 60_000, 2)


def run(
    spec: Spec,
    ladders: Ladders = DEFAULT_LADDERS,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    is_stopped: Callable[[], bool] = bool,
) -> list[Outcome]:
    """Every portfolio through the same prices; `progress` hears how many of them are done.

    Raises `Stopped` soon after `is_stopped` says so.
    """
    volatilities = {asset: _Volatilities(asset, history) for asset, history in spec.prices.items()}
    terms = _Terms(ladders, _column(spec), is_stopped)
    outcomes = []
    for done, portfolio in enumerate(spec.portfolios):
        progress(done, len(spec.portfolios))
        outcomes.append(_run_one(spec, portfolio, volatilities, terms))
    return outcomes


def _column(spec: Spec) -> timedelta:
    """Readings are folded into this: a picture may end early, where the pool does."""
    return timedelta(seconds=max(1, (spec.end - spec.start) // 1000 // (4 * COLUMNS)))


@dataclass(frozen=True, slots=True)
class _Terms:
    ladders: Ladders
    column: timedelta
    is_stopped: Callable[[], bool]


def _run_one(spec: Spec, portfolio: Portfolio, volatilities: Mapping[str, _Volatilities], terms: _Terms) -> Outcome:
    outcome = Outcome(portfolio.name)
    pools = _open(portfolio, spec)
    watchers = everyone = {name: _Watcher(terms.ladders, terms.column) for name in pools}
    poll = max(1, round(spec.poll_interval * 1000))
    next_reading, at = spec.start, spec.start
    while at <= spec.end:
        marks = {asset: history.price_at(at) for asset, history in spec.prices.items()}
        breached = {name for name, book in pools.items() if book.is_breached(marks)}
        if breached:
            outcome.breach_at = at
            watchers = {name: watchers[name] for name in breached}  # another pool's warnings are no lead
            for name, watcher in watchers.items():
                watcher.note(pools[name].pool(marks), None, at)
            break
        if at >= next_reading:
            if terms.is_stopped():
                raise Stopped
            next_reading += poll
            known = {asset: estimate.at(at) for asset, estimate in volatilities.items()}
            now = with_betas(known, {asset: estimate.estimator for asset, estimate in volatilities.items()})
            for name, book in pools.items():
                watchers[name].look(book.pool(marks), now, at, outcome)
        at = min(next_reading, _next_path_point(at))
    outcome.first = _first_of_last_climb(watchers.values())
    outcome.points = {name: watcher.points for name, watcher in everyone.items()}
    return outcome


def _next_path_point(at: int) -> int:
    return (at // STEP + 1) * STEP


def _first_of_last_climb(watchers: Iterable[_Watcher]) -> dict[Grade, int | None]:
    worst: dict[Grade, int | None] = dict.fromkeys(RUNGS)
    for watcher in watchers:
        for grade, at in watcher.since.items():
            earlier = worst[grade]
            if at is not None and (earlier is None or at < earlier):
                worst[grade] = at
    return worst


@dataclass(slots=True)
class _Watcher:
    """One pool's alert state, and since when each grade or worse has been announced without a break."""

    ladders: Ladders
    column: timedelta
    state: AlertState = field(default_factory=AlertState)
    since: dict[Grade, int | None] = field(default_factory=lambda: dict.fromkeys(RUNGS))
    points: list[Point] = field(default_factory=list)

    def look(self, pool: Pool, volatilities: Mapping[str, Volatility], at: int, outcome: Outcome) -> None:
        now = _moment(at)
        decisive = room_of(pool, volatilities, now).decisive
        cushion = decisive.cushion if decisive else None
        previous = self.state.grade or Grade.OK
        graded = regrade(pool.state, pool.margin_ratio, cushion, ladders=self.ladders, previous=previous)
        assert graded is not None  # every figure of a simulated pool is known
        decision = step(self.state, Seen(graded.grade, cushion), policy=Policy(stale_after=STALE_AFTER), now=now)
        self.state = decision.state
        self.note(pool, decisive, at)
        self._count(decision, graded.grade, at, outcome)
        told = self.state.announced or Grade.OK
        for grade in RUNGS:
            if told >= grade and self.since[grade] is None:
                self.since[grade] = at
            elif graded.grade < grade:
                self.since[grade] = None

    def _count(self, decision: Decision, grade: Grade, at: int, outcome: Outcome) -> None:
        worsened = decision.reason in (Reason.WORSENED, Reason.FIRST_SIGHT)
        if decision.speak and worsened and grade in outcome.raises:
            outcome.raises[grade] += 1
            outcome.alerts.append((at, grade))
        elif decision.speak and decision.reason is Reason.RECOVERED:
            outcome.alerts.append((at, Grade.OK))

    def note(self, pool: Pool, decisive: Scenario | None, at: int) -> None:
        """Keep a reading for the picture; without a scenario nothing is left, or nothing can happen."""
        ratio = None if pool.margin_ratio is None else float(pool.margin_ratio)
        alone = pool.positions[0] if len(pool.positions) == 1 else None
        mark = None if alone is None else float(alone.mark_price or 0)
        room = decisive.room if decisive else None
        point = Point(
            at=_moment(at),
            until=_moment(at),
            grade=Grade.DEFICIT if pool.state is PoolState.DEFICIT else self.state.grade,
            ratio_low=ratio,
            ratio_high=ratio,
            cushion_low=decisive.cushion if decisive else None,
            cushion_high=decisive.cushion if decisive else None,
            room=room,
            symbol=f"{alone.underlying} {alone.side}" if alone else None,
            mark_low=mark,
            mark_high=mark,
            liquidation=None if mark is None or room is None else mark * (1 + room),
        )
        self.points.append(point)
        if len(self.points) >= MOST_POINTS:
            self.points = folded(self.points, self.column, STALE_AFTER)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


@dataclass(slots=True)
class _Volatilities:
    """The live estimator, fed with bars as they close."""

    asset: str
    history: History
    fed: int = 0
    estimator: Estimator = field(init=False)
    known: Volatility = field(init=False)

    def __post_init__(self) -> None:
        self.estimator = Estimator(self.asset)
        self.known = self.estimator.now()

    def at(self, at: int) -> Volatility:
        closed = bisect_right(self.history.opened, at - BAR)
        if closed < self.fed:  # a new portfolio starts from the beginning
            self.fed, self.estimator = 0, Estimator(self.asset)
        if closed > self.fed or not closed:
            self.estimator.feed(self.history.bars[self.fed : closed])
            self.known = self.estimator.now()
        self.fed = closed
        return self.known


@dataclass(frozen=True, slots=True)
class _Leg:
    asset: str
    side: Side
    quantity: float
    entry: float


@dataclass(frozen=True, slots=True)
class _SimPool:
    """Equity and legs of one simulated pool."""

    name: str
    mode: MarginMode
    start_equity: float
    rate: float
    legs: tuple[_Leg, ...]

    def equity(self, marks: Mapping[str, float]) -> float:
        return self.start_equity + sum(g.side.sign * g.quantity * (marks[g.asset] - g.entry) for g in self.legs)

    def requirement(self, marks: Mapping[str, float]) -> float:
        return sum(self.rate * leg.quantity * marks[leg.asset] for leg in self.legs)

    def is_breached(self, marks: Mapping[str, float]) -> bool:
        return self.equity(marks) <= self.requirement(marks)

    def pool(self, marks: Mapping[str, float]) -> Pool:
        positions = tuple(_position(leg, marks[leg.asset], self.rate) for leg in self.legs)
        return Pool(
            name=self.name,
            margin_mode=self.mode,
            currency="USDT",
            equity=Decimal(self.equity(marks)),
            maintenance_margin=Decimal(self.requirement(marks)),
            positions=positions,
        )


def _position(leg: _Leg, mark: float, rate: float) -> Position:
    notional = Decimal(leg.quantity * mark)
    return Position(
        symbol=f"{leg.asset}/USDT:USDT",
        underlying=leg.asset,
        side=leg.side,
        contracts=Decimal(leg.quantity),
        notional=notional,
        mark_price=Decimal(mark),
        maintenance_margin=notional * Decimal(rate),
    )


def _open(portfolio: Portfolio, spec: Spec) -> dict[str, _SimPool]:
    marks = {asset: history.price_at(spec.start) for asset, history in spec.prices.items()}
    count = len(portfolio.positions)
    legs = []
    for holding in portfolio.positions:
        own = portfolio.equity if portfolio.margin_mode is MarginMode.CROSS else portfolio.equity / count
        notional = holding.notional if holding.notional is not None else holding.leverage * own
        entry = marks[holding.asset]
        legs.append(_Leg(holding.asset, holding.side, notional / entry, entry))
    rate = portfolio.maintenance_margin_rate
    if portfolio.margin_mode is not MarginMode.ISOLATED:
        return {"cross": _SimPool("cross", portfolio.margin_mode, portfolio.equity, rate, tuple(legs))}
    return {
        f"isolated:{n}": _SimPool(f"isolated:{n}", portfolio.margin_mode, portfolio.equity / count, rate, (leg,))
        for n, leg in enumerate(legs)
    }


def _iso(at: int | None) -> str | None:
    if at is None:
        return None
    return _moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")
