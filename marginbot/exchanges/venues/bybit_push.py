"""Bybit: the private topics `position`, `wallet` and `execution` of the unified account.

Bybit sends no margin call. What comes nearest: a position whose `positionStatus` is `Liq` or `Adl`, an execution of
type `BustTrade` (taken over in a liquidation) or `AdlTrade` (auto-deleveraged), and the account's maintenance rate,
which is sent as the wallet changes and not as prices do. Login signs `GET/realtime` with a time of expiry in
milliseconds. Source: bybit-exchange.github.io/docs/v5, "Connect", "Position", "Wallet", "Execution", "Enums".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.fills import forced, milliseconds
from marginbot.exchanges.venue import Api, PushDialect, number, rows

STREAM = "wss://stream.bybit.com/v5/private"
TOPICS = ("position", "wallet", "execution")
VALID_MS = 10_000
WEEK_MS = 7 * 24 * 3_600_000
CATEGORIES = ("linear", "inverse")
# Bybit names no level of its own: what is CRITICAL to whoever has not set thresholds is worth a reading.
HIGH_RATE = Decimal(str(DEFAULT_LADDERS.ratio[2]))
STATES = {"Liq": "position under liquidation", "Adl": "position under auto-deleveraging"}
TRADES = {"BustTrade": ForcedKind.LIQUIDATION, "AdlTrade": ForcedKind.DELEVERAGING}


async def address(api: Api) -> str:
    """The same for all."""
    return STREAM


def greetings(api: Api, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Who we are, and what we want to hear."""
    expires = int(now.timestamp() * 1000) + VALID_MS
    signature = hmac.new(api.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return (
        {"op": "auth", "args": [api.key, expires, signature]},
        {"op": "subscribe", "args": list(TOPICS)},
    )


def accepts(told: Mapping[str, Any]) -> bool | None:
    """Yes, no, or not an answer at all."""
    if told.get("success") is False:
        return False
    return True if told.get("op") in ("auth", "subscribe") else None


def ends(told: Mapping[str, Any]) -> bool:
    """Bybit takes something back."""
    return told.get("success") is False


def parse(told: Mapping[str, Any]) -> RiskPush | None:
    """The first thing of a message that speaks of danger. Which pool it is about is not said: the mode is elsewhere."""
    topic, data = str(told.get("topic")).partition(".")[0], told.get("data")
    listed = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    for row in listed:
        what = _danger(topic, row)
        if what is not None:
            return RiskPush(what, closed=_closed(listed) if topic == "execution" else ())
    return None


def _danger(topic: str, row: Mapping[str, Any]) -> str | None:
    if topic == "position":
        return STATES.get(str(row.get("positionStatus")))
    if topic == "execution":
        kind = TRADES.get(str(row.get("execType")))
        return None if kind is None else f"{kind} trade"
    rate = number(row, "accountMMRate") if topic == "wallet" else None
    return "high maintenance margin rate" if rate is not None and rate >= HIGH_RATE else None


def _closed(listed: Sequence[Mapping[str, Any]], *, afterwards: bool = False) -> tuple[ForcedClose, ...]:
    found: list[ForcedClose] = []
    for row in listed:
        kind = TRADES.get(str(row.get("execType")))
        if kind is not None:
            found += forced(
                kind,
                order=row.get("orderId") or row.get("execId"),
                symbol=row.get("symbol"),
                side=row.get("side"),
                quantity=row.get("execQty"),
                price=row.get("execPrice"),
                profit=row.get("execPnl"),
                at=row.get("execTime") if afterwards else None,
            )
    return tuple(found)


async def missed(api: Api, start: datetime, end: datetime) -> tuple[ForcedClose, ...]:
    """The latest hundred trades of each kind and category; Bybit tells of a week at most at once."""
    found: list[ForcedClose] = []
    for category in CATEGORIES:
        for kind in TRADES:
            span = {"startTime": max(milliseconds(start), milliseconds(end) - WEEK_MS), "endTime": milliseconds(end)}
            asked = {"category": category, "execType": kind, "limit": 100, **span}
            found += _closed(
                rows(await api.call("privateGetV5ExecutionList", asked), "result", "list"), afterwards=True
            )
    return tuple(found)


PUSHES = PushDialect(
    address=address,
    greetings=greetings,
    accepts=accepts,
    ends=ends,
    parse=parse,
    ping='{"op":"ping"}',
    renew=None,
    missed=missed,
)
