"""An exchange reader that answers what a test arranged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from marginbot.domain.errors import BadCredentials
from marginbot.domain.margin import Snapshot
from marginbot.domain.passport import Passport
from marginbot.domain.volatility import Bar, Volatility
from marginbot.flow.ports import Credential, VenueInfo
from tests.bot.builders import snapshot

KEY_AND_SECRET = (("key", "API key"), ("secret", "API secret"))

VENUES = {
    venue.id: venue
    for venue in (
        VenueInfo(
            id="binanceusdm",
            title="Binance USDⓈ-M Futures",
            fields=KEY_AND_SECRET,
            instructions="Make a key under API Management with “Enable Reading” only.",
            aliases=("binance",),
        ),
        VenueInfo(id="bybit", title="Bybit", fields=KEY_AND_SECRET, instructions="Make a read-only key."),
        VenueInfo(
            id="okx",
            title="OKX",
            fields=(*KEY_AND_SECRET, ("passphrase", "passphrase")),
            instructions="Make a key with “Read” only.",
        ),
        VenueInfo(
            id="hyperliquid",
            title="Hyperliquid",
            fields=(("key", "account address"),),
            instructions="Give the address of the account itself, not of an API wallet.",
        ),
    )
}


@dataclass
class FakeReader:
    """An `ExchangeReader` with one answer for every account."""

    answer: Snapshot | Exception = field(default_factory=snapshot)
    asked: list[tuple[str, Credential]] = field(default_factory=list)
    rights: Passport = field(default_factory=lambda: Passport(can_read=True, can_trade=False, can_withdraw=False))
    past: list[Bar] = field(default_factory=list)  # of whatever is asked for
    gate: asyncio.Event | None = None  # holds readings until set
    known: Mapping[str, VenueInfo] = field(default_factory=lambda: VENUES)

    def venues(self) -> Mapping[str, VenueInfo]:
        return self.known

    def check_form(self, exchange: str, credential: Credential) -> None:
        if exchange == "hyperliquid" and not credential.key.startswith("0x"):
            raise BadCredentials("malformed address", advice="An address starts with 0x. Nothing was stored.")

    async def read(self, exchange: str, credential: Credential, now: datetime, *, calm: bool = False) -> Snapshot:
        self.asked.append((exchange, credential))
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def passport(self, exchange: str, credential: Credential, now: datetime) -> Passport:
        return self.rights

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        return {name: Volatility(0.008, 500) for name in underlyings}

    async def history(self, exchange: str, underlying: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        return [bar for bar in self.past if start.timestamp() * 1000 <= bar.opened_at < end.timestamp() * 1000]

    async def close(self) -> None:
        pass
