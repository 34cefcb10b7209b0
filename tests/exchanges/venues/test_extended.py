"""Extended: balance and positions in, one pool out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused
from marginbot.domain.margin import Collateral, PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.extended import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import EXTENDED
from tests.exchanges.venues.dex_payloads import extended, extended_coin, extended_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, judged, reading
from tests.servers.base import Call, LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal
REFUSAL = {"status": "ERROR", "error": {"code": 401, "message": "Unauthorized"}}


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, EXTENDED, NOW)


def balance(**more: Any) -> Payloads:
    return extended() | {"balance": {"data": extended()["balance"]["data"] | more}}


def test_the_margin_ratio_counts() -> None:
    snapshot = parsed(extended())
    [pool] = snapshot.pools
    assert snapshot.warnings == ()
    assert pool.equity == D(11400)
    assert gap(pool.margin_ratio, D(426) / D(11400)) < D("1e-12")


@pytest.mark.parametrize(
    ("told", "needed", "word"),
    [
        pytest.param("3.7368421", D(426), "", id="in percent"),
        pytest.param("0.9", D("102.6"), "", id="0.9 can only be percent"),
        pytest.param("50", D(852), "does not fit the initial margin", id="in no unit that fits"),
        pytest.param("", D(852), "the initial margin counts", id="missing"),
        pytest.param("-1", D(852), "the initial margin counts", id="negative"),
    ],
)
def test_the_unit_of_the_ratio_is_that_which_the_initial_margin_allows(told: str, needed: Decimal, word: str) -> None:
    snapshot = parsed(balance(marginRatio=told))
    assert gap(snapshot.pools[0].maintenance_margin, needed) < D("1e-6")
    assert any(word in warning for warning in snapshot.warnings) or not word


def test_a_lone_position_is_checked_by_its_liquidation_price() -> None:
    told = balance(marginRatio="0.03", initialMargin="620", availableForTrade="10780")
    told["positions"]["data"] = [extended_row("BTC-USD", "LONG", "0.5", "60000", "62000", "1000", "58000")]
    snapshot = parsed(told)
    [pool] = snapshot.pools
    rate = D("0.03") * 11400 / 31000
    assert pool.reported_ratio is not None
    assert gap(pool.reported_ratio, rate * 31000 / (rate * 29000 + 2000)) < D("1e-9")
    assert judged(snapshot).pools[0].margin_ratio == pool.reported_ratio  # the worse one counts


def test_coins_in_place_of_a_balance(corpus: Corpus) -> None:
    told = {
        "balance": corpus("extended/balance__ccxtsrc.json"),
        "positions": corpus("extended/positions__ccxtsrc.json"),
        "markets": corpus("extended/markets__ccxtsrc.json"),
        "coins": None,
    }
    snapshot = parsed(told)
    [pool] = snapshot.pools
    assert pool.equity == D(13500) + D(30875) + D(1000)
    assert pool.maintenance_margin == D(4000) * D("0.02")
    assert pool.collateral == (Collateral(asset="BTC", value=D(30875)),)
    # 2 % of 4,000 over what the liquidation price says: 2 % of 3,820 and a loss of 180 until there.
    assert gap(pool.reported_ratio, D(80) / (D("76.4") + 180)) < D("1e-9")
    assert any("counts as its initial margin" in warning for warning in snapshot.warnings)


def test_an_empty_list_of_coins_backs_nothing() -> None:
    told = extended() | {"balance": {"data": []}, "coins": None}
    assert parsed(told).state is PoolState.UNKNOWN
    assert parsed(told | {"positions": {"data": []}}).state is PoolState.FLAT


def test_the_risk_factor_is_that_of_the_tier() -> None:
    told = extended() | {"balance": {"data": [extended_coin("USDC", "1000000", "1", "1")]}}
    told["positions"]["data"] = [extended_row("BTC-USD", "LONG", "100", "62000", "62000", "0")]
    assert parsed(told).pools[0].maintenance_margin == D(6_200_000) * D("0.04")
    assert parsed(told | {"markets": None}).state is PoolState.UNKNOWN


@pytest.mark.parametrize(
    ("more", "state", "word"),
    [
        pytest.param({"equity": "-1", "availableForTrade": "0"}, PoolState.DEFICIT, "", id="deficit"),
        pytest.param({"equity": "99999"}, PoolState.OK, "the smaller counts", id="more than its parts"),
        pytest.param(
            {"equity": "", "balance": "", "availableForTrade": ""}, PoolState.UNKNOWN, "unknown", id="no equity"
        ),
    ],
)
def test_edges(more: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(balance(**more))
    assert snapshot.pools[0].state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_no_position_is_flat_and_names_are_taken_apart() -> None:
    assert parsed(extended() | {"positions": {"data": []}}).state is PoolState.FLAT
    snapshot = VENUE.parse(extended(), NOTHING, NOW)
    assert [p.symbol for p in snapshot.pools[0].positions] == ["BTC/USDC:USDC", "ETH/USDC:USDC"]


@pytest.mark.parametrize(
    "payloads",
    [
        extended() | {"positions": None},
        extended() | {"positions": {"data": [{"market": "BTC-USD", "size": "1"}]}},
        extended() | {"balance": None, "coins": {"data": None}},
    ],
)
def test_an_answer_without_what_carries_risk_is_refused(payloads: Payloads) -> None:
    with pytest.raises(BadPayload):
        parsed(payloads)


class Extended(LoopbackServer):
    """Knows one API key."""

    def routes(self) -> Routes:
        told = extended()
        return {
            ("GET", "/api/v1/user/balance"): lambda call: self.checked(call, told["balance"]),
            ("GET", "/api/v1/user/positions"): lambda call: self.checked(call, told["positions"]),
            ("GET", "/api/v1/user/spot/balances"): lambda call: self.checked(call, told["coins"]),
            ("GET", "/api/v1/info/markets"): lambda _: told["markets"],
        }

    def checked(self, call: Call, answer: Any) -> Any:
        return answer if call.headers.get("x-api-key") == "alice" else Reply(REFUSAL, 401)


async def test_the_api_key_alone_reads_everything() -> None:
    async with reading("extended", Extended(wall_clock_ms)) as reader:
        snapshot = await reader.read("extended", Credential("alice"), clock())
        passport = await reader.passport("extended", Credential("alice"), clock())
        with pytest.raises(KeyRefused):
            await reader.read("extended", Credential("bob"), clock())
    assert snapshot.pools[0].equity == D(11400)
    assert (passport.can_withdraw, verdict(passport)) == (False, Verdict.NOT_VERIFIED)


@pytest.mark.parametrize(("key", "word"), [("0x" + "12" * 32, "PRIVATE KEY"), ("0x1234", "not the API key")])
def test_a_stark_key_is_refused(key: str, word: str) -> None:
    assert VENUE.check_form is not None
    with pytest.raises(BadCredentials) as caught:
        VENUE.check_form({"key": key})
    assert word in caught.value.advice
    VENUE.check_form({"key": "f4aa1ba3e3038adf522981a90d2a1c57"})
