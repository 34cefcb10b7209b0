"""Marks of all symbols: streamed, polled where the stream is away, and nothing that is no price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from marginbot.domain.errors import BadPayload, ReadingError
from marginbot.exchanges.marks import VenueMarks
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Instrument
from tests.exchanges.kit import D, now

LISTED = {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT"}
STREAMED = [{"s": "BTCUSDT", "p": "61000.5"}, {"s": "ETHUSDT", "p": "soon"}, {"s": "NEWUSDT", "p": "1"}]
POLLED = [{"symbol": "BTCUSDT", "markPrice": "60000"}, {"symbol": "ETHUSDT", "markPrice": None}]


class Server:
    """Binance's stream of all marks, and its premium index; Bybit's tickers."""

    def __init__(self) -> None:
        self.streamed: list[Any] = []
        self.polled: Any = POLLED
        self.tickers_listed: Any = POLLED
        self.asked = 0
        self.url = ""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if not self.streamed:
            return web.Response(status=404)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in self.streamed:
            await (socket.send_json(message) if not isinstance(message, str) else socket.send_str(message))
        async for heard in socket:
            if heard.type is WSMsgType.CLOSE:
                break
        return socket

    async def premium(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.polled)

    async def tickers(self, _: web.Request) -> web.Response:
        return web.json_response({"retCode": 0, "result": {"list": self.tickers_listed}})


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_get("/ws/{name}", server.stream)
    app.router.add_get("/fapi/v1/premiumIndex", server.premium)
    app.router.add_get("/v5/market/tickers", server.tickers)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


class Listing(CcxtReader):
    """The real reader with a market list that was loaded before."""

    async def symbols(self, exchange: str, at: Any) -> dict[str, str]:
        return LISTED


async def first(server: Server, exchange: str, count: int = 1) -> list[dict[str, float]]:
    return (await first_with_funding(server, exchange, count))[0]


async def first_with_funding(
    server: Server, exchange: str, count: int = 1
) -> tuple[list[dict[str, float]], dict[str, float]]:
    urls = {exchange: server.url}
    reader = Listing(urls, timeout=2.0)
    source = VenueMarks(reader, urls, poll_seconds=0.01)
    found: list[dict[str, float]] = []
    try:
        async with asyncio.timeout(5), aclosing(source.marks(exchange, now)) as batches:
            async for batch in batches:
                found.append(dict(batch))
                if len(found) == count:
                    break
    finally:
        await reader.close()
    return found, dict(source.funding(exchange, now()))


async def test_marks_are_streamed_and_what_is_no_price_is_left_out() -> None:
    async with serving() as server:
        server.streamed = [STREAMED, [{"s": "ETHUSDT", "p": "3000"}]]
        assert await first(server, "binanceusdm", 2) == [{"BTC/USDT:USDT": 61000.5}, {"ETH/USDT:USDT": 3000.0}]
        assert server.asked == 0


@pytest.mark.parametrize("message", [None, "no JSON", {"not": "a list"}])
async def test_where_the_stream_fails_marks_are_polled(message: Any) -> None:
    async with serving() as server:
        server.streamed = [] if message is None else [message]
        assert await first(server, "binanceusdm", 3) == [{"BTC/USDT:USDT": 60000.0}] * 3
        assert server.asked == 3


async def test_a_venue_without_a_stream_is_polled() -> None:
    async with serving() as server:
        assert await first(server, "bybit") == [{"BTC/USDT:USDT": 60000.0}]


def payments(rate: str, at: str, in_hours: float, **more: str) -> list[dict[str, Any]]:
    """A list that announces what Bitcoin pays, and something for Ether that is no rate."""
    due = int((now() + timedelta(hours=in_hours)).timestamp() * 1000)
    return [
        {"symbol": "BTCUSDT", "s": "BTCUSDT", "markPrice": "60000", "p": "60000", rate: "-0.0003", at: due, **more},
        {"symbol": "ETHUSDT", "s": "ETHUSDT", "markPrice": "3000", "p": "3000", rate: "", at: 0},
    ]


async def test_funding_is_kept_from_the_stream_of_marks() -> None:
    async with serving() as server:
        server.streamed = [payments("r", "T", 5)]
        _, funding = await first_with_funding(server, "binanceusdm")
        assert funding == {"BTC/USDT:USDT": -0.0003}
        server.streamed = [payments("r", "T", 3)]
        assert (await first_with_funding(server, "binanceusdm"))[1] == {}, "it may be paid every four hours"
        assert server.asked == 0, "at no extra request"


async def test_funding_is_kept_from_polled_marks() -> None:
    async with serving() as server:
        server.polled = payments("lastFundingRate", "nextFundingTime", 5)
        assert (await first_with_funding(server, "binanceusdm"))[1] == {"BTC/USDT:USDT": -0.0003}
        server.tickers_listed = payments("fundingRate", "nextFundingTime", 1, fundingIntervalHour="4")
        assert (await first_with_funding(server, "bybit"))[1] == {"BTC/USDT:USDT": -0.0006}
        server.tickers_listed = POLLED
        assert (await first_with_funding(server, "bybit"))[1] == {}


async def test_an_answer_that_makes_no_sense_is_an_error() -> None:
    async with serving() as server:
        server.polled = {"code": 0}
        with pytest.raises(BadPayload):
            await first(server, "binanceusdm")
        with pytest.raises(ReadingError):
            await first(server, "okx")


async def test_venues_without_marks_are_not_offered() -> None:
    reader = CcxtReader({})
    assert not VenueMarks(reader, {}).offers("kraken")
    assert VenueMarks(reader, {}).offers("okx")
    await reader.close()


async def test_symbols_come_from_the_market_list() -> None:
    reader = CcxtReader({})
    instrument = Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D(1))
    reader._opened("bybit").client._markets.prime({"BTCUSDT": instrument}, now())
    assert await reader.symbols("bybit", now()) == {"BTCUSDT": "BTC/USDT:USDT"}
    await reader.close()
