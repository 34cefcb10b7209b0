"""Figures that make one another."""

from __future__ import annotations

from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest

from marginbot.domain.errors import BadPayload, KeyRefused, ReadingError, VenueDown
from marginbot.domain.implied import proportional
from marginbot.domain.margin import MarginMode, Pool, Position, Side
from marginbot.exchanges.assembly import check_profit, larger, mark_of, name_of, smaller, unless_absent, weighed

D = Decimal


async def failing(error: ReadingError | None) -> Any:
    if error is not None:
        raise error
    return {"told": 1}


@pytest.mark.parametrize(
    ("error", "absent"),
    [
        pytest.param(VenueDown("woo: ExchangeNotAvailable HTTP 404"), True, id="no such endpoint"),
        pytest.param(BadPayload("lighter: ExchangeError code 404: gone"), True, id="no such endpoint, in the body"),
        pytest.param(VenueDown("woo: ExchangeNotAvailable HTTP 503"), False, id="an outage"),
        pytest.param(VenueDown("woo: took 14040 ms"), False, id="a number that only holds it"),
        pytest.param(KeyRefused("dydx: ExchangeNotAvailable HTTP 404"), False, id="no such account"),
    ],
)
async def test_only_what_is_not_there_counts_as_absent(error: ReadingError, absent: bool) -> None:
    request: Awaitable[Any] = unless_absent(failing(error))
    if absent:
        assert await request is None
    else:
        with pytest.raises(type(error)):
            await request
    assert await unless_absent(failing(None)) == {"told": 1}


@pytest.mark.parametrize(
    ("told", "own", "less", "more", "word"),
    [
        pytest.param("100", "101", "100", "100", "", id="within rounding the venue's counts"),
        pytest.param("100", "110", "100", "110", "parts come to", id="the worse one counts"),
        pytest.param(None, "110", "110", "110", "unchecked", id="one is missing"),
        pytest.param(None, None, None, None, "unknown", id="both are missing"),
        pytest.param("-5", "110", "-5", "110", "", id="below zero: real for equity, none for a requirement"),
    ],
)
def test_of_two_figures(told: str | None, own: str | None, less: str | None, more: str | None, word: str) -> None:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else D(text)

    warnings: list[str] = []
    assert smaller("what", number(told), number(own), warnings) == number(less)
    assert larger("what", number(told), number(own), warnings) == number(more)
    assert any(word in warning for warning in warnings) if word else (not warnings or told == "-5")


def position(**changes: Any) -> Position:
    usual = {"notional": D(31000), "entry_price": D(60000), "mark_price": D(62000), "unrealized_pnl": D(1000)}
    told: dict[str, Any] = usual | changes
    return Position(symbol="BTC/USDT:USDT", underlying="BTC", side=Side.LONG, contracts=D("0.5"), **told)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="it follows"),
        pytest.param({"unrealized_pnl": D(1100)}, True, id="prices of another moment"),
        pytest.param({"unrealized_pnl": D(-1000)}, False, id="of the other side"),
        pytest.param({"unrealized_pnl": D(10000)}, False, id="of a larger position"),
        pytest.param({"unrealized_pnl": None}, False, id="not told"),
        pytest.param({"mark_price": None}, False, id="no price"),
    ],
)
def test_profit_follows_from_side_value_and_prices(changes: dict[str, Any], fits: bool) -> None:
    warnings: list[str] = []
    check_profit(position(**changes), warnings)
    assert (not warnings) is fits


@pytest.mark.parametrize(
    ("equity", "liquidation", "found", "ratio"),
    [
        # 1 % of 28,000 at 56,000 and 3,000 of loss until there: 3,280 for a requirement of 310.
        pytest.param("3280", "56000", "3280", "0.0945", id="they agree"),
        pytest.param("9999", "56000", "9999", "0.0945", id="the ratio is kept beside the told equity"),
        pytest.param(None, "56000", "3280", None, id="only the price is told"),
        pytest.param("3280", None, "3280", None, id="no price"),
        pytest.param("3280", "63000", "-185", None, id="the trigger was passed"),
    ],
)
def test_what_a_liquidation_price_says(
    equity: str | None, liquidation: str | None, found: str, ratio: str | None
) -> None:
    end = None if liquidation is None else D(liquidation)
    held = position(liquidation_price=end)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=None if equity is None else D(equity),
        maintenance_margin=D(310),
        positions=(held,),
    )
    told = weighed(pool, proportional(D("0.01")), [])
    assert told.equity is not None
    assert abs(told.equity - D(found)) < D("0.001")
    assert (told.reported_ratio is None) is (ratio is None)
    if ratio is not None and told.reported_ratio is not None:
        assert abs(told.reported_ratio - D(ratio)) < D("0.0001")
    two = Pool(name="cross", margin_mode=MarginMode.CROSS, currency="USDT", equity=D(1), maintenance_margin=D(310))
    assert weighed(two, proportional(D("0.01")), []) is two


def test_names_and_marks() -> None:
    assert name_of({"symbol": "BTC"}, "symbol") == "BTC"
    with pytest.raises(BadPayload, match="symbol is missing"):
        name_of({"symbol": ""}, "symbol")
    assert mark_of(1, D("0.5"), D(60000), D(1000)) == D(62000)
    assert mark_of(-1, D("0.5"), D(60000), D(-1000)) == D(62000)
    assert mark_of(1, D("0.5"), D(60000), D(-30000)) is None
    assert mark_of(1, D("0.5"), D(60000), None) is None
