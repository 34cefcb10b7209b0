"""Positions that went together with what backed them, told from those that were closed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.losses import losses
from marginbot.domain.margin import Pool
from marginbot.domain.report import AccountReport, assess
from tests.builders import HOURLY, T0, pool, position, snapshot

ISOLATED = "isolated:BTC/USDT:USDT:long"


def report(*pools: Pool) -> AccountReport:
    return assess(snapshot(*pools), HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0)


def held(equity: str | None = "10000", name: str = "cross:USDT") -> Pool:
    return pool(position(), equity=equity, name=name)


def flat(equity: str | None) -> Pool:
    return pool(equity=equity)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        pytest.param([held()], [flat("0")], 10000, id="all of it"),
        pytest.param([held()], [], 10000, id="and the wallet is not even listed"),
        pytest.param([held()], [flat("3000")], 7000, id="most of it"),
        pytest.param([held()], [flat("3001")], None, id="just less than most of it"),
        pytest.param([held()], [flat("9990")], None, id="closed: the equity stays"),
        pytest.param([held()], [held("10")], None, id="still held"),
        pytest.param([flat("10000")], [flat("0")], None, id="withdrawn: nothing was held"),
        pytest.param([flat("5000"), held("1000", ISOLATED)], [flat("5000")], 1000, id="an isolated one"),
        pytest.param([flat("5000"), held("1000", ISOLATED)], [flat("5990")], None, id="an isolated one, closed"),
        pytest.param([held(None)], [flat("0")], None, id="unknown before"),
        pytest.param([held()], [flat(None)], None, id="unknown now"),
        pytest.param([held("0")], [flat("0")], None, id="nothing backed it: that was told"),
    ],
)
def test_losses(before: list[Pool], after: list[Pool], lost: int | None) -> None:
    found = list(losses(report(*before), report(*after)).values())
    assert [loss.lost for loss in found] == ([] if lost is None else [Decimal(lost)])


def test_what_was_held_is_remembered() -> None:
    [(name, loss)] = losses(report(held()), report(flat("0"))).items()
    assert (name, loss.positions, loss.read_at) == ("cross:USDT", ("long 2 BTC/USDT:USDT",), T0)
