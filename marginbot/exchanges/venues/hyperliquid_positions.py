"""Hyperliquid: coins, margin tables and the positions of one dex.

The maintenance rate is half the initial rate at the greatest leverage of the position's tier, whatever leverage
was chosen, and the requirement has no step where a tier begins (a deduction makes it continuous). Source:
hyperliquid.gitbook.io, "Margining", "Margin tiers"; the rate reproduces recorded requirements to 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin, with_deductions
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference, amount, dig, number, price, record, rows

Row = Mapping[str, Any]

COLLATERAL = "USDC"
TOLERANCE = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Holding:
    """A position and the row it was read from."""

    row: Row
    position: Position
    isolated: bool


def coin_code(coin: str) -> str:
    """ccxt's name of a coin: `kPEPE` is KPEPE, `xyz:TSLA` is XYZ-TSLA."""
    return coin.upper().replace(":", "-")


def symbol_of(coin: str) -> str:
    """Unified symbol of a perpetual."""
    return f"{coin_code(coin)}/{COLLATERAL}:{COLLATERAL}"


def tiers_of(meta: Any) -> dict[str, tuple[LeverageTier, ...]]:
    """Margin tiers of one dex's coins by unified symbol; a table without an entry is a single tier."""
    tables = {str(pair[0]): pair[1] for pair in dig(meta, "marginTables") or [] if isinstance(pair, list)}
    tiers = {}
    for coin in rows(meta, "universe"):
        table = tables.get(str(coin.get("marginTableId")))
        steps = rows(table, "marginTiers") if table else [{"lowerBound": 0, "maxLeverage": coin.get("maxLeverage")}]
        tiers[symbol_of(str(coin["name"]))] = _continuous(steps)
    return tiers


def _continuous(steps: list[dict[str, Any]]) -> tuple[LeverageTier, ...]:
    floors = [amount(step, "lowerBound") for step in steps]
    caps = [*floors[1:], None]
    rates = [1 / (2 * amount(step, "maxLeverage")) for step in steps]
    return with_deductions([LeverageTier(*tier) for tier in zip(floors, caps, rates, strict=True)])


def holdings_of(state: Any, reference: Reference, warnings: list[str]) -> list[Holding]:
    """The open positions of one dex."""
    found = (_holding(record(row, "position"), reference, warnings) for row in rows(state, "assetPositions"))
    return [holding for holding in found if holding is not None]


def _holding(row: Row, reference: Reference, warnings: list[str]) -> Holding | None:
    size, coin = amount(row, "szi"), str(row["coin"])
    if size == 0:
        return None
    symbol, side = symbol_of(coin), Side.LONG if size > 0 else Side.SHORT
    value = _value(row, size, symbol, warnings)
    tiers = reference.tiers.get(symbol, ())
    position = Position(
        symbol=symbol,
        underlying=coin_code(coin),
        side=side,
        contracts=abs(size),
        notional=value,
        entry_price=price(row, "entryPx"),
        mark_price=None if value is None else value / abs(size),
        liquidation_price=price(row, "liquidationPx"),
        maintenance_margin=_requirement(row, value, tiers, symbol, warnings),
        unrealized_pnl=number(row, "unrealizedPnl"),
        tiers=tiers,
    )
    return Holding(row, position, isolated=dig(row, "leverage", "type") == "isolated")


def _value(row: Row, size: Decimal, symbol: str, warnings: list[str]) -> Decimal | None:
    """Value at the mark; entry value and profit give the same figure again."""
    said, entry, profit = number(row, "positionValue"), price(row, "entryPx"), number(row, "unrealizedPnl")
    own = None if entry is None or profit is None else abs(size) * entry + (profit if size > 0 else -profit)
    if said is None or said <= 0:
        how = "and its size is unknown" if own is None else "it is worked out from entry"
        warnings.append(f"{symbol}: no position value, {how}")
        return own
    if own is None:
        warnings.append(f"{symbol}: entry or profit is missing, the position's value counts unchecked")
    elif apart(said, own, TOLERANCE):
        warnings.append(f"{symbol}: value {said:f} does not follow from entry and profit ({own:f}); the larger counts")
        return max(said, own)
    return said


def _requirement(
    row: Row, value: Decimal | None, tiers: tuple[LeverageTier, ...], symbol: str, warnings: list[str]
) -> Decimal | None:
    leverage = price(row, "maxLeverage")
    flat = None if value is None or leverage is None else value / (2 * leverage)
    tiered = maintenance_margin(value, tiers) if value is not None and tiers else None
    if tiered is None and flat is None:
        warnings.append(f"{symbol}: greatest leverage unknown, its requirement cannot be worked out")
    if tiered is not None and flat is not None and flat > tiered * (1 + TOLERANCE):
        warnings.append(f"{symbol}: margin tables and the position disagree about its rate; the higher counts")
        return flat
    return flat if tiered is None else tiered
