"""What a venue closed while its stream was not heard is asked for afterwards, over a loopback server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from marginbot.domain.errors import ReadingError
from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.streams import VenueStreams
from marginbot.exchanges.venues import VENUES
from marginbot.flow.ports import Credential
from tests.builders import T0

CREDENTIAL = Credential("the-api-key-canary", "the-secret-canary", "the-passphrase-canary")
START, END = T0 - timedelta(minutes=10), T0
FROM_MS, TO_MS = str(int(START.timestamp() * 1000)), str(int(END.timestamp() * 1000))
AT_MS = 1779000000123
FILL = ForcedClose(
    kind=ForcedKind.LIQUIDATION,
    order="7",
    symbol="BTCUSDT",
    side="sell",
    quantity=Decimal("0.5"),
    price=Decimal(9000),
    profit=Decimal(-12),
    at=datetime.fromtimestamp(AT_MS / 1000, UTC),
)
BINANCE = {
    "orderId": 7,
    "symbol": "BTCUSDT",
    "status": "FILLED",
    "clientOrderId": "autoclose-16",
    "price": "8900",
    "avgPrice": "9000",
    "origQty": "0.5",
    "executedQty": "0.5",
    "side": "SELL",
    "time": AT_MS,
}
BYBIT = {
    "orderId": "7",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "execQty": "0.5",
    "execPrice": "9000",
    "execPnl": "-12",
    "execTime": str(AT_MS),
}
OKX = {
    "ordId": "7",
    "instId": "BTCUSDT",
    "side": "sell",
    "accFillSz": "0.5",
    "avgPx": "9000",
    "pnl": "-12",
    "uTime": str(AT_MS),
    "fillSz": "0.1",
    "fillPx": "1",
}


class Desk:
    """The three venues' lists of what they closed."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.broken = False
        self.odd = False

    async def answer(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        signed = {name.lower() for name in request.headers} & {"x-mbx-apikey", "x-bapi-sign", "ok-access-sign"}
        if self.broken or not signed:
            return web.json_response({"code": "50001", "msg": "Service unavailable"}, status=503)
        return web.json_response({"retCode": 0, "code": "0"} if self.odd else self._found(request.path, asked))

    def _found(self, path: str, asked: dict[str, str]) -> Any:
        if path.startswith("/fapi"):
            unfilled = BINANCE | {"orderId": 8, "executedQty": "0"}
            return [unfilled, BINANCE, BINANCE | {"orderId": 9, "clientOrderId": "adl_autoclose"}]
        if path.startswith("/v5"):
            rows = [BYBIT | {"execType": asked["execType"]}] if asked["category"] == "linear" else []
            return {"retCode": 0, "retMsg": "OK", "result": {"list": rows}}
        rows = [OKX | {"category": asked["category"]}] if asked["instType"] == "SWAP" else []
        return {"code": "0", "msg": "", "data": rows}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def streams(desk: Desk) -> AsyncIterator[VenueStreams]:
    app = web.Application()
    app.router.add_get("/{path:.*}", desk.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    urls = dict.fromkeys(("binanceusdm", "bybit", "okx", "deribit"), url)
    reader = CcxtReader(urls, timeout=10.0)
    yield VenueStreams(VENUES, urls, reader.api)
    await reader.close()
    await runner.cleanup()


async def test_binance_tells_of_its_own_orders_afterwards_without_what_was_lost(
    desk: Desk, streams: VenueStreams
) -> None:
    found = await streams.missed("binanceusdm", CREDENTIAL, START, END)
    assert found is not None
    assert [(close.kind, close.order) for close in found] == [("liquidation", "7"), ("auto-deleveraging", "9")]
    assert found[0] == replace(FILL, profit=None)
    assert [(asked["startTime"], asked["endTime"]) for asked in desk.asked] == [(FROM_MS, TO_MS)]


async def test_bybit_tells_of_its_own_trades_afterwards(desk: Desk, streams: VenueStreams) -> None:
    found = await streams.missed("bybit", CREDENTIAL, START, END)
    assert found is not None
    assert found[0] == FILL
    assert [close.kind for close in found] == [ForcedKind.LIQUIDATION, ForcedKind.DELEVERAGING]
    kinds = {(asked["category"], asked["execType"]) for asked in desk.asked}
    assert kinds == {(category, kind) for category in ("linear", "inverse") for kind in ("BustTrade", "AdlTrade")}
    assert {(asked["startTime"], asked["endTime"]) for asked in desk.asked} == {(FROM_MS, TO_MS)}


async def test_bybit_is_asked_for_a_week_at_most(desk: Desk, streams: VenueStreams) -> None:
    await streams.missed("bybit", CREDENTIAL, END - timedelta(days=30), END)
    assert {int(asked["endTime"]) - int(asked["startTime"]) for asked in desk.asked} == {7 * 86_400_000}


async def test_okx_tells_of_its_own_orders_afterwards_with_all_that_they_filled(
    desk: Desk, streams: VenueStreams
) -> None:
    found = await streams.missed("okx", CREDENTIAL, START, END)
    assert found is not None
    assert found[0] == FILL
    assert [close.kind for close in found].count(ForcedKind.DELEVERAGING) == 1
    assert len({(asked["instType"], asked["category"]) for asked in desk.asked}) == 9
    assert {(asked["begin"], asked["end"]) for asked in desk.asked} == {(FROM_MS, TO_MS)}


async def test_a_venue_that_does_not_tell_afterwards_says_none_and_one_that_is_down_is_an_error(
    desk: Desk, streams: VenueStreams
) -> None:
    assert await streams.missed("deribit", CREDENTIAL, START, END) is None
    desk.broken = True
    with pytest.raises(ReadingError):
        await streams.missed("bybit", CREDENTIAL, START, END)


@pytest.mark.parametrize("exchange", ["binanceusdm", "bybit", "okx"])
async def test_an_answer_that_is_no_list_is_not_taken_for_nothing(
    desk: Desk, streams: VenueStreams, exchange: str
) -> None:
    desk.odd = True
    with pytest.raises(ReadingError):
        await streams.missed(exchange, CREDENTIAL, START, END)
