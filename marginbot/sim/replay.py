"""Portfolios through historic prices, with the very code that grades live accounts.

Inside a bar the price goes open, low, high, close if it closes up, else open, high, low, close, in four equal
steps. The breach is looked for at every step; grades are taken only at readings, `poll_interval` apart.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from marginbot.domain.alerting import AlertState, Policy, Reason, Seen, step
from marginbot.domain.errors import MarginbotError
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Grade, Ladders, regrade
from marginbot.domain.margin import MarginMode, Pool, Position, Side
from marginbot.domain.room import room_of
from marginbot.domain.volatility import Bar, Estimator, Volatility, with_betas

_BAR = 60_000
_STEP = _BAR // 4


class BadSpec(MarginbotError):
    """The replay specification, or a file it names, cannot be used."""


@dataclass(frozen=True, slots=True)
class History:
    """One asset's bars and the path through them."""

    bars: tuple[Bar, ...]
    opened: tuple[int, ...]

    def price_at(self, at: int) -> float:
        """Price of the path at a time (ms); before the first bar its open."""
        index = max(0, bisect_right(self.opened, at) - 1)
        bar = self.bars[index]
        point = min(3, max(0, at - bar.opened_at) // _STEP)
        middle = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
        return (bar.open, *middle, bar.close)[point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position of a portfolio; notional None: leverage times equity."""

    asset: str
    side: Side
    leverage: float
    notional: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Positions that share (cross) or split (isolated) an equity."""

    name: str
    margin_mode: MarginMode
    equity: float
    maintenance_margin_rate: float
    positions: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A complete replay."""

    prices: Mapping[str, History]
    start: int
    end: int
    poll_interval: float
    portfolios: tuple[Portfolio, ...]


@dataclass(slots=True)
class Outcome:
    """What a portfolio went through; times in ms UTC."""

    name: str
    breach_at: int | None = None
    first: dict[Grade, int | None] = field(default_factory=lambda: dict.fromkeys(RUNGS))
    raises: dict[Grade, int] = field(default_factory=lambda: dict.fromkeys(RUNGS, 0))

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
    spec: Spec, ladders: Ladders = DEFAULT_LADDERS, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Outcome]:
    """Every portfolio through the same prices; `progress` hears how many of them are done."""
    volatilities = {asset: _Volatilities(asset, history) for asset, history in spec.prices.items()}
    outcomes = []
    for done, portfolio in enumerate(spec.portfolios):
        progress(done, len(spec.portfolios))
        outcomes.append(_run_one(spec, portfolio, volatilities, ladders))
    return outcomes


def _run_one(spec: Spec, portfolio: Portfolio, volatilities: Mapping[str, _Volatilities], ladders: Ladders) -> Outcome:
    outcome = Outcome(portfolio.name)
    pools = _open(portfolio, spec)
    watchers = {name: _Watcher(ladders) for name in pools}
    poll = max(1, round(spec.poll_interval * 1000))
    next_reading, at = spec.start, spec.start
    while at <= spec.end:
        marks = {asset: history.price_at(at) for asset, history in spec.prices.items()}
        breached = {name for name, book in pools.items() if book.is_breached(marks)}
        if breached:
            outcome.breach_at = at
            watchers = {name: watchers[name] for name in breached}  # another pool's warnings are no lead
            break
        if at >= next_reading:
            next_reading += poll
            known = {asset: estimate.at(at) for asset, estimate in volatilities.items()}
            now = with_betas(known, {asset: estimate.estimator for asset, estimate in volatilities.items()})
            for name, book in pools.items():
                watchers[name].look(book.pool(marks), now, at, outcome)
        at = min(next_reading, _next_path_point(at))
    outcome.first = _first_of_last_climb(watchers.values())
    return outcome


def _next_path_point(at: int) -> int:
    return (at // _STEP + 1) * _STEP


def _first_of_last_climb(watchers: Any) -> dict[Grade, int | None]:
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
    state: AlertState = field(default_factory=AlertState)
    since: dict[Grade, int | None] = field(default_factory=lambda: dict.fromkeys(RUNGS))

    def look(self, pool: Pool, volatilities: Mapping[str, Volatility], at: int, outcome: Outcome) -> None:
        now = datetime.fromtimestamp(at / 1000, UTC)
        decisive = room_of(pool, volatilities, now).decisive
        cushion = decisive.cushion if decisive else None
        previous = self.state.grade or Grade.OK
        graded = regrade(pool.state, pool.margin_ratio, cushion, ladders=self.ladders, previous=previous)
        assert graded is not None  # every figure of a simulated pool is known
        policy = Policy(stale_after=timedelta(minutes=3))
        decision = step(self.state, Seen(graded.grade, cushion), policy=policy, now=now)
        self.state = decision.state
        worsened = decision.reason in (Reason.WORSENED, Reason.FIRST_SIGHT)
        if decision.speak and worsened and graded.grade in outcome.raises:
            outcome.raises[graded.grade] += 1
        told = self.state.announced or Grade.OK
        for grade in RUNGS:
            if told >= grade and self.since[grade] is None:
                self.since[grade] = at
            elif graded.grade < grade:
                self.since[grade] = None


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
        closed = bisect_right(self.history.opened, at - _BAR)
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


# --- reading the specification -------------------------------------------------------------------


def load(path: Path) -> Spec:
    """A specification and its price files; `BadSpec` names what is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        prices = {asset: read_prices(path.parent / file) for asset, file in raw["prices"].items()}
        portfolios = tuple(_portfolio(entry, prices) for entry in raw["portfolios"])
        spec = Spec(
            prices=prices,
            start=_millis(raw["start"]),
            end=_millis(raw["end"]),
            poll_interval=float(raw.get("poll_interval", 30)),
            portfolios=portfolios,
        )
    except OSError as error:
        raise BadSpec(f"cannot read {error.filename}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise BadSpec(f"{path.name} is not JSON: line {error.lineno}") from None
    except KeyError as error:
        raise BadSpec(f"{path.name} lacks {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise BadSpec(f"{path.name}: {error}") from None
    return checked(spec)


def checked(spec: Spec) -> Spec:
    """The specification between the first price of every asset from its start on and the last one before its end."""
    if not spec.start < spec.end:
        raise BadSpec("start must be before end")
    if not 0.1 <= spec.poll_interval <= 86400:
        raise BadSpec("poll_interval must be between 0.1 and 86400 seconds")
    start, end = spec.start, spec.end
    for asset, history in spec.prices.items():
        first = bisect_left(history.opened, spec.start)
        if first == len(history.opened) or history.opened[first] >= spec.end:
            raise BadSpec(f"there are no prices of {asset} between start and end")
        start, end = max(start, history.opened[first]), min(end, history.opened[-1] + _BAR)
    if not start < end:
        raise BadSpec("the prices of the assets do not overlap between start and end")
    return replace(spec, start=start, end=end)


def _portfolio(raw: Mapping[str, Any], prices: Mapping[str, History]) -> Portfolio:
    holdings = tuple(
        Holding(
            asset=entry["asset"],
            side=Side(entry["side"]),
            leverage=_positive(entry.get("leverage", 1), "leverage"),
            notional=None if entry.get("notional") is None else _positive(entry["notional"], "notional"),
        )
        for entry in raw["positions"]
    )
    missing = sorted({holding.asset for holding in holdings} - set(prices))
    if missing or not holdings:
        raise BadSpec(
            f"portfolio {raw['name']!r}: " + (f"no prices for {', '.join(missing)}" if missing else "no positions")
        )
    return Portfolio(
        name=str(raw["name"]),
        margin_mode=MarginMode(raw.get("margin_mode", "cross")),
        equity=_positive(raw["equity"], "equity"),
        maintenance_margin_rate=_positive(raw.get("maintenance_margin_rate", 0.005), "maintenance_margin_rate"),
        positions=holdings,
    )


def _positive(value: Any, name: str) -> float:
    result = float(value)
    if not math.isfinite(result) or result <= 0:
        raise ValueError(f"{name} must be a positive number")
    return result


def read_prices(path: Path) -> History:
    """A CSV or CSV.gz of one-minute bars, in order."""
    try:
        bars = sorted(_bars(path), key=lambda bar: bar.opened_at)
    except (ValueError, TypeError, OverflowError, EOFError, csv.Error, zlib.error, gzip.BadGzipFile):
        raise BadSpec(f"{path.name} is not a price file: timestamp,open,high,low,close expected") from None
    if not bars:
        raise BadSpec(f"{path.name} holds no prices")
    return History(tuple(bars), tuple(bar.opened_at for bar in bars))


def _bars(path: Path) -> Iterator[Bar]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            if row and row[0].strip().lower() not in ("timestamp", "time", "open_time"):
                yield Bar(int(float(row[0])), *(_positive(value, "price") for value in row[1:5]))


def _millis(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _iso(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
