"""Aster: the Binance dialect under a name and with a key of its own kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, KeyRefused, NoPermission
from marginbot.domain.margin import PoolState
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.aster import VENUE, parse_rights, signer_of
from marginbot.flow.ports import Credential
from tests.exchanges.kit import now
from tests.exchanges.venues.kit import NOTHING, NOW, gap, pool_named, reading
from tests.exchanges.venues.test_binance import Binance
from tests.servers.base import Reply

D = Decimal
Corpus = Callable[[str], Any]
AGENT_KEY = "0x" + "11" * 32
AGENT = signer_of(AGENT_KEY)
ADDRESS = "0x" + "ab" * 20
ALICE = Credential(ADDRESS, AGENT_KEY)
ACCOUNT = {
    "assets": [{"asset": "USDT", "crossWalletBalance": "100", "crossUnPnl": "0", "marginBalance": "100"}],
    "positions": [],
}
AGENT_ROW = {
    "agentAddress": AGENT,
    "ipWhitelist": "",
    "expired": 1867945395040,
    "canRead": True,
    "canSpotTrade": False,
    "canPerpTrade": False,
    "canWithdraw": False,
}


def test_documented_positions_say_what_they_require_by_their_liquidation_prices(corpus: Corpus) -> None:
    """20 BTC from 5930.78: 15517.54 - 20 x 748.73 = 543.08 is left there, 543.08 x 6679.51/5930.78 = 611.6 now."""
    told: Payloads = {
        "account": corpus("aster/account__jkorf.json"),
        "positions": corpus("aster/positionrisk__jkorf.json"),
        "config": {"multiAssetsMargin": False},
        "index": None,
    }
    snapshot = VENUE.parse(told, NOTHING, NOW)
    long, short = (pool_named(snapshot, f"isolated:BTC/USDT:USDT:{side}") for side in ("long", "short"))
    assert long.maintenance_margin is not None
    assert short.maintenance_margin is not None
    assert gap(long.maintenance_margin, D("611.56")) < D("1e-4")
    assert gap(short.maintenance_margin, D("287.55")) < D("1e-4")
    assert (snapshot.exchange, snapshot.mode) == ("aster", "single-asset/hedge")
    assert any("Aster" in warning for warning in snapshot.warnings)
    assert not any("Binance" in warning for warning in snapshot.warnings)


async def test_the_agent_signs_for_the_account() -> None:
    answers = {"fapi__v3__accountWithJoinMargin": ACCOUNT, "fapi__v3__positionRisk": []}
    server = Binance(**answers, fapi__v3__multiAssetsMargin={"multiAssetsMargin": False})
    async with reading("aster", server) as reader:
        snapshot = await reader.read("aster", ALICE, now())
    assert (snapshot.state, snapshot.mode) == (PoolState.FLAT, "single-asset/one-way")
    (call,) = server.seen("/fapi/v3/accountWithJoinMargin")
    assert (call.params["user"], call.params["signer"]) == (ADDRESS, AGENT)
    assert len(call.params["signature"]) == 132
    assert not any("approve" in call.path.lower() for call in server.requests)


@pytest.mark.parametrize(
    ("code", "error", "word"),
    [(-1022, KeyRefused, "authorised"), (-2015, KeyRefused, "authorised"), (-1011, NoPermission, "IP list")],
)
async def test_refusals_say_what_to_do(code: int, error: type[Exception], word: str) -> None:
    server = Binance(fapi__v3__accountWithJoinMargin=Reply({"code": code, "msg": "no"}, 400))
    server.answers["/fapi/v3/positionRisk"] = server.answers["/fapi/v3/accountWithJoinMargin"]
    server.answers["/fapi/v3/multiAssetsMargin"] = server.answers["/fapi/v3/accountWithJoinMargin"]
    async with reading("aster", server) as reader:
        with pytest.raises(error) as caught:
            await reader.read("aster", ALICE, now())
    assert word in caught.value.advice  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "secret", "word"),
    [
        pytest.param(ADDRESS, "not a key", "64 hexadecimal", id="no key"),
        pytest.param(AGENT_KEY, AGENT_KEY, "STOP", id="a private key as the address"),
        pytest.param(AGENT, AGENT_KEY, "your own wallet", id="the account's own key"),
        pytest.param(AGENT.upper().replace("0X", "0x"), AGENT_KEY[2:], "your own wallet", id="in another spelling"),
        pytest.param("alice", AGENT_KEY, "not a wallet address", id="no address"),
    ],
)
def test_what_cannot_be_right_is_refused_before_it_is_sent(key: str, secret: str, word: str) -> None:
    assert VENUE.check_form is not None
    with pytest.raises(BadCredentials) as caught:
        VENUE.check_form({"key": key, "secret": secret})
    assert word in caught.value.advice
    VENUE.check_form({"key": ADDRESS, "secret": AGENT_KEY})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Verdict.READ_ONLY),
        ({"canPerpTrade": True}, Verdict.NEEDS_CONSENT),
        ({"canSpotTrade": None}, Verdict.NOT_VERIFIED),
        ({"canWithdraw": True}, Verdict.REFUSED),
        ({"canWithdraw": "false"}, Verdict.NOT_VERIFIED),
        ({"agentAddress": ADDRESS}, Verdict.NOT_VERIFIED),
    ],
)
def test_rights_are_those_of_the_asking_agent(changes: dict[str, Any], expected: Verdict) -> None:
    other = AGENT_ROW | {"agentAddress": "0x" + "cd" * 20, "canWithdraw": True}
    passport = parse_rights({"agents": [other, AGENT_ROW | changes], "signer": AGENT})
    assert verdict(passport) is expected


def test_an_agent_runs_out() -> None:
    passport = parse_rights({"agents": [AGENT_ROW], "signer": AGENT.upper().replace("0X", "0x")})
    assert passport.expires_at == datetime.fromtimestamp(1867945395.04, UTC)
    assert passport.ip_restricted is False
    assert parse_rights({"agents": {"code": -1}, "signer": AGENT}).notes


async def test_rights_are_asked_for_through_the_agent() -> None:
    server = Binance(fapi__v3__agent=[AGENT_ROW])
    async with reading("aster", server) as reader:
        passport = await reader.passport("aster", ALICE, now())
    assert verdict(passport) is Verdict.READ_ONLY
    assert AGENT_KEY not in str([call.params for call in server.requests])
