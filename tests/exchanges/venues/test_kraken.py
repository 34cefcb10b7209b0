"""Kraken spot margin: the margin level, and the same from equity and used margin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission, ReadingError
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.kraken import VENUE, coin, parse, parse_permissions
from marginbot.flow.ports import Credential
from tests.exchanges.venues.kit import NOTHING, NOW, Path_, clock, gap, judged, looks_calmer, number_paths, spoiled
from tests.servers.corpus import CorpusServer

D = Decimal


def row(pair: str = "XXBTZUSD", side: str = "buy", vol: str = "0.5", value: str | None = "25000") -> dict[str, Any]:
    margin = str(D(value or "0") / 5)
    return {
        "pair": pair,
        "type": side,
        "vol": vol,
        "vol_closed": "0",
        "cost": "24000",
        "margin": margin,
        "value": value,
    }


def told(*rows: dict[str, Any], tb: str = "3000", n: str = "1000", m: str = "5000", **coins: str) -> Payloads:
    equity = D(tb) + D(n)
    balance = {"eb": "3500", "tb": tb, "m": m, "n": n, "c": "24000", "v": "25000", "e": str(equity)}
    if D(m):
        balance["ml"] = str(equity / D(m) * 100)
    return {
        "balance": {"error": [], "result": balance},
        "positions": {"error": [], "result": {f"T{at}": row for at, row in enumerate(rows)}},
        "holdings": {"error": [], "result": {"ZUSD": "1000", **coins}},
    }


def read(payloads: Payloads) -> Snapshot:
    return parse(payloads, NOTHING, NOW)


def test_the_documented_margin_level() -> None:
    # 7,199.95 of equity on 9,000 of used margin are a level of 79.999 %, half way to 40 %.
    found = read(told(row(value="45000"), tb="7000", n="199.95", m="9000"))
    assert gap(found.pools[0].reported_ratio, D("40") / D("79.999")) < D("1e-5")
    assert gap(found.margin_ratio, D("0.5")) < D("1e-4")
    assert any("at its discretion" in warning for warning in found.warnings)


def test_coins_back_the_account_after_haircut() -> None:
    pool = read(told(row(), XXBT="0.05")).pools[0]
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D(2000))]
    assert (pool.equity, pool.maintenance_margin) == (D(4000), D(2000))
    position = pool.positions[0]
    assert (position.symbol, position.mark_price, position.entry_price) == ("BTC/USD", D(50000), D(48000))


def test_several_coins_are_taken_to_move_like_bitcoin_and_it_is_said() -> None:
    found = read(told(row(), XXBT="0.01", XETH="1"))
    assert found.pools[0].collateral[0].asset == "BTC"
    assert any("move like BTC" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param(told(m="0"), PoolState.FLAT, id="nothing in use"),
        pytest.param(told(m="100"), PoolState.OK, id="margin in use, nothing listed"),
        pytest.param(told(row(), n="-3000"), PoolState.DEFICIT, id="equity gone"),
        pytest.param(told(row(), n="-4000"), PoolState.DEFICIT, id="equity negative"),
        pytest.param(told(row(value=None), m="0"), PoolState.UNKNOWN, id="a position without used margin"),
    ],
)
def test_states(payloads: Payloads, state: PoolState) -> None:
    assert read(payloads).state is state


def test_a_position_in_another_currency_has_no_value_and_it_is_said() -> None:
    found = read(told(row("XETHXXBT", value="0.5")))
    assert found.pools[0].positions[0].notional is None
    assert any("value in dollars is not told" in warning for warning in found.warnings)


def test_merged_positions_are_read_too_and_closed_ones_are_not() -> None:
    payloads = told(row(), {**row(), "vol_closed": "0.5"})
    payloads["positions"]["result"] = list(payloads["positions"]["result"].values())
    assert len(read(payloads).pools[0].positions) == 1


@pytest.mark.parametrize("positions", [None, {"result": None}, {"result": ["x"]}, {"result": {"T": {"vol": "1"}}}])
def test_positions_that_make_no_sense(positions: Any) -> None:
    with pytest.raises(BadPayload):
        read({**told(), "positions": positions})


SOUND = told(row(), XXBT="0.05")


@pytest.mark.parametrize("path", [pytest.param(p, id=".".join(map(str, p[-3:]))) for p in number_paths(SOUND)])
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(path: Path_) -> None:
    for how, changed in spoiled(SOUND, path):
        assert looks_calmer(judged(read(SOUND)), VENUE, changed, NOTHING) is None, how


@given(st.integers(-2900, 5000), st.integers(1, 3000))
def test_the_ratio_rises_as_profit_falls(profit: int, more: int) -> None:
    worse, better = (read(told(row(), n=str(n))).margin_ratio for n in (profit, profit + more))
    assert worse is not None
    assert better is not None
    assert worse > better


@pytest.mark.parametrize(
    ("name", "common"),
    [("XXBT", "BTC"), ("ZUSD", "USD"), ("XBT.F", "BTC"), ("ETH", "ETH"), ("XXDG", "DOGE"), ("USDT", "USDT")],
)
def test_names_of_assets(name: str, common: str) -> None:
    assert coin(name) == common


@pytest.mark.parametrize(
    ("rights", "found"),
    [
        (["query-funds", "query-open-trades"], Verdict.NOT_VERIFIED),
        (["query-funds", "withdraw-funds"], Verdict.REFUSED),
        (["query-funds", "modify-trades"], Verdict.NEEDS_CONSENT),
        ([], Verdict.NOT_VERIFIED),
    ],
)
def test_rights(rights: list[str], found: Verdict) -> None:
    assert verdict(parse_permissions({"result": {"permissions": rights}})) is found


@pytest.mark.parametrize(
    ("words", "error", "advice"),
    [
        ("EAPI:Invalid key", KeyRefused, "does not know this key"),
        ("EAPI:Invalid signature", KeyRefused, "signature is wrong"),
        ("EGeneral:Permission denied", NoPermission, "Query open orders"),
    ],
)
async def test_a_refusal_says_what_to_do(words: str, error: type[ReadingError], advice: str) -> None:
    paths = ("TradeBalance", "OpenPositions", "Balance")
    answers = {f"/0/private/{path}": {"error": [words]} for path in paths}
    async with CorpusServer([], answers) as server:
        reader = CcxtReader({"kraken": server.url})
        try:
            with pytest.raises(error) as caught:
                await reader.read("kraken", Credential("k" * 56, "c2VjcmV0" * 10), clock())
        finally:
            await reader.close()
    assert advice in caught.value.advice


async def test_through_the_real_client() -> None:
    payloads = told(row("ETHUSDT", value="25000", vol="10"), XETH="1")
    names = {"TradeBalance": "balance", "OpenPositions": "positions", "Balance": "holdings"}
    answers = {f"/0/private/{path}": payloads[name] for path, name in names.items()}
    async with CorpusServer([], answers) as server:
        reader = CcxtReader({"kraken": server.url})
        try:
            found = await reader.read("kraken", Credential("k" * 56, "c2VjcmV0" * 10), clock())
        finally:
            await reader.close()
    assert found.pools[0].positions[0].symbol == "ETH/USDT"
    assert found.margin_ratio == D("0.5")
