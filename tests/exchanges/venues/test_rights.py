"""What a key may do, asked through the real client: the addresses exist, and the key is read out of no reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.rights import UNKNOWN_RIGHT, listed, passport_of
from marginbot.flow.ports import Credential
from marginbot.sim.server import Call, LoopbackServer, Reply, Routes
from tests.exchanges.venues.kit import clock, reading
from tests.servers.base import wall_clock_ms

CREDENTIAL = Credential("the-key-of-alice-0123456789", "the-secret-of-alice-0123456789", "the-passphrase-of-alice")


class Telling(LoopbackServer):
    """Answers by path; anything else does not exist."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(wall_clock_ms)
        self._answers = answers

    def routes(self) -> Routes:
        return {}

    def not_found(self, call: Call) -> Reply:
        if call.path in self._answers:
            return Reply(self._answers[call.path])
        return Reply({"code": 404, "msg": "no such endpoint"}, 404)


@pytest.mark.parametrize(
    ("exchange", "answers"),
    [
        (
            "kucoinfutures",
            {"/api/v1/user/api-key": {"code": "200000", "data": {"permission": "General", "ipWhitelist": "192.0.2.1"}}},
        ),
        ("mexc", {"/api/v3/apiKeyInfo": {"permissions": "CONTRACT_ACCOUNT_READ", "ipWhiteList": "192.0.2.1"}}),
        ("bingx", {"/openApi/v1/account/apiPermissions": {"permissions": [2], "ipAddresses": ["192.0.2.1"]}}),
        (
            "htx",
            {
                "/v2/user/uid": {"code": 200, "data": 7},
                "/v2/user/api-key": {"code": 200, "data": [{"permission": "readOnly", "ipAddresses": "192.0.2.1"}]},
            },
        ),
    ],
)
async def test_a_read_only_key_is_seen_as_one(exchange: str, answers: Mapping[str, Any]) -> None:
    async with reading(exchange, Telling(answers)) as reader:
        passport = await reader.passport(exchange, CREDENTIAL, clock())
    assert (verdict(passport), passport.ip_restricted, passport.notes) == (Verdict.READ_ONLY, True, ())


@pytest.mark.parametrize("exchange", ["kucoinfutures", "mexc", "bingx", "htx", "phemex", "cryptocom"])
async def test_what_a_venue_does_not_tell_is_said_to_be_unverified(exchange: str) -> None:
    async with reading(exchange, Telling({})) as reader:
        passport = await reader.passport(exchange, CREDENTIAL, clock())
    assert verdict(passport) is Verdict.NOT_VERIFIED
    assert passport.notes


def test_an_unknown_right_is_never_taken_for_reading() -> None:
    passport = passport_of(["read", "fly"], reads={"read"}, trades=(), sends=())
    assert (passport.can_read, passport.can_trade, passport.can_withdraw) == (None, True, False)
    assert passport.notes == (UNKNOWN_RIGHT,)


@pytest.mark.parametrize(
    ("told", "expected"),
    [("192.0.2.1", True), ("", False), (" , ", False), (["x"], True), ([], False), ([1], None), (None, None)],
)
def test_lists_of_addresses(told: object, expected: bool | None) -> None:
    assert listed(told) is expected
