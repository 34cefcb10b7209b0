"""Derive: sub-accounts in, pools out; and the session key that may be held."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused, NoPermission, ReadingError
from marginbot.domain.margin import Collateral, MarginMode, PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.derive import VENUE
from marginbot.exchanges.venues.derive_keys import address_of, parse
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import DERIVE
from tests.exchanges.venues.dex_payloads import derive
from tests.exchanges.venues.kit import NOW, Corpus, clock, gap, judged, reading
from tests.servers.base import Call, LoopbackServer, Routes, wall_clock_ms

D = Decimal
SESSION = "0x" + "11" * 32
ADDRESS = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"  # of the key above
WALLET = "0x" + "Ab" * 20


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, DERIVE, NOW)


def changed(**account: Any) -> Payloads:
    told = derive()
    told["portfolios"]["result"][0] |= account
    return told


def test_headroom_is_not_the_requirement() -> None:
    [pool] = parsed(derive()).pools
    # Unsettled profit of 12.50 goes from the positions' margin to the equity: 7,400 + 12.50 and 1,342.50 + 12.50.
    assert (pool.name, pool.margin_mode) == ("cross:7", MarginMode.CROSS)
    assert (pool.equity, pool.maintenance_margin) == (D("7412.5"), D("1355"))
    assert pool.reported_ratio == D("1342.5") / D(7400)
    assert pool.collateral == (Collateral(asset="ETH", value=D(2400)),)
    option = pool.positions[1].option
    assert option is not None
    assert (option.strike, option.is_call, option.expires_at) == (D(85000), True, datetime(2027, 9, 24, 8, tzinfo=UTC))


def test_the_recorded_sub_account(corpus: Corpus) -> None:
    [pool] = parsed({"portfolios": corpus("derive/all-portfolios__ccxtsrc.json")}).pools
    assert pool.reported_ratio is not None
    assert gap(pool.margin_ratio, D("42.257371387251") / D("4527.545388020506")) < D("0.0001")
    assert gap(pool.margin_ratio, pool.reported_ratio) < D("0.0001")
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    assert abs(pool.equity - pool.maintenance_margin - D("4485.288016633255")) < D("0.000001")


@pytest.mark.parametrize(
    ("account", "state", "word"),
    [
        pytest.param({"maintenance_margin": "-10"}, PoolState.OK, "the smaller counts", id="headroom is negative"),
        pytest.param({"is_under_liquidation": True}, PoolState.OK, "is liquidating", id="being liquidated"),
        pytest.param(
            {"collaterals_maintenance_margin": "-500", "collaterals": []}, PoolState.DEFICIT, "counts", id="deficit"
        ),
        pytest.param(
            {"positions_maintenance_margin": None, "margin_type": "PM", "maintenance_margin": None},
            PoolState.UNKNOWN,
            "unknown",
            id="nothing is told",
        ),
    ],
)
def test_edges(account: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(changed(**account))
    assert snapshot.pools[0].state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_sub_account_that_is_being_liquidated_is_past_its_trigger() -> None:
    [pool] = judged(parsed(changed(is_under_liquidation=True))).pools
    assert pool.margin_ratio == 1


def test_past_the_trigger_the_ratio_is_above_one() -> None:
    account = {"maintenance_margin": "-100", "positions_maintenance_margin": "-7500"}
    pool = parsed(changed(**account)).pools[0]
    assert pool.margin_ratio is not None
    assert pool.margin_ratio > 1


def test_a_loan_is_a_requirement() -> None:
    coins = [
        {"asset_name": "USDC", "amount": "-1000", "maintenance_margin": "-1000"},
        {"asset_name": "WBTC", "amount": "0.1", "maintenance_margin": "4000"},
    ]
    account = {"positions": [], "positions_maintenance_margin": "0", "collaterals": coins}
    account |= {"collaterals_maintenance_margin": "3000", "maintenance_margin": "3000"}
    [pool] = parsed(changed(**account)).pools
    assert (pool.state, pool.has_debt, pool.margin_ratio) == (PoolState.OK, True, D("0.25"))
    assert pool.collateral == (Collateral(asset="BTC", value=D(4000)),)


def test_no_sub_account_is_flat_and_one_that_failed_is_unreadable() -> None:
    assert parsed({"portfolios": {"result": []}}).state is PoolState.FLAT
    spoiled: list[Any] = [None, {}, changed(failed_to_fetch=True)["portfolios"]]
    for portfolios in spoiled:
        with pytest.raises(BadPayload):
            parsed({"portfolios": portfolios})


# -- the key


@pytest.mark.parametrize(
    ("key", "secret", "word"),
    [
        pytest.param(ADDRESS, SESSION, "OWN PRIVATE KEY", id="the wallet's own key"),
        pytest.param("0x19E7E376E7C213B7E7E7E46CC70A5DD086DAFF2A", SESSION, "OWN PRIVATE KEY", id="in capitals"),
        pytest.param(SESSION, SESSION, "PRIVATE KEY", id="a key in place of the address"),
        pytest.param(WALLET, "abandon " * 11 + "about", "SEED PHRASE", id="a seed phrase"),
        pytest.param("vitalik.eth", SESSION, "not a wallet address", id="a name"),
        pytest.param(WALLET, "0x1234", "64 hexadecimal digits", id="a short key"),
        pytest.param(WALLET, "0x" + "00" * 32, "64 hexadecimal digits", id="no key at all"),
    ],
)
def test_what_is_refused_before_anything_is_sent(key: str, secret: str, word: str) -> None:
    assert VENUE.check_form is not None
    with pytest.raises(BadCredentials) as caught:
        VENUE.check_form({"key": key, "secret": secret})
    assert word in caught.value.advice
    VENUE.check_form({"key": WALLET, "secret": SESSION})


def listed(*scopes: str, **more: Any) -> dict[str, Any]:
    row = {"public_session_key": ADDRESS.upper().replace("0X", "0x"), "protocol_scopes": list(scopes)}
    return {"keys": {"result": {"public_session_keys": [row | more]}}, "asking": ADDRESS}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(listed(), Verdict.READ_ONLY, id="no scope is read-only"),
        pytest.param(listed("trade:orderbook:all"), Verdict.NEEDS_CONSENT, id="it can trade"),
        pytest.param(listed("something:new"), Verdict.NEEDS_CONSENT, id="a scope that I do not know"),
        pytest.param(listed("withdraw"), Verdict.REFUSED, id="it can withdraw"),
        pytest.param(listed("transfer:existing_subaccount"), Verdict.REFUSED, id="it can transfer"),
        pytest.param(listed("admin"), Verdict.REFUSED, id="it can do all"),
        pytest.param(listed() | {"asking": "0x" + "00" * 20}, Verdict.REFUSED, id="it is no session key"),
        pytest.param(listed(protocol_scopes=None), Verdict.NOT_VERIFIED, id="scopes are not told"),
        pytest.param({"keys": {"result": {}}}, Verdict.NOT_VERIFIED, id="no list"),
    ],
)
def test_what_a_session_key_may_do(answer: Any, expected: Verdict) -> None:
    assert verdict(parse(answer)) is expected


def test_a_session_key_tells_its_end_and_addresses() -> None:
    passport = parse(listed(expiry_sec=1_800_000_000, ip_whitelist=["10.0.0.1"]))
    assert (passport.expires_at, passport.ip_restricted) == (datetime.fromtimestamp(1_800_000_000, UTC), True)
    assert (address_of(SESSION), address_of("junk")) == (ADDRESS, "")


class Derive(LoopbackServer):
    """Answers a signed request, or with an error."""

    error: dict[str, Any] | None = None

    def routes(self) -> Routes:
        return {
            ("POST", "/v3/private/get_all_portfolios"): self.portfolios,
            ("POST", "/v3/private/session_keys"): lambda _: listed()["keys"],
        }

    def portfolios(self, call: Call) -> Any:
        return {"id": 1, "error": self.error} if self.error else derive()["portfolios"]


async def test_the_session_key_signs_for_the_wallet() -> None:
    async with reading("derive", server := Derive(wall_clock_ms)) as reader:
        snapshot = await reader.read("derive", Credential(WALLET, SESSION), clock())
        passport = await reader.passport("derive", Credential(WALLET, SESSION), clock())
        [call] = [call for call in server.requests if call.path.endswith("get_all_portfolios")]
    assert snapshot.state is PoolState.OK
    assert (call.headers["x-derivewallet"], call.json) == (WALLET, {"wallet": WALLET})
    assert len(call.headers["x-derivesignature"]) == 132
    assert verdict(passport) is Verdict.READ_ONLY


@pytest.mark.parametrize(
    ("code", "expected", "word"),
    [
        (14000, KeyRefused, "no account of this wallet"),
        (14014, KeyRefused, "mistyped"),
        (14029, NoPermission, "IP list"),
        (14030, KeyRefused, "expired"),
        (14031, NoPermission, "account information"),
    ],
)
async def test_errors_say_what_to_do(code: int, expected: type[ReadingError], word: str) -> None:
    server = Derive(wall_clock_ms)
    server.error = {"code": code, "message": "told"}
    async with reading("derive", server) as reader:
        with pytest.raises(expected) as caught:
            await reader.read("derive", Credential(WALLET, SESSION), clock())
    assert word in caught.value.advice
    assert SESSION[2:] not in str(caught.value)
