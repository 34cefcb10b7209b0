"""What every loopback exchange of the tests is built from.

A venue is a `LoopbackServer` with `routes()`; see `tests/servers/bybit.py` for a whole one:

    class Tiny(LoopbackServer):
        def routes(self) -> Routes:
            return {("GET", "/time"): self.time}

        def time(self, call: Call) -> Any:
            return {"time": self.now_ms()}

    async with Tiny(wall_clock_ms) as server:
        client = point_at(ccxt.async_support.okx(), server.url)
"""

from __future__ import annotations

import time
from typing import Any

from marginbot.exchanges.urls import rebased
from marginbot.sim.server import (
    Call,
    Clock,
    FaultKind,
    Faults,
    Handler,
    LoopbackServer,
    Refusal,
    Reply,
    Routes,
)

__all__ = [
    "Call",
    "Clock",
    "FaultKind",
    "Faults",
    "Handler",
    "LoopbackServer",
    "Refusal",
    "Reply",
    "Routes",
    "point_at",
    "wall_clock_ms",
]


def wall_clock_ms() -> int:
    """The real clock, which ccxt also signs with."""
    return time.time_ns() // 1_000_000


def point_at(client: Any, url: str) -> Any:
    """The same ccxt client, reading the server at `url` in place of the exchange."""
    client.urls = rebased(client.urls, url)
    return client
