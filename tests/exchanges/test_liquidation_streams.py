"""Streams of Binance Portfolio Margin, Bybit and Deribit: a loopback server checks login and subscription."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from marginbot.domain.errors import ReadingError, Unsupported, VenueDown
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.streams import VenueStreams
from marginbot.exchanges.venues import VENUES
from marginbot.exchanges.venues.binance_push import PUSHES as PORTFOLIO
from marginbot.exchanges.venues.bybit_push import PUSHES as BYBIT
from marginbot.exchanges.venues.deribit_push import CHANNEL
from marginbot.exchanges.venues.deribit_push import PUSHES as DERIBIT
from marginbot.flow.ports import Credential
from tests.builders import T0

CREDENTIAL = Credential("the-api-key-canary", "the-secret-canary", "")
LISTEN_KEY = "listen-key-canary"
AT = int(T0.timestamp() * 1000)
LEVEL = {"e": "riskLevelChange", "E": 1587727187525, "u": "1.19", "s": "FORCE_LIQUIDATION", "eq": "30.2", "m": "15.1"}
BUST = {"topic": "execution", "id": "1", "data": [{"symbol": "BTCUSDT", "execType": "BustTrade", "execQty": "0.1"}]}
TRADE = {"instrument_name": "BTC-PERPETUAL", "liquidation": "T", "liquidity": "T", "profit_loss": -0.01}


def trades(*rows: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": CHANNEL, "data": list(rows)}}


def signed(text: str) -> str:
    return hmac.new(CREDENTIAL.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class StreamServer:
    """The three venues; `script` is what a subscriber is sent. A wrong login or subscription is refused."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.keys: list[str] = []
        self.portfolio = True
        self.grants = True
        self.hangs_up = False

    async def __aenter__(self) -> StreamServer:
        app = web.Application()
        app.router.add_get("/sapi/v1/account/info", self._info)
        app.router.add_post("/papi/v1/listenKey", self._listen_key)
        app.router.add_get(f"/pm/ws/{LISTEN_KEY}", self._binance)
        app.router.add_get("/v5/private", self._bybit)
        app.router.add_get("/ws/api/v2", self._deribit)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response({"isPortfolioMarginRetailEnabled": self.portfolio})

    async def _listen_key(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("X-MBX-APIKEY", ""))
        return web.json_response({"listenKey": LISTEN_KEY})

    async def _binance(self, request: web.Request) -> web.WebSocketResponse:
        return await self._play(await _opened(request))

    async def _bybit(self, request: web.Request) -> web.WebSocketResponse:
        socket = await _opened(request)
        if self.hangs_up:
            return socket
        key, expires, signature = (await socket.receive_json())["args"]
        right = (key, expires > AT, signature) == (CREDENTIAL.key, True, signed(f"GET/realtime{expires}"))
        await socket.send_json({"success": right, "ret_msg": "", "op": "auth", "conn_id": "x"})
        if right:
            topics = (await socket.receive_json())["args"]
            granted = self.grants and topics == ["position", "wallet", "execution"]
            await socket.send_json({"success": granted, "ret_msg": "", "op": "subscribe", "conn_id": "x"})
            await self._play(socket)
        return socket

    async def _deribit(self, request: web.Request) -> web.WebSocketResponse:
        socket = await _opened(request)
        login = await socket.receive_json()
        who = login["params"]
        right = (login["method"], who["client_id"]) == ("public/auth", CREDENTIAL.key)
        right = right and who["signature"] == signed(f"{who['timestamp']}\n{who['nonce']}\n{who['data']}")
        if not right:
            await socket.send_json({"id": login["id"], "error": {"code": 13004, "message": "invalid_credentials"}})
            return socket
        await socket.send_json({"id": login["id"], "result": {"access_token": "token-canary", "scope": "trade:read"}})
        asked = await socket.receive_json()
        assert asked["method"] == "private/subscribe"
        await socket.send_json({"id": asked["id"], "result": asked["params"]["channels"] if self.grants else []})
        return await self._play(socket)

    async def _play(self, socket: web.WebSocketResponse) -> web.WebSocketResponse:
        for line in self.script:
            await socket.send_str(line if isinstance(line, str) else json.dumps(line))
        async for _ in socket:
            pass
        return socket


