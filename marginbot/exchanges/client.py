"""One venue for all its accounts: what they share is loaded once, and each account is kept apart."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable, Hashable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from marginbot.domain.errors import (
    BadPayload,
    NoPermission,
    OurFault,
    Unsupported,
    VenueDown,
)
from marginbot.domain.tier_changes import Terms
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Bar
from marginbot.exchanges.connection import LOAD_TIMEOUT, Connection
from marginbot.exchanges.kept import Kept
from marginbot.exchanges.traffic import Budgets, Traffic
from marginbot.exchanges.venue import Instrument, Reference, Venue
from marginbot.flow.ports import Credential

RECENT = timedelta(minutes=10)  # how long an account's mode is taken as told
OLD_TIERS = timedelta(hours=26)  # they are renewed daily; older ones are told
OPTIONAL_SHARE = 0.35  # of the time for a request: what is optional must leave time for what is not

_MAY_BE_MISSING = (VenueDown, BadPayload, Unsupported, NoPermission, OurFault)
Tiers = Mapping[str, tuple[LeverageTier, ...]]


class VenueClient:
    """The shared half; `account()` gives the half that belongs to one credential."""

    def __init__(
        self,
        venue: Venue,
        *,
        base_url: str | None,
        timeout: float,
        tls: ssl.SSLContext | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.venue = venue
        self.traffic = traffic or Traffic(venue.info.id, Budgets())
        self.connection = Connection(venue, base_url=base_url, timeout=timeout, tls=tls, traffic=self.traffic)
        name = venue.info.id
        self._markets: Kept[dict[str, Instrument]] = Kept(
            f"{name}: the market list", max_age=timedelta(days=1), retry_after=timedelta(seconds=5), patience=5.0
        )
        self._tiers: Kept[Tiers] = Kept(
            f"{name}: the leverage tiers", max_age=timedelta(days=1), retry_after=timedelta(minutes=1), patience=3.0
        )
        self._lists: dict[str, Kept[Any]] = {}
        self._recent: dict[Hashable, tuple[datetime, Any]] = {}

    # -- what all accounts share

    async def instruments(self, now: datetime) -> Mapping[str, Instrument]:
        """Markets by the venue's id; empty when they could not be loaded."""
        return await self._markets.get(self.connection.markets, now) or {}

    async def reference(self, api: AccountApi, now: datetime) -> Reference:
        """Markets and tiers as far as they are known; never raises."""
        instruments = await self.instruments(now)
        fetch, parse = self.venue.fetch_tiers, self.venue.parse_tiers
        if fetch is None or parse is None or not instruments:
            return Reference(instruments=instruments)

        async def load() -> Tiers:
            return parse(await fetch(api), instruments)

        tiers = await self._tiers.get(lambda: self.connection.guarded(load(), seconds=LOAD_TIMEOUT), now)
        given_at = self._tiers.loaded_at
        is_old = given_at is not None and now - given_at > OLD_TIERS
        return Reference(instruments=instruments, tiers=tiers or {}, tiers_of=given_at if is_old else None)

    async def terms(self, api: AccountApi, now: datetime) -> Terms | None:
        """Tiers and collateral rates as they are now; None where the venue gives none. Raises `ReadingError`."""
        fetch, parse = self.venue.fetch_tiers, self.venue.parse_tiers
        fetch_rates, parse_rates = self.venue.fetch_rates, self.venue.parse_rates
        tiers: Tiers = {}
        if fetch is not None and parse is not None:
            instruments = await self.instruments(now)
            if not instruments:
                raise VenueDown(f"{self.venue.info.id}: the market list is missing")
            asked = await self.connection.guarded(fetch(api), seconds=LOAD_TIMEOUT)
            tiers = parse(asked, instruments)
            self._tiers.prime(tiers, now)
        elif fetch_rates is None:
            return None
        rates: Mapping[str, Decimal] = {}
        if fetch_rates is not None and parse_rates is not None:
            told = await self.connection.guarded(fetch_rates(api), seconds=LOAD_TIMEOUT)
            rates = {} if told is None else parse_rates(told)
        return Terms(tiers=tiers, collateral_rates=rates)

    def prime(self, tiers: Tiers, given_at: datetime) -> None:
        """Tiers to go by until the venue gives newer ones."""
        if tiers:
            self._tiers.prime(tiers, given_at)

    async def shared(self, method: str, params: Mapping[str, Any], now: datetime) -> Any:
        """A public list, at most an hour old; None when the venue does not answer."""
        name = f"{method} {json.dumps(dict(params), sort_keys=True)}"
        if name not in self._lists:
            self._lists[name] = Kept(
                f"{self.venue.info.id}: {method}",
                max_age=timedelta(hours=1),
                retry_after=timedelta(minutes=1),
                patience=self.connection.timeout * OPTIONAL_SHARE,
            )
        return await self._lists[name].get(lambda: self.connection.ask(method, params), now)

    async def candle_symbol(self, underlying: str, now: datetime) -> str | None:
        """The listed market whose candles stand for an underlying."""
        listed = {instrument.symbol for instrument in (await self.instruments(now)).values()}
        return next((symbol for symbol in self.venue.candle_symbols(underlying) if symbol in listed), None)

    async def bars(self, symbol: str, since: int | None, limit: int) -> list[Bar]:
        """One-minute bars, oldest first: the latest ones, or those from `since` (ms) on."""
        return await self.connection.bars(symbol, since, limit)

    # -- what belongs to one account

    def account(self, credential: Credential, now: datetime) -> AccountApi:
        """Access with a credential; cheap, holds nothing open."""
        return AccountApi(self, credential, now)

    async def recent(self, request: Hashable, load: Callable[[], Awaitable[Any]], now: datetime) -> Any:
        """An account's answer of the last ten minutes, else a new one. None, a failure, is not remembered."""
        known = self._recent.get(request)
        if known is not None and now - known[0] < RECENT:
            return known[1]
        answer = await load()
        self._recent.pop(request, None)
        # The oldest stand first, so what is too old costs only its own removal.
        while self._recent and now - (oldest := next(iter(self._recent.items())))[1][0] >= RECENT:
            del self._recent[oldest[0]]
        if answer is not None:
            self._recent[request] = (now, answer)
        return answer

    async def close(self) -> None:
        """Stop what is under way and release the connections."""
        loads: list[Kept[Any]] = [self._markets, self._tiers, *self._lists.values()]
        for kept in loads:
            await kept.close()
        await self.connection.close()


