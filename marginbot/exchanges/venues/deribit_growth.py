"""Deribit: how the requirement of a coin-margined future grows with its size, read off its own two margins.

Under standard margin a future of N coins needs `N (1 % + s N)`, and `N (2 % + s N)` to be opened; the step s is
published for each coin and changed now and then, so it is taken from the account: the two margins lie 1 % of the
notional apart only where both published bases hold, and what the smaller one needs above its base is the growth. Where
they lie apart otherwise (another model, a leverage chosen by hand), nothing is concluded, and the requirement counts
as proportional to the size. Source: support.deribit.com, "11 January 2022".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

from marginbot.domain.margin import Position
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.exchanges.venue import number

BASE = Decimal("0.01")  # of the maintenance margin, for a position of next to nothing
APART = Decimal("0.01")  # between the bases of both margins
TOLERANCE = Decimal("0.00005")
DIGITS = 2  # of the step: published steps have one or two, and rounded margins support no more
LEAST = Decimal("0.005")  # up to this share of the base the growth is left out: advice then leads no further too far
CHORD = Decimal("0.0005")  # how far above the curve a chord may run, as a share of it; advice is as exact
LAST = 20  # growth, in multiples of the base, up to which the curve is followed


def with_growth(position: Position, row: Mapping[str, Any]) -> Position:
    """A coin-settled future with tiers that follow its growth; as it was where that is not known."""
    step = _step(position, row)
    return position if step is None else replace(position, tiers=_tiers(step))


def _step(position: Position, row: Mapping[str, Any]) -> Decimal | None:
    """Growth of the rate for each coin of size."""
    initial, held, coins = number(row, "initial_margin"), position.maintenance_margin, position.notional
    if not position.coin_settled or position.option is not None or initial is None or not held or not coins:
        return None
    growth = held / coins - BASE
    if abs((initial - held) / coins - APART) > TOLERANCE or growth <= LEAST * BASE:
        return None
    step = growth / coins
    return step.quantize(Decimal(1).scaleb(step.adjusted() - DIGITS + 1))


@lru_cache(maxsize=64)
def _tiers(step: Decimal) -> tuple[LeverageTier, ...]:
    """Chords over `N (base + step N)`, which lie above it; one object for all accounts."""
    grown = [Decimal(0), CHORD]
    while grown[-1] < LAST:
        grown.append(grown[-1] + 2 * (CHORD * grown[-1] * (1 + grown[-1])).sqrt())
    edges = [share * BASE / step for share in grown]
    # The slope of a chord over a square from a to b is a + b.
    return with_deductions([LeverageTier(low, high, BASE + step * (low + high)) for low, high in pairwise(edges)])
