"""A reader pointed at the loopback exchanges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.ports import Credential
from marginbot.sim.candles import Candle
from marginbot.sim.exchange import SimulatedExchange

D = Decimal
KEY, SECRET = "aliceskeyaliceskeyalices1", "alicessecretalicessecret2"
ALICE = Credential(KEY, SECRET)
DAY_MS = 86_400_000


def now() -> datetime:
    """The servers and ccxt use the real clock, so the readings do too."""
    return datetime.now(UTC)


@asynccontextmanager
async def reading(url: str, *exchanges: str, **options: Any) -> AsyncIterator[CcxtReader]:
    """A reader whose venues are all at `url`."""
    reader = CcxtReader(dict.fromkeys(exchanges, url), **options)
    try:
        yield reader
    finally:
        await reader.close()


def candles(symbol: str, start_ms: int, end_ms: int, limit: int) -> Sequence[Candle]:
    """A market that goes nowhere in small steps."""
    opens = range(-(-start_ms // 60_000) * 60_000, end_ms + 1, 60_000)
    return [Candle(at, D(1000), D(1001), D(999), D(1000), D(1)) for at in opens][:limit]


def falling_day(symbol: str, start_ms: int, end_ms: int, limit: int) -> list[Candle]:
    """A tenth of a per cent of the first price down a minute from 10 October 2025 on, 60 000 before."""
    first = int(datetime(2025, 10, 10, tzinfo=UTC).timestamp() * 1000)
    opened = range(-(-start_ms // 60_000) * 60_000, end_ms + 1, 60_000)
    prices = [(at, D(60_000 - 60 * max(0, min(500, (at - first) // 60_000)))) for at in opened[:limit]]
    return [Candle(at, price, price, price, price, D(1)) for at, price in prices]


def assert_paged(server: SimulatedExchange) -> None:
    """The candles of `falling_day` and two days before it were asked for page after page, without a hole."""
    first = int(datetime(2025, 10, 8, tzinfo=UTC).timestamp() * 1000)
    asked = [
        (int(call.params.get("startTime", 0)), int(call.params["limit"])) for call in server.seen("/fapi/v1/klines")
    ]
    pages = [(start, limit) for start, limit in asked if first <= start < first + 4 * DAY_MS]
    sizes = [limit for _, limit in pages]
    assert [start for start, _ in pages] == [first + sum(sizes[:number]) * 60_000 for number in range(len(pages))]
    assert len(pages) >= 3
