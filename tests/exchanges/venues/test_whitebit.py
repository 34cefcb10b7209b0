"""WhiteBIT: positions and summary in, one pool out."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission, ReadingError
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.whitebit import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import WHITEBIT
from tests.exchanges.venues.dex_payloads import whitebit
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, reading
from tests.servers.base import LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, WHITEBIT, NOW)


def changed(**summary: Any) -> Payloads:
    return whitebit() | {"summary": whitebit()["summary"] | summary}


def test_the_fractions_agree_with_the_liquidation_price() -> None:
    snapshot = parsed(whitebit())
    [pool] = snapshot.pools
    assert snapshot.warnings == ()
    assert pool.equity == D(11000)
    assert gap(pool.margin_ratio, D("0.025") * 31000 / 11000) < D("1e-9")
    assert pool.positions[0].mark_price == D(62000)


def test_equity_of_the_documented_summary(corpus: Corpus) -> None:
    told = {"positions": whitebit()["positions"], "summary": corpus("whitebit/collateral-summary__jkorf.json")}
    snapshot = parsed(told)
    [pool] = snapshot.pools
    assert pool.equity == D("129681.3285348840110099") + D("456.58349")
    assert pool.reported_ratio == D("1.2446758120916304") / D("6.2446758120916304")
    assert not any("equity" in warning for warning in snapshot.warnings)  # its parts give the same


def test_funding_that_is_due_is_taken_off() -> None:
    snapshot = parsed(changed(unrealizedFunding="400", freeMargin="9050"))
    assert snapshot.pools[0].equity == D(10600)
    assert not any("equity" in warning for warning in snapshot.warnings)


def test_without_a_summary_the_position_tells_what_is_free() -> None:
    snapshot = parsed(whitebit() | {"summary": None})
    [pool] = snapshot.pools
    assert pool.equity == D(11000)
    assert gap(pool.maintenance_margin, D(775)) < D("1e-6")  # from its liquidation price: 2.5 % of 31,000
    told = whitebit() | {"summary": None}
    told["positions"][0]["liquidationPrice"] = None
    assert parsed(told).pools[0].maintenance_margin == D(1550)
    assert any("held for the positions" in warning for warning in parsed(told).warnings)


@pytest.mark.parametrize(
    ("summary", "state", "word"),
    [
        pytest.param({"freeMargin": "-2000", "equity": "-1450"}, PoolState.DEFICIT, "missing", id="deficit"),
        pytest.param({"freeMargin": "", "equity": ""}, PoolState.UNKNOWN, "unknown", id="no equity"),
        pytest.param({"equity": "9000"}, PoolState.OK, "the smaller counts", id="its parts say less"),
        pytest.param({"marginFraction": "0"}, PoolState.OK, "missing or impossible", id="no margin fraction"),
        pytest.param({"maintenanceMarginFraction": "0.1"}, PoolState.OK, "the worse one counts", id="a worse ratio"),
    ],
)
def test_edges(summary: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(changed(**summary))
    assert snapshot.pools[0].state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_no_position_is_flat_and_names_are_taken_apart() -> None:
    assert parsed(whitebit() | {"positions": []}).state is PoolState.FLAT
    told = whitebit()
    told["positions"].append(told["positions"][0] | {"market": "ETH_BTC"})
    told["positions"][1]["liquidationState"] = "margin_call"
    snapshot = VENUE.parse(told, NOTHING, NOW)
    assert [p.symbol for p in snapshot.pools[0].positions] == ["BTC/USDT:USDT", "ETH/BTC:BTC"]
    assert "ETH/BTC:BTC: WhiteBIT reports margin_call" in snapshot.warnings


@pytest.mark.parametrize("positions", [None, {}, [{"market": "BTC_PERP", "amount": None}]])
def test_an_answer_without_what_carries_risk_is_refused(positions: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(whitebit() | {"positions": positions})


class Whitebit(LoopbackServer):
    """Answers, or refuses with a code."""

    refusal: dict[str, Any] | None = None

    def routes(self) -> Routes:
        told = whitebit()
        root = "/api/v4/collateral-account"
        return {
            ("POST", f"{root}/positions/open"): lambda _: self.answer(told["positions"]),
            ("POST", f"{root}/summary"): lambda _: self.answer(told["summary"]),
        }

    def answer(self, told: Any) -> Any:
        return told if self.refusal is None else Reply(self.refusal, 401)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (10, "Unauthorized request.", KeyRefused),
        (4, "This API Key is not authorized to perform this action.", NoPermission),
        (2, "This action is unauthorized. Enable your key in API settings", NoPermission),
    ],
)
async def test_errors_say_what_to_do(code: int, text: str, expected: type[ReadingError]) -> None:
    async with reading("whitebit", server := Whitebit(wall_clock_ms)) as reader:
        assert (await reader.read("whitebit", Credential("alice", "secret"), clock())).state is PoolState.OK
        asked = [call for call in server.requests if call.path.startswith("/api/v4/collateral-account")]
        server.refusal = {"code": code, "message": text}
        with pytest.raises(expected):
            await reader.read("whitebit", Credential("alice", "secret"), clock())
    payloads = [json.loads(base64.b64decode(call.headers["x-txc-payload"])) for call in asked]
    # Copies of one client do not know each other's numbers, so the venue is asked to take them by time.
    assert [payload["nonceWindow"] for payload in payloads] == [True, True]
