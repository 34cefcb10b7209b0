"""Replays: the path inside a bar, breaches on the path, grades at readings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from marginbot.domain.grading import Grade
from marginbot.sim.replay import Outcome, run
from marginbot.sim.spec import load, read_prices
from tests.sim.specs import MINUTE, START, STEP, Ohlc, csv_text, flat, portfolio, spec


def replayed(folder: Path, bars: Any, *portfolios: dict[str, Any], **changes: Any) -> list[Outcome]:
    return run(load(spec(folder, bars, *portfolios, **changes)))


def seconds(outcome: Outcome) -> float | None:
    return None if outcome.breach_at is None else (outcome.breach_at - START) / 1000


# --- the path -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "path"),
    [
        pytest.param((100, 110, 90, 105), (100, 90, 110, 105), id="closes up: low first"),
        pytest.param((100, 110, 90, 95), (100, 110, 90, 95), id="closes down: high first"),
        pytest.param((100, 110, 90, 100), (100, 90, 110, 100), id="closes where it opened: as up"),
    ],
)
def test_the_path_inside_a_bar_in_four_equal_steps(tmp_path: Path, bar: Ohlc, path: Ohlc) -> None:
    file = tmp_path / "BTC.csv"
    file.write_text(csv_text([bar, flat(200)]), encoding="utf-8")
    history = read_prices(file)
    assert tuple(history.price_at(START + n * STEP) for n in range(4)) == path
    assert tuple(history.price_at(START + (n + 1) * STEP - 1) for n in range(4)) == path
    assert history.price_at(START + MINUTE) == 200
    assert history.price_at(START - 1) == bar[0], "before the first bar: its open"
    assert history.price_at(START + 99 * MINUTE) == 200, "after the last bar: its close"


@pytest.mark.parametrize(
    ("bar", "second"),
    [
        pytest.param((85, 100, 85, 100), 60, id="at the open"),
        pytest.param((100, 101, 85, 100), 75, id="at the low, which comes second"),
        pytest.param((100, 101, 85, 99), 90, id="at the low, which comes third"),
        pytest.param((100, 101, 85, 85), 90, id="the low is reached before the close"),
    ],
)
def test_a_breach_is_found_at_its_step_even_between_readings(tmp_path: Path, bar: Ohlc, second: float) -> None:
    """Readings are an hour apart here: the breach does not wait for one."""
    [outcome] = replayed(tmp_path, [flat(100), bar, flat(100)], poll_interval=3600)
    assert seconds(outcome) == second


def test_a_short_is_breached_by_the_high(tmp_path: Path) -> None:
    short = portfolio(positions=[{"asset": "BTC", "side": "short", "leverage": 10}])
    [outcome] = replayed(tmp_path, [flat(100), (100, 115, 99, 101)], short)
    assert seconds(outcome) == 90


@pytest.mark.parametrize(("price", "breached"), [(90.4523, False), (90.4522, True)])
def test_the_breach_is_where_equity_meets_the_requirement(tmp_path: Path, price: float, breached: bool) -> None:
    """10x, 0.5 %: 10 - (100 - p) = 0.005 p, that is p = 90.45226."""
    [outcome] = replayed(tmp_path, [flat(100), flat(price)])
    assert (outcome.breach_at is not None) is breached


def test_the_position_opens_at_the_first_price_from_the_start_on(tmp_path: Path) -> None:
    """Half the price before the start is no profit: only what comes after counts."""
    bars = [flat(50)] * 60 + [flat(100)] * 10 + [flat(91)] * 10 + [flat(90)] * 10
    [outcome] = replayed(tmp_path, bars, start="2021-05-19T01:00:00Z")
    assert seconds(outcome) == 80 * 60


def test_survived_is_null(tmp_path: Path) -> None:
    [outcome] = replayed(tmp_path, [flat(100)] * 120)
    assert outcome.as_json() == {
        "name": "10x long",
        "breach_at": None,
        "first": dict.fromkeys(["NOTICE", "WARNING", "CRITICAL", "EMERGENCY"]),
        "lead_minutes": dict.fromkeys(["NOTICE", "WARNING", "CRITICAL", "EMERGENCY"]),
        "raises": dict.fromkeys(["NOTICE", "WARNING", "CRITICAL", "EMERGENCY"], 0),
    }


# --- grades and leads -----------------------------------------------------------------------------

RUNGS = ["NOTICE", "WARNING", "CRITICAL", "EMERGENCY"]


def slope(start: float, end: float) -> list[Ohlc]:
    """A tenth of a dollar a minute: with fewer than two hours of bars an hourly move of 1 % is assumed."""
    count, sign = round(abs(end - start) * 10), 1 if end > start else -1
    return [flat(round(start + sign * n / 10, 1)) for n in range(count + 1)]


def test_each_grade_is_announced_at_the_first_reading_that_deserves_it(tmp_path: Path) -> None:
    """The trigger is at 90.4523; an ordinary hour is 1 %, or 0.8 of the fall from the last hour's high."""
    [outcome] = replayed(tmp_path, slope(100, 90))
    assert outcome.as_json() == {
        "name": "10x long",
        "breach_at": "2021-05-19T01:36:00Z",
        "first": dict(zip(RUNGS, [f"2021-05-19T{t}:00Z" for t in ("00:16", "00:21", "00:33", "00:49")], strict=True)),
        "lead_minutes": dict(zip(RUNGS, [80.0, 75.0, 63.0, 47.0], strict=True)),
        "raises": dict.fromkeys(RUNGS, 1),
    }


