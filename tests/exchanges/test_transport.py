"""Our own way of asking means the same as ccxt's: each answer gives the same value, or the same error."""

from __future__ import annotations

from typing import Any

import ccxt.async_support as ccxt
import pytest

from marginbot.exchanges.transport import lean
from marginbot.sim.server import Call, LoopbackServer, Reply
from tests.servers.base import point_at

KINDS = ("binanceusdm", "bybit", "okx", "deribit", "hyperliquid", "krakenfutures", "kucoinfutures", "bitget")
ANSWERS = {
    "object": Reply({"code": "0", "retCode": 0, "data": [], "result": {}}),
    "list": Reply([{"a": "1"}]),
    "empty list": Reply([]),
    "quoted text": Reply('"word"'),
    "nothing": Reply(""),
    "a page": Reply("<html>busy</html>"),
    "broken JSON": Reply('{"a": 1'),
    "refused key": Reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401),
    "refused key of OKX": Reply({"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}, 401),
    "refused key of Bybit": Reply({"retCode": 10003, "retMsg": "API key is invalid."}),
    "too fast": Reply({"code": -1003, "msg": "Too many requests."}, 429),
    "banned": Reply({"code": -1003, "msg": "banned until 1"}, 418),
    "unavailable": Reply("<html>unavailable</html>", 503),
    "failed": Reply({"error": "x"}, 500),
    "forbidden": Reply("<html>no</html>", 403),
    "a large number": Reply('{"id": 12345678901234567, "far": 123456789012345678901234567890}'),
}


class Parrot(LoopbackServer):
    """Answers everything with `reply`."""

    reply = Reply({})

    def routes(self) -> Any:
        return {}

    def not_found(self, call: Call) -> Reply:
        return self.reply


async def said(client: Any, url: str) -> Any:
    """What asking comes to: the value, or the error's class and text."""
    point_at(client, url)
    client.number = str
    try:
        return await client.fetch(f"{url}/some/path?symbol=X", "GET", {"X-Key": "k"}, None)
    except ccxt.BaseError as error:
        return type(error).__name__, str(error)
    finally:
        await client.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_each_answer_means_the_same(kind: str) -> None:
    server = Parrot(lambda: 0)
    async with server:
        for name, reply in ANSWERS.items():
            server.reply = reply
            theirs = await said(getattr(ccxt, kind)(), server.url)
            ours = await said(lean(getattr(ccxt, kind))(), server.url)
            assert ours == theirs, name


@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_silence_means_the_same(kind: Any) -> None:
    server = Parrot(lambda: 0)
    server.faults.add(kind)
    async with server:
        theirs = await said(ccxt.okx({"timeout": 100}), server.url)
        ours = await said(lean(ccxt.okx)({"timeout": 100}), server.url)
    assert ours == theirs
    assert ours[0] in ("ExchangeNotAvailable", "RequestTimeout")


async def test_nobody_at_the_other_end_means_the_same() -> None:
    url = "http://127.0.0.1:9"
    assert await said(lean(ccxt.okx)(), url) == await said(ccxt.okx(), url)


async def test_a_request_is_signed_and_sent_as_by_ccxt() -> None:
    """Time is the only thing that may differ."""
    server = Parrot(lambda: 0)
    server.reply = Reply({"code": "0", "data": []})
    keys = {"apiKey": "key", "secret": "secret", "password": "word"}
    async with server:
        for made in (ccxt.okx, lean(ccxt.okx)):
            client = made(keys)
            client.milliseconds = lambda: 1_700_000_000_000
            point_at(client, server.url)
            await client.privateGetAccountBalance({"ccy": "BTC"})
            await client.close()
    theirs, ours = server.requests
    assert (ours.method, ours.path, ours.query, ours.body) == (theirs.method, theirs.path, theirs.query, theirs.body)
    skipped = {"host"}
    assert {k: v for k, v in ours.headers.items() if k not in skipped} == {
        k: v for k, v in theirs.headers.items() if k not in skipped
    }
    assert ours.headers["ok-access-sign"] == theirs.headers["ok-access-sign"]
