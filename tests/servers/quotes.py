"""Decimal text and candles for the simulated venues that price their instruments themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext

_WAVE = (0, 2, 3, 2, 0, -2, -3, -2)  # basis points around the mark
_BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Candle:
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


# (instrument as the venue names it, opening time in ms, length in ms) to what happened, if anything did
CandleSource = Callable[[str, int, int], Candle | None]


def plain(value: Decimal, places: int = 16) -> str:
    """The number as venues print it: no exponent, no trailing zeros, at most `places` decimals."""
    with localcontext(prec=80):
        text = format(value.quantize(Decimal(1).scaleb(-places)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def gentle(price: Decimal, opens_at: int, step_ms: int) -> Candle:
    """A candle that hovers within a few basis points of `price`, the same every time it is asked for."""
    index = opens_at // step_ms
    opened, closed = (price * (1 + _WAVE[(index + i) % 8] * _BASIS_POINT) for i in (0, 1))
    return Candle(
        open=opened,
        high=max(opened, closed) * (1 + _BASIS_POINT),
        low=min(opened, closed) * (1 - _BASIS_POINT),
        close=closed,
        volume=Decimal(10 + index % 5),
    )


def openings(start_ms: int, end_ms: int, step_ms: int, *, latest: int) -> Iterator[int]:
    """Opening times from `start_ms` to `end_ms`, both included; the `latest` so many, oldest first."""
    first = -(-start_ms // step_ms) * step_ms
    last = end_ms // step_ms * step_ms
    yield from range(max(first, last - (latest - 1) * step_ms, 0), last + 1, step_ms)
