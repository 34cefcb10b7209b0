"""WOO X: account and positions in, pools out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, ReadingError
from marginbot.domain.margin import PoolState, Side, Snapshot
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.woo import VENUE
from marginbot.flow.ports import Credential
from tests.exchanges.venues.dex_markets import WOO
from tests.exchanges.venues.dex_payloads import woo, woo_row
from tests.exchanges.venues.kit import NOTHING, NOW, Corpus, clock, gap, pool_named, reading
from tests.servers.base import LoopbackServer, Reply, Routes, wall_clock_ms

D = Decimal


def parsed(payloads: Payloads) -> Snapshot:
    return VENUE.parse(payloads, WOO, NOW)


def changed(**account: Any) -> Payloads:
    return woo() | {"account": {"data": woo()["account"]["data"] | account}}


def holding(*rows: dict[str, Any], account: Any = None) -> Payloads:
    return woo() | {"positions": {"data": {"positions": list(rows)}}, "account": account}


def test_cross_and_isolated_pools() -> None:
    snapshot = parsed(woo())
    cross, isolated = pool_named(snapshot, "cross"), pool_named(snapshot, "isolated:SOL/USDT:USDT:long")
    assert cross.reported_ratio is not None
    assert gap(cross.reported_ratio, D("0.03") * 42600 / 11400) < D("1e-9")
    assert gap(cross.maintenance_margin, D("0.03") * 42600) < D("1e-9")
    # Margin of 300, loss of 50; 0.6 / 5 + 0.03 % of 1,450.
    assert (isolated.equity, isolated.maintenance_margin) == (D(250), D(1450) * D("0.1203"))
    assert isolated.reported_ratio is not None
    assert gap(isolated.margin_ratio, isolated.reported_ratio) < D("0.001")
    assert snapshot.mode == "futures"


def test_the_recorded_account_is_idle(corpus: Corpus) -> None:
    told = holding(account=corpus("woo/account__ccxtsrc.json"))
    told["balances"] = corpus("woo/balances__ccxtsrc-fetch_balance.json")
    snapshot = parsed(told)
    assert (snapshot.state, snapshot.pools[0].equity) == (PoolState.FLAT, D("165.55629469"))


def test_the_greatest_margin_ratio_is_no_ratio() -> None:
    told = changed(marginRatio="10", totalCollateral="11400")
    told["positions"]["data"]["positions"] = [woo_row("PERP_LTC_USDT", "0.1", "96.87", "96.83")]
    pool = pool_named(parsed(told), "cross")
    assert (pool.reported_ratio, pool.maintenance_margin) == (None, D("9.683") * D("0.03"))


def test_without_the_account_a_liquidation_price_tells() -> None:
    row = woo_row("PERP_BTC_USDT", "-0.5", "60000", "62000", estLiqPrice="64000")
    pool = pool_named(parsed(holding(row)), "cross")
    # 0.6 / 20 + 0.03 % of 32,000 there, and the loss of 1,000 until there.
    assert gap(pool.equity, D("0.0303") * 32000 + 1000) < D("1e-9")
    assert pool.positions[0].side is Side.SHORT
    assert parsed(holding(woo_row("PERP_BTC_USDT", "0.5", "60000", "62000"))).state is PoolState.UNKNOWN


@pytest.mark.parametrize(
    ("account", "state", "word"),
    [
        pytest.param({"totalCollateral": "-1"}, PoolState.DEFICIT, "missing or impossible", id="deficit"),
        pytest.param({"totalCollateral": None}, PoolState.UNKNOWN, "missing or impossible", id="no collateral"),
        pytest.param({"marginRatio": "0.1"}, PoolState.OK, "the worse one counts", id="a worse margin ratio"),
        pytest.param({"maintenanceMarginRatio": ""}, PoolState.UNKNOWN, "no usable", id="no maintenance ratio"),
    ],
)
def test_edges(account: dict[str, Any], state: PoolState, word: str) -> None:
    snapshot = parsed(changed(**account))
    assert pool_named(snapshot, "cross").state is state
    assert any(word in warning for warning in snapshot.warnings)


def test_a_borrowed_coin_is_a_debt() -> None:
    told = changed()
    told["balances"] = {"data": {"holding": [{"token": "BTC", "holding": -0.1}]}}
    pool = pool_named(parsed(told), "cross")
    assert (pool.has_debt, pool.state) == (True, PoolState.OK)
    told["positions"] = {"data": {"positions": []}}
    told["account"]["data"]["marginRatio"] = ""
    assert pool_named(parsed(told), "cross").state is PoolState.UNKNOWN


def test_an_isolated_margin_in_a_coin_is_not_judged_in_dollars() -> None:
    row = woo()["positions"]["data"]["positions"][2] | {"isolatedMarginToken": "BTC", "estLiqPrice": "0"}
    snapshot = parsed(holding(row))
    assert pool_named(snapshot, "isolated:SOL/USDT:USDT:long").state is PoolState.UNKNOWN
    assert any("its margin is in BTC" in warning for warning in snapshot.warnings)


def test_of_two_profits_the_worse_counts() -> None:
    row = woo()["positions"]["data"]["positions"][2] | {"settlePrice": "140", "estLiqPrice": "0"}
    snapshot = parsed(holding(row))
    assert pool_named(snapshot, "isolated:SOL/USDT:USDT:long").equity == D(250)  # 5 down since opening, 5 up since


def test_names_are_taken_apart_without_a_market_list() -> None:
    snapshot = VENUE.parse(woo(), NOTHING, NOW)
    assert [p.symbol for p in snapshot.pools[0].positions] == ["BTC/USDT:USDT", "ETH/USDT:USDT"]


@pytest.mark.parametrize(
    "positions", [None, {"data": None}, {"data": {"positions": [{"symbol": "PERP_BTC_USDT", "holding": None}]}}]
)
def test_an_answer_without_what_carries_risk_is_refused(positions: Any) -> None:
    with pytest.raises(BadPayload):
        parsed(woo() | {"positions": positions})


class Woo(LoopbackServer):
    """Answers, or refuses with a code."""

    code: int | None = None

    def routes(self) -> Routes:
        told = woo()
        return {
            ("GET", "/v3/account/info"): lambda _: self.answer(told["account"]),
            ("GET", "/v3/futures/positions"): lambda _: self.answer({"success": True, **told["positions"]}),
        }

    def answer(self, told: Any) -> Any:
        return told if self.code is None else Reply({"success": False, "code": self.code, "message": "told"}, 400)


@pytest.mark.parametrize(
    ("code", "expected", "word"),
    [(-1001, KeyRefused, "copied whole"), (-1002, KeyRefused, "may read"), (317179, ClockSkew, "clock")],
)
async def test_errors_say_what_to_do(code: int, expected: type[ReadingError], word: str) -> None:
    async with reading("woo", server := Woo(wall_clock_ms)) as reader:
        assert (await reader.read("woo", Credential("alice", "secret"), clock())).state is PoolState.OK
        server.code = code
        with pytest.raises(expected) as caught:
            await reader.read("woo", Credential("alice", "secret"), clock())
    assert word in caught.value.advice


def test_a_position_in_the_words_of_the_first_version() -> None:
    row = {
        "symbol": "PERP_ETH_USDT",
        "position_side": "BOTH",
        "leverage": 10,
        "margin_mode": "CROSS",
        "average_open_price": 3139.9,
        "isolated_margin_amount": 0.0,
        "isolated_margin_token": "",
        "mark_price": 3155.19169891,
        "holding": -0.7,
        "est_liq_price": 9107.40055552,
        "settle_price": 3151.0319904,
    }
    snapshot = parsed(holding(row))
    [position] = snapshot.pools[0].positions
    assert (position.side, position.mark_price) == (Side.SHORT, D("3155.19169891"))
    assert position.liquidation_price == D("9107.40055552")
    assert len(snapshot.warnings) == 2  # no account margin, equity by the liquidation price
