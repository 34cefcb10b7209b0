"""Leverage tiers: maintenance margin as a function of notional.

A venue with *marginal* tiers charges `notional * rate - deduction`, where the deduction makes the
requirement continuous at the tier boundaries (Binance calls it `cum`, Bybit `mmDeduction`). Source:
Binance "Leverage and Margin of USDⓈ-M Futures"; checked against its published level-3 deduction of 1300.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from marginbot.domain.by_object import ByObject


@dataclass(frozen=True, slots=True)
class LeverageTier:
    """One rung of a venue's margin schedule; bounds in the unit of the pool's notional."""

    floor: Decimal
    cap: Decimal | None  # None: no upper end
    maintenance_margin_rate: Decimal  # fraction of notional
    deduction: Decimal = Decimal(0)


def tier_for(notional: Decimal, tiers: Sequence[LeverageTier]) -> LeverageTier:
    """The tier in which `notional` falls; beyond the last cap, the last tier."""
    for tier in tiers:
        if tier.cap is None or notional < tier.cap:
            return tier
    return tiers[-1]


def maintenance_margin(notional: Decimal, tiers: Sequence[LeverageTier]) -> Decimal:
    """Maintenance margin of a position of `notional` (same currency); never negative."""
    tier = tier_for(notional, tiers)
    return max(Decimal(0), notional * tier.maintenance_margin_rate - tier.deduction)


def with_deductions(tiers: Sequence[LeverageTier]) -> tuple[LeverageTier, ...]:
    """Fill in deductions where the venue prints none: c_k = c_{k-1} + floor_k (r_k - r_{k-1})."""
    filled: list[LeverageTier] = []
    rate, deduction = Decimal(0), Decimal(0)
    for index, tier in enumerate(tiers):
        if index:
            deduction += tier.floor * (tier.maintenance_margin_rate - rate)
        rate = tier.maintenance_margin_rate
        filled.append(LeverageTier(tier.floor, tier.cap, rate, deduction))
    return tuple(filled)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Tiers in floats, for projections: up to `caps[k]` a notional needs `rates[k] * notional - deductions[k]`."""

    caps: tuple[float, ...]  # of all but the last tier, which goes on
    rates: tuple[float, ...]
    deductions: tuple[float, ...]
    is_convex: bool  # without steps, and never flatter further up

    @classmethod
    def of(cls, tiers: Sequence[LeverageTier]) -> Schedule:
        """The same tiers."""
        caps = tuple(math.inf if tier.cap is None else float(tier.cap) for tier in tiers[:-1])
        rates = tuple(float(tier.maintenance_margin_rate) for tier in tiers)
        deductions = tuple(float(tier.deduction) for tier in tiers)
        return cls(caps, rates, deductions, _is_convex(caps, rates, deductions))

    def requirement(self, notional: float) -> float:
        """Maintenance margin of a notional; see `maintenance_margin`, which is exact."""
        tier = bisect_right(self.caps, notional)
        return max(0.0, notional * self.rates[tier] - self.deductions[tier])


def _is_convex(caps: Sequence[float], rates: Sequence[float], deductions: Sequence[float]) -> bool:
    steps = [
        abs(cap * (high - low) - (more - less)) > 1e-12 * max(1.0, cap * high)
        for cap, (low, high), (less, more) in zip(caps, pairwise(rates), pairwise(deductions), strict=True)
    ]
    rising = all(one < other for one, other in pairwise(caps)) and all(one <= other for one, other in pairwise(rates))
    return rising and not any(steps)


schedule_of = ByObject(Schedule.of)
