"""Candles for the simulated exchange: one-minute ones from outside, longer ones put together here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

MINUTE_MS = 60_000
_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1_440}
_MOST = 1_500


class Candle(NamedTuple):
    """Prices of one period from `open_ms` on."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


# (symbol, start_ms, end_ms, limit) to at most `limit` one-minute candles opening in [start, end]
CandleSource = Callable[[str, int, int, int], Sequence[Candle]]


def no_candles(symbol: str, start_ms: int, end_ms: int, limit: int) -> Sequence[Candle]:
    return ()


def klines(source: CandleSource, symbol: str, params: Mapping[str, str], now_ms: int) -> list[list[str | int]]:
    """The rows `GET /fapi/v1/klines` answers with."""
    minutes = _MINUTES.get(params.get("interval", ""))
    if minutes is None:
        raise ValueError("unknown interval")
    start = int(params["startTime"]) if "startTime" in params else None
    end = min(int(params.get("endTime", now_ms)), now_ms)
    limit = min(int(params.get("limit", "500")), _MOST)
    return [_row(candle, minutes * MINUTE_MS) for candle in periods(source, symbol, minutes, start, end, limit)]


def periods(
    source: CandleSource, symbol: str, minutes: int, start_ms: int | None, end_ms: int, limit: int
) -> list[Candle]:
    """Up to `limit` candles of so many minutes from a start on; the latest ones without a start."""
    period = minutes * MINUTE_MS
    start = (end_ms // period - limit + 1) * period if start_ms is None else -(-start_ms // period) * period
    end = min(end_ms, start + limit * period - 1)
    return list(_merged(source(symbol, start, end, limit * minutes), period))[:limit]


def _merged(candles: Sequence[Candle], period: int) -> Iterator[Candle]:
    for start, group in groupby(candles, key=lambda candle: candle.open_ms // period * period):
        parts = list(group)
        yield Candle(
            open_ms=start,
            open=parts[0].open,
            high=max(part.high for part in parts),
            low=min(part.low for part in parts),
            close=parts[-1].close,
            volume=sum((part.volume for part in parts), Decimal(0)),
        )


def _row(candle: Candle, period: int) -> list[str | int]:
    turnover = candle.close * candle.volume
    prices = [f"{value:f}" for value in candle[1:5]]
    close_ms = candle.open_ms + period - 1
    tail: list[str | int] = [f"{candle.volume:f}", close_ms, f"{turnover:f}", 0, "0", "0", "0"]
    return [candle.open_ms, *prices, *tail]
