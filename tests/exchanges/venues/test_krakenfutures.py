"""Kraken Futures: the wallets' own amounts, checked by the margin levels of their positions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.krakenfutures import VENUE, parse, parse_tiers
from tests.exchanges.venues.kit import NOTHING, NOW, Path_, gap, judged, looks_calmer, number_paths, pool_named, spoiled

D = Decimal
MARKETS = {
    "PF_XBTUSD": Instrument(symbol="BTC/USD:USD", underlying="BTC", settle="USD", contract_size=D(1)),
    "PI_XBTUSD": Instrument(symbol="BTC/USD:BTC", underlying="BTC", settle="BTC", contract_size=D(1), is_inverse=True),
}
LEVELS = (LeverageTier(D(0), D(500_000), D("0.01")), LeverageTier(D(500_000), None, D("0.02")))
REFERENCE = Reference(instruments=MARKETS, tiers={"BTC/USD:USD": LEVELS, "BTC/USD:BTC": LEVELS})


def row(symbol: str, side: str, size: str, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "side": side, "size": size, "price": "50000", **more}


LONG, SHORT = row("PF_XBTUSD", "long", "2"), row("PF_XBTUSD", "short", "1")
COIN = row("PI_XBTUSD", "long", "100000")


def told(
    *positions: dict[str, Any], equity: str = "10000", needed: str = "1000", pv: str = "0.5", mm: str = "0.02"
) -> Payloads:
    """A multi-collateral wallet of 4,000 dollars and bitcoin worth 6,000 after haircut, and one in bitcoin."""
    flex = {
        "type": "multiCollateralMarginAccount",
        "currencies": {
            "USD": {"quantity": "4000", "value": "4000", "collateralValue": "4000"},
            "XBT": {"quantity": "0.126", "value": "6300", "collateralValue": "6000"},
        },
        "collateralValue": "10000",
        "totalUnrealizedAsMargin": str(D(equity) - 10000),
        "marginEquity": equity,
        "maintenanceMargin": needed,
    }
    single = {
        "type": "marginAccount",
        "currency": "xbt",
        "balances": {"xbt": pv},
        "auxiliary": {"pv": pv, "pnl": "0"},
        "marginRequirements": {"mm": mm, "lt": "0.01"},
        "triggerEstimates": {"mm": "31000"},
    }
    tickers = [{"symbol": name, "markPrice": "50000"} for name in MARKETS]
    return {
        "accounts": {"accounts": {"flex": flex, "fi_xbtusd": single, "cash": {"type": "cashAccount"}}},
        "positions": {"openPositions": list(positions)},
        "tickers": {"tickers": tickers},
    }


def read(payloads: Payloads) -> Snapshot:
    return parse(payloads, REFERENCE, NOW)


def test_the_multi_collateral_wallet() -> None:
    found = read(told(LONG, mm="0"))
    pool = pool_named(found, "cross")
    # Two bitcoin at 50,000 in the first level: 1 % of 100,000.
    assert (pool.equity, pool.maintenance_margin, pool.reported_ratio) == (D(10000), D(1000), D("0.1"))
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D(6000))]
    assert (found.mode, found.warnings) == ("multi-collateral", ())


def test_a_single_collateral_wallet_is_a_pool_in_its_coin() -> None:
    pool = pool_named(read(told(COIN, needed="0")), "fi_xbtusd")
    # 100,000 dollars at 50,000 are 2 BTC, 1 % of them is needed.
    assert (pool.currency, pool.equity, pool.maintenance_margin) == ("BTC", D("0.5"), D("0.02"))
    assert pool.positions[0].liquidation_price == D(31000)
    assert (pool.positions[0].tiers[0].cap, pool.positions[0].tiers[1].floor) == (D(10), D(10))


def test_longs_and_shorts_of_an_underlying_are_netted_in_our_figure() -> None:
    pool = pool_named(read(told(LONG, SHORT)), "cross")
    assert pool.maintenance_margin == D(1000)
    assert pool_named(read(told(LONG, SHORT, needed="900")), "cross").maintenance_margin == D(1000)


def test_an_isolated_position_is_an_estimate_and_says_so() -> None:
    found = read(told(row("PF_XBTUSD", "long", "2", maxFixedLeverage="5", price="48000"), needed="0"))
    pool = pool_named(found, "isolated:BTC/USD:USD:long")
    # 96,000 at entry over 5, and 4,000 of profit.
    assert (pool.equity, pool.maintenance_margin) == (D(23200), D(1000))
    assert any("does not tell the margin" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param(told(needed="0", mm="0"), PoolState.FLAT, id="nothing held"),
        pytest.param(told(LONG, needed="0", mm="0"), PoolState.OK, id="no requirement told: ours counts"),
        pytest.param(told(LONG, equity="0"), PoolState.DEFICIT, id="equity gone"),
        pytest.param(told(LONG, equity="-50"), PoolState.DEFICIT, id="equity negative"),
        pytest.param(told(row("PF_DOGEUSD", "long", "5"), needed="0", mm="0"), PoolState.UNKNOWN, id="no levels"),
    ],
)
def test_states(payloads: Payloads, state: PoolState) -> None:
    assert read(payloads).state is state


@pytest.mark.parametrize("missing", ["tickers", "marginEquity", "flex"])
def test_what_is_missing_is_named(missing: str) -> None:
    payloads = told(LONG, mm="0")
    if missing == "tickers":
        payloads["tickers"] = None
    elif missing == "flex":
        del payloads["accounts"]["accounts"]["flex"]
    else:
        del payloads["accounts"]["accounts"]["flex"][missing]
    assert read(payloads).warnings


@pytest.mark.parametrize(
    "positions", [None, {}, {"openPositions": [{"symbol": "PF_XBTUSD", "side": "both", "size": "1"}]}]
)
def test_a_list_that_is_not_there_is_an_error(positions: Any) -> None:
    with pytest.raises(BadPayload):
        read({**told(), "positions": positions})


def test_a_contract_that_only_the_wallet_shows_is_not_lost() -> None:
    payloads = told(needed="0")
    payloads["accounts"]["accounts"]["fi_xbtusd"]["balances"]["PI_XBTUSD"] = "-3000"
    found = read(payloads)
    assert [(p.side, p.contracts) for p in pool_named(found, "fi_xbtusd").positions] == [("short", D(3000))]


def test_the_documented_wallets(corpus: Callable[[str], Any]) -> None:
    payloads = {
        "accounts": corpus("krakenfutures/accounts__jkorf.json"),
        "positions": {"openPositions": []},
        "tickers": corpus("krakenfutures/tickers__nautilus.json"),
    }
    pool = pool_named(parse(payloads, NOTHING, NOW), "fi_xbtusd")
    assert pool.equity == D("153.73891563")
    assert gap(pool.margin_ratio, D("23.76") / D("153.73891563")) < D("1e-9")
    assert len(pool.positions) == 2


def test_margin_levels(corpus: Callable[[str], Any]) -> None:
    tiers = parse_tiers(corpus("krakenfutures/instruments__nautilus.json"), MARKETS)
    assert tiers["BTC/USD:BTC"] == LEVELS


SOUND = {"multi": told(LONG, SHORT, mm="0"), "single": told(COIN, needed="0")}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name} {'.'.join(map(str, path[-3:]))}")
        for name, payloads in SOUND.items()
        for path in number_paths(payloads)
    ],
)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str, path: Path_) -> None:
    before = judged(read(SOUND[name]))
    for how, changed in spoiled(SOUND[name], path):
        assert looks_calmer(before, VENUE, changed, REFERENCE) is None, how


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_larger_book_is_never_calmer(size: int, more: int) -> None:
    small = read(told(row("PF_XBTUSD", "long", str(size)), needed="1", mm="0")).margin_ratio
    large = read(told(row("PF_XBTUSD", "long", str(size + more)), needed="1", mm="0")).margin_ratio
    assert small is not None
    assert large is not None
    assert small < large
