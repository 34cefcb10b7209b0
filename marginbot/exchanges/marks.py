"""Public mark prices of venues, all symbols at once: `flow.live_marks.MarkSource`.

A stream where there is one; REST while it is away, and where there is none. What perpetuals pay next is announced
beside the marks at some, and is kept from there. Sources: Binance "Mark Price Stream for
All market" and "Mark Price"; Bybit "Get Tickers"; OKX "Get mark price".
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson

from marginbot.domain.errors import BadPayload, VenueDown
from marginbot.domain.funding import Announcement, FundingRates
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.urls import rebased
from marginbot.exchanges.venue import rows
from marginbot.flow.ports import Credential

log = logging.getLogger(__name__)

POLL_SECONDS = 3.0
STREAM_AGAIN_SECONDS = 60.0
SILENCE_SECONDS = 10.0  # a stream of all marks speaks every second
CONNECT_SECONDS = 10.0
FUNDING_EVERY = timedelta(minutes=1)

# Fields of a perpetual's next payment: its rate, its time in ms, the hours between payments ("": not told).
FundingNames = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkDialect:
    """Where a venue's marks are, and in which fields."""

    method: str  # of ccxt
    params: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()  # to the list in the answer
    names: tuple[str, str]  # fields of the market and of its mark
    stream: str = ""  # address of a stream that sends such lists; empty: there is none
    stream_names: tuple[str, str] = ("", "")
    funding: FundingNames | None = None
    stream_funding: FundingNames | None = None


DIALECTS: Mapping[str, MarkDialect] = {
    "binanceusdm": MarkDialect(
        method="fapiPublicGetPremiumIndex",
        names=("symbol", "markPrice"),
        stream="wss://fstream.binance.com/ws/!markPrice@arr@1s",
        stream_names=("s", "p"),
        funding=("lastFundingRate", "nextFundingTime", ""),
        stream_funding=("r", "T", ""),
    ),
    "bybit": MarkDialect(
        method="publicGetV5MarketTickers",
        params={"category": "linear"},
        path=("result", "list"),
        names=("symbol", "markPrice"),
        funding=("fundingRate", "nextFundingTime", "fundingIntervalHour"),
    ),
    "okx": MarkDialect(
        method="publicGetPublicMarkPrice", params={"instType": "SWAP"}, path=("data",), names=("instId", "markPx")
    ),
}


class VenueMarks:
    """Marks through the reader's clients, so that they count in the venue's budget."""

    def __init__(
        self,
        reader: CcxtReader,
        urls: Mapping[str, str],
        *,
        dialects: Mapping[str, MarkDialect] = DIALECTS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._reader = reader
        self._urls = urls
        self._dialects = dialects
        self._poll_seconds = poll_seconds
        self._funding: dict[str, FundingRates] = {}
        self._funding_due: dict[str, datetime] = {}

    def offers(self, exchange: str) -> bool:
        """Whether this venue's marks can be had all at once."""
        return exchange in self._dialects

    def funding(self, exchange: str, now: datetime) -> Mapping[str, float]:
        """What perpetuals pay for eight hours at the announced rates, by unified symbol; only what is known."""
        known = self._funding.get(exchange)
        return known.each_eight_hours(now) if known else {}

    async def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        """Marks by unified symbol: streamed, or polled for a while where that fails. Raises `ReadingError`."""
        loop, dialect = asyncio.get_running_loop(), self._dialects[exchange]
        while True:
            symbols = await self._reader.symbols(exchange, clock())
            if dialect.stream:
                try:
                    async with aclosing(self._streamed(exchange, dialect, symbols, clock)) as batches:
                        async for batch in batches:
                            yield batch
                except VenueDown as error:
                    log.info("%s: marks are polled for now: %s", exchange, error)
            until = loop.time() + STREAM_AGAIN_SECONDS
            while loop.time() < until:
                yield await self._polled(exchange, dialect, symbols, clock())
                await asyncio.sleep(self._poll_seconds)

    async def _polled(
        self, exchange: str, dialect: MarkDialect, symbols: Mapping[str, str], now: datetime
    ) -> dict[str, float]:
        answer = await self._reader.api(exchange, Credential(""), now).call(dialect.method, dialect.params)
        listed = rows(answer, *dialect.path)
        self._keep_funding(exchange, listed, (dialect.names[0], dialect.funding), symbols, now)
        return _marks(listed, dialect.names, symbols)

    async def _streamed(
        self, exchange: str, dialect: MarkDialect, symbols: Mapping[str, str], clock: Callable[[], datetime]
    ) -> AsyncGenerator[dict[str, float], None]:
        url = rebased(dialect.stream, self._urls[exchange]) if exchange in self._urls else dialect.stream
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.ws_connect(url, heartbeat=SILENCE_SECONDS, max_msg_size=0) as socket,
            ):
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    listed = rows(orjson.loads(message.data))
                    names = (dialect.stream_names[0], dialect.stream_funding)
                    self._keep_funding(exchange, listed, names, symbols, clock())
                    yield _marks(listed, dialect.stream_names, symbols)
            problem = "closed"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, BadPayload) as error:
            problem = type(error).__name__
        raise VenueDown(f"{exchange}: the stream of marks broke off: {problem}")

    def _keep_funding(
        self,
        exchange: str,
        listed: list[dict[str, Any]],
        names: tuple[str, FundingNames | None],
        symbols: Mapping[str, str],
        now: datetime,
    ) -> None:
        market, fields = names
        due = self._funding_due.get(exchange)
        if fields is None or (due is not None and now < due):
            return
        self._funding_due[exchange] = now + FUNDING_EVERY
        rates = self._funding.setdefault(exchange, FundingRates())
        for row in listed:
            symbol, announced = symbols.get(str(row.get(market))), _announced(row, fields)
            if symbol is not None and announced is not None:
                rates.note(symbol, announced, now)


def _announced(row: Mapping[str, Any], names: FundingNames) -> Announcement | None:
    """The next payment; None where a rate or its time is missing, as with contracts that expire."""
    rate, next_at, hours = (_float(row.get(name)) if name else None for name in names)
    if rate is None or next_at is None or next_at <= 0:
        return None
    return Announcement(
        rate=rate,
        next_at=datetime.fromtimestamp(next_at / 1000, UTC),
        interval=timedelta(hours=hours) if hours is not None and 0 < hours <= 24 else None,
    )


def _float(value: object) -> float | None:
    try:
        found = float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) else None


def _marks(listed: list[dict[str, Any]], names: tuple[str, str], symbols: Mapping[str, str]) -> dict[str, float]:
    """Marks by unified symbol; what is no price is left out."""
    market, mark = names
    found = {}
    for row in listed:
        symbol, value = symbols.get(str(row.get(market))), _float(row.get(mark))
        if symbol is not None and value is not None:
            found[symbol] = value
    return found
