"""Private streams against a loopback server that speaks as the venues' documents say."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from marginbot.domain.errors import ReadingError, VenueDown
from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.streams import VenueStreams
from marginbot.exchanges.venues import VENUES
from marginbot.exchanges.venues.binanceusdm_push import PUSHES as BINANCE
from marginbot.exchanges.venues.okx_push import PUSHES as OKX
from marginbot.flow.ports import Credential
from tests.builders import T0

CREDENTIAL = Credential("the-api-key-canary", "the-secret-canary", "the-passphrase-canary")
LISTEN_KEY = "listen-key-canary"
MARGIN_CALL = {
    "e": "MARGIN_CALL",
    "E": 1587727187525,
    "cw": "3.16812045",
    "p": [{"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17", "mm": "1.614445"}],
}
ORDER = {
    "instId": "BTC-USDT-SWAP",
    "ordId": "680800019749904384",
    "category": "full_liquidation",
    "side": "sell",
    "tdMode": "cross",
    "state": "partially_filled",
    "sz": "9",
    "fillSz": "2",
    "fillPx": "26980.1",
    "fillPnl": "-31.5",
}
FILL = ForcedClose(
    kind=ForcedKind.LIQUIDATION,
    order="680800019749904384",
    symbol="BTC-USDT-SWAP",
    side="sell",
    quantity=Decimal(2),
    price=Decimal("26980.1"),
    profit=Decimal("-31.5"),
)
WARNING = {
    "arg": {"channel": "liquidation-warning", "instType": "ANY"},
    "data": [{"instId": "ETH-USDT-SWAP", "mgnMode": "isolated", "mgnRatio": "1.01", "posSide": "long"}],
}


def orders(*rows: Any) -> dict[str, Any]:
    return {"arg": {"channel": "orders", "instType": "ANY", "uid": "1"}, "data": list(rows)}


class StreamServer:
    """Binance's listenKey and stream, and OKX's private socket; `script` is what a subscriber is sent."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.heard: list[str] = []
        self.keys: list[str] = []
        self.refuse = False
        self.limits_renewals = False
        self.sockets: list[web.WebSocketResponse] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> StreamServer:
        app = web.Application()
        app.router.add_post("/fapi/v1/listenKey", self._listen_key)
        app.router.add_put("/fapi/v1/listenKey", self._listen_key)
        app.router.add_get(f"/ws/{LISTEN_KEY}", self._binance)
        app.router.add_get("/ws/v5/private", self._okx)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _listen_key(self, request: web.Request) -> web.Response:
        self.keys.append(f"{request.method} {request.headers.get('X-MBX-APIKEY', '')}")
        if self.limits_renewals and request.method == "PUT":
            return web.json_response({"code": -1003, "msg": "Too many requests."}, status=429)
        return web.json_response({"listenKey": LISTEN_KEY})

    async def _binance(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return await self._play(socket)

    async def _okx(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        login = json.loads(await socket.receive_str())
        [who] = login["args"]
        signed = hmac.new(
            CREDENTIAL.secret.encode(), f"{who['timestamp']}GET/users/self/verify".encode(), hashlib.sha256
        )
        right = who["sign"] == base64.b64encode(signed.digest()).decode() and who["passphrase"] == CREDENTIAL.passphrase
        if self.refuse or not right:
            await socket.send_json({"event": "error", "code": "60009", "msg": "Login failed."})
            return socket
        await socket.send_json({"event": "login", "code": "0"})
        self.heard.append(await socket.receive_str())
        for argument in json.loads(self.heard[-1])["args"]:
            await socket.send_json({"event": "subscribe", "arg": argument})
        return await self._play(socket)

    async def _play(self, socket: web.WebSocketResponse) -> web.WebSocketResponse:
        self.sockets.append(socket)
        for line in self.script:
            await socket.send_str(line if isinstance(line, str) else json.dumps(line))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.data)
        return socket


@pytest.fixture
async def server() -> AsyncIterator[StreamServer]:
    async with StreamServer() as opened:
        yield opened


@pytest.fixture
async def streams(server: StreamServer) -> AsyncIterator[VenueStreams]:
    urls = {"binanceusdm": server.url, "okx": server.url}
    reader = CcxtReader(urls, timeout=2.0)
    yield VenueStreams(VENUES, urls, reader.api)
    await reader.close()


async def heard(streams: VenueStreams, exchange: str, most: int = 1) -> list[RiskPush]:
    found: list[RiskPush] = []
    async with asyncio.timeout(10), aclosing(streams.listen(exchange, CREDENTIAL, lambda: T0)) as pushes:
        async for push in pushes:
            found.append(push)
            if len(found) == most:
                break
    return found


async def test_failure_29_binance_s_margin_call_is_heard_among_everything_else(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.script = [{"e": "ACCOUNT_UPDATE", "a": {}}, "no json", [1], MARGIN_CALL]
    assert await heard(streams, "binanceusdm") == [RiskPush("margin call", isolated=False)]
    assert server.keys == [f"POST {CREDENTIAL.key}"]


async def test_failure_29_okx_s_liquidation_warning_is_heard_after_login_and_subscription(
    server: StreamServer, streams: VenueStreams
) -> None:
    server.script = ["pong", WARNING]
    assert await heard(streams, "okx") == [RiskPush("liquidation warning", isolated=True)]
    channels = [{"channel": name, "instType": "ANY"} for name in ("liquidation-warning", "orders")]
    assert json.loads(server.heard[0])["args"] == channels


async def test_okx_s_own_orders_are_heard_with_what_they_filled(server: StreamServer, streams: VenueStreams) -> None:
    server.script = [orders(ORDER | {"category": "normal"}), orders(ORDER | {"fillSz": "0"}), orders(ORDER)]
    placed, filled = await heard(streams, "okx", most=2)
    assert placed == RiskPush("liquidation order", isolated=False)
    assert filled == RiskPush("liquidation order", isolated=False, closed=(FILL,))


async def test_a_key_that_the_stream_refuses_is_an_error(server: StreamServer, streams: VenueStreams) -> None:
    server.refuse = True
    with pytest.raises(ReadingError):
        await heard(streams, "okx")


async def test_a_stream_that_is_not_renewed_for_whatever_reason_ends(server: StreamServer) -> None:
    """It would fall silent, and nobody would know."""
    urls = {"binanceusdm": server.url}
    reader = CcxtReader(urls, timeout=2.0)
    streams = VenueStreams(VENUES, urls, reader.api, ping_seconds=0.01, renew_seconds=0.0)
    server.limits_renewals = True
    assert await heard(streams, "binanceusdm") == []
    assert server.keys[-1].startswith("PUT")
    await reader.close()


async def test_a_stream_that_ends_ends_and_a_venue_that_is_not_there_is_an_error(
    server: StreamServer, streams: VenueStreams, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [{"e": "listenKeyExpired"}, MARGIN_CALL]
    assert await heard(streams, "binanceusdm") == []
    async with CcxtReaderAt("http://127.0.0.1:9") as gone:
        with pytest.raises(VenueDown) as caught:
            await heard(gone, "okx")
    for text in (*(record.getMessage() for record in caplog.records), str(caught.value)):
        assert "canary" not in text


class CcxtReaderAt:
    """Streams where nobody listens."""

    def __init__(self, url: str) -> None:
        self._urls = {"okx": url}
        self._reader = CcxtReader(self._urls, timeout=2.0)

    async def __aenter__(self) -> VenueStreams:
        return VenueStreams(VENUES, self._urls, self._reader.api)

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()


@pytest.mark.parametrize(
    ("told", "push"),
    [
        pytest.param(MARGIN_CALL | {"p": []}, RiskPush("margin call"), id="no positions named"),
        pytest.param(MARGIN_CALL | {"p": [{"mt": "ISOLATED"}]}, RiskPush("margin call", True), id="isolated"),
        pytest.param(MARGIN_CALL | {"p": [{"mt": "ISOLATED"}, {"mt": "CROSSED"}]}, RiskPush("margin call"), id="both"),
        pytest.param(MARGIN_CALL | {"p": "?"}, RiskPush("margin call"), id="of another shape"),
        pytest.param(
            {"e": "ORDER_TRADE_UPDATE", "o": {"c": "autoclose-16"}}, RiskPush("liquidation order"), id="liquidation"
        ),
        pytest.param({"e": "ORDER_TRADE_UPDATE", "o": {"c": "web_1"}}, None, id="an order of theirs"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_binance(told: dict[str, Any], push: RiskPush | None) -> None:
    assert BINANCE.parse(told) == push


@pytest.mark.parametrize(
    ("told", "push"),
    [
        pytest.param(WARNING | {"data": [{"mgnMode": "cross"}]}, RiskPush("liquidation warning", False), id="cross"),
        pytest.param(WARNING | {"data": [{}]}, RiskPush("liquidation warning"), id="no mode"),
        pytest.param(WARNING | {"data": []}, None, id="nobody at risk"),
        pytest.param(WARNING | {"arg": {"channel": "account"}}, None, id="another channel"),
        pytest.param({}, None, id="nothing"),
        pytest.param(
            orders(ORDER | {"category": "adl", "fillSz": ""}), RiskPush("auto-deleveraging order", False), id="placed"
        ),
        pytest.param(orders("?", ORDER | {"category": ["adl"]}, {}), None, id="no order of OKX's own"),
        pytest.param(
            orders(ORDER | {"category": "partial_liquidation"}, ORDER | {"tdMode": "isolated", "ordId": ""}),
            RiskPush("liquidation order", None, (FILL,)),
            id="of two modes, one without a number",
        ),
    ],
)
def test_okx(told: dict[str, Any], push: RiskPush | None) -> None:
    assert OKX.parse(told) == push
