"""The smallest move that brings a pool to its trigger.

Between two knots (prices at which a position changes its leverage tier) equity and requirement of linear contracts
are straight lines in the move x, those of coin-settled ones straight lines in 1 / (1 + x). There the trigger is
solved exactly; where options or a mixture make the lines curved it is searched on a grid and bisected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum

_FIRST_STEP = 0.01
_STEP_GROWTH = 0.1  # a step is never more than a tenth of the distance already searched
_FEW_KNOTS = 48  # more than that are first narrowed down on the grid
_HALVINGS = 60

Distance = Callable[[float], float]


class Shape(Enum):
    """In which variable the distance to the trigger is straight between two knots."""

    LINEAR = "the move"
    INVERSE = "one over one plus the move"
    CURVED = "none"


def first_breach(distance: Distance, limit: float, knots: Sequence[float], shape: Shape) -> float | None:
    """Smallest move towards `limit` at which `distance` falls to zero; None if it never does.

    `distance(0)` must be positive. Knots on the other side of zero and beyond the limit are left out.
    """
    sign = math.copysign(1.0, limit)
    ahead = sorted({abs(knot) for knot in knots if 0 < knot * sign < abs(limit)})
    straight = shape is not Shape.CURVED
    if straight and len(ahead) <= _FEW_KNOTS:
        stops = [*ahead, abs(limit)]
    else:
        stops = sorted({*_grid(abs(limit)), *(ahead if len(ahead) <= _FEW_KNOTS else ())})
    safe = 0.0
    for stop in stops:
        if distance(sign * stop) <= 0:
            if not straight:
                return _bisect(distance, sign * safe, sign * stop)
            within = [knot for knot in ahead if safe < knot < stop]
            return _solved(distance, [sign * at for at in (safe, *within, stop)], shape)
        safe = stop
    return None


def _grid(limit: float) -> list[float]:
    stops, at = [], 0.0
    while at < limit:
        at = min(at + max(_FIRST_STEP, _STEP_GROWTH * at), limit)
        stops.append(at)
    return stops


def _solved(distance: Distance, stops: list[float], shape: Shape) -> float:
    """The root between the first and the last stop, whose distances differ in sign."""
    low, high = 0, len(stops) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if distance(stops[middle]) <= 0:
            high = middle
        else:
            low = middle
    near, far = stops[low], stops[high]
    above, below = distance(near), distance(far)
    share = above / (above - below)
    if shape is Shape.LINEAR:
        return near + (far - near) * share
    first, last = 1.0 / (1.0 + near), 1.0 / (1.0 + far)
    return 1.0 / (first + (last - first) * share) - 1.0


def _bisect(distance: Distance, safe: float, breached: float) -> float:
    for _ in range(_HALVINGS):
        middle = (safe + breached) / 2
        if distance(middle) <= 0:
            breached = middle
        else:
            safe = middle
    return breached
