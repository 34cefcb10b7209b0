"""Paradex: summary and positions in, pools out; and the token that may be held."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.paradex import VENUE
from marginbot.exchanges.venues.paradex_token import parse
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import PARADEX
from tests.exchanges.venues.dex_payloads import paradex, paradex_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, pool_named, reading
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal


def token(**claims: Any) -> str:
    parts = [{"alg": "ES256"}, {"iat": 1_790_000_000, "exp": 1_820_000_000} | claims]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "sign"])


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, PARADEX, NOW)


def test_the_summary_is_reproduced() -> None:
    snapshot = parsed(paradex())
    [pool] = snapshot.pools
    assert snapshot.warnings == ()
    assert (pool.equity, pool.maintenance_margin) == (D(11400), D(426))  # half of 2 % of 42,600
    assert [p.mark_price for p in pool.positions] == [D(62000), D(2900)]


def test_without_a_summary_cash_and_parameters_give_it(corpus: Corpus) -> None:
    told = {
        "summary": None,
        "balance": corpus("paradex/balance__ccxtsrc.json"),
        "positions": corpus("paradex/positions__ccxtsrc.json"),
        "markets": corpus("paradex/markets__composed.json"),
        "modes": None,
    }
    [pool] = parsed(told).pools
    # 99,980.2382 - 2.3968; 648.3996 - 2.3968 is the value, and half of 20 % of it is required.
    assert pool.equity == D("99977.8414544890601")
    assert pool.maintenance_margin is not None
    assert abs(pool.maintenance_margin - (D("648.3996053748") - D("2.39677214")) / 10) < D("0.000001")


def test_the_fraction_rises_with_the_root_of_the_value() -> None:
    told = paradex()
    told["markets"]["results"][0]["delta1_cross_margin_params"] = {
        "imf_base": "0.02",
        "imf_shift": "21000",
        "imf_factor": "0.0005",
        "mmf_factor": "0.5",
    }
    position = parsed(told).pools[0].positions[0]
    assert position.maintenance_margin == D(31000) * D("0.025")  # 0.0005 x root of 10,000 is 5 %; half of it


def test_an_isolated_position_is_judged_by_its_liquidation_price() -> None:
    told = paradex()
    told["positions"]["results"][0]["liquidation_price"] = "56000"
    told["modes"]["configs"][0]["margin_type"] = "ISOLATED"
    pool = pool_named(parsed(told), "isolated:BTC/USD:USDC:long")
    assert pool.equity == D("0.01") * 28000 + D("0.5") * 6000  # 1 % of the value there, and the loss until there
    assert pool.maintenance_margin == D(310)


@pytest.mark.parametrize(
    ("summary", "state", "word"),
    [
        pytest.param({"account_value": "-3"}, PoolState.DEFICIT, "the smaller counts", id="deficit"),
        pytest.param({"account_value": None, "margin_cushion": ""}, PoolState.UNKNOWN, "unknown", id="no equity"),
        pytest.param({"maintenance_margin_requirement": "0"}, PoolState.OK, "missing", id="no requirement"),
        pytest.param({"maintenance_margin_requirement": "500"}, PoolState.OK, "the larger counts", id="worse"),
    ],
)
def test_edges(summary: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(paradex() | {"summary": paradex()["summary"] | summary})
    assert snapshot.pools[0].state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_no_position_is_flat_and_no_market_list_is_said() -> None:
    idle = {"maintenance_margin_requirement": "0", "margin_cushion": "11400"}
    told = paradex() | {"positions": {"results": []}, "summary": paradex()["summary"] | idle}
    assert parsed(told).state is PoolState.FLAT
    snapshot = VENUE.parse(paradex() | {"markets": None}, NOTHING, NOW)
    assert snapshot.pools[0].maintenance_margin == D(426)
    assert "Paradex's market list is missing: margin requirements could not be checked" in snapshot.warnings


@pytest.mark.parametrize("positions", [None, {}, {"results": [{"market": "BTC-USD-PERP"}]}, {"results": None}])
def test_an_answer_without_what_carries_risk_is_refused(positions: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(paradex() | {"positions": positions})
    with pytest.raises(BadPayload, match="side"):
        parsed(paradex() | {"positions": {"results": [paradex_row("BTC-USD-PERP", "", "1", "60000", "0")]}})


# -- the token


@pytest.mark.parametrize(
    ("key", "word"),
    [
        pytest.param("0x" + "ab" * 31 + "c", "PRIVATE KEY", id="a Stark key"),
        pytest.param("not-a-token", "not a token", id="no token"),
        pytest.param("a.b.c", "not a token", id="parts of nothing"),
        pytest.param(token(exp=1_790_000_300), "belongs to a session", id="a token of five minutes"),
    ],
)
def test_what_is_refused_before_anything_is_sent(key: str, word: str) -> None:
    assert VENUE.check_form is not None
    with pytest.raises(BadCredentials) as caught:
        VENUE.check_form({"key": key})
    assert word in caught.value.advice
    VENUE.check_form({"key": token()})


def test_a_token_tells_its_end_and_cannot_withdraw() -> None:
    passport = parse({"iat": 1_790_000_000, "exp": 1_820_000_000})
    assert passport.expires_at == datetime.fromtimestamp(1_820_000_000, UTC)
    assert (passport.can_withdraw, verdict(passport)) == (False, Verdict.NOT_VERIFIED)
    assert parse({"exp": "soon"}).expires_at is None


class Paradex(LoopbackServer):
    """Wants a token."""

    def routes(self) -> Routes:
        told = paradex()
        return {
            ("GET", "/v1/account/summary"): lambda call: self.checked(call, told["summary"]),
            ("GET", "/v1/positions"): lambda call: self.checked(call, told["positions"]),
            ("GET", "/v1/account/margin"): lambda call: self.checked(call, told["modes"]),
            ("GET", "/v1/markets"): lambda _: told["markets"],
        }

    def checked(self, call: Call, answer: Any) -> Any:
        if call.headers.get("authorization") == f"Bearer {token()}":
            return answer
        return Reply({"error": "INVALID_TOKEN", "message": "invalid bearer token"}, 401)


async def test_the_token_is_sent_and_nothing_is_signed() -> None:
    async with reading("paradex", server := Paradex(wall_clock_ms)) as reader:
        snapshot = await reader.read("paradex", Credential(token()), clock())
        passport = await reader.passport("paradex", Credential(token()), clock())
        asked = {call.method for call in server.requests}
        with pytest.raises(KeyRefused) as caught:
            await reader.read("paradex", Credential(token(jti="other")), clock())
    assert (snapshot.state, asked) == (PoolState.OK, {"GET"})
    assert passport.expires_at is not None
    assert "expired or was revoked" in caught.value.advice
