"""What liquidation prices say of the equity behind positions that share a pool.

A venue's liquidation price of a position supposes that everything else stays as it is. So at that price the pool's
equity equals the requirement there, the positions of one symbol (the legs of a hedge) moving together:

    E = sum of the other requirements + sum over the legs of [ MM(at L) + profit given up between L and the mark ]

It needs no account data, which makes it the second opinion where a venue prints no ratio, and a stand-in where it
prints no equity. Derivation: `domain.implied`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from marginbot.domain.implied import implied_equity
from marginbot.domain.margin import Position
from marginbot.domain.tiers import maintenance_margin
from marginbot.exchanges.reconcile import apart

# Liquidation prices are rounded and may leave a fee out: less than this part of the notional is no disagreement.
ROUNDING = Decimal("0.002")
TOLERANCE = Decimal("0.05")
# Below this part of mark and entry price the price scale ends: venues print the smallest price instead of none.
LOWEST = Decimal("0.01")


def priced_equity(positions: Sequence[Position]) -> Decimal | None:
    """The least equity, in the pool's currency, that the liquidation prices allow; None where none says anything."""
    found = []
    for symbol in dict.fromkeys(position.symbol for position in positions):
        legs = [position for position in positions if position.symbol == symbol]
        others = [position.maintenance_margin for position in positions if position.symbol != symbol]
        found.append(_by_symbol(legs, others))
    return min((value for value in found if value is not None), default=None)


def _by_symbol(legs: Sequence[Position], others: Sequence[Decimal | None]) -> Decimal | None:
    liquidation = next((leg.liquidation_price for leg in legs if leg.liquidation_price), None)
    if liquidation is None or None in others:
        return None
    if all(liquidation < LOWEST * known for leg in legs for known in (leg.mark_price, leg.entry_price) if known):
        return None
    total = sum((margin for margin in others if margin is not None), Decimal(0))
    for leg in legs:
        behind = _behind(leg, liquidation)
        if behind is None:
            return None
        total += behind
    return total


def _behind(leg: Position, liquidation: Decimal) -> Decimal | None:
    notional, mark = leg.notional, leg.mark_price
    if notional is None or mark is None or not leg.maintenance_margin:
        return None
    return implied_equity(
        lambda moved: requirement_at(leg, moved),
        side=leg.side,
        notional=notional,
        mark=mark,
        liquidation=liquidation,
        is_inverse=leg.coin_settled,
    )


def requirement_at(position: Position, notional: Decimal) -> Decimal:
    """Maintenance margin if the position were of this notional: by its tiers where known, else in proportion.

    Both are scaled to the requirement it has now, so that fees the venue adds stay in.
    """
    now, held = position.notional or Decimal(0), position.maintenance_margin or Decimal(0)
    modelled = maintenance_margin(now, position.tiers) if position.tiers else Decimal(0)
    if modelled > 0:
        return held * maintenance_margin(notional, position.tiers) / modelled
    return held * notional / now if now else held


def least_equity(pool: str, told: Decimal | None, positions: Sequence[Position], warnings: list[str]) -> Decimal | None:
    """The venue's equity checked against its liquidation prices: where these leave clearly less, less counts."""
    priced = priced_equity(positions)
    if told is None:
        if priced is not None:
            warnings.append(f"{pool}: the exchange gives no equity, it is worked out from the liquidation price")
        return priced
    if priced is None or priced >= told:
        return told
    size = sum((position.notional or Decimal(0) for position in positions), Decimal(0))
    if told - priced <= ROUNDING * size or not apart(told, priced, TOLERANCE):
        return told
    warnings.append(f"{pool}: by the liquidation price less stands behind it than by the balance; less counts")
    return priced
