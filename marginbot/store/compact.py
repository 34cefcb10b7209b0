"""Points of history as rows of small integers: a year of them is kept.

Fractions are parts per million, cushions hundredths, money and prices "short": five significant digits as
`mantissa * 64 + exponent + 32`, three bytes where a float takes eight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marginbot.domain.grading import Grade
from marginbot.domain.history import Point
from marginbot.store.codec import milliseconds_of, time_of_milliseconds

MILLION, HUNDRED = 1_000_000, 100
MOST = 1e9  # a figure beyond this says no more than this
DIGITS, EXPONENTS, MIDDLE = 5, 64, 32

READING_COLUMNS = (
    "at_ms, grade, margin_ratio_ppm, cushion_hundredths, room_ppm, equity_short, mark_short, liquidation_short"
)
SPAN_COLUMNS = (
    "at_ms, until_ms, grade, margin_ratio_low_ppm, margin_ratio_high_ppm, cushion_low_hundredths, "
    "cushion_high_hundredths, room_ppm, equity_low_short, equity_short, mark_low_short, mark_high_short, "
    "liquidation_short, unseen_s"
)

Values = tuple[Any, ...]


def scaled(value: float | None, scale: int) -> int | None:
    """A fixed-point number; what is not finite is cut to the largest, NaN is unknown."""
    if value is None or math.isnan(value):
        return None
    return round(max(-MOST, min(MOST, value)) * scale)


def short(value: float | None) -> int | None:
    """Five significant digits in an integer; None for what is not a number."""
    if value is None or not math.isfinite(value):
        return None
    size = abs(value)
    exponent = math.floor(math.log10(size)) - DIGITS + 1 if size else -MIDDLE
    if exponent < -MIDDLE:
        return 0
    mantissa = round(size * 10.0**-exponent)
    if mantissa >= 10**DIGITS:
        mantissa, exponent = mantissa // 10, exponent + 1
    if exponent >= EXPONENTS - MIDDLE:
        return None
    packed = mantissa * EXPONENTS + exponent + MIDDLE if mantissa else 0
    return -packed if value < 0 else packed


def long(packed: int | None) -> float | None:
    """The number that `short` packed."""
    if packed is None:
        return None
    mantissa, exponent = divmod(abs(packed), EXPONENTS)
    exponent -= MIDDLE
    value = mantissa * 10.0**exponent if exponent >= 0 else mantissa / 10.0**-exponent
    return -value if packed < 0 else value


def reading_values(point: Point) -> Values:
    """A single reading in the order of `READING_COLUMNS`."""
    return (
        milliseconds_of(point.at),
        point.grade,
        scaled(point.ratio_high, MILLION),
        scaled(point.cushion_low, HUNDRED),
        scaled(point.room, MILLION),
        short(point.equity),
        short(point.mark_low),
        short(point.liquidation),
    )


def reading_point(row: Values, symbols: Mapping[int, str]) -> Point:
    """A symbol's number and `READING_COLUMNS` as a point."""
    symbol_id, at_ms, grade, ratio, cushion, room, equity, mark, liquidation = row
    at = time_of_milliseconds(at_ms)
    margin_ratio, multiple = _part(ratio, MILLION), _part(cushion, HUNDRED)
    money, price = long(equity), long(mark)
    return Point(
        at=at,
        until=at,
        grade=None if grade is None else Grade(grade),
        ratio_low=margin_ratio,
        ratio_high=margin_ratio,
        cushion_low=multiple,
        cushion_high=multiple,
        room=_part(room, MILLION),
        equity_low=money,
        equity=money,
        symbol=symbols.get(symbol_id),
        mark_low=price,
        mark_high=price,
        liquidation=long(liquidation),
    )


def span_values(point: Point) -> Values:
    """Folded readings in the order of `SPAN_COLUMNS`."""
    return (
        milliseconds_of(point.at),
        milliseconds_of(point.until),
        point.grade,
        scaled(point.ratio_low, MILLION),
        scaled(point.ratio_high, MILLION),
        scaled(point.cushion_low, HUNDRED),
        scaled(point.cushion_high, HUNDRED),
        scaled(point.room, MILLION),
        short(point.equity_low),
        short(point.equity),
        short(point.mark_low),
        short(point.mark_high),
        short(point.liquidation),
        round(point.unseen.total_seconds()),
    )


def span_point(row: Values, symbols: Mapping[int, str]) -> Point:
    """A symbol's number and `SPAN_COLUMNS` as a point."""
    symbol_id, at_ms, until_ms, grade, low, high, least, most, room, equity_low, equity, bottom, top, near, unseen = row
    return Point(
        at=time_of_milliseconds(at_ms),
        until=time_of_milliseconds(until_ms),
        grade=None if grade is None else Grade(grade),
        ratio_low=_part(low, MILLION),
        ratio_high=_part(high, MILLION),
        cushion_low=_part(least, HUNDRED),
        cushion_high=_part(most, HUNDRED),
        room=_part(room, MILLION),
        equity_low=long(equity_low),
        equity=long(equity),
        symbol=symbols.get(symbol_id),
        mark_low=long(bottom),
        mark_high=long(top),
        liquidation=long(near),
        unseen=timedelta(seconds=unseen),
    )


def _part(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale
