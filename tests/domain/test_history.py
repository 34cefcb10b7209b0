"""Folding history: the worst and the best are kept, and how long nothing was seen."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.grading import Grade
from marginbot.domain.history import Point, folded, points_of, span_start
from tests.bot.builders import UNKNOWN, pool, position, report
from tests.builders import T0

SECOND = timedelta(seconds=1)
PATIENCE = timedelta(minutes=3)
SIZE = timedelta(minutes=5)


def point(second: float, ratio: float | None = 0.2, cushion: float | None = 9.0, **changed: object) -> Point:
    at = T0 + second * SECOND
    values = {
        "at": at,
        "until": at,
        "grade": Grade.OK,
        "ratio_low": ratio,
        "ratio_high": ratio,
        "cushion_low": cushion,
        "cushion_high": cushion,
    }
    return Point(**{**values, **changed})  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 2), st.floats(0, 100)), min_size=1, max_size=60),
    st.sampled_from([10, 60, 300, 3600]),
)
def test_no_spike_is_ever_averaged_away(steps: list[tuple[int, float, float]], size: int) -> None:
    second, points = 0, []
    for step, ratio, cushion in steps:
        second += step
        points.append(point(second, ratio, cushion))
    whole = folded(folded(points, size * SECOND, PATIENCE), 4 * size * SECOND, PATIENCE)
    assert max(p.ratio_high or 0 for p in whole) == max(ratio for _, ratio, _ in steps)
    assert min(p.cushion_low or 0 for p in whole) == min(cushion for *_, cushion in steps)
    assert (whole[0].at, whole[-1].until) == (points[0].at, points[-1].until)
    assert all(span_start(p.at, 4 * size * SECOND) <= p.until for p in whole)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40))
def test_every_long_pause_is_found_again(steps: list[int]) -> None:
    seconds = [sum(steps[:n]) for n in range(len(steps) + 1)]
    whole = folded([point(s) for s in seconds], SIZE, PATIENCE)
    between = [b.at - a.until for a, b in pairwise(whole)]
    found = max([*between, *(p.unseen for p in whole)], default=timedelta(0))
    longest = max(steps) * SECOND
    assert found == longest if longest > PATIENCE else found <= PATIENCE


def test_what_could_not_be_judged_is_a_pause() -> None:
    unknown = [point(second, None, None, grade=None) for second in range(10, 250, 10)]
    [whole] = folded([point(0), *unknown, point(250)], SIZE, PATIENCE)
    assert (whole.unseen, whole.grade) == (250 * SECOND, Grade.OK)
    [blind] = folded(unknown, SIZE, PATIENCE)
    assert (blind.grade, blind.ratio_high, blind.until) == (None, None, unknown[-1].until)


def test_the_nearest_liquidation_price_and_the_last_position_count() -> None:
    far = point(0, symbol="A", mark_low=100.0, mark_high=100.0, liquidation=50.0, equity=5.0, equity_low=5.0)
    near = point(1, symbol="B", mark_low=100.0, mark_high=100.0, liquidation=90.0, equity=3.0, equity_low=3.0)
    last = point(2, symbol="B", mark_low=110.0, mark_high=110.0, liquidation=60.0, equity=9.0, equity_low=9.0)
    [whole] = folded([far, near, last], SIZE, PATIENCE)
    assert (whole.symbol, whole.mark_low, whole.mark_high, whole.liquidation) == ("B", 100.0, 110.0, 90.0)
    assert (whole.equity_low, whole.equity) == (3.0, 9.0)


def test_a_report_becomes_a_point_a_pool() -> None:
    small = position(symbol="ETH/USDT:USDT", notional=None)
    found = {p.name: point for p, point in points_of(report(pool(), UNKNOWN, positions=(small, position())))}
    seen, unknown = found["cross:USDT"], found[UNKNOWN.name]
    assert (seen.symbol, seen.mark_low, seen.liquidation) == ("BTC/USDT:USDT long", 96422.0, 92380.5)
    assert (unknown.grade, unknown.ratio_high, unknown.symbol) == (None, None, None)


@pytest.mark.parametrize("size", [timedelta(minutes=5), timedelta(hours=6)])
def test_spans_begin_at_round_times(size: timedelta) -> None:
    start = span_start(T0, size)
    assert start <= T0 < start + size
    assert span_start(start, size) == start