class AccountApi:
    """One account's access to a venue; see `venue.Api`."""

    def __init__(self, client: VenueClient, credential: Credential, now: datetime) -> None:
        self._client = client
        self._connection = client.connection
        self._credential = credential
        self.now = now

    @cached_property
    def identity(self) -> bytes:
        """Stands for the credential, of which nothing is kept: a new secret of the same key is another one."""
        told = self._credential
        return hashlib.sha256("\0".join((told.key, told.secret, told.passphrase)).encode()).digest()

    @property
    def key(self) -> str:
        """The API key or address."""
        return self._credential.key

    @property
    def secret(self) -> str:
        """The secret that goes with the key."""
        return self._credential.secret

    @property
    def passphrase(self) -> str:
        """What some venues want beside the secret."""
        return self._credential.passphrase

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for what must be there."""
        return await self._connection.ask(method, params or {}, self._credential)

    async def optional(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for an extra."""
        try:
            return await self._connection.ask(method, params or {}, self._credential, share=OPTIONAL_SHARE)
        except _MAY_BE_MISSING:
            return None

    async def shared(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for a public list that all accounts share."""
        return await self._client.shared(method, params or {}, self.now)

    async def recent(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for what the account seldom changes."""
        request = self.identity, method, json.dumps(params, sort_keys=True) if params else ""
        return await self._client.recent(request, lambda: self.optional(method, params), self.now)

    async def unified(self, method: str, *arguments: Any) -> Any:
        """Ask in ccxt's unified form."""
        return await self._connection.unified(method, arguments, self._credential)
