"""A person's day, and how near a bad episode came."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from marginbot.domain.alerting import Reason
from marginbot.domain.digest import leverage, near_miss, pool_day, shares
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Facts
from tests.bot.builders import FLAT, facts, pool, position
from tests.builders import T0
from tests.domain.test_history import point

D = Decimal
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("notionals", "equity", "expected"),
    [
        pytest.param(["3000", "1000"], "2000", D(2), id="long and short both count"),
        pytest.param([], "2000", D(0), id="no position"),
        pytest.param(["3000", None], "2000", None, id="one is not known"),
        pytest.param(["3000"], "0", None, id="nothing behind it"),
        pytest.param(["3000"], "-5", None, id="less than nothing"),
        pytest.param(["3000"], None, None, id="equity not known"),
    ],
)
def test_leverage(notionals: list[str | None], equity: str | None, expected: Decimal | None) -> None:
    held = [position(notional=None if n is None else D(n)) for n in notionals]
    assert leverage(pool(equity=None if equity is None else D(equity)), held) == expected


def test_shares_are_of_the_whole_requirement_and_unknown_ones_are_last() -> None:
    held = [
        position(symbol="A", maintenance_margin=None),
        position(symbol="B", maintenance_margin=D(100)),
        position(symbol="C", maintenance_margin=D(700)),
    ]
    found = shares(pool(maintenance_margin=D(1000)), held)
    assert [(s.symbol, s.share) for s in found] == [("C", 0.7), ("B", 0.1), ("A", None)]
    assert shares(pool(), [position(maintenance_margin=None)])[0].share == 1.0
    assert shares(pool(maintenance_margin=None), [position()])[0].share is None


def test_the_day_has_the_worst_of_every_reading_and_the_equity_of_before() -> None:
    since = T0
    points = [
        point(-10, 0.99, 0.1, equity=1.0, equity_low=1.0, grade=Grade.EMERGENCY),
        point(5, 0.3, 7.0, equity=900.0, equity_low=900.0),
        point(50, 0.8, 1.5, grade=Grade.CRITICAL),
        point(70, None, None, grade=None),
    ]
    day = pool_day(pool(), [position()], points, since)
    assert (day.ratio_worst, day.cushion_worst, day.worst) == (0.8, 1.5, Grade.CRITICAL)
    assert (day.equity_before, day.before_at) == (900.0, None)
    late = pool_day(pool(), [], [point(7200, equity=5.0)], since)
    assert late.before_at == T0 + timedelta(hours=2)


def story(*told: tuple[Reason, Grade, str | None]) -> list[Facts]:
    return [
        facts(
            reason=reason,
            grade=grade,
            at=T0 + n * MINUTE,
            read_at=T0 + n * MINUTE,
            episode_worst=Grade.EMERGENCY,
            pool=pool(top_up=None if top_up is None else D(top_up), cushion=9.0 - n),
        )
        for n, (reason, grade, top_up) in enumerate(told)
    ]


def test_what_would_have_sufficed_is_what_was_said_at_the_time() -> None:
    told = story(
        (Reason.WORSENED, Grade.WARNING, "50"),
        (Reason.WORSENED, Grade.CRITICAL, "100"),
        (Reason.REMINDER_DUE, Grade.CRITICAL, "300"),
        (Reason.WORSENED, Grade.EMERGENCY, "400"),
        (Reason.EASED, Grade.WARNING, "60"),
        (Reason.RECOVERED, Grade.OK, None),
    )
    found = near_miss("cross:USDT", told, [point(90, 0.95, 0.3), point(9000, 0.99, 0.1)])
    assert found is not None
    assert [m.grade.name for m in found.moments] == ["WARNING", "CRITICAL", "EMERGENCY", "WARNING"]
    assert found.first_critical is not None
    assert (found.first_critical.top_up, found.worst.top_up) == (D(100), D(400))
    assert (found.ratio_worst, found.cushion_worst) == (0.95, 0.3)
    assert found.ended_at == T0 + 5 * MINUTE


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([], id="nothing told"),
        pytest.param([(Reason.WORSENED, Grade.CRITICAL, "1")], id="not over"),
        pytest.param([(Reason.WORSENED, Grade.WARNING, "1"), (Reason.RECOVERED, Grade.OK, None)], id="never critical"),
    ],
)
def test_other_episodes_are_no_near_miss(told: list[tuple[Reason, Grade, str | None]]) -> None:
    assert near_miss("cross:USDT", story(*told), []) is None


def test_a_position_that_is_gone_is_said_to_be_gone() -> None:
    told = story((Reason.WORSENED, Grade.CRITICAL, "1"))
    told.append(facts(reason=Reason.RECOVERED, grade=Grade.OK, pool=FLAT, episode_worst=Grade.CRITICAL))
    found = near_miss("cross:USDT", told, [])
    assert found is not None
    assert found.left_with_nothing
