"""API keys of the simulated exchange: who may ask, and whether this request is really theirs."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marginbot.sim.book import Account
from marginbot.sim.instruments import LISTED_MS
from marginbot.sim.server import Call, Refusal, Reply

_INVALID_KEY = (401, -2015, "Invalid API-key, IP, or permissions for action.")
_MALFORMED_KEY = (401, -2014, "API-key format invalid.")
_BAD_SIGNATURE = (400, -1022, "Signature for this request is not valid.")
_NO_SIGNATURE = (400, -1102, "Mandatory parameter 'signature' was not sent.")
_NO_TIMESTAMP = (400, -1102, "Mandatory parameter 'timestamp' was not sent.")
_LATE = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
_EARLY = (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
_KEY_SHAPE = re.compile(r"[A-Za-z0-9]+")
_RECV_WINDOW_MS = 5_000
_AHEAD_MS = 1_000


@dataclass(slots=True, kw_only=True)
class ApiKey:
    """A key somebody created at the exchange; turn the flags to change what it may do."""

    secret: str
    account: Account
    can_trade: bool = False
    can_withdraw: bool = False
    can_transfer: bool = False
    ip_restricted: bool = True
    ip_allowed: bool = True
    revoked: bool = False
    trading_until_ms: int | None = None


def error(what: tuple[int, int, str], headers: Mapping[str, str] | None = None) -> Reply:
    """(HTTP status, code, message) in the venue's shape."""
    status, code, message = what
    return Reply({"code": code, "msg": message}, status, headers or {})


def refusal(what: tuple[int, int, str]) -> Refusal:
    return Refusal(error(what))


def authenticate(call: Call, keys: Mapping[str, ApiKey], now_ms: int) -> ApiKey:
    """The key that signed this call; refuses it as the venue would otherwise."""
    name = call.headers.get("x-mbx-apikey", "")
    key = keys.get(name)
    if key is None:
        raise refusal(_INVALID_KEY if _KEY_SHAPE.fullmatch(name) else _MALFORMED_KEY)
    if key.revoked or not key.ip_allowed:
        raise refusal(_INVALID_KEY)
    _check_clock({**call.params, **call.form}, now_ms)
    _check_signature(call, key.secret)
    return key


def _check_clock(params: Mapping[str, str], now_ms: int) -> None:
    timestamp = params.get("timestamp", "")
    if not timestamp.isdecimal():
        raise refusal(_NO_TIMESTAMP)
    lag = now_ms - int(timestamp)
    if lag > int(params.get("recvWindow", _RECV_WINDOW_MS)):
        raise refusal(_LATE)
    if lag <= -_AHEAD_MS:
        raise refusal(_EARLY)


def _check_signature(call: Call, secret: str) -> None:
    """The signature comes last and covers query and body, exactly as they were sent."""
    signed, found, signature = (call.query + call.body).rpartition("signature=")
    if not found:
        raise refusal(_NO_SIGNATURE)
    text = signed.removesuffix("&").encode()
    expected = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise refusal(_BAD_SIGNATURE)


def restrictions(key: ApiKey) -> dict[str, Any]:
    """What the venue tells a key about itself."""
    told: dict[str, Any] = {
        "ipRestrict": key.ip_restricted,
        "createTime": LISTED_MS,
        "enableReading": True,
        "enableWithdrawals": key.can_withdraw,
        "enableInternalTransfer": key.can_transfer,
        "permitsUniversalTransfer": key.can_transfer,
        "enableMargin": False,
        "enableFutures": key.can_trade,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }
    if key.trading_until_ms is not None:
        told["tradingAuthorityExpirationTime"] = key.trading_until_ms
    return told
