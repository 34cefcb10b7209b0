"""OKX: the private channel `liquidation-warning`, sent "when the position is at risk of liquidation".

Login is signed like a GET of /users/self/verify with the time in seconds. Without traffic OKX closes after 30 s, so
`ping` is sent. Source: www.okx.com/docs-v5, "WebSocket: Login", "Position risk warning".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.venue import Api, PushDialect

STREAM = "wss://ws.okx.com:8443/ws/v5/private"
CHANNEL = "liquidation-warning"


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
        {"op": "subscribe", "args": [{"channel": CHANNEL, "instType": "ANY"}]},
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
    """A position at risk."""
    argument, data = told.get("arg"), told.get("data")
    if not isinstance(argument, dict) or argument.get("channel") != CHANNEL or not isinstance(data, list) or not data:
        return None
    modes = {str(row.get("mgnMode")) for row in data if isinstance(row, dict)}
    isolated = {"isolated": True, "cross": False}.get(modes.pop()) if len(modes) == 1 else None
    return RiskPush("liquidation warning", isolated)


PUSHES = PushDialect(
    address=address, greetings=greetings, accepts=accepts, ends=ends, parse=parse, ping="ping", renew=None
)
