"""When an account is read again: sooner the worse it is, and in turmoil the requests go to the worst."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.alerting import Policy
from marginbot.domain.grading import Grade
from marginbot.domain.transition import blind_deadline
from marginbot.flow.intervals import SHORTEST_INTERVAL, interval, strained_interval

SECOND = timedelta(seconds=1)
CALM = 30 * SECOND
POLICY = Policy(stale_after=180 * SECOND)


@pytest.mark.parametrize(
    ("grade", "cushion", "seconds"),
    [
        pytest.param(Grade.OK, None, 60, id="calm, nothing can breach"),
        pytest.param(Grade.OK, 6.0, 60, id="calm and far away"),
        pytest.param(Grade.OK, 5.9, 30, id="calm by ladders of one's own, and not far"),
        pytest.param(Grade.NOTICE, 5.0, 15, id="notice"),
        pytest.param(Grade.WARNING, 3.0, 3, id="warning"),
        pytest.param(Grade.EMERGENCY, 0.4, 2.55, id="emergency"),
        pytest.param(None, None, 30, id="cannot be judged"),
    ],
)
def test_in_turmoil(grade: Grade | None, cushion: float | None, seconds: float) -> None:
    usual = interval(CALM, grade) if grade is not None else CALM
    assert strained_interval(usual, grade, cushion, POLICY) == seconds * SECOND


@pytest.mark.parametrize(
    ("grade", "cushion", "seconds"),
    [
        pytest.param(Grade.OK, None, 30, id="nothing can breach"),
        pytest.param(Grade.OK, 10.0, 30, id="far away"),
        pytest.param(Grade.OK, 8.0, 24, id="nearer: the market moves more, or the price came closer"),
        pytest.param(Grade.NOTICE, 6.0, 15, id="the grade decides where it is stricter"),
        pytest.param(Grade.OK, 0.1, 5.1, id="as often as a critical one, not more often"),
        pytest.param(Grade.DEFICIT, None, 5.1, id="the worst"),
    ],
)
def test_by_grade_and_cushion(grade: Grade, cushion: float | None, seconds: float) -> None:
    assert interval(CALM, grade, cushion) == seconds * SECOND


@given(
    st.floats(0.05, 3600),
    st.floats(0.1, 86400),
    st.sampled_from([*Grade, None]),
    st.one_of(st.none(), st.floats(0, 50)),
)
def test_a_calm_account_is_never_left_so_long_that_it_looks_unreadable(
    poll: float, stale: float, grade: Grade | None, cushion: float | None
) -> None:
    calm = poll * SECOND
    policy = Policy(stale_after=max(stale * SECOND, 2 * calm))
    usual = interval(calm, grade)
    found = strained_interval(usual, grade, cushion, policy)
    assert min(usual, SHORTEST_INTERVAL) <= found
    assert found <= max(usual, blind_deadline(policy.stale_after, cushion) / 2)
