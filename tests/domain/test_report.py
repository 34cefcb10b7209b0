"""Judging a snapshot: the worse of the venue's figures and ours grades, and nothing unknown looks safe."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marginbot.domain.grading import DEFAULT_LADDERS, DecidedBy, Grade
from marginbot.domain.margin import Pool, PoolState
from marginbot.domain.report import AccountReport, assess, with_way_back
from tests.builders import HOURLY, T0, D, pool, position, snapshot

OK, NOTICE, WARNING, CRITICAL, EMERGENCY, DEFICIT = Grade
HELD = position(notional="2000", rate="0.25")  # requirement 500, and no breach is near at these equities


def judge(*pools: Pool, previous: dict[str, Grade] | None = None, warnings: tuple[str, ...] = ()) -> AccountReport:
    return assess(snapshot(*pools, warnings=warnings), HOURLY, ladders=DEFAULT_LADDERS, previous=previous or {}, now=T0)


@pytest.mark.parametrize(
    ("reported", "ratio", "told"),
    [
        pytest.param(None, "0.05", False, id="the venue gives none"),
        pytest.param("0.05", "0.05", False, id="they agree"),
        pytest.param("0.051", "0.05", False, id="within two percent of the larger"),
        pytest.param("0.0511", "0.0511", True, id="the venue's is worse and counts"),
        pytest.param("0.85", "0.85", True, id="the venue's is far worse"),
        pytest.param("0.04", "0.05", True, id="ours is worse and counts"),
    ],
)
def test_the_worse_of_two_ratios_counts_and_a_gap_is_told(reported: str | None, ratio: str, told: bool) -> None:
    report = judge(pool(HELD, equity="10000", reported_ratio=reported))
    assert report.pools[0].margin_ratio == D(ratio)
    assert report.margin_ratio == D(ratio)
    assert any("the worse one counts" in warning for warning in report.warnings) is told


def test_the_venue_s_worse_ratio_grades_and_narrows_buffer_and_room() -> None:
    held = position(notional="50000")
    ours, theirs = judge(pool(held)).pools[0], judge(pool(held, reported_ratio="0.85")).pools[0]
    assert (ours.grade, theirs.grade) == (OK, CRITICAL)
    assert theirs.decided_by in (DecidedBy.RATIO, DecidedBy.BOTH)
    assert theirs.buffer == D(1500)
    assert theirs.reported_ratio == D("0.85")
    assert ours.room == pytest.approx(-(10_000 - 250) / (50_000 - 250))
    assert theirs.room == pytest.approx(-(10_000 - 8500) / (50_000 - 8500))


def test_rounding_of_an_idle_account_is_no_disagreement() -> None:
    report = judge(pool(position(notional="1000", rate="0.004"), equity="10000", reported_ratio="0.0005"))
    assert report.warnings == ()


def test_states_of_an_account_and_the_order_of_its_pools() -> None:
    calm, tight = pool(HELD, name="calm"), pool(HELD, equity="600", name="tight")
    noticed, unknown = pool(HELD, equity="900", name="noticed"), pool(HELD, equity=None, name="unknown")
    deficit = pool(HELD, equity="-5", name="deficit")
    report = judge(calm, noticed, unknown, deficit, tight)
    assert [p.name for p in report.pools] == ["deficit", "tight", "unknown", "noticed", "calm"]
    assert (report.state, report.margin_ratio, report.grade) == (PoolState.DEFICIT, None, DEFICIT)
    assert report.worst is report.pools[0]


@pytest.mark.parametrize(
    ("pools", "grade", "ratio"),
    [
        pytest.param((), OK, None, id="no pool at all"),
        pytest.param((pool(equity="10"),), OK, None, id="flat"),
        pytest.param((pool(HELD, equity=None),), None, None, id="nothing could be judged"),
        pytest.param((pool(HELD, equity="600", name="a"), pool(HELD, equity=None)), CRITICAL, None, id="one unknown"),
        pytest.param((pool(HELD, equity="600", name="a"), pool(name="flat")), CRITICAL, D(500) / D(600), id="one flat"),
    ],
)
def test_grade_and_ratio_of_an_account(pools: tuple[Pool, ...], grade: Grade | None, ratio: Decimal | None) -> None:
    report = judge(*pools)
    assert (report.grade, report.margin_ratio) == (grade, ratio)


def test_an_unknown_pool_has_no_grade_no_ratio_and_no_room() -> None:
    found = judge(pool(HELD, maintenance_margin=None)).pools[0]
    assert (found.state, found.grade, found.margin_ratio, found.room, found.cushion) == (
        PoolState.UNKNOWN,
        None,
        None,
        None,
        None,
    )


def test_hysteresis_is_kept_by_pool_name() -> None:
    a, b = pool(HELD, equity="1020", name="a"), pool(HELD, equity="1020", name="b")
    grades = {p.name: p.grade for p in judge(a, b, previous={"a": NOTICE}).pools}
    assert grades == {"a": NOTICE, "b": OK}


def test_room_and_cushion_are_those_of_the_decisive_scenario() -> None:
    found = judge(pool(position(notional="100000"), position("ETH", notional="100000"), equity="10000")).pools[0]
    assert found.scenario == "market"
    assert found.room is not None
    assert found.cushion == pytest.approx(abs(found.room) / 0.0125)


def test_failure_18_every_position_is_shown_profit_or_loss() -> None:
    winner = replace(position("ETH"), unrealized_pnl=D(500))
    loser = replace(position("BTC"), unrealized_pnl=D(-500))
    report = judge(pool(winner, name="isolated:ETH", equity="9000"), pool(loser, name="isolated:BTC", equity="9000"))
    assert [(p.pool, p.symbol) for p in report.positions] == [
        ("isolated:ETH", "ETH/USDT:USDT"),
        ("isolated:BTC", "BTC/USDT:USDT"),
    ]


def test_what_the_adapter_had_to_estimate_reaches_the_reader_once() -> None:
    report = judge(pool(HELD), warnings=("estimated from tiers", "estimated from tiers"))
    assert report.warnings == ("estimated from tiers",)


def test_the_way_back_is_computed_from_what_was_graded() -> None:
    judged = snapshot(pool(HELD, reported_ratio="0.85"))
    report = assess(judged, HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0)
    told = with_way_back(report.pools[0], judged, HOURLY, ladders=DEFAULT_LADDERS, now=T0)
    assert told.target is WARNING
    assert told.top_up is not None
    assert told.top_up >= D(8500) / D("0.77") - D(10_000)
    calm = judge(pool(HELD)).pools[0]
    assert with_way_back(calm, snapshot(pool(HELD)), HOURLY, ladders=DEFAULT_LADDERS, now=T0) == calm


def test_failure_15_no_room_says_whether_nothing_can_breach_or_nothing_is_known() -> None:
    safe = position(notional="2000", rate="0")
    [free] = judge(pool(safe, equity="1000000", maintenance_margin="10")).pools
    [sizeless] = judge(pool(replace(safe, notional=None), equity="1000000", maintenance_margin="10")).pools
    [unknown] = judge(pool(safe, maintenance_margin=None)).pools
    assert [(p.room, p.room_known) for p in (free, sizeless, unknown)] == [(None, True), (None, False), (None, False)]
