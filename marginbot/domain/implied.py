"""What a liquidation price says of the equity behind a position.

At the liquidation price L the equity equals the requirement there, and between L and the mark m only the position's
own profit moves it. With s = +1 long, -1 short and N the notional at the mark in the pool's currency:

    linear    E(m) = MM(N L / m) + s N (1 - L / m)
    inverse   E(m) = MM(N m / L) + s N (m / L - 1)      (in the coin)

So the ratio MM(N) / E(m) needs no account data at all. Checked against seven recorded positions of Hyperliquid,
OKX, KuCoin and Lighter that print both, with errors below 3e-4. It holds where nothing else moves the pool: isolated
positions, and cross ones only while they are alone.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from marginbot.domain.margin import Side


def implied_equity(
    requirement_of: Callable[[Decimal], Decimal],
    *,
    side: Side,
    notional: Decimal,
    mark: Decimal,
    liquidation: Decimal,
    is_inverse: bool = False,
) -> Decimal | None:
    """Equity at the mark in the currency of `notional`; None where a figure is not positive.

    `requirement_of` gives the maintenance margin, including what the venue adds to it, of a notional. A liquidation
    price on the wrong side of the mark (above it for a long) means that the trigger was passed: the equity is then
    below the requirement, zero or negative.
    """
    if mark <= 0 or liquidation <= 0 or notional <= 0:
        return None
    growth = mark / liquidation if is_inverse else liquidation / mark
    gain = side.sign * notional * (growth - 1 if is_inverse else 1 - growth)
    return requirement_of(notional * growth) + gain


def proportional(rate: Decimal) -> Callable[[Decimal], Decimal]:
    """A requirement of `rate` (fraction of notional, fees included) without tiers."""
    return lambda notional: notional * rate
