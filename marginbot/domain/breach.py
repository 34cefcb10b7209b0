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

from marginbot.domain.volatility import MAJORS

HORIZONS = (1, 8, 24)  # hours
CUSHIONS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0)
LEAST = 0.0005  # a smaller chance is told as "under 0.1 %": nothing recorded supports a finer figure

# Per horizon and cushion: the chance, the lower and the upper end of the interval (90 %, for another set of events).
_Table = dict[int, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]]
_MAJORS: _Table = {
    1: (
        (
            0.54,
            0.279,
            0.153,
            0.0893,
            0.0361,
            0.018,
            0.00632,
            0.00291,
            0.00157,
            0.000605,
            0.000216,
            6.56e-05,
            2.8e-05,
            1e-05,
        ),
        (
            0.413,
            0.191,
            0.0962,
            0.0524,
            0.0198,
            0.00905,
            0.00272,
            0.00104,
            0.000369,
            7.72e-05,
            1.54e-05,
            1e-05,
            1e-05,
            1e-05,
        ),
        (
            0.67,
            0.4,
            0.243,
            0.146,
            0.061,
            0.032,
            0.0133,
            0.00753,
            0.00487,
            0.00256,
            0.00134,
            0.000652,
            0.000392,
            0.000183,
        ),
    ),
    8: (
        (0.827, 0.675, 0.548, 0.448, 0.299, 0.21, 0.111, 0.0668, 0.0428, 0.0198, 0.00768, 0.00227, 0.00088, 0.000211),
        (0.734, 0.539, 0.412, 0.333, 0.212, 0.12, 0.0565, 0.0301, 0.0154, 0.00504, 0.000731, 1e-05, 1e-05, 1e-05),
        (0.897, 0.785, 0.667, 0.562, 0.433, 0.335, 0.198, 0.142, 0.119, 0.0896, 0.0474, 0.00628, 0.00243, 0.00109),
    ),
    24: (
        (0.907, 0.816, 0.738, 0.676, 0.556, 0.439, 0.299, 0.216, 0.161, 0.102, 0.0487, 0.0179, 0.00796, 0.00226),
        (0.823, 0.675, 0.581, 0.515, 0.399, 0.291, 0.146, 0.108, 0.0831, 0.0356, 0.00769, 9.37e-05, 1e-05, 1e-05),
        (0.951, 0.901, 0.843, 0.786, 0.651, 0.57, 0.476, 0.424, 0.376, 0.344, 0.227, 0.141, 0.0597, 0.0142),
    ),
}
_OTHERS: _Table = {
    1: (
        (
            0.684,
            0.463,
            0.302,
            0.2,
            0.0923,
            0.0482,
            0.0181,
            0.0087,
            0.00484,
            0.00196,
            0.000734,
            0.000236,
            0.000104,
            3.26e-05,
        ),
        (0.585, 0.267, 0.169, 0.07, 0.0408, 0.0298, 0.0121, 0.00143, 0.000369, 7.72e-05, 1.54e-05, 1e-05, 1e-05, 1e-05),
        (0.753, 0.536, 0.382, 0.296, 0.139, 0.0606, 0.0237, 0.0224, 0.0224, 0.0224, 0.0224, 0.0224, 0.0224, 0.0224),
    ),
    8: (
        (0.87, 0.773, 0.683, 0.622, 0.503, 0.411, 0.287, 0.199, 0.128, 0.0775, 0.0267, 0.00227, 0.00088, 0.000211),
        (0.814, 0.625, 0.504, 0.401, 0.368, 0.326, 0.122, 0.0666, 0.0168, 0.00504, 0.000731, 1e-05, 1e-05, 1e-05),
        (0.904, 0.816, 0.771, 0.732, 0.551, 0.446, 0.38, 0.312, 0.267, 0.194, 0.0811, 0.0811, 0.0811, 0.0811),
    ),
    24: (
        (0.917, 0.858, 0.801, 0.761, 0.67, 0.59, 0.532, 0.488, 0.393, 0.305, 0.228, 0.144, 0.0894, 0.00541),
        (0.823, 0.675, 0.581, 0.515, 0.422, 0.373, 0.373, 0.373, 0.192, 0.0356, 0.00769, 9.37e-05, 1e-05, 1e-05),
        (0.983, 0.949, 0.909, 0.864, 0.732, 0.646, 0.638, 0.614, 0.614, 0.614, 0.614, 0.613, 0.495, 0.065),
    ),
}


@dataclass(frozen=True, slots=True)
class Odds:
    """A chance and the interval that it is known within, as fractions."""

    hours: int
    chance: float
    low: float
    high: float


def odds(cushion: float, hours: int, *, major: bool) -> Odds:
    """Chance of the trigger within `hours` (one of HORIZONS) at a cushion >= 0; 1.0 where none is left."""
    chance, low, high = (_between(row, cushion) for row in (_MAJORS if major else _OTHERS)[hours])
    return Odds(hours, chance, low, high)


def outlook(cushion: float | None, scenario: str | None = None) -> tuple[Odds, ...]:
    """The odds of every horizon; none where no move can breach. `scenario`: what has to move, "BTC" for instance.

    What is not Bitcoin or Ether alone is taken for a smaller coin: those go further.
    """
    major = (scenario or "").split(" ")[0] in MAJORS
    return () if cushion is None else tuple(odds(cushion, hours, major=major) for hours in HORIZONS)


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
