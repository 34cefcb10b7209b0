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

D = Decimal
KEY, SECRET = "aliceskeyaliceskeyalices1", "alicessecretalicessecret2"
ALICE = Credential(KEY, SECRET)


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
