"""A venue's one ccxt object, lent out in copies: the requests themselves, their time limits and their errors.

An account's ccxt object is a shallow copy of the loaded one with its own credentials and options. It is made
for a single request and thrown away. It must never be closed: that would close the connections of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt

from marginbot.domain.errors import BadPayload
from marginbot.domain.volatility import Bar
from marginbot.exchanges.faults import REQUEST_ERRORS, translate
from marginbot.exchanges.markets import instruments_of
from marginbot.exchanges.traffic import Traffic
from marginbot.exchanges.transport import BYTES_IN_A_TURN, lean
from marginbot.exchanges.urls import rebased
from marginbot.exchanges.venue import Instrument, Venue
from marginbot.flow.pace import Pace
from marginbot.flow.ports import Credential

# At level DEBUG ccxt logs every request with its key and signature.
logging.getLogger("ccxt").setLevel(logging.INFO)

CANDLE_REQUESTS_AT_ONCE = 4
LOAD_TIMEOUT = 30.0  # all pages of a market list together


class Connection:
    """Asks a venue. Every failure is a `ReadingError`."""

    def __init__(
        self, venue: Venue, *, base_url: str | None, timeout: float, tls: ssl.SSLContext | None, traffic: Traffic
    ) -> None:
        self.venue = venue
        self.timeout = timeout
        self._ccxt = _opened(venue, base_url, timeout, tls)
        self._ccxt.traffic, self._ccxt.pace = traffic, Pace(BYTES_IN_A_TURN)
        self._requests = asyncio.Semaphore(venue.requests_at_once)
        self._candles = asyncio.Semaphore(CANDLE_REQUESTS_AT_ONCE)

    @property
    def tls(self) -> ssl.SSLContext:
        """The trust store; making one is slow, so the next venue takes it over."""
        return self._ccxt.ssl_context  # type: ignore[no-any-return]

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

    async def bars(self, symbol: str, since: int | None, limit: int) -> list[Bar]:
        """One-minute bars, oldest first: the latest ones, or those from `since` (ms) on."""
        async with self._candles:
            with self._lent(Credential("")) as client:
                client.number = float  # candles are statistics: no exact figures are lost
                rows = await self.guarded(client.fetch_ohlcv(symbol, "1m", since, limit))
        return [_bar(row) for row in rows if None not in row[:5]]

    async def server_time(self) -> int | None:
        """The venue's clock in ms UTC; None where it tells no time."""
        if not self._ccxt.has["fetchTime"]:
            return None
        told = await self.guarded(self._ccxt.fetch_time())
        return None if told is None else int(told)

    async def markets(self) -> dict[str, Instrument]:
        """The market list, never empty."""

        async def load() -> dict[str, Instrument]:
            return instruments_of((await self._ccxt.load_markets(reload=True)).values())

        instruments: dict[str, Instrument] = await self.guarded(load(), seconds=LOAD_TIMEOUT)
        if not instruments:
            raise BadPayload(f"{self.venue.info.id}: the market list is empty")
        return instruments

    async def guarded(
        self, request: Awaitable[Any], credential: Credential | None = None, *, seconds: float | None = None
    ) -> Any:
        """The answer in time, or our error. Raised outside the handler: ccxt's own text must not travel along."""
        try:
            async with asyncio.timeout(seconds or self.timeout):
                return await request
        except REQUEST_ERRORS as error:
            secrets = (credential.key, credential.secret, credential.passphrase) if credential else ()
            fault = translate(error, exchange=self.venue.info.id, secrets=secrets, known=self.venue.faults)
        raise fault

    async def close(self) -> None:
        """Release the connections."""
        await self._ccxt.close()

    async def _asked(
        self, request: Callable[[Any], Awaitable[Any]], credential: Credential | None, *, share: float = 1.0
    ) -> Any:
        async with self._requests:
            with self._lent(credential or Credential("")) as client:
                return await self.guarded(request(client), credential, seconds=self.timeout * share)

    @contextlib.contextmanager
    def _lent(self, credential: Credential) -> Iterator[Any]:
        client = object.__new__(type(self._ccxt))  # what copy.copy does, without asking how
        client.__dict__.update(self._ccxt.__dict__)
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