def test_grades_are_taken_only_at_readings(tmp_path: Path) -> None:
    [outcome] = replayed(tmp_path, slope(100, 90), poll_interval=3600)
    assert outcome.as_json()["first"] == dict.fromkeys(RUNGS, "2021-05-19T01:00:00Z")
    assert outcome.as_json()["raises"] == {"NOTICE": 0, "WARNING": 0, "CRITICAL": 0, "EMERGENCY": 1}


def test_a_jump_counts_as_every_grade_it_passes_but_is_one_announcement(tmp_path: Path) -> None:
    [outcome] = replayed(tmp_path, [flat(100), flat(91), flat(90)])
    assert outcome.as_json()["lead_minutes"] == dict.fromkeys(RUNGS, 1.0)
    assert outcome.as_json()["raises"] == {"NOTICE": 0, "WARNING": 0, "CRITICAL": 0, "EMERGENCY": 1}


def test_only_the_last_climb_counts_as_lead_while_every_rise_is_counted(tmp_path: Path) -> None:
    there_and_back = [*slope(100, 94), *slope(94, 100)]
    [outcome] = replayed(tmp_path, [*there_and_back, *slope(100, 90)], end="2021-05-19T05:00:00Z")
    back_at = START + len(there_and_back) * MINUTE
    assert outcome.breach_at is not None
    assert outcome.raises[Grade.NOTICE] == 2
    first = outcome.first[Grade.NOTICE]
    assert first is not None
    assert back_at < first < outcome.breach_at


def test_a_bar_not_yet_closed_is_not_known_to_the_estimate(tmp_path: Path) -> None:
    """Its range would turn the calm reading at its open into an alarm."""
    bars = [*[flat(100)] * 150, (100, 105, 95, 101)]
    [outcome] = replayed(tmp_path, bars, poll_interval=9000, end="2021-05-19T02:30:10Z")
    assert sum(outcome.raises.values()) == 0


def test_a_breach_without_any_warning_has_no_lead(tmp_path: Path) -> None:
    [outcome] = replayed(tmp_path, [flat(100), flat(90)])
    assert outcome.breach_at == START + MINUTE
    assert outcome.as_json()["lead_minutes"] == dict.fromkeys(RUNGS)


# --- several positions ----------------------------------------------------------------------------

BOTH = [{"asset": "BTC", "side": "long", "leverage": 10}, {"asset": "ETH", "side": "long", "leverage": 10}]


