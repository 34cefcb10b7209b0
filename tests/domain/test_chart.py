"""What a chart shows: the worst of all pools, and nothing where nothing was seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.alerting import Reason
from marginbot.domain.chart import Frame, Gap, combined, cushion_line, gaps, marks, price_lines, ratio_line
from marginbot.domain.grading import Grade
from tests.builders import T0
from tests.domain.test_history import SECOND, point
from tests.domain.test_record import telling

MINUTE = timedelta(minutes=1)
FRAME = Frame(since=T0, until=T0 + timedelta(hours=8), patience=3 * MINUTE)  # a column a minute


def at(minute: float) -> datetime:
    return T0 + minute * MINUTE


def test_the_worst_of_all_pools_counts() -> None:
    calm, bad = [point(0, 0.1, 20.0)], [point(1, 0.7, 3.0, grade=Grade.WARNING)]
    [whole] = combined([calm, bad], FRAME)
    assert (whole.ratio_high, whole.cushion_low, whole.grade) == (0.7, 3.0, Grade.WARNING)


def test_a_pool_that_cannot_be_judged_makes_a_hole() -> None:
    known = [point(60 * m) for m in range(480)]
    unknown = [point(60 * m, None, None, grade=None) for m in range(100, 110)]
    whole = combined([known, unknown], FRAME)
    holes = gaps(whole, FRAME, T0)
    assert all(sample.high == 0.2 for sample in ratio_line(whole, holes))  # what is known of the other is still shown
    assert holes == [Gap(at(100), at(110), partly=True)]


def test_blindness_is_a_gap_and_the_line_is_broken_there() -> None:
    whole = combined([[point(60 * m) for m in range(480) if not 100 <= m < 130]], FRAME)
    holes = gaps(whole, FRAME, T0)
    assert holes == [Gap(at(99), at(130))]
    line = ratio_line(whole, holes)
    assert [s.at for s in line if s.high is None] == [at(114.5)]


def test_the_time_before_an_account_was_added_is_no_gap_and_the_time_since_the_last_reading_is() -> None:
    whole = combined([[point(60 * m) for m in range(200, 400)]], FRAME)
    assert gaps(whole, FRAME, at(200)) == [Gap(at(399), at(480))]
    assert gaps(whole, FRAME, at(-5))[0] == Gap(T0, at(200))


def test_of_what_was_never_seen_all_is_a_gap() -> None:
    assert gaps([], FRAME, T0 - MINUTE) == [Gap(T0, FRAME.until)]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=80))
def test_no_line_ever_crosses_a_long_pause(steps: list[int]) -> None:
    seconds = [sum(steps[: n + 1]) for n in range(len(steps))]
    whole = combined([[point(s) for s in seconds if s < 8 * 3600]], FRAME)
    line = cushion_line(whole, gaps(whole, FRAME, T0))
    for before, after in pairwise(line):
        if before.low is not None and after.low is not None:
            real = [s for s in seconds if before.at <= T0 + s * SECOND <= after.at]
            pauses = [b - a for a, b in pairwise(real)]
            assert all(p <= 180 for p in pauses)


def test_equity_that_is_gone_stands_above_every_ratio() -> None:
    whole = combined([[point(0, None, None, grade=Grade.DEFICIT)]], FRAME)
    assert ratio_line(whole, [])[0].high == float("inf")


def test_without_a_position_there_is_no_line_and_no_gap() -> None:
    whole = combined([[point(60 * m, None, None) for m in range(480)]], FRAME)
    assert gaps(whole, FRAME, T0) == []
    assert {s.high for s in ratio_line(whole, [])} == {None}


def test_the_price_line_ends_where_another_position_became_the_largest() -> None:
    first = [point(60 * m, symbol="A", mark_low=9.0, mark_high=9.0, liquidation=8.0) for m in range(10)]
    second = [point(60 * m, symbol="B", mark_low=1.0, mark_high=1.0) for m in range(10, 20)]
    price = price_lines([*first, *second], FRAME, "A")
    assert price is not None
    assert [s.low for s in price.mark if s.at < at(19.5)] == [9.0] * 10 + [None] * 10
    assert price_lines(second, FRAME, "A") is None


def test_alerts_are_marked_and_of_those_too_close_the_worst() -> None:
    told = [
        telling(Reason.WORSENED, Grade.WARNING, 60),
        telling(Reason.WORSENED, Grade.CRITICAL, 62),
        telling(Reason.REMINDER_DUE, Grade.CRITICAL, 80),
        telling(Reason.WENT_BLIND, Grade.CRITICAL, 120),
        telling(Reason.RECOVERED, Grade.OK, 300),
        telling(Reason.WORSENED, Grade.WARNING, 900),
    ]
    assert [(m.letter, m.at) for m in marks(told, FRAME)] == [("C", at(62)), ("S", at(120)), ("R", at(300))]
