"""Private streams of venues, listened to for their warnings alone: `flow.pushes.PushSource`.

What a venue's stream looks like is its `PushDialect`; here it is connected, greeted, kept alive and taken apart.
Addresses and messages hold keys and signatures: neither is ever logged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any

import aiohttp

from marginbot.domain.errors import ReadingError, VenueDown
from marginbot.domain.forced import ForcedClose
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.urls import rebased
from marginbot.exchanges.venue import Api, PushDialect, Venue
from marginbot.flow.ports import Credential

CONNECT_SECONDS = 10.0
GREETING_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # without so much as a pong
PING_SECONDS = 20.0
RENEW_SECONDS = 1800.0

ApiOf = Callable[[str, Credential, datetime], Api]


def _nothing() -> None:
    """Nobody wants to know."""


class VenueStreams:
    """A `PushSource`; `api_of` gives access to a venue's REST side, which some streams need to be opened."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        urls: Mapping[str, str],
        api_of: ApiOf,
        *,
        ping_seconds: float = PING_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._venues = venues
        self._urls = urls
        self._api_of = api_of
        self._ping_seconds = ping_seconds
        self._renew_seconds = renew_seconds

    def offers(self, exchange: str) -> bool:
        """Whether this venue sends warnings."""
        venue = self._venues.get(exchange)
        return venue is not None and venue.pushes is not None

    async def listen(
        self,
        exchange: str,
        credential: Credential,
        clock: Callable[[], datetime],
        opened: Callable[[], None] = _nothing,
    ) -> AsyncGenerator[RiskPush, None]:
        """Warnings until the connection ends; `opened` is called when they can be heard."""
        dialect = self._venues[exchange].pushes
        assert dialect is not None
        api = self._api_of(exchange, credential, clock())
        url = await dialect.address(api)
        if exchange in self._urls:
            url = rebased(url, self._urls[exchange])
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
        try:
            heartbeat = None if dialect.ping else self._ping_seconds
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.ws_connect(url, heartbeat=heartbeat) as socket,
            ):
                for greeting in dialect.greetings(api, clock()):
                    await socket.send_str(json.dumps(greeting))
                    await _accepted(socket, dialect)
                opened()
                async with aclosing(self._pushes(socket, dialect, api)) as pushes:
                    async for push in pushes:
                        yield push
            return
        except (aiohttp.ClientError, aiohttp.WSMessageTypeError, TimeoutError, OSError) as error:
            problem = type(error).__name__  # its text may hold the address
        raise VenueDown(f"{exchange}: the stream broke off: {problem}")

    async def missed(
        self, exchange: str, credential: Credential, start: datetime, end: datetime
    ) -> tuple[ForcedClose, ...] | None:
        """What the venue closed in that time; None where it does not tell afterwards. Raises `ReadingError`."""
        dialect = self._venues[exchange].pushes
        if dialect is None or dialect.missed is None:
            return None
        return await dialect.missed(self._api_of(exchange, credential, end), start, end)

    async def _pushes(
        self, socket: aiohttp.ClientWebSocketResponse, dialect: PushDialect, api: Api
    ) -> AsyncGenerator[RiskPush, None]:
        keeping = asyncio.create_task(self._kept_alive(socket, dialect, api))
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS if dialect.ping else None):
                    message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                told = _decoded(message.data)
                if dialect.ends(told):
                    return
                push = dialect.parse(told)
                if push is not None:
                    yield push
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                await keeping

    async def _kept_alive(self, socket: aiohttp.ClientWebSocketResponse, dialect: PushDialect, api: Api) -> None:
        loop = asyncio.get_running_loop()
        renewed_at = loop.time()
        while True:
            await asyncio.sleep(self._ping_seconds)
            if dialect.ping:
                await socket.send_str(dialect.ping)
            if dialect.renew is not None and loop.time() - renewed_at >= self._renew_seconds:
                renewed_at = loop.time()
                await _or_closed(dialect.renew(api), socket)


async def _accepted(socket: aiohttp.ClientWebSocketResponse, dialect: PushDialect) -> None:
    """Wait for the answer to a greeting; what comes before it is no warning yet."""
    async with asyncio.timeout(GREETING_SECONDS):
        while True:
            verdict = dialect.accepts(_decoded(await socket.receive_str()))
            if verdict is True:
                return
            if verdict is False:
                raise VenueDown("the stream does not accept this key")


async def _or_closed(renewal: Awaitable[object], socket: aiohttp.ClientWebSocketResponse) -> None:
    """A stream that cannot be renewed would fall silent: closed, it is opened anew."""
    try:
        await renewal
    except ReadingError:
        await socket.close()


def _decoded(text: str) -> Mapping[str, Any]:
    """A message as an object; what is none (a pong, say) is an empty one."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