@pytest.mark.parametrize(
    ("mode", "trigger"),
    [
        pytest.param("cross", 90.954, id="one equity behind both: 20x in all, the idle one needs margin too"),
        pytest.param("isolated", 90.452, id="half the equity behind each"),
    ],
)
def test_cross_positions_share_the_equity_and_isolated_ones_split_it(tmp_path: Path, mode: str, trigger: float) -> None:
    held = portfolio(margin_mode=mode, positions=BOTH)
    for price, breached in ((trigger + 0.001, False), (trigger, True)):
        [outcome] = replayed(tmp_path, {"BTC": [flat(100), flat(price)], "ETH": [flat(10)] * 2}, held)
        assert (outcome.breach_at is not None) is breached


def test_only_the_breached_pool_s_warnings_are_its_lead(tmp_path: Path) -> None:
    """Ether hovers in danger for an hour and survives; bitcoin breaches out of the blue."""
    ether = [*[flat(100)] * 2, *[flat(93)] * 62]
    bitcoin = [*[flat(100)] * 61, flat(91), flat(90)]
    held = portfolio(margin_mode="isolated", positions=BOTH)
    [outcome] = replayed(tmp_path, {"BTC": bitcoin, "ETH": ether}, held)
    assert seconds(outcome) == 62 * 60
    assert outcome.as_json()["lead_minutes"] == dict.fromkeys(RUNGS, 1.0)


def test_a_position_may_have_its_own_notional(tmp_path: Path) -> None:
    """50 000 on 10 000 is 5x whatever leverage says: 10 000 - 500 (100 - p) = 2.5 p, that is p = 80.402."""
    own = portfolio(positions=[{"asset": "BTC", "side": "long", "leverage": 10, "notional": 50_000}])
    for price, breached in ((80.403, False), (80.402, True)):
        [outcome] = replayed(tmp_path, [flat(100), flat(price)], own)
        assert (outcome.breach_at is not None) is breached


def test_portfolios_do_not_touch_each_other(tmp_path: Path) -> None:
    safe, risky = portfolio(name="3x", positions=[{"asset": "BTC", "side": "long", "leverage": 3}]), portfolio()
    prices = [*slope(100, 94), *slope(94, 100), *slope(100, 92), flat(90), flat(97)]
    together = replayed(tmp_path, prices, risky, safe, risky, end="2021-05-19T05:00:00Z")
    [alone] = replayed(tmp_path, prices, risky, end="2021-05-19T05:00:00Z")
    assert alone.breach_at is not None
    assert together[0].as_json() == together[2].as_json() == alone.as_json()
    assert together[1].breach_at is None


# --- history --------------------------------------------------------------------------------------


def test_the_crash_of_may_2021_is_warned_of_in_time(tmp_path: Path) -> None:
    """The breach is found by a computation of its own; the grades came long enough before it."""
    corpus = os.environ.get("MARGINBOT_CORPUS")
    if not corpus:
        pytest.skip("set MARGINBOT_CORPUS to the folder that holds history/BTCUSDT-2021-05-19.csv.gz")
    prices = Path(corpus) / "history" / "BTCUSDT-2021-05-19.csv.gz"
    file = spec(tmp_path, [flat(1)], prices={"BTC": str(prices)}, end="2021-05-20T00:00:00Z")
    [outcome] = run(load(file))
    bars = [bar for bar in read_prices(prices).bars if bar.opened_at >= START]
    trigger = bars[0].open * (1 - 0.1) / (1 - 0.005)
    low = next(bar for bar in bars if bar.low <= trigger)
    path = (
        (low.open, low.low, low.high, low.close) if low.close >= low.open else (low.open, low.high, low.low, low.close)
    )
    expected = low.opened_at + STEP * next(n for n, price in enumerate(path) if price <= trigger)
    assert outcome.breach_at == expected
    leads = [outcome.lead_minutes(grade) for grade in (Grade.NOTICE, Grade.WARNING, Grade.CRITICAL)]
    assert all(lead is not None and lead >= 3 for lead in leads)
    assert outcome.raises[Grade.CRITICAL] <= 5
