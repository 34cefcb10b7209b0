"""Grades, and the two ladders that decide them.

A pool's grade is the worse of its margin ratio's rung and its cushion's rung. It rises at once and falls only
when clear of the rung by the release band, so that a hovering figure stays quiet. The band of the cushion is wide:
an account that has been CRITICAL stays so through the pauses of a crash and until it has room to breathe, which both
lengthens the warning and spares needless raises. Rungs and bands were chosen on recorded crashes and ordinary weeks
(`bench/calibration.py`, `docs/calibration.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

from marginbot.domain.errors import BadThresholds
from marginbot.domain.margin import PoolState

RATIO_RELEASE = 0.03  # absolute: three points of ratio
CUSHION_RELEASE = (1.28, 1.78, 3.4, 2.5)  # multiples of the rung, NOTICE to EMERGENCY


class Grade(IntEnum):
    """From calm to worst."""

    OK = 0
    NOTICE = 1
    WARNING = 2
    CRITICAL = 3
    EMERGENCY = 4
    DEFICIT = 5


_OK = Grade.OK
RUNGS = (Grade.NOTICE, Grade.WARNING, Grade.CRITICAL, Grade.EMERGENCY)


class DecidedBy(StrEnum):
    """Which of the two ladders set the grade."""

    NOTHING = "nothing"
    RATIO = "ratio"
    CUSHION = "cushion"
    BOTH = "ratio and cushion"
    DEFICIT = "deficit"


@dataclass(frozen=True, slots=True)
class Ladders:
    """Thresholds for NOTICE, WARNING, CRITICAL, EMERGENCY: ratio (fractions, rising), cushion (multiples, falling)."""

    ratio: tuple[float, float, float, float] = (0.50, 0.65, 0.80, 0.90)
    cushion: tuple[float, float, float, float] = (7.0, 5.0, 2.6, 1.25)

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in self.ratio + self.cushion):
            raise BadThresholds("thresholds must be finite", advice="Thresholds must be plain numbers.")
        if not (0 < self.ratio[0] < self.ratio[1] < self.ratio[2] < self.ratio[3] < 1):
            raise BadThresholds(
                "ratio ladder out of order",
                advice="Ratio thresholds must rise from NOTICE to EMERGENCY, between 0 and 100 percent: "
                "/thresholds ratio 50 65 80 90. Nothing was changed.",
            )
        if not (1000 >= self.cushion[0] > self.cushion[1] > self.cushion[2] > self.cushion[3] > 0):
            raise BadThresholds(
                "cushion ladder out of order",
                advice="Cushion thresholds must fall from NOTICE to EMERGENCY, above 0: "
                "/thresholds cushion 7 5 2.6 1.25. Nothing was changed.",
            )

    def by_ratio(self, ratio: float) -> Grade:
        """Highest rung whose threshold is reached; a rung belongs to the higher grade."""
        if ratio < self.ratio[0]:
            return _OK
        return max((g for g, t in zip(RUNGS, self.ratio, strict=True) if ratio >= t), default=_OK)

    def by_cushion(self, cushion: float | None) -> Grade:
        """Highest rung whose threshold the cushion has shrunk to; None: no move can breach."""
        if cushion is None or cushion > self.cushion[0]:
            return _OK
        return max((g for g, t in zip(RUNGS, self.cushion, strict=True) if cushion <= t), default=_OK)

    @property
    def cushion_releases(self) -> tuple[float, ...]:
        """The cushion above which each rung lets go: never above the release of the calmer rung."""
        releases: list[float] = []
        for threshold, factor in zip(self.cushion, CUSHION_RELEASE, strict=True):
            releases.append(min(threshold * factor, *releases) if releases else threshold * factor)
        return tuple(releases)

    def held_by_cushion(self, cushion: float | None) -> Grade:
        """Highest rung that has not let go at this cushion."""
        if cushion is None:
            return Grade.OK
        held = (g for g, release in zip(RUNGS, self.cushion_releases, strict=True) if cushion <= release)
        return max(held, default=Grade.OK)


DEFAULT_LADDERS = Ladders()


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade with the ladder that set it."""

    grade: Grade
    decided_by: DecidedBy


def grade(state: PoolState, ratio: Decimal | None, cushion: float | None, ladders: Ladders) -> Graded | None:
    """Grade of a pool as it stands; None when its state is unknown."""
    if state is PoolState.UNKNOWN:
        return None
    if state is PoolState.FLAT:
        return Graded(Grade.OK, DecidedBy.NOTHING)
    if state is PoolState.DEFICIT or ratio is None:
        return Graded(Grade.DEFICIT, DecidedBy.DEFICIT)
    return _worse(ladders.by_ratio(float(ratio)), ladders.by_cushion(cushion))


def regrade(
    state: PoolState, ratio: Decimal | None, cushion: float | None, *, ladders: Ladders, previous: Grade
) -> Graded | None:
    """Grade after hysteresis: rise at once, fall only when clear of the rung by the release band."""
    reached = grade(state, ratio, cushion, ladders)
    if reached is None or reached.grade >= previous or ratio is None:
        return reached
    held = _worse(ladders.by_ratio(float(ratio) + RATIO_RELEASE), ladders.held_by_cushion(cushion))
    return held if held.grade <= previous else Graded(previous, held.decided_by)


def _worse(by_ratio: Grade, by_cushion: Grade) -> Graded:
    worst = max(by_ratio, by_cushion)
    if worst is Grade.OK:
        return Graded(worst, DecidedBy.NOTHING)
    if by_ratio is by_cushion:
        return Graded(worst, DecidedBy.BOTH)
    return Graded(worst, DecidedBy.RATIO if by_ratio > by_cushion else DecidedBy.CUSHION)
