"""OKX: the private channels `liquidation-warning`, sent "when the position is at risk of liquidation", and `orders`.

An order's `category` says where it comes from: `full_liquidation`, `partial_liquidation` and `adl` are OKX's own. It is
sent at each change, with what was filled at that change (`fillSz`, in contracts, 0 if nothing was). Login is signed
like a GET of /users/self/verify with the time in seconds. Without traffic OKX closes after 30 s, so `ping` is sent.
Source: www.okx.com/docs-v5, "WebSocket: Login", "Position risk warning", "Order channel", "GET / Order history".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.fills import forced, milliseconds
from marginbot.exchanges.venue import Api, PushDialect, rows

STREAM = "wss://ws.okx.com:8443/ws/v5/private"
CHANNEL, ORDERS = "liquidation-warning", "orders"
INSTRUMENTS = ("SWAP", "FUTURES", "MARGIN")
FORCED = {
    "full_liquidation": ForcedKind.LIQUIDATION,
    "partial_liquidation": ForcedKind.LIQUIDATION,
    "adl": ForcedKind.DELEVERAGING,
}


async def address(api: Api) -> str:
    """The same for all."""
    return STREAM


def greetings(api: Api, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Who we are, and what we want to hear."""
    at = str(int(now.timestamp()))
    digest = hmac.new(api.secret.encode(), f"{at}GET/users/self/verify".encode(), hashlib.sha256).digest()
    who = {"apiKey": api.key, "passphrase": api.passphrase, "timestamp": at, "sign": base64.b64encode(digest).decode()}
    return (
        {"op": "login", "args": [who]},
        {"op": "subscribe", "args": [{"channel": each, "instType": "ANY"} for each in (CHANNEL, ORDERS)]},
    )


def accepts(told: Mapping[str, Any]) -> bool | None:
    """Yes, no, or not an answer at all."""
    event = told.get("event")
    if event == "error":
        return False
    if event == "login":
        return str(told.get("code")) == "0"
    return True if event == "subscribe" else None


def ends(told: Mapping[str, Any]) -> bool:
    """OKX says that it is about to close, or that the channel is not ours any more."""
    return told.get("event") in ("notice", "error")


def parse(told: Mapping[str, Any]) -> RiskPush | None:
    """A position at risk, or an order of OKX's own."""
    argument, data = told.get("arg"), told.get("data")
    if not isinstance(argument, dict) or not isinstance(data, list) or not data:
        return None
    listed = [row for row in data if isinstance(row, dict)]
    if argument.get("channel") == ORDERS:
        return _orders([row for row in listed if str(row.get("category")) in FORCED])
    if argument.get("channel") != CHANNEL:
        return None
    return RiskPush("liquidation warning", _isolated(listed, "mgnMode"))


def _orders(found: Sequence[Mapping[str, Any]]) -> RiskPush | None:
    if not found:
        return None
    kind = FORCED[str(found[0]["category"])]
    closed = tuple(close for row in found for close in _closed(row))
    return RiskPush(f"{kind} order", _isolated(found, "tdMode"), closed)


def _closed(row: Mapping[str, Any], *, afterwards: bool = False) -> tuple[ForcedClose, ...]:
    found = forced(
        FORCED[str(row["category"])],
        order=row.get("ordId"),
        symbol=row.get("instId"),
        side=row.get("side"),
        quantity=row.get("accFillSz" if afterwards else "fillSz"),
        price=row.get("avgPx" if afterwards else "fillPx"),
        profit=row.get("pnl" if afterwards else "fillPnl"),
        at=row.get("uTime") if afterwards else None,
    )
    return tuple(close for close in found if close.quantity)


def _isolated(found: Sequence[Mapping[str, Any]], field: str) -> bool | None:
    modes = {str(row.get(field)) for row in found}
    return {"isolated": True, "cross": False}.get(modes.pop()) if len(modes) == 1 else None


async def missed(api: Api, start: datetime, end: datetime) -> tuple[ForcedClose, ...]:
    """The latest hundred orders of each kind; OKX tells of the last seven days."""
    found: list[ForcedClose] = []
    for kind in INSTRUMENTS:
        for category in FORCED:
            span = {"begin": milliseconds(start), "end": milliseconds(end), "limit": 100}
            asked = {"instType": kind, "category": category, **span}
            listed = rows(await api.call("privateGetTradeOrdersHistory", asked), "data")
            found += [close for row in listed for close in _closed({**row, "category": category}, afterwards=True)]
    return tuple(found)


PUSHES = PushDialect(
    address=address,
    greetings=greetings,
    accepts=accepts,
    ends=ends,
    parse=parse,
    ping="ping",
    renew=None,
    missed=missed,
)
