"""Coins that back a Bybit account, after their haircut.

The haircut of a coin grows with its quantity; the venue publishes the steps. Without them all coins are cut
alike, so that they still add up to the venue's own margin balance. A debt counts in full. Portfolio margin
measures against equity, which has no haircut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral
from marginbot.domain.room import STABLE
from marginbot.exchanges.venue import amount, dig, number, rows
from marginbot.exchanges.venues.bybit_rows import Coin

_ZERO, _ONE = Decimal(0), Decimal(1)


def collateral_of(
    mode: str, coins: Mapping[str, Coin], ratios: Any, *, equity: Decimal | None, warnings: list[str]
) -> list[Collateral]:
    """Coins whose own price moves the account's equity."""
    unpriced = [coin.name for coin in coins.values() if coin.name not in STABLE and coin.equity and coin.usd is None]
    if unpriced:
        warnings.append(f"{mode}: no value of {', '.join(sorted(unpriced))}; what their fall would cost is not in room")
    moving = [coin for coin in coins.values() if coin.name not in STABLE and coin.usd and _counts(coin)]
    steps = _steps_by_coin(ratios)
    share = _common_share(coins.values(), equity)
    if mode == "cross" and any(coin.name not in steps and coin.usd and coin.usd > 0 for coin in moving):
        warnings.append(f"{mode}: Bybit's collateral ratios are missing, one ratio for all coins is assumed")
    return [
        Collateral(
            asset=coin.name,
            value=_value(mode, coin, steps.get(coin.name), share),
            is_cut=mode != "portfolio",
            per_coin=_per_coin(mode, coin, steps.get(coin.name)),
        )
        for coin in moving
    ]


def stables_of(mode: str, coins: Mapping[str, Coin], ratios: Any) -> tuple[Collateral, ...]:
    """Stablecoins behind the account, in dollars; nothing where a value is not told."""
    held = [coin for coin in coins.values() if coin.name in STABLE and coin.equity and _counts(coin)]
    steps = _steps_by_coin(ratios)
    if any(coin.usd is None for coin in held):
        return ()
    return tuple(
        Collateral(
            asset=coin.name,
            value=_value(mode, coin, steps.get(coin.name), _ONE),
            per_coin=_per_coin(mode, coin, steps.get(coin.name)) or coin.rate,
        )
        for coin in held
    )


def _per_coin(mode: str, coin: Coin, steps: Sequence[Mapping[str, Any]] | None) -> Decimal | None:
    """What one more coin counts for: by the step that the quantity held has reached."""
    if coin.rate is None or mode == "portfolio":
        return coin.rate
    reached = [s for s in steps or () if (number(s, "minQty") or _ZERO) <= max(coin.equity or _ZERO, _ZERO)]
    ratio = number(reached[-1], "collateralRatio") if reached else None
    return None if ratio is None else coin.rate * ratio


def _counts(coin: Coin) -> bool:
    return coin.is_collateral or (coin.usd or _ZERO) < 0


def _value(mode: str, coin: Coin, steps: Sequence[Mapping[str, Any]] | None, share: Decimal) -> Decimal:
    assert coin.usd is not None
    if coin.usd < 0 or mode == "portfolio":
        return coin.usd
    if not steps or not coin.equity:
        return coin.usd * share
    counted = sum((_part(coin.equity, step) * amount(step, "collateralRatio") for step in steps), _ZERO)
    return coin.usd * counted / coin.equity


def _part(quantity: Decimal, step: Mapping[str, Any]) -> Decimal:
    """How much of a quantity falls into one step."""
    floor, cap = number(step, "minQty") or _ZERO, number(step, "maxQty")
    top = quantity if cap is None else min(quantity, cap)
    return max(_ZERO, top - floor)


def _steps_by_coin(ratios: Any) -> dict[str, list[dict[str, Any]]]:
    if dig(ratios, "result", "list") is None:
        return {}
    listed = rows(ratios, "result", "list")
    return {str(row.get("currency")): rows(row, "collateralRatioList") for row in listed}


def _common_share(coins: Iterable[Coin], equity: Decimal | None) -> Decimal:
    """What is left of the coins' value in the venue's margin balance."""
    counted = [coin for coin in coins if coin.usd is not None and _counts(coin)]
    fixed = sum((coin.usd or _ZERO for coin in counted if coin.name in STABLE or (coin.usd or _ZERO) < 0), _ZERO)
    cut = sum((coin.usd or _ZERO for coin in counted), _ZERO) - fixed
    if equity is None or cut <= 0:
        return _ONE
    return max(_ZERO, min(_ONE, (equity - fixed) / cut))
