"""What venues say to a wrong key, through the real client: the error, and words for the owner that hold no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from marginbot.domain.errors import (
    ClockSkew,
    KeyRefused,
    NoPermission,
    RateLimited,
    ReadingError,
    Unsupported,
    VenueDown,
)
from marginbot.flow.ports import Credential
from marginbot.sim.server import Call, LoopbackServer, Reply, Routes
from tests.exchanges.venues.kit import clock, reading
from tests.servers.base import wall_clock_ms

CREDENTIAL = Credential("the-key-of-alice-0123456789", "the-secret-of-alice-0123456789", "the-passphrase-of-alice")


class Refusing(LoopbackServer):
    """Answers every request in the same way."""

    def __init__(self, body: Mapping[str, Any], status: int = 200) -> None:
        super().__init__(wall_clock_ms)
        self._refusal = Reply(dict(body), status)

    def routes(self) -> Routes:
        return {}

    def not_found(self, call: Call) -> Reply:
        return self._refusal


def contract(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "code": code, "message": message}


def v1(code: Any, message: str, dash: str = "_") -> dict[str, Any]:
    return {"status": "error", f"err{dash}code": code, f"err{dash}msg": message, "ts": 1}


def coded(code: Any, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message}


@pytest.mark.parametrize(
    ("exchange", "body", "status", "expected", "word"),
    [
        ("kucoinfutures", coded("400003", "KC-API-KEY not exists"), 401, KeyRefused, "deleted"),
        ("kucoinfutures", coded("400004", "Invalid KC-API-PASSPHRASE"), 401, KeyRefused, "passphrase"),
        ("kucoinfutures", coded("400005", "Invalid KC-API-SIGN"), 401, KeyRefused, "signature"),
        ("kucoinfutures", coded("400006", "The requested ip address is not allowed"), 401, NoPermission, "IP list"),
        ("kucoinfutures", coded("400007", "Access denied"), 403, NoPermission, "General"),
        ("kucoinfutures", coded("400002", "Invalid KC-API-TIMESTAMP"), 400, ClockSkew, "clock"),
        ("kucoinfutures", coded("429000", "Too many requests"), 429, RateLimited, "limiting"),
        ("mexc", contract(401, "No authority"), 401, KeyRefused, "does not know"),
        ("mexc", contract(402, "API key expired"), 200, KeyRefused, "90 days"),
        ("mexc", contract(406, "Accessing IP is not in the whitelist"), 200, NoPermission, "IP list"),
        ("mexc", contract(602, "Signature verification failed"), 200, KeyRefused, "signature"),
        ("mexc", contract(701, "No read permission"), 200, NoPermission, "View account details"),
        ("mexc", contract(510, "Requests are too frequent"), 200, RateLimited, "limiting"),
        ("bingx", coded(100413, "Incorrect apiKey"), 200, KeyRefused, "does not know"),
        ("bingx", coded(100001, "Signature verification failed"), 200, KeyRefused, "signature"),
        ("bingx", coded(100419, "IP does not match IP whitelist"), 200, NoPermission, "IP list"),
        ("bingx", coded(100004, "Permission denied"), 200, NoPermission, "Read"),
        ("bingx", coded(100421, "timestamp mismatch"), 200, ClockSkew, "clock"),
        ("bingx", coded(100410, "rate limited"), 200, RateLimited, "limiting"),
        ("phemex", coded("401", "401 Failed to load API KEY."), 401, KeyRefused, "IP list"),
        ("cryptocom", {"code": 40101, "message": "UNAUTHORIZED"}, 401, KeyRefused, "belong together"),
        ("cryptocom", {"code": 40102, "message": "INVALID_NONCE"}, 400, ClockSkew, "clock"),
        ("cryptocom", {"code": 40103, "message": "IP_ILLEGAL"}, 401, NoPermission, "IP list"),
        ("cryptocom", {"code": 42901, "message": "TOO_MANY_REQUESTS"}, 429, RateLimited, "limiting"),
        ("htx", v1(403, "Incorrect Access key"), 200, KeyRefused, "90 days"),
        (
            "htx",
            v1("api-signature-not-valid", "Signature not valid: Incorrect Access key", "-"),
            200,
            KeyRefused,
            "lapsed",
        ),
        ("htx", {"code": "1003", "message": "invalid signature"}, 200, KeyRefused, "signature"),
        ("htx", v1(1220, "not opened contracts trading"), 200, Unsupported, "not opened"),
        ("htx", v1("system-maintenance", "System is in maintenance!", "-"), 200, VenueDown, "does not answer"),
    ],
)
async def test_a_refusal_is_told_in_words_that_help(
    exchange: str, body: dict[str, Any], status: int, expected: type[ReadingError], word: str
) -> None:
    async with reading(exchange, Refusing(body, status)) as reader:
        with pytest.raises(ReadingError) as caught:
            await reader.read(exchange, CREDENTIAL, clock())
    assert type(caught.value) is expected
    assert word in caught.value.advice
    for secret in (CREDENTIAL.key, CREDENTIAL.secret, CREDENTIAL.passphrase):
        assert secret not in str(caught.value) + caught.value.advice


@pytest.mark.parametrize("exchange", ["kucoinfutures", "mexc", "bingx", "phemex", "cryptocom", "htx"])
@pytest.mark.parametrize("status", [500, 503])
async def test_an_outage_is_not_a_verdict_on_the_key(exchange: str, status: int) -> None:
    async with reading(exchange, Refusing({}, status)) as reader:
        with pytest.raises(ReadingError) as caught:
            await reader.read(exchange, CREDENTIAL, clock())
    assert not caught.value.cause.owner_must_act
