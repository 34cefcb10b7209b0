"""Reads accounts through ccxt: the implementation of `flow.ports.ExchangeReader`."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from marginbot.domain.errors import BadPayload, Cause, ReadingError, UnknownExchange, VenueDown
from marginbot.domain.margin import Snapshot
from marginbot.domain.passport import Passport, Verdict, verdict
from marginbot.domain.tier_changes import KeptTerms, Terms
from marginbot.domain.turmoil import PEGGED, Quote
from marginbot.domain.volatility import Bar, Volatility
from marginbot.exchanges.budget import LIMITS, Limit
from marginbot.exchanges.candles import CandleCache, past_bars
from marginbot.exchanges.client import OPTIONAL_SHARE, VenueClient
from marginbot.exchanges.faults import PARSE_ERRORS
from marginbot.exchanges.forms import check_form
from marginbot.exchanges.permissions import nothing_said
from marginbot.exchanges.reading import CarriedOver, reading
from marginbot.exchanges.recording import Recording, narrowed
from marginbot.exchanges.traffic import PATIENCE, Budgets, Traffic
from marginbot.exchanges.venue import Api, Venue
from marginbot.exchanges.venues import VENUES, refused
from marginbot.flow.cycle import underlyings_of
from marginbot.flow.ports import Credential, VenueInfo

log = logging.getLogger(__name__)

DEADLINE = 20.0  # seconds for one whole reading
PASSPORT_DEADLINE = 6.0  # who registers waits for it


UNTOLD = {
    Cause.KEY_REFUSED: "the exchange does not tell it to this key",
    Cause.NO_PERMISSION: "the exchange does not tell it to this key",
    Cause.VENUE_DOWN: "the exchange did not answer the question",
    Cause.BAD_PAYLOAD: "the exchange answered in a form I do not know",
}


@dataclass(frozen=True, slots=True)
class _Open:
    client: VenueClient
    candles: CandleCache


class CcxtReader:
    """One client per venue, opened when it is first needed. Holds no account state but what brief readings go by.

    `urls` sends a venue's requests elsewhere (exchange id to base URL); `timeout` is for a single request.
    `proxies` are further ways out for a venue, each with a budget of its own at the venue.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        timeout: float = 10.0,
        *,
        deadline: float = DEADLINE,
        venues: Mapping[str, Venue] = VENUES,
        proxies: Mapping[str, Sequence[str]] | None = None,
        limits: Mapping[str, tuple[Limit, ...]] = LIMITS,
    ) -> None:
        self._urls = urls
        self._proxies = proxies or {}
        self._budgets = Budgets()
        self._limits = limits
        self._timeout = timeout
        self._deadline = deadline
        self._venues = venues
        self._open: dict[str, _Open] = {}
        self._kept: dict[str, KeptTerms] = {}
        self._carried = CarriedOver()
        self._tls: ssl.SSLContext | None = None
        for name in sorted({*self._urls, *self._proxies} - set(self.venues())):
            log.warning("an address is set for %s, which is no exchange I know: is it misspelt?", name)

    def venues(self) -> Mapping[str, VenueInfo]:
        """The known venues by id, those with a `refusal` last."""
        return {name: venue.info for name, venue in self._venues.items()} | refused()

    def check_form(self, exchange: str, credential: Credential) -> None:
        """Raise `BadCredentials` for what is plainly malformed."""
        venue = self._venue(exchange)
        if venue.check_form is not None:
            venue.check_form({name: getattr(credential, name) for name, _ in venue.info.fields})
        check_form(venue.info, credential)

    async def read(self, exchange: str, credential: Credential, now: datetime, *, calm: bool = False) -> Snapshot:
        """One reading, or a `ReadingError`, within the deadline; `calm`: a brief one may do, see `reading`."""
        client = self._opened(exchange).client
        try:
            with client.traffic.weighed():
                async with asyncio.timeout(self._deadline):
                    return await reading(client, credential, now, self._carried, calm=calm)
        except TimeoutError:
            fault: ReadingError = VenueDown(f"{exchange}: the reading took longer than {self._deadline:g} s")
        except PARSE_ERRORS as error:
            log.exception("%s: the answer could not be read", exchange)
            fault = BadPayload(f"{exchange}: {type(error).__name__} while reading the answer")
        raise fault

    async def record(self, exchange: str, credential: Credential, now: datetime) -> Recording:
        """One reading's raw answers as they came, understood or not; a `ReadingError` when there are none."""
        client = self._opened(exchange).client
        api = client.account(credential, now)
        try:
            async with asyncio.timeout(self._deadline):
                reference = await client.reference(api, now)
                payloads = await client.venue.fetch(api)
        except TimeoutError:
            raise VenueDown(f"{exchange}: the reading took longer than {self._deadline:g} s") from None
        recording = Recording(
            exchange=exchange,
            taken_at=now,
            payloads=payloads,
            reference=narrowed(reference, payloads),
            volatilities={},
        )
        try:
            moving = underlyings_of(recording.snapshot(client.venue))
        except (BadPayload, *PARSE_ERRORS) as error:
            log.info("%s: the answers could not be understood: %s", exchange, type(error).__name__)
            return recording
        return replace(recording, volatilities=await self.volatilities(exchange, moving, now))

    async def passport(self, exchange: str, credential: Credential, now: datetime) -> Passport:
        """What the key may do. Never raises: what could not be learned is None, with the reason as a note."""
        client = self._opened(exchange).client
        permissions = client.venue.permissions
        if permissions is None:
            return nothing_said(f"{client.venue.info.title} does not tell what a key may do")
        try:
            async with asyncio.timeout(min(PASSPORT_DEADLINE, self._deadline)):
                passport = permissions.parse(await permissions.fetch(client.account(credential, now)))
            silent = verdict(passport) is Verdict.NOT_VERIFIED and not passport.notes
            return replace(passport, notes=("the exchange did not say all of it",)) if silent else passport
        except TimeoutError:
            why = "the exchange took too long to say"
        except ReadingError as error:
            log.info("%s: the key's rights are not known: %s", exchange, error)
            why = UNTOLD.get(error.cause, "the exchange did not say")
        except PARSE_ERRORS:
            log.exception("%s: the key's rights could not be read", exchange)
            why = "the exchange answered in a form I do not know"
        return nothing_said(why)

    async def terms(self, exchange: str, credential: Credential, now: datetime) -> Terms | None:
        """What the venue requires, as it says now; None where it does not say. Raises `ReadingError`."""
        client = self._opened(exchange).client
        try:
            return await client.terms(client.account(credential, now), now)
        except PARSE_ERRORS as error:
            log.exception("%s: the terms could not be read", exchange)
            fault = BadPayload(f"{exchange}: {type(error).__name__} while reading the terms")
        raise fault

    def prime(self, exchange: str, kept: KeptTerms) -> None:
        """What to go by until the venue gives something newer. A venue that is no longer supported is left alone."""
        if exchange in self._venues:
            self._kept[exchange] = kept
            if exchange in self._open:
                self._open[exchange].client.prime(kept.terms.tiers, kept.loaded_at)

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        """Ordinary hourly moves from cached candles; never raises."""
        return await self._opened(exchange).candles.volatilities(underlyings, now)

    def stable_quotes(self, exchange: str, assets: Iterable[str]) -> Sequence[Quote]:
        """The last known prices of stablecoins in other stablecoins, from candles that were fetched anyway."""
        candles, found = self._opened(exchange).candles, []
        for asset in sorted(assets):
            symbol, bar = candles.last_bar(asset) or ("", None)
            quote = symbol.partition("/")[2].partition(":")[0]
            if bar is not None and quote in PEGGED and math.isfinite(bar.close) and bar.close > 0:
                closed_at = datetime.fromtimestamp(bar.opened_at / 1000, UTC) + timedelta(minutes=1)
                found.append(Quote(exchange, asset, quote, bar.close, closed_at))
        return found

    async def symbols(self, exchange: str, now: datetime) -> Mapping[str, str]:
        """Unified symbols by the venue's own names; empty while the market list could not be loaded."""
        listed = await self._opened(exchange).client.instruments(now)
        return {name: instrument.symbol for name, instrument in listed.items()}

    def api(self, exchange: str, credential: Credential, now: datetime) -> Api:
        """An account's access to a venue, for what is no reading."""
        return self._opened(exchange).client.account(credential, now)

    async def history(self, exchange: str, underlying: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """One-minute bars of a past period from public candles; empty where unlisted. Raises `ReadingError`."""
        return await past_bars(self._opened(exchange).client, underlying, start, end, now)

    def ready_in(self, exchange: str, under_way: int) -> float:
        """Seconds until one more reading fits into the venue's limits beside those under way; 0: now."""
        opened = self._open.get(exchange)
        return opened.client.traffic.ready_in(under_way) if opened else 0.0

    def pace(self, exchange: str, under_way: int) -> float:
        """Seconds until one more reading leaves enough of the venue's limits for those that come later; 0: now."""
        opened = self._open.get(exchange)
        return opened.client.traffic.pace(under_way) if opened else 0.0

    def budgets_used(self) -> Mapping[str, float]:
        """Share of its limit that is used, by venue; only where the venue limits addresses."""
        shares = {name: opened.client.traffic.used() for name, opened in self._open.items()}
        return {name: share for name, share in shares.items() if share is not None}

    async def clock_skew(self, exchange: str, clock: Callable[[], datetime]) -> timedelta | None:
        """How far our clock is ahead of the venue's, to half a round trip; None where the venue does not tell."""
        asked = clock()
        told = await self._opened(exchange).client.connection.server_time()
        if told is None:
            return None
        return asked + (clock() - asked) / 2 - datetime.fromtimestamp(told / 1000, UTC)

    async def close(self) -> None:
        """Stop what is under way and release all connections."""
        opened, self._open = list(self._open.values()), {}
        await asyncio.gather(*(venue.candles.close() for venue in opened))
        await asyncio.gather(*(venue.client.close() for venue in opened))

    def _venue(self, exchange: str) -> Venue:
        venue = self._venues.get(exchange)
        if venue is None:
            raise UnknownExchange(f"no venue {exchange!r}", advice=f"I do not know the exchange {exchange!r}.")
        return venue

    def _opened(self, exchange: str) -> _Open:
        if exchange not in self._open:
            base_url = self._urls.get(exchange)
            traffic = Traffic(
                exchange,
                self._budgets,
                proxies=self._proxies.get(exchange, ()),
                limits=self._limits,
                # Less than any request may take, or waiting for a turn would look like a venue that does not answer.
                patience=min(PATIENCE, OPTIONAL_SHARE * self._timeout * 0.8),
            )
            client = VenueClient(
                self._venue(exchange), base_url=base_url, timeout=self._timeout, tls=self._tls, traffic=traffic
            )
            self._tls = client.connection.tls
            if kept := self._kept.get(exchange):
                client.prime(kept.terms.tiers, kept.loaded_at)
            self._open[exchange] = _Open(client, CandleCache(client))
        return self._open[exchange]
