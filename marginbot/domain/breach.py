"""The chance that a pool is liquidated within 1, 8 or 24 hours, as often as it happened at the same cushion.

An estimate, never a promise: it says how often, over recorded weeks rich in crashes, a price came as far as this
cushion within the time. The shares below were counted, the tail beyond the ninth decile follows a generalised Pareto
distribution fitted to the peaks over it; the interval comes from resampling whole events and is stretched for there
being few of them (`bench/breach_odds.py` prints this table, `docs/calibration.md` shows how it held on other windows).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

HORIZONS = (1, 8, 24)  # hours
CUSHIONS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0)
LEAST = 0.0005  # a smaller chance is told as "under 0.1 %": nothing recorded supports a finer figure

# Per horizon and cushion: the chance, the lower and the upper end of the interval (90 %, for another set of events).
_TABLE: dict[int, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    1: (
        (
            0.556,
            0.3,
            0.17,
            0.101,
            0.0424,
            0.0214,
            0.00766,
            0.00354,
            0.00191,
            0.000736,
            0.000261,
            7.85e-05,
            3.31e-05,
            1e-05,
        ),
        (
            0.434,
            0.203,
            0.105,
            0.0586,
            0.0223,
            0.0104,
            0.003,
            0.000997,
            0.000397,
            9.34e-05,
            1.56e-05,
            1e-05,
            1e-05,
            1e-05,
        ),
        (
            0.672,
            0.436,
            0.274,
            0.168,
            0.0713,
            0.0364,
            0.0149,
            0.00825,
            0.00537,
            0.00284,
            0.00146,
            0.000714,
            0.000461,
            0.000234,
        ),
    ),
    8: (
        (0.832, 0.685, 0.562, 0.466, 0.32, 0.231, 0.13, 0.0805, 0.0542, 0.0256, 0.00914, 0.002, 0.000532, 5.72e-05),
        (0.749, 0.556, 0.428, 0.345, 0.223, 0.134, 0.0642, 0.0317, 0.0183, 0.00533, 0.00105, 1.18e-05, 1e-05, 1e-05),
        (0.895, 0.787, 0.674, 0.577, 0.462, 0.364, 0.229, 0.161, 0.124, 0.0906, 0.043, 0.00517, 0.00159, 0.000605),
    ),
    24: (
        (0.908, 0.82, 0.743, 0.683, 0.565, 0.452, 0.318, 0.239, 0.18, 0.118, 0.0659, 0.0281, 0.0126, 0.00293),
        (0.833, 0.701, 0.594, 0.528, 0.424, 0.291, 0.156, 0.121, 0.0857, 0.0369, 0.00714, 6.99e-05, 1e-05, 1e-05),
        (0.952, 0.902, 0.844, 0.785, 0.652, 0.576, 0.493, 0.444, 0.405, 0.346, 0.241, 0.146, 0.103, 0.02),
    ),
}


@dataclass(frozen=True, slots=True)
class Odds:
    """A chance and the interval that it is known within, as fractions."""

    hours: int
    chance: float
    low: float
    high: float


def odds(cushion: float, hours: int) -> Odds:
    """Chance of the trigger within `hours` (one of HORIZONS) at a cushion >= 0; 1.0 where none is left."""
    chance, low, high = (_between(row, cushion) for row in _TABLE[hours])
    return Odds(hours, chance, low, high)


def outlook(cushion: float | None) -> tuple[Odds, ...]:
    """The odds of every horizon; none where no move can breach."""
    return () if cushion is None else tuple(odds(cushion, hours) for hours in HORIZONS)


def _between(row: tuple[float, ...], cushion: float) -> float:
    """Straight between neighbours in logarithms; beyond the last cushion no smaller than there."""
    if cushion <= 0:
        return 1.0
    if cushion >= CUSHIONS[-1]:
        return row[-1]
    if cushion < CUSHIONS[0]:
        return row[0] + (1.0 - row[0]) * (1 - cushion / CUSHIONS[0])
    index = bisect_right(CUSHIONS, cushion)
    (at, there), (before, here) = (CUSHIONS[index], row[index]), (CUSHIONS[index - 1], row[index - 1])
    share = math.log(cushion / before) / math.log(at / before)
    return math.exp(math.log(here) + share * (math.log(there) - math.log(here)))
