"""What happened, for the summary: no clock, no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.grading import RUNGS, Grade

PLAIN_ALARM = 0.70  # the margin ratio at which the usual alarms ring


@dataclass(slots=True)
class Told:
    """One alert as it was sent; `grade` None when it says that the account cannot be seen."""

    at: datetime
    grade: Grade | None
    reason: str


@dataclass(slots=True)
class Story:
    """What happened, for the summary."""

    told: list[Told] = field(default_factory=list)
    liquidated_at: datetime | None = None
    liquidation_price: Decimal | None = None
    ratio_alarm_at: datetime | None = None  # since when the ratio has been where plain alarms ring

    def saw_ratio(self, ratio: float | None, at: datetime) -> None:
        """What an alarm by the ratio alone would have known at a reading."""
        if ratio is None or ratio < PLAIN_ALARM:
            self.ratio_alarm_at = None
        elif self.ratio_alarm_at is None:
            self.ratio_alarm_at = at

    def first_of_last_climb(self) -> dict[Grade, datetime | None]:
        """For each grade, since when it or worse had been announced without a break, when the breach came."""
        since: dict[Grade, datetime | None] = dict.fromkeys(RUNGS)
        for alert in self.told:
            if self.liquidated_at is not None and alert.at >= self.liquidated_at:
                break
            for grade in RUNGS:
                if alert.grade is None:
                    continue
                if alert.grade < grade:
                    since[grade] = None
                elif since[grade] is None:
                    since[grade] = alert.at
        return since

    def summary(self) -> dict[str, Any]:
        """The facts of the last event; times in ISO form, leads in minutes before the liquidation."""
        breach, first = self.liquidated_at, self.first_of_last_climb()
        leads = {grade.name: _lead(breach, told) for grade, told in first.items()}
        return {
            "liquidated_at": _iso(breach),
            "first": {grade.name: _iso(told) for grade, told in first.items()},
            "lead_minutes": leads,
            "messages": len(self.told),
            "ratio_alarm_lead_minutes": _lead(breach, self.ratio_alarm_at),
        }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _lead(breach: datetime | None, told: datetime | None) -> float | None:
    return None if told is None or breach is None else round((breach - told).total_seconds() / 60, 1)
