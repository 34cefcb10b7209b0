"""What a key may do: recorded answers, spoiled ones, and the loopback venues asked by the real client."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marginbot.domain.passport import Passport, Verdict, verdict
from marginbot.exchanges import permissions
from marginbot.exchanges.venues import OWN, VENUES
from marginbot.flow.ports import Credential
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.exchanges.kit import ALICE, KEY, SECRET, now, reading
from tests.servers.base import Call, LoopbackServer, Reply, wall_clock_ms
from tests.servers.bybit import BybitServer
from tests.servers.bybit_book import BybitAccount, BybitMarket
from tests.servers.deribit import DeribitAccount, DeribitServer
from tests.servers.hyperliquid import HyperliquidAccount, HyperliquidServer
from tests.servers.okx import OkxAccount, OkxServer
from tests.sim.books import wallets

READ, ASK, NO, UNKNOWN = Verdict.READ_ONLY, Verdict.NEEDS_CONSENT, Verdict.REFUSED, Verdict.NOT_VERIFIED
ADDRESS = "0x" + "ab" * 20

BINANCE = {
    "ipRestrict": True,
    "createTime": 1698645219000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": True,
    "enableSpotAndMarginTrading": False,
    "enablePortfolioMarginTrading": False,
}


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(BINANCE, READ, id="reading alone"),
        *(
            pytest.param(BINANCE | {name: True}, ASK, id=name)
            for name in BINANCE
            if name.startswith("enable")
            and name not in ("enableReading", "enableFixReadOnly", "enableWithdrawals", "enableInternalTransfer")
        ),
        *(
            pytest.param(BINANCE | {name: True, "enableFutures": True}, NO, id=name)
            for name in ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer")
        ),
        *(
            pytest.param(without(BINANCE, name), UNKNOWN, id=f"{name} missing")
            for name in ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer", "enableFutures")
        ),
        pytest.param(BINANCE | {"enableWithdrawals": "false"}, UNKNOWN, id="a flag that is no flag"),
        pytest.param(BINANCE | {"enableFutures": None}, UNKNOWN, id="a flag that is null"),
        pytest.param(BINANCE | {"enableSomethingNew": True}, ASK, id="a right that is not known"),
        pytest.param({}, UNKNOWN, id="empty"),
        pytest.param([], UNKNOWN, id="a list"),
        pytest.param(None, UNKNOWN, id="nothing"),
    ],
)
def test_binance(answer: Any, expected: Verdict) -> None:
    assert verdict(permissions.parse_binance(answer)) is expected


def bybit_answer(**changes: Any) -> dict[str, Any]:
    told = {"readOnly": 1, "permissions": {"Wallet": ["AccountTransfer"], "ContractTrade": ["Order"]}, "ips": ["*"]}
    return {"retCode": 0, "result": told | changes}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(bybit_answer(), READ, id="read-only"),
        pytest.param(bybit_answer(readOnly=0), ASK, id="it can write"),
        pytest.param(bybit_answer(readOnly=0, permissions={"Wallet": ["Withdraw"]}), NO, id="it can withdraw"),
        pytest.param(bybit_answer(permissions={"Wallet": ["Withdraw"]}), NO, id="read-only, but withdrawal is named"),
        pytest.param(bybit_answer(permissions={"Wallet": ["SubMemberTransfer"]}), READ, id="may look at transfers"),
        pytest.param(bybit_answer(readOnly=0, permissions={"Wallet": ["SubMemberTransfer"]}), NO, id="may transfer"),
        pytest.param(bybit_answer(readOnly=0, permissions=None), ASK, id="it can write, the rest is not told"),
        pytest.param(bybit_answer(readOnly=None), UNKNOWN, id="not told"),
        pytest.param(bybit_answer(readOnly=True), UNKNOWN, id="told in another form"),
        pytest.param(bybit_answer(readOnly=2), UNKNOWN, id="a value that does not exist"),
        pytest.param({"retCode": 0, "result": {}}, UNKNOWN, id="empty"),
        pytest.param("Access denied", UNKNOWN, id="a text"),
    ],
)
def test_bybit(answer: Any, expected: Verdict) -> None:
    assert verdict(permissions.parse_bybit(answer)) is expected


@pytest.mark.parametrize(
    ("ips", "restricted"),
    [(["*"], False), ([], False), (["1.2.3.4"], True), (["1.2.3.4", "*"], False), (None, None), ("*", None)],
)
def test_bybit_addresses(ips: Any, restricted: bool | None) -> None:
    assert permissions.parse_bybit(bybit_answer(ips=ips)).ip_restricted is restricted


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("1970-01-01T00:00:00Z", None),
        ("2026-12-03T10:00:00Z", datetime(2026, 12, 3, 10, tzinfo=UTC)),
        ("soon", None),
        (None, None),
        (5, None),
    ],
)
def test_bybit_expiry(expires: Any, expected: datetime | None) -> None:
    assert permissions.parse_bybit(bybit_answer(expiredAt=expires)).expires_at == expected


@pytest.mark.parametrize(
    ("perm", "ip", "expected", "restricted"),
    [
        pytest.param("read_only", "", READ, False, id="read-only from anywhere"),
        pytest.param("read_only", "1.2.3.4", READ, True, id="from one address"),
        pytest.param("read_only,trade", None, ASK, None, id="it can trade; addresses not told"),
        pytest.param("read_only, withdraw", "", NO, False, id="it can withdraw"),
        pytest.param("read_only,earn", "", ASK, False, id="a right that is not known"),
        pytest.param("", "", UNKNOWN, None, id="blank"),
        pytest.param(None, "", UNKNOWN, None, id="not told"),
        pytest.param(["read_only"], "", UNKNOWN, None, id="told in another form"),
    ],
)
def test_okx(perm: Any, ip: Any, expected: Verdict, restricted: bool | None) -> None:
    passport = permissions.parse_okx({"code": "0", "data": [{"perm": perm, "ip": ip}]})
    assert (verdict(passport), passport.ip_restricted) == (expected, restricted)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("account:read trade:read wallet:none", READ, id="read-only"),
        pytest.param("account:read trade:read block_trade:read wallet:read custody:none", READ, id="reading more"),
        pytest.param("account:read trade:read_write wallet:none", ASK, id="it can trade"),
        pytest.param("account:read trade:read block_trade:read_write wallet:none", ASK, id="block trades"),
        pytest.param("account:read_write trade:read wallet:none", ASK, id="it can change the account"),
        pytest.param("account:read trade:read wallet:read_write", NO, id="it can withdraw"),
        pytest.param("account:read trade:read wallet:none custody:read_write", NO, id="out of custody"),
        pytest.param("account:read trade:read", UNKNOWN, id="nothing about the wallet"),
        pytest.param("account:read wallet:none", UNKNOWN, id="nothing about trading"),
        pytest.param("account:read trade:full wallet:none", UNKNOWN, id="a level that does not exist"),
        pytest.param("connection mainaccount", UNKNOWN, id="an old key without scopes"),
        pytest.param("", UNKNOWN, id="blank"),
        pytest.param(None, UNKNOWN, id="not told"),
    ],
)
def test_deribit(scope: Any, expected: Verdict) -> None:
    assert verdict(permissions.parse_deribit({"scope": scope})) is expected


@pytest.mark.parametrize("name", ["bybitdocs", "nautilus"])
def test_recorded_at_bybit(corpus: Callable[[str], Any], name: str) -> None:
    passport = permissions.parse_bybit(corpus(f"bybit/user-query-api__{name}.json"))
    assert (verdict(passport), passport.ip_restricted, passport.expires_at) == (READ, True, None)


@pytest.mark.parametrize("name", ["jkorf", "openxapi"])
def test_recorded_at_okx(corpus: Callable[[str], Any], name: str) -> None:
    passport = permissions.parse_okx(corpus(f"okx/config__{name}.json"))
    assert (passport.can_trade, passport.can_withdraw, passport.ip_restricted) == (True, True, False)


SPOILED: list[Any] = [None, [], {}, "", "<html>", 0, True, [1], {"result": []}, {"data": [None]}, {"scope": 5}]


@pytest.mark.parametrize(
    "venue", [name for name, venue in OWN.items() if venue.permissions not in (None, permissions.PUBLIC_ADDRESS)]
)
@pytest.mark.parametrize("answer", SPOILED, ids=repr)
def test_failure_38_an_answer_that_makes_no_sense_is_never_read_only(venue: str, answer: Any) -> None:
    ask = VENUES[venue].permissions
    assert ask is not None
    assert verdict(ask.parse(answer)) is UNKNOWN


# -- the real client against the loopback venues


def binance(**flags: Any) -> tuple[LoopbackServer, Credential]:
    market = Market()
    server = SimulatedExchange(market, wall_clock_ms)
    key = server.add_key(KEY, SECRET, Account(market, wallets(USDT="3000")))
    for name, value in flags.items():
        setattr(key, name, value)
    return server, ALICE


def bybit(**flags: Any) -> tuple[LoopbackServer, Credential]:
    server = BybitServer()
    server.add_key(KEY, SECRET, BybitAccount(BybitMarket(), wallets(USDT="3000")), **flags)
    return server, ALICE


def okx(**flags: Any) -> tuple[LoopbackServer, Credential]:
    return OkxServer([OkxAccount(**flags)]), Credential("okx-key", "okx-secret", "okx-passphrase")


def deribit(**flags: Any) -> tuple[LoopbackServer, Credential]:
    return DeribitServer([DeribitAccount(**flags)]), Credential("deribit-id", "deribit-secret")


def hyperliquid() -> tuple[LoopbackServer, Credential]:
    return HyperliquidServer([HyperliquidAccount(address=ADDRESS)]), Credential(ADDRESS)


MAKE: dict[str, Callable[..., tuple[LoopbackServer, Credential]]] = {
    "binanceusdm": binance,
    "bybit": bybit,
    "okx": okx,
    "deribit": deribit,
    "hyperliquid": hyperliquid,
}
ENDPOINTS = {
    "binanceusdm": "/sapi/v1/account/apiRestrictions",
    "bybit": "/v5/user/query-api",
    "okx": "/api/v5/account/config",
    "deribit": "/api/v2/public/auth",
}


async def asked(venue: str, server: LoopbackServer, credential: Credential) -> Passport:
    async with server, reading(server.url, venue, timeout=1.0, deadline=3.0) as reader:
        return await reader.passport(venue, credential, now())


@pytest.mark.parametrize(
    ("venue", "flags", "expected", "restricted"),
    [
        pytest.param("binanceusdm", {}, READ, True, id="binance reads"),
        pytest.param("binanceusdm", {"can_trade": True, "ip_restricted": False}, ASK, False, id="binance trades"),
        pytest.param("binanceusdm", {"can_withdraw": True}, NO, True, id="binance withdraws"),
        pytest.param("binanceusdm", {"can_transfer": True}, NO, True, id="binance transfers"),
        pytest.param("bybit", {}, READ, True, id="bybit reads"),
        pytest.param("bybit", {"can_trade": True, "ips": ()}, ASK, False, id="bybit trades"),
        pytest.param("bybit", {"can_withdraw": True}, NO, True, id="bybit withdraws"),
        pytest.param("okx", {"ip": "127.0.0.1"}, READ, True, id="okx reads"),
        pytest.param("okx", {"perm": "read_only,trade"}, ASK, False, id="okx trades"),
        pytest.param("okx", {"perm": "read_only,withdraw"}, NO, False, id="okx withdraws"),
        pytest.param("deribit", {}, READ, None, id="deribit reads"),
        pytest.param("deribit", {"scope": "account:read trade:read_write wallet:none"}, ASK, None, id="deribit trades"),
        pytest.param(
            "deribit", {"scope": "account:read trade:read wallet:read_write"}, NO, None, id="deribit withdraws"
        ),
        pytest.param("hyperliquid", {}, READ, None, id="an address"),
    ],
)
async def test_asked_at_the_venue(
    venue: str, flags: dict[str, Any], expected: Verdict, restricted: bool | None
) -> None:
    server, credential = MAKE[venue](**flags)
    passport = await asked(venue, server, credential)
    assert (verdict(passport), passport.ip_restricted) == (expected, restricted)
    assert len(server.seen(ENDPOINTS.get(venue, ""))) == (venue in ENDPOINTS)


async def test_a_bybit_key_with_an_end() -> None:
    ends = now().replace(microsecond=0) + timedelta(days=10)
    server, credential = bybit(expires_at_ms=int(ends.timestamp()) * 1000)
    assert (await asked("bybit", server, credential)).expires_at == ends


@pytest.mark.parametrize("venue", ENDPOINTS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Reply("404 page not found", 404), id="not there"),
        pytest.param(Reply({"code": -2015, "retCode": 10005, "msg": "Permission denied"}, 403), id="forbidden"),
        pytest.param(Reply("<html>oops</html>", 502), id="a page"),
        pytest.param(Reply({}, 200), id="empty"),
    ],
)
async def test_what_the_venue_does_not_tell_is_not_verified(venue: str, answer: Reply) -> None:
    server, credential = MAKE[venue]()
    routes = server.routes()

    def instead(call: Call) -> Reply:
        return answer

    server.routes = lambda: routes | {("GET", ENDPOINTS[venue]): instead}  # type: ignore[method-assign]
    passport = await asked(venue, server, credential)
    assert verdict(passport) is UNKNOWN
    assert passport.notes


@pytest.mark.parametrize("venue", ENDPOINTS)
async def test_a_venue_that_is_away_or_does_not_know_the_key_does_not_raise(venue: str) -> None:
    server, credential = MAKE[venue]()
    wrong = await asked(venue, server, replace(credential, secret="another-secret-than-its-own"))
    server, credential = MAKE[venue]()
    server.faults.add("hang")
    hanging = await asked(venue, server, credential)
    assert (verdict(wrong), verdict(hanging)) == (UNKNOWN, UNKNOWN)


async def test_the_token_that_deribit_hands_out_goes_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server, credential = deribit()
    async with server, reading(server.url, "deribit") as reader:
        api = reader._opened("deribit").client.account(credential, now())
        assert await permissions.fetch_deribit(api) == {"scope": "account:read trade:read wallet:none"}
        passport = await reader.passport("deribit", credential, now())
        server.faults.add("500", ENDPOINTS["deribit"])
        await reader.passport("deribit", credential, now())
    for secret in ("loopback-access", "loopback-refresh", "deribit-secret"):
        assert secret not in caplog.text
        assert secret not in repr(passport)
