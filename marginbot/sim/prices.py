"""Historic price paths for the simulated exchange: published highs and lows, interpolated in between.

Figures: Binance spot BTC/USDT, hourly bars of 18 and 19 May 2021 and five-minute bars of 19 May 12:00 to
13:30 UTC, from the exchange's public data archive, rounded to a dollar. Inside a bar the path goes from the
open over the low and the high (or the high and the low, when it closes lower) to the close, with a small
repeatable flutter. It is a reconstruction for a demonstration, not a record of trades.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marginbot.sim.candles import MINUTE_MS, Candle

_FLUTTER = 0.0008  # of the price, up and down

# open, high, low, close of consecutive bars
_HOURS_18_MAY = (
    (43538, 44632, 43151, 44386), (44390, 45281, 44304, 45072), (45080, 45261, 44500, 45019),
    (45018, 45051, 44660, 44780), (44775, 45555, 44738, 45319), (45319, 45509, 45007, 45360),
    (45356, 45799, 44800, 44898), (44898, 45245, 44837, 45173), (45173, 45420, 44826, 44925),
    (44925, 45133, 44607, 44955), (44955, 45480, 44732, 45366), (45366, 45662, 45125, 45321),
    (45319, 45342, 43715, 43955), (43955, 44098, 43210, 43691), (43691, 43693, 42507, 43221),
    (43221, 43807, 42781, 42969), (42969, 43700, 42595, 43600), (43601, 43826, 43278, 43325),
    (43325, 43362, 42372, 42800), (42800, 43621, 42500, 43263), (43263, 43523, 42692, 43257),
    (43254, 43500, 42766, 42980), (42981, 43250, 42702, 42818), (42818, 43182, 42250, 42850),
)  # fmt: skip
_HOURS_19_MAY = (
    (42850, 43585, 42500, 42610), (42610, 42699, 40500, 40844), (40844, 41300, 40275, 40325),
    (40325, 41050, 40125, 40591), (40592, 40847, 38605, 39308), (39308, 39941, 38935, 39200),
    (39200, 39878, 39102, 39379), (39383, 40575, 38550, 40371), (40355, 40888, 39849, 40465),
    (40462, 40709, 40029, 40325), (40325, 40443, 38886, 39432), (39432, 39665, 36333, 38700),
)  # fmt: skip
_FIVE_MINUTES_19_MAY_12 = (
    (38700, 39296, 38300, 39037), (39063, 39101, 38644, 38780), (38780, 38800, 38483, 38735),
    (38735, 38896, 38300, 38641), (38630, 38859, 38400, 38451), (38451, 38460, 38100, 38314),
    (38314, 38314, 37547, 37795), (37795, 38170, 37534, 37730), (37730, 37898, 36433, 36433),
    (36433, 37380, 35261, 35512), (35512, 36915, 32750, 32905), (32915, 36600, 32489, 35235),
    (35235, 36013, 32500, 33333), (33359, 33700, 30100, 30101), (30101, 32666, 30000, 32300),
    (32438, 35700, 32200, 35338), (35348, 35900, 33000, 34500), (34500, 35000, 33500, 33602),
)  # fmt: skip

_Bars = Sequence[tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class PricePath:
    """A price at any moment between the first and the last anchor."""

    symbol: str
    anchors: tuple[tuple[int, float], ...]  # (ms UTC, price)

    @property
    def ends_at(self) -> datetime:
        """The last moment with a price of its own."""
        return datetime.fromtimestamp(self.anchors[-1][0] / 1000, UTC)

    def price_at(self, at_ms: int) -> float:
        """Price at a time, held beyond either end."""
        between = self._between(at_ms)
        if not self.anchors[0][0] <= at_ms < self.anchors[-1][0]:
            return between
        return between * (1 + _flutter(at_ms // 15_000) * _FLUTTER)

    def _between(self, at_ms: int) -> float:
        index = bisect_right(self.anchors, (at_ms, math.inf))
        if index == 0 or index == len(self.anchors):
            return self.anchors[max(0, index - 1)][1]
        (t0, p0), (t1, p1) = self.anchors[index - 1 : index + 1]
        return p0 + (p1 - p0) * (at_ms - t0) / (t1 - t0)

    def mark(self, at: datetime) -> Decimal:
        """Price to the cent, as an exchange prints it."""
        return _cents(self.price_at(int(at.timestamp() * 1000)))

    def index(self, at: datetime) -> Decimal:
        """Dollars per coin to four decimals, without the flutter of a market."""
        return Decimal(self._between(int(at.timestamp() * 1000))).quantize(Decimal("0.0001"))

    def candles(self, symbol: str, start_ms: int, end_ms: int, limit: int) -> list[Candle]:
        """One-minute candles of the path, the `CandleSource` of the simulated exchange."""
        first = max(-(-start_ms // MINUTE_MS) * MINUTE_MS, self.anchors[0][0])
        if symbol != self.symbol:
            return []
        return [self._candle(open_ms) for open_ms in range(first, end_ms + 1, MINUTE_MS)[:limit]]

    def _candle(self, open_ms: int) -> Candle:
        points = [self.price_at(open_ms + step * 15_000) for step in range(5)]
        first, high, low, last = (_cents(p) for p in (points[0], max(points), min(points), points[-1]))
        return Candle(open_ms, first, high, low, last, Decimal(1))


def _cents(price: float) -> Decimal:
    return Decimal(price).quantize(Decimal("0.01"))


def _flutter(step: int) -> float:
    """Repeatable noise in -1..1: the low bits of a multiplicative hash."""
    return ((step * 2_654_435_761) % 4_294_967_296) / 2_147_483_648 - 1


def anchors_of(start: datetime, minutes: int, bars: _Bars) -> list[tuple[int, float]]:
    """Anchors (ms UTC, price) of consecutive bars of so many minutes: open, then high and low in their order."""
    found: list[tuple[int, float]] = []
    for number, (open_, high, low, close) in enumerate(bars):
        opened = int((start + number * timedelta(minutes=minutes)).timestamp() * 1000)
        between = (low, high) if close >= open_ else (high, low)
        third = minutes * MINUTE_MS // 3
        found += [(opened, float(open_)), (opened + third, float(between[0])), (opened + 2 * third, float(between[1]))]
    return found


def may_2021() -> PricePath:
    """Bitcoin on 18 and 19 May 2021, up to 13:30 UTC."""
    day = datetime(2021, 5, 18, tzinfo=UTC)
    anchors = anchors_of(day, 60, _HOURS_18_MAY + _HOURS_19_MAY)
    anchors += anchors_of(day + timedelta(hours=36), 5, _FIVE_MINUTES_19_MAY_12)
    return PricePath("BTCUSDT", tuple(anchors))