async def _opened(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    return socket


@pytest.fixture
async def server() -> AsyncIterator[StreamServer]:
    async with StreamServer() as opened:
        yield opened


@pytest.fixture
async def streams(server: StreamServer) -> AsyncIterator[VenueStreams]:
    urls = dict.fromkeys(("binance", "bybit", "deribit"), server.url)
    reader = CcxtReader(urls, timeout=2.0)
    yield VenueStreams(VENUES, urls, reader.api)
    await reader.close()


async def heard(streams: VenueStreams, exchange: str, credential: Credential = CREDENTIAL) -> list[RiskPush]:
    async with asyncio.timeout(10), aclosing(streams.listen(exchange, credential, lambda: T0)) as pushes:
        async for push in pushes:
            return [push]
    return []


async def test_the_risk_level_of_binance_portfolio_margin_is_heard(server: StreamServer, streams: VenueStreams) -> None:
    server.script = [{"e": "ACCOUNT_UPDATE", "a": {}}, LEVEL]
    assert await heard(streams, "binance") == [RiskPush("risk level force liquidation")]
    assert server.keys == [CREDENTIAL.key]


async def test_an_account_outside_portfolio_margin_is_not_asked_for_its_stream(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.portfolio = False
    with pytest.raises(Unsupported):
        await heard(streams, "binance")
    assert server.keys == []


async def test_a_liquidation_at_bybit_is_heard_after_login_and_subscription(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.script = ['{"op":"pong"}', {"topic": "wallet", "data": [{"accountMMRate": "0.1"}]}, BUST]
    assert await heard(streams, "bybit") == [RiskPush("liquidation trade")]


async def test_a_liquidation_at_deribit_is_heard_after_login_and_subscription(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.script = [{"id": 3, "result": {"version": "1"}}, trades({"liquidity": "M"}), trades(TRADE)]
    assert await heard(streams, "deribit") == [RiskPush("liquidation trade")]


@pytest.mark.parametrize("exchange", ["bybit", "deribit"])
async def test_a_login_or_subscription_that_is_refused_is_an_error(
    server: StreamServer, streams: VenueStreams, exchange: str
) -> None:
    with pytest.raises(ReadingError):
        await heard(streams, exchange, Credential(CREDENTIAL.key, "another-secret", ""))
    server.grants = False
    with pytest.raises(ReadingError):
        await heard(streams, exchange)


async def test_a_stream_that_hangs_up_instead_of_answering_is_an_error(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.hangs_up = True
    with pytest.raises(VenueDown):
        await heard(streams, "bybit")


@pytest.mark.parametrize("branch", ["bybiteu", "myokx", "okxus"])
def test_a_branch_is_not_listened_to_at_the_address_of_its_original(streams: VenueStreams, branch: str) -> None:
    assert not streams.offers(branch)


@pytest.mark.parametrize(
    ("topic", "row", "what"),
    [
        pytest.param("position", {"positionStatus": "Liq"}, "position under liquidation", id="being liquidated"),
        pytest.param("position", {"positionStatus": "Adl"}, "position under auto-deleveraging", id="deleveraged"),
        pytest.param("position.linear", {"positionStatus": "Liq"}, "position under liquidation", id="of one category"),
        pytest.param("position", {"positionStatus": "Normal"}, None, id="a position like any"),
        pytest.param("execution", {"execType": "AdlTrade"}, "auto-deleveraging trade", id="deleveraging trade"),
        pytest.param("execution", {"execType": "Trade"}, None, id="a trade of theirs"),
        pytest.param("execution", {"execType": "Funding"}, None, id="funding"),
        pytest.param("wallet", {"accountMMRate": "0.8"}, "high maintenance margin rate", id="at the rate"),
        pytest.param("wallet", {"accountMMRate": "0.7999"}, None, id="just under the rate"),
        pytest.param("wallet", {"accountMMRate": ""}, None, id="isolated mode has no rate"),
        pytest.param("order", {"execType": "BustTrade"}, None, id="another topic"),
    ],
)
def test_bybit(topic: str, row: dict[str, Any], what: str | None) -> None:
    assert BYBIT.parse({"topic": topic, "data": ["?", {}, row]}) == (RiskPush(what) if what else None)
    assert BYBIT.parse({"topic": topic, "data": row}) is None


@pytest.mark.parametrize(
    ("row", "is_ours"),
    [
        pytest.param({"liquidation": "T", "liquidity": "T"}, True, id="we took, and were liquidated"),
        pytest.param({"liquidation": "T", "liquidity": "M"}, False, id="the other side was"),
        pytest.param({"liquidation": "MT", "liquidity": "M"}, True, id="both were"),
        pytest.param({"liquidation": "M"}, True, id="our side is not said"),
        pytest.param({"liquidity": "T"}, False, id="no liquidation"),
        pytest.param({"liquidation": None, "liquidity": "T"}, False, id="null"),
    ],
)
def test_deribit(row: dict[str, Any], is_ours: bool) -> None:
    assert DERIBIT.parse(trades("?", row)) == (RiskPush("liquidation trade") if is_ours else None)
    assert DERIBIT.parse({"params": {"channel": "user.orders.any.any.raw", "data": [row]}}) is None


@pytest.mark.parametrize(
    ("told", "what"),
    [
        pytest.param(LEVEL | {"s": "MARGIN_CALL"}, "risk level margin call", id="margin call"),
        pytest.param(LEVEL | {"s": "REDUCE_ONLY"}, "risk level reduce only", id="reduce only"),
        pytest.param(LEVEL | {"s": "NORMAL"}, None, id="all is well again"),
        pytest.param({"e": "riskLevelChange"}, "risk level changed", id="to what is not said"),
        pytest.param(
            {"e": "ORDER_TRADE_UPDATE", "fs": "UM", "o": {"c": "autoclose-16"}}, "liquidation order", id="liquidation"
        ),
        pytest.param({"e": "ORDER_TRADE_UPDATE", "o": {"c": "adl_autoclose"}}, "auto-deleveraging order", id="adl"),
        pytest.param({"e": "ORDER_TRADE_UPDATE", "o": {"c": "settlement_autoclose-1"}}, None, id="delivery"),
    ],
)
def test_binance_portfolio(told: dict[str, Any], what: str | None) -> None:
    assert PORTFOLIO.parse(told) == (RiskPush(what) if what else None)
