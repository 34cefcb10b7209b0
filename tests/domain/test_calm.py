"""Calm: nothing near, nothing to take back, nothing doubtful."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marginbot.domain.alerting import AlertState
from marginbot.domain.calm import is_calm
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.report import AccountReport, assess
from marginbot.domain.volatility import Volatility
from tests.builders import T0, D, long_at, snapshot

SETTLED = AlertState(grade=Grade.OK, seen_at=T0)
MOVES = {"BTC": Volatility(0.01, 500)}


def report(**pool: object) -> AccountReport:
    """A calm account, but for this of its pool."""
    found = assess(long_at(100), MOVES, ladders=DEFAULT_LADDERS, previous={}, now=T0)
    far = {"cushion": 30.0, "margin_ratio": D("0.1")} | pool
    return replace(found, pools=(replace(found.pools[0], **far),))  # type: ignore[arg-type]


def calm(one: AccountReport, state: AlertState = SETTLED) -> bool:
    return is_calm(one, [SETTLED, state], DEFAULT_LADDERS)


def test_far_from_every_rung() -> None:
    assert calm(report())
    assert calm(report(cushion=None))  # no move can breach
    assert calm(report(state=PoolState.FLAT, margin_ratio=None, cushion=None, room_known=False))
    assert is_calm(assess(snapshot(), {}, ladders=DEFAULT_LADDERS, previous={}, now=T0), [SETTLED], DEFAULT_LADDERS)


def test_the_distance_to_the_first_rung() -> None:
    assert calm(report(cushion=10.5))
    assert not calm(report(cushion=10.49))
    assert calm(report(margin_ratio=D("0.4")))
    assert not calm(report(margin_ratio=D("0.401")))


def test_own_thresholds_count() -> None:
    near = replace(DEFAULT_LADDERS, cushion=(21.0, 5.0, 2.6, 1.25))
    assert not is_calm(report(cushion=30.0), [SETTLED], near)


@pytest.mark.parametrize(
    "pool",
    [
        {"grade": Grade.NOTICE},
        {"grade": None},
        {"state": PoolState.UNKNOWN},
        {"state": PoolState.DEFICIT},
        {"margin_ratio": None},
        {"room_known": False, "cushion": None},
    ],
)
def test_what_is_not_known_to_be_well(pool: dict[str, object]) -> None:
    assert not calm(report(**pool))


def test_a_doubt() -> None:
    assert not calm(replace(report(), warnings=("odd",)))


@pytest.mark.parametrize(
    "state",
    [
        AlertState(),
        AlertState(grade=Grade.NOTICE),
        AlertState(grade=Grade.OK, announced=Grade.WARNING),
        AlertState(grade=Grade.OK, blind_since=T0),
    ],
)
def test_something_to_take_back(state: AlertState) -> None:
    assert not calm(report(), state)
