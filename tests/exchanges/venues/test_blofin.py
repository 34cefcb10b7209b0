"""BloFin: balance and positions in, pools out; against the venue's own ratios and liquidation price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission, ReadingError, VenueDown
from marginbot.domain.margin import PoolState, Side, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.domain.room import room_of
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.blofin import VENUE, parse_key
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import BLOFIN, perpetuals
from tests.exchanges.venues.dex_payloads import blofin, blofin_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, pool_named, reading
from tests.servers.base import LoopbackServer, Routes, wall_clock_ms

D = Decimal
ALICE = Credential("alice", "secret", "words")


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, BLOFIN, NOW)


def holding(*rows: dict[str, Any], **details: Any) -> Payloads:
    told = blofin()
    told["balance"]["data"]["details"][0] |= details
    return told | ({"positions": {"data": list(rows)}} if rows else {})


def test_cross_and_isolated_pools() -> None:
    snapshot = parsed(blofin())
    cross, isolated = pool_named(snapshot, "cross:USDT"), pool_named(snapshot, "isolated:SOL/USDT:USDT:long")
    assert snapshot.warnings == ()
    assert cross.equity == D(11400)
    assert gap(cross.maintenance_margin, D(213) + D("25.56")) < D("1e-9")  # 155 + 58, and 0.06 % of 42,600
    assert isolated.equity == D(250)
    assert gap(isolated.maintenance_margin, D("15.37")) < D("1e-9")  # 14.50, and 0.06 % of 1,450
    assert snapshot.mode == "cross and isolated"


@pytest.mark.parametrize("sizes", [{"ETH": "0.1", "BCH": "0.01"}, {}], ids=["contract sizes known", "not known"])
def test_the_documented_positions_are_reproduced(corpus: Corpus, sizes: dict[str, str]) -> None:
    told = {
        "balance": corpus("blofin/account-balance__jkorf.json"),
        "positions": corpus("blofin/positions__jkorf.json"),
    }
    known = perpetuals(
        "USDT", "USDT", {"ETH": "ETH-USDT", "BCH": "BCH-USDT"}, **(sizes or {"ETH": ".001", "BCH": ".001"})
    )
    snapshot = VENUE.parse(told, known, NOW)
    isolated, cross = pool_named(snapshot, "isolated:ETH/USDT:USDT:long"), pool_named(snapshot, "cross:USDT")
    assert gap(isolated.margin_ratio, 1 / D("72.453752328329172684")) < D("0.0001")
    assert isolated.reported_ratio is not None
    assert gap(isolated.maintenance_margin, D("0.636676") + D("159.169") * D("0.0006")) < D("0.0001")
    assert gap(cross.maintenance_margin, D("54.781") + D("5478.1") * D("0.0006")) < D("0.0001")
    down = room_of(isolated, {}, NOW).scenarios[0].down
    assert down is not None
    assert abs(1591.69 * (1 + down) / 1066.104078762306610407 - 1) < 0.01
    assert bool(snapshot.warnings) is not bool(sizes)


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        pytest.param({"equity": "100"}, PoolState.DEFICIT, "missing or impossible", id="less than what is isolated"),
        pytest.param({"equity": ""}, PoolState.OK, "worked out from BloFin's margin ratio", id="no equity"),
        pytest.param({"equity": "5000"}, PoolState.OK, "the worse one counts", id="less equity than the ratio says"),
    ],
)
def test_edges(changes: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(holding(**changes))
    assert pool_named(snapshot, "cross:USDT").state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_position_without_requirement_is_unknown() -> None:
    snapshot = parsed(holding(blofin_row("BTC-USDT", "500", "60000", "62000", "1000", maintenanceMargin="0")))
    assert snapshot.state is PoolState.UNKNOWN


def test_hedged_legs_and_no_position() -> None:
    rows = [blofin_row("BTC-USDT", "500", "60000", "62000", "-1000", positionSide="short", maintenanceMargin="155")]
    told = parsed(holding(*rows))
    assert (told.mode, told.pools[0].positions[0].side) == ("cross/hedge", Side.SHORT)
    idle = parsed(blofin() | {"positions": {"data": []}})
    assert (idle.state, idle.pools[0].name, idle.pools[0].equity) == (PoolState.FLAT, "cross:USDT", D(11400))


def test_a_currency_without_balance_is_unknown() -> None:
    snapshot = VENUE.parse(blofin() | {"balance": {"data": {"details": []}}}, NOTHING, NOW)
    assert "cross:USDT: positions are held, but BloFin lists no balance in USDT" in snapshot.warnings


@pytest.mark.parametrize(
    "payloads",
    [
        blofin() | {"positions": {"data": None}},
        blofin() | {"balance": {"data": {}}},
        blofin() | {"positions": {"data": [{"instId": "BTC-USDT", "positions": None}]}},
    ],
)
def test_an_answer_without_what_carries_risk_is_refused(payloads: Payloads) -> None:
    with pytest.raises(BadPayload):
        parsed(payloads)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"readOnly": 1, "ips": ["10.0.0.1"]}, Verdict.READ_ONLY, id="read-only"),
        pytest.param({"readOnly": "0", "ips": []}, Verdict.NEEDS_CONSENT, id="it can trade"),
        pytest.param({"readOnly": 2}, Verdict.NOT_VERIFIED, id="a value that I do not know"),
        pytest.param({"readOnly": True}, Verdict.NOT_VERIFIED, id="not a number"),
    ],
)
def test_what_a_key_may_do(told: dict[str, Any], expected: Verdict) -> None:
    passport = parse_key({"data": told})
    assert verdict(passport) is expected
    assert passport.ip_restricted is (None if "ips" not in told else bool(told["ips"]))


class Blofin(LoopbackServer):
    """Answers, or refuses with a code."""

    code = "0"

    def routes(self) -> Routes:
        told = blofin()
        return {
            ("GET", "/api/v1/account/balance"): lambda _: {"code": self.code, "msg": "told", **told["balance"]},
            ("GET", "/api/v1/account/positions"): lambda _: {"code": self.code, "msg": "told", **told["positions"]},
        }


@pytest.mark.parametrize(
    ("code", "expected", "word"),
    [
        ("500", VenueDown, "does not answer"),
        ("152401", KeyRefused, "does not know this key"),
        ("152402", KeyRefused, "has expired"),
        ("152404", NoPermission, "read permission"),
        ("152405", ClockSkew, "clock"),
        ("152406", NoPermission, "IP list"),
        ("152408", KeyRefused, "passphrase"),
        ("152409", KeyRefused, "signature"),
    ],
)
async def test_errors_say_what_to_do(code: str, expected: type[ReadingError], word: str) -> None:
    async with reading("blofin", server := Blofin(wall_clock_ms)) as reader:
        assert (await reader.read("blofin", ALICE, clock())).state is PoolState.OK
        server.code = code
        with pytest.raises(expected) as caught:
            await reader.read("blofin", ALICE, clock())
    assert word in caught.value.advice
