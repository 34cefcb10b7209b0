"""How far a price moves in an ordinary hour now, and how far it has just moved towards either side.

Per one-minute bar the larger of two variance estimates is taken, close-to-close and Parkinson's range estimate
`ln(high/low)^2 / (4 ln 2)`; both are averaged with a fast and a slow exponential half-life and the larger average
counts, so that a market waking up is felt within minutes and a quiet hour does not erase yesterday's crash.

Crashes start from calm, and most of what is lost is lost in one direction. So an ordinary hour is never taken as
calmer than the long run (`FLOOR`), and a share of the fall from the last hour's high is the least that counts when a
further fall is asked about; likewise the rise from its low. `docs/calibration.md` shows what these figures do on
recorded crashes and ordinary weeks. Source of the range estimator: Parkinson, Journal of Business 53 (1980).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

FAST_HALF_LIFE_MINUTES = 60.0
SLOW_HALF_LIFE_MINUTES = 24 * 60.0
TREND_BARS = 60
TREND_SHARE = 0.8
QUARTER_MS = 15 * 60_000
QUARTERS = 2 * 96 + 1  # two days of quarter-hour closes
LEAST_QUARTERS = 24
PRIOR_QUARTERS = 32  # how many quarter hours the assumption of moving with the market weighs
BETA_RANGE = (0.25, 3.0)
MARKET_REFERENCE = "BTC"
MINIMUM_BARS = 120  # fewer than two hours say too little about "ordinary"

# Assumed where candles are missing; about twice the long-run hourly figure of the respective market.
DEFAULT_MAJOR = 0.010
DEFAULT_OTHER = 0.020
MAJORS = frozenset({"BTC", "XBT", "ETH"})

# No market is so quiet that a smaller hourly move is worth betting an account on: about the long run of Ether.
FLOOR = 0.010

_KEEP = {half_life: 0.5 ** (1.0 / half_life) for half_life in (FAST_HALF_LIFE_MINUTES, SLOW_HALF_LIFE_MINUTES)}
_PARKINSON = 1.0 / (4.0 * math.log(2))


@dataclass(frozen=True, slots=True)
class Bar:
    """One-minute bar; `opened_at` in milliseconds UTC."""

    opened_at: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Volatility:
    """Moves as fractions of price: of an ordinary hour (one standard deviation of the log return), and of late."""

    hourly: float
    bars: int = 0
    assumed: bool = False  # True: the stated default, because too few candles were there
    fallen: float = 0.0  # weighted fall from the last hour's high; counts when a further fall is asked about
    risen: float = 0.0  # weighted rise from the last hour's low
    beta: float = 1.0  # move of this underlying per move of the market

    @property
    def down(self) -> float:
        """The yardstick of a fall."""
        return max(self.hourly, self.fallen)

    @property
    def up(self) -> float:
        """The yardstick of a rise."""
        return max(self.hourly, self.risen)


def default_volatility(underlying: str, bars: int = 0) -> Volatility:
    """The stated conservative default for an underlying without enough candles."""
    return Volatility(DEFAULT_MAJOR if underlying in MAJORS else DEFAULT_OTHER, bars, assumed=True)


@dataclass(slots=True)
class _Average:
    """Exponential average whose early values are not biased towards its start."""

    half_life: float
    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float) -> None:
        keep = _KEEP[self.half_life]
        self.total = self.total * keep + value * (1.0 - keep)
        self.weight = self.weight * keep + (1.0 - keep)

    @property
    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


@dataclass(slots=True)
class Estimator:
    """Running estimate for one underlying; feed bars in order, each once."""

    underlying: str
    bars: int = 0
    last_bar_at: int = -1
    _last_close: float = 0.0
    _quarters: dict[int, float] = field(default_factory=dict)
    _beta: tuple[int, int, float] = (-1, -1, 1.0)  # of which quarter of this one and of the market
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TREND_BARS))
    _estimate: Volatility | None = None  # of the bars so far: it is asked for by every account
    _joined: tuple[Volatility | None, float, Volatility | None] = (None, 1.0, None)  # an estimate, its beta, and both
    _fast: _Average = field(default_factory=lambda: _Average(FAST_HALF_LIFE_MINUTES))
    _slow: _Average = field(default_factory=lambda: _Average(SLOW_HALF_LIFE_MINUTES))

    def feed(self, bars: Iterable[Bar]) -> None:
        """Take in bars newer than the last one; older, repeated and impossible ones are left out."""
        for bar in bars:
            if bar.opened_at > self.last_bar_at and _possible(bar):
                self._add(bar)

    def _add(self, bar: Bar) -> None:
        reference = self._last_close or bar.open
        step = math.log(bar.close / reference)
        spread = math.log(bar.high / bar.low)
        variance = max(step * step, spread * spread * _PARKINSON)
        self._fast.add(variance)
        self._slow.add(variance)
        self._recent.append((bar.low, bar.high))
        self._last_close, self.last_bar_at = bar.close, bar.opened_at
        self._quarters[bar.opened_at // QUARTER_MS] = bar.close
        if len(self._quarters) > QUARTERS:
            del self._quarters[next(iter(self._quarters))]
        self._estimate = None
        self.bars += 1

    def beta(self, market: Estimator) -> float:
        """Move per move of the market over the quarter hours of two days, drawn towards 1 where they are few."""
        quarters = (self.last_bar_at // QUARTER_MS, market.last_bar_at // QUARTER_MS)
        if self._beta[:2] != quarters:
            self._beta = (*quarters, _slope(self._quarters, market._quarters, min(quarters)))
        return self._beta[2]

    def with_beta(self, found: Volatility, market: Estimator) -> Volatility:
        """An estimate of this underlying with its beta to the market."""
        beta, (known, its_beta, joined) = self.beta(market), self._joined
        if joined is None or known is not found or its_beta != beta:
            joined = replace(found, beta=beta)
            self._joined = (found, beta, joined)
        return joined

    def now(self) -> Volatility:
        """The estimate; with too few bars the stated default, unless the estimate so far is larger."""
        if self._estimate is None:
            self._estimate = self._estimated()
        return self._estimate

    def _estimated(self) -> Volatility:
        hourly = max(FLOOR, math.sqrt(60 * max(self._fast.value, self._slow.value)))
        fallen, risen = self._trend()
        assumed = self.bars < MINIMUM_BARS
        if assumed:
            hourly = max(default_volatility(self.underlying).hourly, hourly)
        return Volatility(hourly, self.bars, assumed=assumed, fallen=fallen, risen=risen)

    def _trend(self) -> tuple[float, float]:
        if not self._recent:
            return 0.0, 0.0
        high, low = max(high for _, high in self._recent), min(low for low, _ in self._recent)
        return TREND_SHARE * math.log(high / self._last_close), TREND_SHARE * math.log(self._last_close / low)


def with_betas(known: Mapping[str, Volatility], estimators: Mapping[str, Estimator]) -> dict[str, Volatility]:
    """The estimates with their betas to the market; 1 where the market or one's own history is not known."""
    market = estimators.get(MARKET_REFERENCE)
    if market is None or len(known) < 2:
        return dict(known)
    return {
        name: estimators[name].with_beta(found, market) if name != MARKET_REFERENCE else found
        for name, found in known.items()
    }


def _slope(own: Mapping[int, float], market: Mapping[int, float], before: int) -> float:
    """Least squares through the origin over complete quarter hours that both have; the prior pulls towards 1."""
    pairs = [
        (math.log(own[at] / own[at - 1]), math.log(market[at] / market[at - 1]))
        for at in own
        if at < before and at - 1 in own and at in market and at - 1 in market
    ]
    spread = sum(moved * moved for _, moved in pairs)
    if len(pairs) < LEAST_QUARTERS or spread <= 0:
        return 1.0
    found = sum(mine * moved for mine, moved in pairs) / spread
    drawn = (len(pairs) * found + PRIOR_QUARTERS) / (len(pairs) + PRIOR_QUARTERS)
    return min(max(drawn, BETA_RANGE[0]), BETA_RANGE[1])


def _possible(bar: Bar) -> bool:
    ordered = 0 < bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high
    return ordered and bar.high < math.inf
