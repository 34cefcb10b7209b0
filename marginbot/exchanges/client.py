"""One venue as seen through ccxt: its markets loaded once, its connections shared, its accounts kept apart.

An account's ccxt object is a shallow copy of the loaded one with its own credentials and options. It is made
for a single request and thrown away. It must never be closed: that would close the connections of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import json
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt

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
from marginbot.exchanges.faults import REQUEST_ERRORS, translate
from marginbot.exchanges.kept import Kept
from marginbot.exchanges.markets import instruments_of
from marginbot.exchanges.traffic import Budgets, Traffic
from marginbot.exchanges.transport import BYTES_IN_A_TURN, lean
from marginbot.exchanges.urls import rebased
from marginbot.exchanges.venue import Instrument, Reference, Venue
from marginbot.flow.pace import Pace
from marginbot.flow.ports import Credential

# At level DEBUG ccxt logs every request with its key and signature.
logging.getLogger("ccxt").setLevel(logging.INFO)

CANDLE_REQUESTS_AT_ONCE = 4
LOAD_TIMEOUT = 30.0  # all pages of a market list together
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
        self._timeout = timeout
        self._ccxt = _opened(venue, base_url, timeout, tls)
        self._ccxt.traffic, self._ccxt.pace = self.traffic, Pace(BYTES_IN_A_TURN)
        self._requests = asyncio.Semaphore(venue.requests_at_once)
        self._candles = asyncio.Semaphore(CANDLE_REQUESTS_AT_ONCE)
        name = venue.info.id
        self._markets: Kept[dict[str, Instrument]] = Kept(
            f"{name}: the market list", max_age=timedelta(days=1), retry_after=timedelta(seconds=5), patience=5.0
        )
        self._tiers: Kept[Tiers] = Kept(
            f"{name}: the leverage tiers", max_age=timedelta(days=1), retry_after=timedelta(minutes=1), patience=3.0
        )
        self._lists: dict[str, Kept[Any]] = {}
        self._recent: dict[str, tuple[datetime, Any]] = {}

    @property
    def tls(self) -> ssl.SSLContext:
        """The trust store; making one is slow, so the next venue takes it over."""
        return self._ccxt.ssl_context  # type: ignore[no-any-return]

    # -- what all accounts share

    async def instruments(self, now: datetime) -> Mapping[str, Instrument]:
        """Markets by the venue's id; empty when they could not be loaded."""
        return await self._markets.get(self._load_markets, now) or {}

    async def reference(self, api: AccountApi, now: datetime) -> Reference:
        """Markets and tiers as far as they are known; never raises."""
        instruments = await self.instruments(now)
        fetch, parse = self.venue.fetch_tiers, self.venue.parse_tiers
        if fetch is None or parse is None or not instruments:
            return Reference(instruments=instruments)

        async def load() -> Tiers:
            return parse(await fetch(api), instruments)

        tiers = await self._tiers.get(lambda: self._guarded(load(), seconds=LOAD_TIMEOUT), now)
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
            asked = await self._guarded(fetch(api), seconds=LOAD_TIMEOUT)
            tiers = parse(asked, instruments)
            self._tiers.prime(tiers, now)
        elif fetch_rates is None:
            return None
        rates: Mapping[str, Decimal] = {}
        if fetch_rates is not None and parse_rates is not None:
            told = await self._guarded(fetch_rates(api), seconds=LOAD_TIMEOUT)
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
                patience=self._timeout * OPTIONAL_SHARE,
            )
        return await self._lists[name].get(lambda: self.ask(method, params), now)

    async def candle_symbol(self, underlying: str, now: datetime) -> str | None:
        """The listed market whose candles stand for an underlying."""
        listed = {instrument.symbol for instrument in (await self.instruments(now)).values()}
        return next((symbol for symbol in self.venue.candle_symbols(underlying) if symbol in listed), None)

    async def bars(self, symbol: str, since: int | None, limit: int) -> list[Bar]:
        """One-minute bars, oldest first: the latest ones, or those from `since` (ms) on."""
        async with self._candles:
            with self._lent(Credential("")) as client:
                client.number = float  # candles are statistics: no exact figures are lost
                rows = await self._guarded(client.fetch_ohlcv(symbol, "1m", since, limit))
        return [_bar(row) for row in rows if None not in row[:5]]

    async def server_time(self) -> int | None:
        """The venue's clock in ms UTC; None where it tells no time. Raises `ReadingError`."""
        if not self._ccxt.has["fetchTime"]:
            return None
        told = await self._guarded(self._ccxt.fetch_time())
        return None if told is None else int(told)

    # -- what belongs to one account

    def account(self, credential: Credential, now: datetime) -> AccountApi:
        """Access with a credential; cheap, holds nothing open."""
        return AccountApi(self, credential, now)

    async def recent(self, request: str, load: Callable[[], Awaitable[Any]], now: datetime) -> Any:
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

    async def ask(
        self, method: str, params: Mapping[str, Any], credential: Credential | None = None, *, share: float = 1.0
    ) -> Any:
        """Call one of ccxt's implicit methods; `share` of the usual time is allowed."""
        answer = await self._asked(lambda client: getattr(client, method)(dict(params)), credential, share=share)
        if not isinstance(answer, dict | list) and not _is_json_text(answer):
            raise BadPayload(f"{self.venue.info.id}: {method} was not answered with data")
        return answer

    async def unified(self, method: str, arguments: tuple[Any, ...], credential: Credential) -> Any:
        """Call one of ccxt's unified methods; its answer as plain data, numbers as text."""

        def request(client: Any) -> Awaitable[Any]:
            if client.markets is None:
                # The list could not be loaded; ccxt would ask for it again instead of going by the names.
                client.markets, client.markets_by_id, client.symbols = {}, {}, []
                client.load_markets = _no_markets
            return getattr(client, method)(*arguments)  # type: ignore[no-any-return]

        return json.loads(json.dumps(await self._asked(request, credential), default=str))

    async def close(self) -> None:
        """Stop what is under way and release the connections."""
        loads: list[Kept[Any]] = [self._markets, self._tiers, *self._lists.values()]
        for kept in loads:
            await kept.close()
        await self._ccxt.close()

    # -- inside

    async def _asked(
        self, request: Callable[[Any], Awaitable[Any]], credential: Credential | None, *, share: float = 1.0
    ) -> Any:
        async with self._requests:
            with self._lent(credential or Credential("")) as client:
                return await self._guarded(request(client), credential, seconds=self._timeout * share)

    @contextlib.contextmanager
    def _lent(self, credential: Credential) -> Iterator[Any]:
        client = copy.copy(self._ccxt)
        client.options = dict(self._ccxt.options)
        for attribute, name in self.venue.signs_with.items():
            option = attribute.removeprefix("options.")
            if option == attribute:
                setattr(client, attribute, getattr(credential, name))
            else:
                client.options[option] = getattr(credential, name)
        try:
            yield client
        finally:
            client.session = client.tcp_connector = None  # or its end would complain about open connections

    async def _guarded(
        self, request: Awaitable[Any], credential: Credential | None = None, *, seconds: float | None = None
    ) -> Any:
        """The answer in time, or our error. Raised outside the handler: ccxt's own text must not travel along."""
        try:
            async with asyncio.timeout(seconds or self._timeout):
                return await request
        except REQUEST_ERRORS as error:
            secrets = (credential.key, credential.secret, credential.passphrase) if credential else ()
            fault = translate(error, exchange=self.venue.info.id, secrets=secrets, known=self.venue.faults)
        raise fault

    async def _load_markets(self) -> dict[str, Instrument]:
        async def load() -> dict[str, Instrument]:
            return instruments_of((await self._ccxt.load_markets(reload=True)).values())

        instruments: dict[str, Instrument] = await self._guarded(load(), seconds=LOAD_TIMEOUT)
        if not instruments:
            raise BadPayload(f"{self.venue.info.id}: the market list is empty")
        return instruments


