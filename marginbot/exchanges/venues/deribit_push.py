"""Deribit: own trades of which Deribit says that they come from a liquidation.

Deribit sends no warning ahead; `liquidation` in a trade names the sides that were liquidated ("M" maker, "T" taker,
"MT" both), `liquidity` names ours. Large positions are liquidated step by step, so the first of them comes before the
last. Login is `client_signature`; the subscription needs `trade: read`, and a channel that is not granted is missing
from the answer. Source: docs.deribit.com, "public/auth", "private/subscribe", "user.trades.(kind).(currency)".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.fills import forced
from marginbot.exchanges.venue import Api, PushDialect, dig

STREAM = "wss://www.deribit.com/ws/api/v2"
CHANNEL = "user.trades.any.any.raw"
LOGIN, SUBSCRIBE, PING = 1, 2, 3
STILL_THERE = f'{{"jsonrpc":"2.0","id":{PING},"method":"public/test","params":{{}}}}'


async def address(api: Api) -> str:
    """The same for all."""
    return STREAM


def greetings(api: Api, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Who we are, and what we want to hear."""
    at = int(now.timestamp() * 1000)
    nonce = str(at)
    signature = hmac.new(api.secret.encode(), f"{at}\n{nonce}\n".encode(), hashlib.sha256).hexdigest()
    who = {"client_id": api.key, "timestamp": at, "nonce": nonce, "data": "", "signature": signature}
    return (
        _request(LOGIN, "public/auth", {"grant_type": "client_signature", **who}),
        _request(SUBSCRIBE, "private/subscribe", {"channels": [CHANNEL]}),
    )


def _request(number: int, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def accepts(told: Mapping[str, Any]) -> bool | None:
    """Yes, no, or not an answer at all. A subscription that leaves the channel out is a no."""
    if "error" in told:
        return False
    if told.get("id") == LOGIN:
        return True
    result = told.get("result")
    return isinstance(result, list) and CHANNEL in result if told.get("id") == SUBSCRIBE else None


def ends(told: Mapping[str, Any]) -> bool:
    """Deribit refuses something."""
    return "error" in told


def parse(told: Mapping[str, Any]) -> RiskPush | None:
    """A liquidation of ours; that of the other side of a trade is none of ours."""
    params = told.get("params")
    data = dig(params, "data") if dig(params, "channel") == CHANNEL else None
    trades = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    ours = [trade for trade in trades if _liquidated(trade)]
    closed = tuple(close for trade in ours for close in _closed(trade))
    return RiskPush("liquidation trade", closed=closed) if ours else None


def _liquidated(trade: Mapping[str, Any]) -> bool:
    """Where our side is not said, it may be us."""
    sides, ours = str(trade.get("liquidation") or ""), str(trade.get("liquidity") or "")
    return bool(sides) and (ours not in ("M", "T") or ours in sides)


def _closed(trade: Mapping[str, Any]) -> tuple[ForcedClose, ...]:
    return forced(
        ForcedKind.LIQUIDATION,
        order=trade.get("order_id") or trade.get("trade_id"),
        symbol=trade.get("instrument_name"),
        side=trade.get("direction"),
        quantity=trade.get("amount"),
        price=trade.get("price"),
        profit=trade.get("profit_loss"),
    )


PUSHES = PushDialect(
    address=address, greetings=greetings, accepts=accepts, ends=ends, parse=parse, ping=STILL_THERE, renew=None
)
