"""Option values under a moved underlying and a moved volatility.

Black-76 with the volatility that the venue's own mark implies, else with the one the venue states; where neither is
there, the second-order expansion in the venue's greeks, kept between what the option is worth at expiry and the
most it can pay. Rates are taken as zero (the underlying is the forward of the same expiry). Prices in dollars per unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from marginbot.domain.margin import Option

_SECONDS_PER_YEAR = 365.0 * 86400.0
_EXACT = 1e-14  # of the forward: nearer to the mark no float comes
_MAX_VOLATILITY = 10.0  # 1000 % a year: beyond it the mark is not a price of this option


def black76(is_call: bool, forward: float, strike: float, deviation: float) -> float:
    """Undiscounted value; `deviation` is volatility times the root of the time left (0: intrinsic value)."""
    intrinsic = max(0.0, forward - strike) if is_call else max(0.0, strike - forward)
    if deviation <= 0 or forward <= 0:
        return intrinsic
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    if is_call:
        return forward * _normal(d1) - strike * _normal(d2)
    return strike * _normal(-d2) - forward * _normal(-d1)


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class OptionModel:
    """An option whose value can be asked for at any price of the underlying."""

    is_call: bool
    forward: float
    strike: float
    deviation: float

    def value(self, move: float, shock: float = 0.0) -> float:
        """Dollar value of one unit after the underlying moved by `move` and its volatility by `shock` (fractions)."""
        return black76(self.is_call, self.forward * (1 + move), self.strike, self.deviation * (1 + shock))


@dataclass(frozen=True, slots=True)
class GreekModel:
    """The same from the venue's greeks: good for small moves, bounded for large ones."""

    is_call: bool
    forward: float
    strike: float
    mark: float
    delta: float  # dollars per dollar of the underlying
    gamma: float  # delta per dollar
    vega: float  # dollars per 1.00 of volatility
    volatility: float  # a year; what `shock` is relative to

    def value(self, move: float, shock: float = 0.0) -> float:
        """Dollar value of one unit after `move` and `shock`; never outside what an option can be worth."""
        step = self.forward * move
        value = self.mark + self.delta * step + self.gamma * step * step / 2 + self.vega * self.volatility * shock
        there = self.forward * (1 + move)
        value = max(value, black76(self.is_call, there, self.strike, 0.0))
        if self.mark > (self.forward if self.is_call else self.strike):
            return value  # a mark beyond reason bounds nothing
        return min(value, max(there if self.is_call else self.strike, self.mark))


Model = OptionModel | GreekModel


def model_of(option: Option, now: datetime) -> Model | None:
    """The best model there are inputs for, None if there is none: mark, then stated volatility, then greeks."""
    fitted = fit(option, now)
    if fitted is not None:
        return fitted
    forward, strike, mark = float(option.underlying_price), float(option.strike), float(option.mark_usd)
    years = (option.expires_at - now).total_seconds() / _SECONDS_PER_YEAR
    if forward <= 0 or strike <= 0 or mark < 0:
        return None
    stated = float(option.implied_volatility or 0)
    if 0 < stated <= _MAX_VOLATILITY and years > 0:
        return OptionModel(option.is_call, forward, strike, stated * math.sqrt(years))
    if option.delta is None or option.gamma is None:
        return None
    # Without a volatility to relate a shock to, the highest that is common stands in: it overstates the shock.
    vega = 100.0 * float(option.vega or 0)
    return GreekModel(option.is_call, forward, strike, mark, float(option.delta), float(option.gamma), vega, 1.0)


def fit(option: Option, now: datetime) -> OptionModel | None:
    """Model whose value at the present price is the venue's mark; None if no volatility gives that mark."""
    forward, strike, mark = float(option.underlying_price), float(option.strike), float(option.mark_usd)
    years = (option.expires_at - now).total_seconds() / _SECONDS_PER_YEAR
    if forward <= 0 or strike <= 0 or mark < 0:
        return None
    if years <= 0:
        return OptionModel(option.is_call, forward, strike, 0.0)
    high = _MAX_VOLATILITY * math.sqrt(years)
    if black76(option.is_call, forward, strike, high) < mark:
        return None
    return OptionModel(option.is_call, forward, strike, _deviation((option.is_call, forward, strike), mark, high))


def _deviation(option: tuple[bool, float, float], mark: float, high: float) -> float:
    """Where the value is the mark, by Newton's steps kept within what halving has left; zero for a mark below reason.

    From the turning point of the value as a function of the deviation those steps lead straight to it.
    """
    is_call, forward, strike = option
    low, at = 0.0, math.sqrt(2 * abs(math.log(forward / strike)))
    for _ in range(80):
        if not low < at < high:
            at = (low + high) / 2
        value = black76(is_call, forward, strike, at)
        if abs(value - mark) <= _EXACT * forward:
            break
        low, high = (at, high) if value < mark else (low, at)
        d1 = math.log(forward / strike) / at + at / 2 if at > 0 else math.inf
        slope = forward * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
        at = at + (mark - value) / slope if slope > 0 else low
    return at
