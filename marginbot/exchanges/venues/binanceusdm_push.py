"""Binance USDⓈ-M: warnings of the user data stream.

`MARGIN_CALL` names the positions and whether they are `CROSSED`; Binance sends it "when the user's position risk
ratio is too high" and calls it guidance only. An order whose client id begins with `autoclose-` is a liquidation,
one whose is `adl_autoclose` an auto-deleveraging: it may take away the hedge of another position.
The stream ends after an hour unless its key is renewed. Source: developers.binance.com, "User Data Streams", "Event:
Margin Call", "Event: Order Update" of the USDⓈ-M futures API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.fills import forced, milliseconds
from marginbot.exchanges.venue import Api, PushDialect, record, rows

FORCED = {"autoclose-": ForcedKind.LIQUIDATION, "adl_autoclose": ForcedKind.DELEVERAGING}
STREAM = "wss://fstream.binance.com/ws/"


async def address(api: Api) -> str:
    """The stream's address holds a key made for it."""
    answer = record(await api.call("fapiPrivatePostListenKey"))
    return f"{STREAM}{answer.get('listenKey', '')}"


async def renew(api: Api) -> object:
    """For another hour."""
    return await api.call("fapiPrivatePutListenKey")


def greetings(api: Api, now: datetime) -> Sequence[Mapping[str, Any]]:
    """The address says it all."""
    return ()


def accepts(told: Mapping[str, Any]) -> bool | None:
    """There is no greeting to answer."""
    return True


def ends(told: Mapping[str, Any]) -> bool:
    """The key of the stream is used up."""
    return told.get("e") == "listenKeyExpired"


def parse(told: Mapping[str, Any]) -> RiskPush | None:
    """A margin call, or a liquidation that is under way."""
    if told.get("e") == "MARGIN_CALL":
        positions = told.get("p")
        rows = [row for row in positions if isinstance(row, dict)] if isinstance(positions, list) else []
        kinds = {str(row.get("mt", "")).upper() == "ISOLATED" for row in rows}
        return RiskPush("margin call", kinds.pop() if len(kinds) == 1 else None)
    order = told.get("o") if told.get("e") == "ORDER_TRADE_UPDATE" else None
    return _order(order) if isinstance(order, dict) else None


def _order(order: Mapping[str, Any]) -> RiskPush | None:
    client_id = str(order.get("c", ""))
    kind = next((kind for start, kind in FORCED.items() if client_id.startswith(start)), None)
    if kind is None:
        return None
    traded = str(order.get("x")) == "TRADE"
    found = forced(
        kind,
        order=order.get("i") if traded else None,
        symbol=order.get("s"),
        side=order.get("S"),
        quantity=order.get("l"),
        price=order.get("L"),
        profit=order.get("rp"),
    )
    return RiskPush(f"{kind} order", closed=found)


async def missed(api: Api, start: datetime, end: datetime) -> tuple[ForcedClose, ...]:
    """The latest hundred orders of Binance's own. What was lost with them is not said here."""
    span = {"startTime": milliseconds(start), "endTime": milliseconds(end), "limit": 100}
    found = rows(await api.call("fapiPrivateGetForceOrders", span))
    return tuple(close for row in found for close in _filled(row))


def _filled(row: Mapping[str, Any]) -> tuple[ForcedClose, ...]:
    client_id = str(row.get("clientOrderId", ""))
    kind = next((kind for start, kind in FORCED.items() if client_id.startswith(start)), ForcedKind.LIQUIDATION)
    found = forced(
        kind,
        order=row.get("orderId"),
        symbol=row.get("symbol"),
        side=row.get("side"),
        quantity=row.get("executedQty"),
        price=row.get("avgPrice"),
        profit=None,
        at=row.get("time"),
    )
    return tuple(close for close in found if close.quantity != 0)


PUSHES = PushDialect(
    address=address, greetings=greetings, accepts=accepts, ends=ends, parse=parse, ping=None, renew=renew, missed=missed
)
