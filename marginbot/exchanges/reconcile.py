"""Two figures for the same thing: telling that they differ, and letting the worse one count."""

from __future__ import annotations

from decimal import Decimal

from marginbot.domain.report import RATIO_TOLERANCE

IDLE = Decimal("0.01")  # below this ratio the venue's rounding is not a disagreement


def apart(one: Decimal, other: Decimal, tolerance: Decimal = RATIO_TOLERANCE) -> bool:
    """Whether two amounts differ by more than `tolerance` of the larger."""
    return abs(one - other) > tolerance * max(abs(one), abs(other))


def inverted(safety: Decimal | None) -> Decimal | None:
    """A ratio that falls towards 1 as danger grows, turned to rise towards 1; zero says nothing."""
    return None if not safety else 1 / safety


def requirement(
    pool: str, equity: Decimal | None, *, own: Decimal | None, reported: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """The amount at which liquidation starts: by the venue's own ratio, or by ours where that is worse.

    `own` is what we add up ourselves, `reported` the venue's ratio with 1.0 = liquidation. Where only one of
    them is there it counts, with a warning; where neither is, the answer is None.
    """
    if own is not None and own <= 0:
        own = None
    if reported is None or equity is None or equity * reported <= 0:
        found = "the venue's own ratio is missing or impossible, ours is recomputed"
        nothing = "the exchange gives no usable margin requirement, so this part cannot be judged"
        warnings.append(f"{pool}: {nothing if own is None else found}")
        return own
    venue = equity * reported
    if own is None:
        warnings.append(f"{pool}: the venue's ratio could not be recomputed, it counts unchecked")
        return venue
    if equity <= 0:
        return max(venue, own)
    ours = own / equity
    if not apart(ours, reported):
        return venue
    if max(ours, reported) >= IDLE:
        warnings.append(gap(pool, reported, ours))
    return max(venue, own)


def gap(pool: str, reported: Decimal, ours: Decimal) -> str:
    """The same words as where a report is judged, so that one disagreement is told once."""
    return f"{pool}: the venue's own ratio is {reported:.2%}, ours is {ours:.2%}; the worse one counts"
