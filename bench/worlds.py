"""What the measurements have in common: how figures are told, and worlds without an exchange."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.volatility import Volatility
from marginbot.flow.decide import CycleSettings
from marginbot.flow.ports import Credential
from tests.fakes import FakeReader

Numbers = dict[str, Any]
D = Decimal
SYMBOLS, HELD = 600, 10
SETTINGS = CycleSettings(poll_interval=timedelta(seconds=30), stale_after=timedelta(seconds=180))


def spread(seconds: Sequence[float]) -> Numbers:
    """Milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50": statistics.median(ordered) * 1e3, "p99": p99 * 1e3, "max": ordered[-1] * 1e3, "n": len(ordered)}


class Quiet:
    """Marks come by hand."""

    def offers(self, exchange: str) -> bool:
        return True

    async def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        await asyncio.Event().wait()
        yield {}


class Scripted(FakeReader):
    """One pool a key, at the present marks; nothing else is between the tick and the message."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Callable[[], Pool]] = {}

    async def read(self, exchange: str, credential: Credential, now: datetime, *, calm: bool = False) -> Snapshot:
        return Snapshot(exchange=exchange, mode="", taken_at=now, pools=(self.pools[credential.key](),))

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        return {name: Volatility(0.01, 5_000) for name in underlyings}


def single(symbol: str, mark: float) -> Pool:
    """1,000 units long, 10,000 behind them at a mark of 100."""
    notional = D(1000) * D(repr(mark))
    held = Position(
        symbol=symbol,
        underlying=symbol,
        side=Side.LONG,
        contracts=D(1000),
        notional=notional,
        mark_price=D(repr(mark)),
        maintenance_margin=notional * D("0.005"),
    )
    equity = D(10_000) + D(1000) * (D(repr(mark)) - 100)
    return Pool(
        name="cross:USDT",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=equity,
        maintenance_margin=held.maintenance_margin,
        positions=(held,),
    )
