"""How far a price moves in an ordinary hour now.

Per one-minute bar the larger of two variance estimates is taken, close-to-close and Parkinson's range
estimate `ln(high/low)^2 / (4 ln 2)`; both are averaged with a fast and a slow exponential half-life and the
larger average counts, so that a market waking up is felt within minutes and a quiet hour does not erase
yesterday's crash. A trend shows in the range of the last half hour before it shows in the variance of single
minutes; a share of that range is the least that counts as an ordinary hour's move. The share is such that a market
without trend stays below its variance estimate: the expected range of a random walk over half an hour is 1.13 of
its hourly deviation. Source of the range estimator: Parkinson, Journal of Business 53 (1980).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

FAST_HALF_LIFE_MINUTES = 60.0
SLOW_HALF_LIFE_MINUTES = 24 * 60.0
RANGE_BARS = 30
RANGE_SHARE = 0.7
MINIMUM_BARS = 120  # fewer than two hours say too little about "ordinary"

# Assumed where candles are missing; about twice the long-run hourly figure of the respective market.
DEFAULT_MAJOR = 0.010
DEFAULT_OTHER = 0.020
MAJORS = frozenset({"BTC", "XBT", "ETH"})

# No market is so quiet that a smaller hourly move is worth betting an account on.
FLOOR = 0.0010


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
    """Move of an ordinary hour as a fraction of price (one standard deviation of the log return)."""

    hourly: float
    bars: int = 0
    assumed: bool = False  # True: the stated default, because too few candles were there


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
        keep = 0.5 ** (1.0 / self.half_life)
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
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RANGE_BARS))
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
        variance = max(step * step, spread * spread / (4 * math.log(2)))
        self._fast.add(variance)
        self._slow.add(variance)
        self._recent.append((bar.low, bar.high))
        self._last_close, self.last_bar_at = bar.close, bar.opened_at
        self.bars += 1

    def now(self) -> Volatility:
        """The estimate; with too few bars the stated default, unless the estimate so far is larger."""
        hourly = max(FLOOR, math.sqrt(60 * max(self._fast.value, self._slow.value)), RANGE_SHARE * self._range())
        if self.bars >= MINIMUM_BARS:
            return Volatility(hourly, self.bars)
        fallback = default_volatility(self.underlying, self.bars)
        return Volatility(max(fallback.hourly, hourly), self.bars, assumed=True)

    def _range(self) -> float:
        if not self._recent:
            return 0.0
        return math.log(max(high for _, high in self._recent) / min(low for low, _ in self._recent))


def _possible(bar: Bar) -> bool:
    values = (bar.open, bar.high, bar.low, bar.close)
    finite = all(math.isfinite(value) and value > 0 for value in values)
    return finite and bar.low == min(values) and bar.high == max(values)
