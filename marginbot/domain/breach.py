"""The chance that a pool is liquidated within 1, 8 or 24 hours, as often as it happened at the same cushion.

An estimate, never a promise: it says how often, over recorded weeks rich in crashes, a price came as far as this
cushion within the time. The shares below were counted, the tail beyond the ninth decile follows a generalised Pareto
distribution fitted to the peaks over it; the interval comes from resampling whole windows
(`bench/breach_odds.py` prints this table, `docs/calibration.md` shows how it held on other windows).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

HORIZONS = (1, 8, 24)  # hours
CUSHIONS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0)
LEAST = 0.0005  # a smaller chance is told as "under 0.1 %": nothing recorded supports a finer figure

# Per horizon and cushion: the chance, the lower and the upper end of the interval (90 %).
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
            0.48,
            0.237,
            0.129,
            0.0747,
            0.0301,
            0.0147,
            0.00474,
            0.00187,
            0.000855,
            0.000236,
            5.49e-05,
            1e-05,
            1e-05,
            1e-05,
        ),
        (
            0.628,
            0.365,
            0.218,
            0.134,
            0.0574,
            0.0296,
            0.0115,
            0.00595,
            0.00367,
            0.00169,
            0.000776,
            0.000318,
            0.000175,
            7.17e-05,
        ),
    ),
    8: (
        (0.832, 0.685, 0.562, 0.466, 0.32, 0.231, 0.13, 0.0805, 0.0542, 0.0256, 0.00914, 0.002, 0.000532, 5.72e-05),
        (0.782, 0.604, 0.479, 0.393, 0.262, 0.177, 0.0907, 0.0508, 0.0297, 0.0122, 0.00278, 6.9e-05, 1e-05, 1e-05),
        (0.874, 0.755, 0.635, 0.534, 0.391, 0.305, 0.183, 0.116, 0.0861, 0.0502, 0.0196, 0.00458, 0.00169, 0.00055),
    ),
    24: (
        (0.908, 0.82, 0.743, 0.683, 0.565, 0.452, 0.318, 0.239, 0.18, 0.118, 0.0659, 0.0281, 0.0126, 0.00293),
        (0.87, 0.744, 0.649, 0.587, 0.472, 0.362, 0.227, 0.168, 0.123, 0.0654, 0.0246, 0.00514, 1e-05, 1e-05),
        (0.938, 0.879, 0.82, 0.763, 0.639, 0.542, 0.439, 0.344, 0.272, 0.21, 0.129, 0.0809, 0.0517, 0.00921),
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