class AccountApi:
    """One account's access to a venue; see `venue.Api`."""

    def __init__(self, client: VenueClient, credential: Credential, now: datetime) -> None:
        self._client = client
        self._credential = credential
        self._now = now

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
        return await self._client.ask(method, params or {}, self._credential)

    async def optional(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for an extra."""
        try:
            return await self._client.ask(method, params or {}, self._credential, share=OPTIONAL_SHARE)
        except _MAY_BE_MISSING:
            return None

    async def shared(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for a public list that all accounts share."""
        return await self._client.shared(method, params or {}, self._now)

    async def recent(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for what the account seldom changes."""
        identity = (self._credential.key, self._credential.secret, self._credential.passphrase)
        asked = json.dumps([*identity, method, dict(params or {})], sort_keys=True)
        # The digest stands for the credential: a new secret of the same key asks anew, and none is kept here.
        request = hashlib.sha256(asked.encode()).hexdigest()
        return await self._client.recent(request, lambda: self.optional(method, params), self._now)

    async def unified(self, method: str, *arguments: Any) -> Any:
        """Ask in ccxt's unified form."""
        return await self._client.unified(method, arguments, self._credential)


def _opened(venue: Venue, base_url: str | None, timeout: float, tls: ssl.SSLContext | None) -> Any:
    """A ccxt client without credentials, its connection pool ready to be shared by copies."""
    options = {"fetchCurrencies": False, "fetchMargins": False, **venue.options}
    client = lean(getattr(ccxt, venue.info.id))(
        {"enableRateLimit": False, "timeout": timeout * 1000, "options": options}
    )
    client.number = Decimal
    client.has["fetchCurrencies"] = False
    client.enableLastHttpResponse = client.enableLastJsonResponse = client.enableLastResponseHeaders = False
    client.verbose = False
    client.ssl_context = tls or ssl.create_default_context(cafile=client.cafile)
    if base_url:
        client.urls = rebased(client.urls, base_url)
    # As ccxt would open it, but for the number of connections: aiohttp has 100 at most unless told.
    client.tcp_connector = aiohttp.TCPConnector(
        ssl=client.ssl_context, limit=venue.requests_at_once, family=socket.AF_UNSPEC, happy_eyeballs_delay=0
    )
    client.session = aiohttp.ClientSession(connector=client.tcp_connector, trust_env=client.aiohttp_trust_env)
    client.open()
    return client


async def _no_markets(*_: Any) -> dict[str, Any]:
    return {}


def _is_json_text(answer: Any) -> bool:
    """ccxt hands on what is neither object nor list as text: a page of HTML, but also a quoted JSON string."""
    return isinstance(answer, str) and re.fullmatch(r'\s*"[^"<>]*"\s*', answer) is not None


def _bar(row: list[Any]) -> Bar:
    opened_at, first, high, low, last = row[:5]
    return Bar(int(opened_at), float(first), float(high), float(low), float(last))
