"""Option values under a moved underlying: Black-76 with the volatility that the venue's own mark implies.

Rates are taken as zero (the underlying is the forward of the same expiry). Prices in dollars per unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from marginbot.domain.margin import Option

_SECONDS_PER_YEAR = 365.0 * 86400.0
_MAX_VOLATILITY = 10.0  # 1000 % a year: beyond it the mark is not a price of this option


def black76(option_is_call: bool, forward: float, strike: float, deviation: float) -> float:
    """Undiscounted value; `deviation` is volatility times the root of the time left (0: intrinsic value)."""
    intrinsic = max(0.0, forward - strike) if option_is_call else max(0.0, strike - forward)
    if deviation <= 0 or forward <= 0:
        return intrinsic
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    if option_is_call:
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

    def value(self, move: float) -> float:
        """Dollar value of one unit after the underlying moved by the fraction `move`, volatility unchanged."""
        return black76(self.is_call, self.forward * (1 + move), self.strike, self.deviation)


def fit(option: Option, now: datetime) -> OptionModel | None:
    """Model whose value at the present price is the venue's mark; None if no volatility gives that mark."""
    forward, strike, mark = float(option.underlying_price), float(option.strike), float(option.mark_usd)
    years = (option.expires_at - now).total_seconds() / _SECONDS_PER_YEAR
    if forward <= 0 or strike <= 0 or mark < 0:
        return None
    if years <= 0:
        return OptionModel(option.is_call, forward, strike, 0.0)
    low, high = 0.0, _MAX_VOLATILITY * math.sqrt(years)
    if black76(option.is_call, forward, strike, high) < mark:
        return None
    for _ in range(80):
        middle = (low + high) / 2
        if black76(option.is_call, forward, strike, middle) < mark:
            low = middle
        else:
            high = middle
    return OptionModel(option.is_call, forward, strike, (low + high) / 2)
