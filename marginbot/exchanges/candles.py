"""Ordinary hourly moves from one-minute candles, kept up to date for all accounts of a venue together.

Candles help to judge a reading; they never fail one and never delay one for long. What is missing is replaced
by the stated default, what is old counts for two hours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.errors import ReadingError
from marginbot.domain.outcomes import doubled
from marginbot.domain.volatility import (
    MARKET_REFERENCE,
    Bar,
    Estimator,
    Volatility,
    default_volatility,
    with_betas,
)

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds a reading waits for candles
HISTORY = timedelta(days=2)
FIRST_PAGES = 4
PAGE = 1500  # venues cut it to what they allow
MOST_PAGES = 300  # sixteen days at the smallest page known
MINUTE = timedelta(minutes=1)
MINUTE_MS = 60_000
TOO_OLD = timedelta(hours=2)
_TOO_OLD_MS = int(TOO_OLD.total_seconds() * 1000)
START_ANEW = timedelta(hours=12)  # a hole longer than this: forget what was before it
UNLISTED_PAUSE = timedelta(minutes=30)
LONGEST_PAUSE = timedelta(minutes=10)


class CandleSource(Protocol):
    """Where candles come from; raises nothing but `ReadingError`."""

    async def candle_symbol(self, underlying: str, now: datetime) -> str | None:
        """The market whose candles stand for an underlying, None: not listed."""

    async def bars(self, symbol: str, since: int | None, limit: int) -> list[Bar]:
        """Bars oldest first: the latest, or those from `since` on."""


@dataclass(slots=True)
class _Series:
    """One underlying's estimate and when to look for new bars."""

    estimator: Estimator
    due_at: datetime | None = None
    failures: int = 0
    loading: asyncio.Task[None] | None = None
    symbol: str = ""  # the market whose candles these are
    last: Bar | None = None

    def now(self, newest: int) -> Volatility:
        estimate = self.estimator.now()
        if self.estimator.bars and newest - self.estimator.last_bar_at <= _TOO_OLD_MS:
            return estimate
        # Too old to stand alone, but no reason to think the market calmer than it was.
        fallback = default_volatility(self.estimator.underlying, self.estimator.bars)
        return Volatility(max(fallback.hourly, estimate.hourly), self.estimator.bars, assumed=True)


class CandleCache:
    """Estimates of one venue by underlying."""

    def __init__(self, source: CandleSource, *, patience: float = PATIENCE) -> None:
        self._source = source
        self._patience = patience
        self._series: dict[str, _Series] = {}

    async def volatilities(self, underlyings: Iterable[str], now: datetime) -> dict[str, Volatility]:
        """The estimates; those being loaded are waited for a little, then finish on their own."""
        wanted = {name: self._known(name) for name in underlyings}
        needed = dict(wanted)
        if len(wanted) > 1:  # a book is judged along a market move, too
            needed[MARKET_REFERENCE] = self._known(MARKET_REFERENCE)
        loading = {task for series in needed.values() if (task := self._loading(series, now)) is not None}
        if loading:
            await asyncio.wait(loading, timeout=self._patience)
        newest = _closed_before(now)
        known = {name: series.now(newest) for name, series in wanted.items()}
        return with_betas(known, {name: series.estimator for name, series in needed.items()})

    def last_bar(self, underlying: str) -> tuple[str, Bar] | None:
        """The market that stands for an underlying and its newest closed bar; None: none was fetched."""
        series = self._series.get(underlying)
        return None if series is None or series.last is None else (series.symbol, series.last)

    async def close(self) -> None:
        """Stop loads that are under way."""
        tasks = [series.loading for series in self._series.values() if series.loading is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, underlying: str) -> _Series:
        found = self._series.get(underlying)
        if found is None:
            found = self._series[underlying] = _Series(Estimator(underlying))
        return found

    def _loading(self, series: _Series, now: datetime) -> asyncio.Task[None] | None:
        """The load under way, which all who ask share; a new one when it is time."""
        if series.loading is None and (series.due_at is None or now >= series.due_at):
            series.loading = asyncio.create_task(self._refresh(series, now))
        return series.loading

    async def _refresh(self, series: _Series, now: datetime) -> None:
        try:
            symbol = await self._source.candle_symbol(series.estimator.underlying, now)
            if symbol is None:
                series.due_at = now + UNLISTED_PAUSE
                return
            await self._feed(series, symbol, now)
            series.due_at, series.failures = now + MINUTE, 0
        except ReadingError as error:
            series.failures += 1
            series.due_at = now + min(LONGEST_PAUSE, doubled(MINUTE, series.failures))
            if series.failures == 1:
                log.warning("no candles of %s: %s", series.estimator.underlying, error)
        finally:
            series.loading = None

    async def _feed(self, series: _Series, symbol: str, now: datetime) -> None:
        newest = _closed_before(now)
        gap = newest - series.estimator.last_bar_at
        if series.estimator.bars and gap <= _ms(START_ANEW):
            since = series.estimator.last_bar_at + MINUTE_MS
            bars = await self._source.bars(symbol, since, gap // MINUTE_MS + 2)
        else:
            series.estimator = Estimator(series.estimator.underlying)
            bars = await self._history(symbol, newest)
        closed = [bar for bar in bars if bar.opened_at <= newest]
        series.estimator.feed(closed)
        series.symbol, series.last = symbol, closed[-1] if closed else series.last

    async def _history(self, symbol: str, newest: int) -> list[Bar]:
        """The last two days as far as a few pages reach, newest page first."""
        bars = await self._source.bars(symbol, None, PAGE)
        pages, oldest_wanted = 1, newest - _ms(HISTORY)
        size = len(bars)
        while bars and size > 1 and bars[0].opened_at > oldest_wanted and pages < FIRST_PAGES:
            since = max(oldest_wanted, bars[0].opened_at - size * MINUTE_MS)
            page = await self._source.bars(symbol, since, size)
            older = [bar for bar in page if bar.opened_at < bars[0].opened_at]
            if not older:
                break
            bars, pages = older + bars, pages + 1
        return bars


async def past_bars(source: CandleSource, underlying: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
    """Bars opened within [start, end), oldest first, page by page; empty where unlisted. Raises `ReadingError`."""
    symbol = await source.candle_symbol(underlying, now)
    if symbol is None:
        return []
    at, last = (int(when.timestamp() * 1000) for when in (start, min(end, now)))
    found: list[Bar] = []
    for _ in range(MOST_PAGES):
        if at >= last:
            break
        page = [bar for bar in await source.bars(symbol, at, PAGE) if at <= bar.opened_at < last]
        if not page:
            break
        found += page
        at = page[-1].opened_at + MINUTE_MS
    return found


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


def _closed_before(now: datetime) -> int:
    """Opening time of the newest bar that has closed, in ms."""
    return (int(now.timestamp() * 1000) // MINUTE_MS - 1) * MINUTE_MS
