"""Whether nothing is near: no rung within reach, nothing to take back, nothing doubtful.

While it is so, readings may be brief (`exchanges.reading`).
"""

from __future__ import annotations

from collections.abc import Iterable

from marginbot.domain.alerting import AlertState
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.margin import PoolState
from marginbot.domain.report import AccountReport, PoolReport

FAR = 1.5  # cushions: multiples of the first rung
FAR_BELOW = 0.10  # ratios: ten points below the first rung


def is_calm(report: AccountReport, states: Iterable[AlertState], ladders: Ladders) -> bool:
    """`states` are those that the report leads to."""
    if report.grade is not Grade.OK or report.warnings:
        return False
    return all(state.is_settled for state in states) and all(_is_far(pool, ladders) for pool in report.pools)


def _is_far(pool: PoolReport, ladders: Ladders) -> bool:
    if pool.state is PoolState.FLAT:
        return True
    if pool.state is not PoolState.OK or pool.margin_ratio is None or not pool.room_known:
        return False
    far = pool.cushion is None or pool.cushion >= FAR * ladders.cushion[0]
    return far and float(pool.margin_ratio) <= ladders.ratio[0] - FAR_BELOW
