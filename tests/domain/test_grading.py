"""Two ladders, the worse decides; rungs belong to the higher grade; hysteresis never hides danger."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marginbot.domain.errors import BadThresholds
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, DecidedBy, Grade, Graded, Ladders, grade, regrade
from marginbot.domain.margin import PoolState

OK, NOTICE, WARNING, CRITICAL, EMERGENCY, DEFICIT = Grade
D = Decimal

ratios = st.decimals(min_value=0, max_value=20, places=6)
cushions = st.none() | st.floats(0, 2000)


def of(ratio: str, cushion: float | None, previous: Grade = OK) -> Graded:
    graded = regrade(PoolState.OK, D(ratio), cushion, ladders=DEFAULT_LADDERS, previous=previous)
    assert graded is not None
    return graded


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ("0", OK),
        ("0.499999", OK),
        ("0.50", NOTICE),
        ("0.649999", NOTICE),
        ("0.65", WARNING),
        ("0.799999", WARNING),
        ("0.80", CRITICAL),
        ("0.899999", CRITICAL),
        ("0.90", EMERGENCY),
        ("1.00", EMERGENCY),
        ("17", EMERGENCY),
    ],
)
def test_ratio_rungs(ratio: str, expected: Grade) -> None:
    assert of(ratio, None).grade is expected


@pytest.mark.parametrize(
    ("cushion", "expected"),
    [
        (None, OK),
        (7.001, OK),
        (7.0, NOTICE),
        (5.001, NOTICE),
        (5.0, WARNING),
        (2.601, WARNING),
        (2.6, CRITICAL),
        (1.251, CRITICAL),
        (1.25, EMERGENCY),
        (0.0, EMERGENCY),
    ],
)
def test_cushion_rungs(cushion: float | None, expected: Grade) -> None:
    assert of("0.1", cushion).grade is expected


@pytest.mark.parametrize(
    ("ratio", "cushion", "expected"),
    [
        pytest.param("0.1", 100.0, Graded(OK, DecidedBy.NOTHING), id="calm"),
        pytest.param("0.7", 6.0, Graded(WARNING, DecidedBy.RATIO), id="the ratio is worse"),
        pytest.param("0.1", 1.5, Graded(CRITICAL, DecidedBy.CUSHION), id="the cushion is worse"),
        pytest.param("0.7", 3.0, Graded(WARNING, DecidedBy.BOTH), id="they agree"),
    ],
)
def test_the_worse_ladder_decides_and_is_named(ratio: str, cushion: float, expected: Graded) -> None:
    assert of(ratio, cushion) == expected


@pytest.mark.parametrize(
    ("previous", "ratio", "cushion", "expected"),
    [
        pytest.param(WARNING, "0.649", None, WARNING, id="hovering under the rung"),
        pytest.param(WARNING, "0.62", None, WARNING, id="at the release"),
        pytest.param(WARNING, "0.619999", None, NOTICE, id="clear of the rung falls one"),
        pytest.param(EMERGENCY, "0.40", None, OK, id="falls all the way at once"),
        pytest.param(EMERGENCY, "0.78", None, CRITICAL, id="falls as far as it is clear"),
        pytest.param(NOTICE, "0.1", 8.95, NOTICE, id="cushion not clear of the calmest rung"),
        pytest.param(WARNING, "0.1", 8.89, WARNING, id="cushion not clear of the rung"),
        pytest.param(WARNING, "0.1", 8.91, NOTICE, id="cushion clear of the rung"),
        pytest.param(CRITICAL, "0.1", 8.83, CRITICAL, id="critical stays until there is room to breathe"),
        pytest.param(CRITICAL, "0.1", 8.85, WARNING, id="cushion clear of critical"),
        pytest.param(EMERGENCY, "0.1", 3.12, EMERGENCY, id="cushion within two rungs and a half"),
        pytest.param(EMERGENCY, "0.1", 3.13, CRITICAL, id="cushion clear of the worst rung"),
        pytest.param(NOTICE, "0.1", 8.97, OK, id="calm again"),
        pytest.param(CRITICAL, "0.1", 9.5, OK, id="back where a tenfold position was opened all is well"),
        pytest.param(NOTICE, "0.1", None, OK, id="no move can breach any more"),
        pytest.param(DEFICIT, "0.95", None, EMERGENCY, id="out of deficit"),
        pytest.param(OK, "0.649", 3.9, WARNING, id="a rise needs no band"),
    ],
)
def test_release_band(previous: Grade, ratio: str, cushion: float | None, expected: Grade) -> None:
    assert of(ratio, cushion, previous).grade is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (PoolState.UNKNOWN, None),
        (PoolState.FLAT, Graded(OK, DecidedBy.NOTHING)),
        (PoolState.DEFICIT, Graded(DEFICIT, DecidedBy.DEFICIT)),
    ],
)
@pytest.mark.parametrize("previous", Grade)
def test_states_without_a_ratio(state: PoolState, expected: Graded | None, previous: Grade) -> None:
    assert regrade(state, None, None, ladders=DEFAULT_LADDERS, previous=previous) == expected


@given(ratios, ratios, cushions)
def test_a_higher_ratio_is_never_graded_better(one: Decimal, other: Decimal, cushion: float | None) -> None:
    low, high = sorted((one, other))
    assert of(str(low), cushion).grade <= of(str(high), cushion).grade


@st.composite
def ladders(draw: st.DrawFn) -> Ladders:
    rising = sorted(draw(st.lists(st.integers(1, 999), min_size=4, max_size=4, unique=True)))
    falling = sorted(draw(st.lists(st.integers(1, 9999), min_size=4, max_size=4, unique=True)), reverse=True)
    ratio = tuple(value / 1000 for value in rising)
    cushion = tuple(value / 10 for value in falling)
    return Ladders(ratio, cushion)  # type: ignore[arg-type]


@given(ladders(), st.decimals(0, 2, places=4), st.none() | st.floats(0, 1200), st.sampled_from(Grade))
def test_hysteresis_never_hides_danger(own: Ladders, ratio: Decimal, cushion: float | None, previous: Grade) -> None:
    reached = grade(PoolState.OK, ratio, cushion, own)
    graded = regrade(PoolState.OK, ratio, cushion, ladders=own, previous=previous)
    assert reached is not None
    assert graded is not None
    assert reached.grade <= graded.grade <= max(previous, reached.grade)


def test_rungs_nearer_than_the_release_band_hold_no_grade_that_was_not_there() -> None:
    close = Ladders(ratio=(0.50, 0.51, 0.52, 0.53))
    graded = regrade(PoolState.OK, D("0.495"), None, ladders=close, previous=NOTICE)
    assert graded is not None
    assert graded.grade is NOTICE


@given(ladders())
def test_failure_13_every_rung_can_be_reached_and_they_stand_in_order(own: Ladders) -> None:
    by_ratio = [own.by_ratio(threshold) for threshold in own.ratio]
    by_cushion = [own.by_cushion(threshold) for threshold in own.cushion]
    assert by_ratio == by_cushion == list(RUNGS)
    assert own.by_ratio(math.nextafter(own.ratio[0], 0)) is OK
    assert own.by_cushion(math.nextafter(own.cushion[0], math.inf)) is OK


@given(st.lists(st.floats(), min_size=4, max_size=4), st.booleans())
def test_failure_13_a_ladder_out_of_order_cannot_be_made(values: list[float], as_ratio: bool) -> None:
    rising = 0 < values[0] < values[1] < values[2] < values[3] < 1
    falling = 1000 >= values[0] > values[1] > values[2] > values[3] > 0
    assume(not (rising if as_ratio else falling))
    with pytest.raises(BadThresholds):
        made = (values[0], values[1], values[2], values[3])
        Ladders(ratio=made) if as_ratio else Ladders(cushion=made)


@given(ladders(), st.permutations(range(4)))
def test_failure_13_a_ladder_shuffled_cannot_be_made(own: Ladders, order: list[int]) -> None:
    assume(order != [0, 1, 2, 3])
    for name, values in (("ratio", own.ratio), ("cushion", own.cushion)):
        a, b, c, d = (values[n] for n in order)
        with pytest.raises(BadThresholds):
            replace(own, **{name: (a, b, c, d)})


def test_rungs_close_together_let_go_in_order() -> None:
    releases = Ladders(cushion=(6.0, 5.9, 5.8, 5.7)).cushion_releases
    assert list(releases) == sorted(releases, reverse=True)
    assert releases[0] == pytest.approx(6.0 * 1.28)
