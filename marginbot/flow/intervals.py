"""How long until an account is read again."""

from __future__ import annotations

from datetime import timedelta

from marginbot.domain.alerting import Policy
from marginbot.domain.grading import Grade
from marginbot.domain.transition import FULL_PATIENCE_CUSHION

# Share of the calm interval after which an account of this grade is read again.
INTERVAL_SHARE = {Grade.OK: 1.0, Grade.NOTICE: 0.5, Grade.WARNING: 0.2, Grade.CRITICAL: 0.17}
SHORTEST_INTERVAL = timedelta(seconds=1)
FAR_CUSHION = 10.0  # ordinary hourly moves; from here on an account is read at the calm interval


def interval(calm: timedelta, grade: Grade | None, cushion: float | None = None) -> timedelta:
    """Time to the next reading: shorter the worse the grade, never below the floor (or the calm interval).

    Shorter, too, the smaller the cushion: it is counted in the moves that the market makes now, so that a market
    waking up has its accounts read more often before any of them is graded worse.
    """
    share = INTERVAL_SHARE.get(grade or Grade.OK, INTERVAL_SHARE[Grade.CRITICAL])
    if cushion is not None:
        share = min(share, max(cushion / FAR_CUSHION, INTERVAL_SHARE[Grade.CRITICAL]))
    return max(calm * share, min(calm, SHORTEST_INTERVAL))


def strained_interval(usual: timedelta, grade: Grade | None, cushion: float | None, policy: Policy) -> timedelta:
    """In turmoil the requests go to the worst: they are read twice as often, what is calm and far away half as often.

    Never so seldom that a calm account might be taken for unreadable.
    """
    if grade is None or grade is Grade.NOTICE:
        return usual
    if grade >= Grade.WARNING:
        return max(usual / 2, min(usual, SHORTEST_INTERVAL))
    if cushion is not None and cushion < FULL_PATIENCE_CUSHION:
        return usual
    return max(usual, min(2 * usual, policy.stale_after / 3))
