"""BingX position rows and leverage tiers.

Linear sizes are units of the coin, coin-margined ones contracts of some dollars each. A coin-margined position's size
also follows from its initial margin, leverage and entry price, which checks or replaces the contract size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.listing import Listing, contract, larger_value, listing_of, value_of
from marginbot.exchanges.venue import Reference, amount, dig, number, price

Row = Mapping[str, Any]
Tiers = Mapping[str, tuple[LeverageTier, ...]]

CLOSING_FEE = Decimal("0.0005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position with what decides its pool."""

    position: Position  # its requirement is ours, by the tiers; None where they are not known
    currency: str
    isolated: bool
    margin: Decimal | None  # behind it, profit included, if it is isolated
    ratio: Decimal | None  # BingX's `riskRate`
    hedged: bool


def tiers_of(answers: Any) -> Tiers:
    """Leverage tiers by BingX's symbol, with the fee of closing in the rate."""
    found = {}
    for symbol, answer in (answers or {}).items():
        listed = dig(answer, "data")
        if isinstance(listed, list) and listed:
            found[symbol] = tuple(sorted((_tier(row) for row in listed), key=lambda tier: tier.floor))
    return {symbol: (*tiers[:-1], replace(tiers[-1], cap=None)) for symbol, tiers in found.items()}


def _tier(row: Row) -> LeverageTier:
    return LeverageTier(
        floor=amount(row, "minPositionVal"),
        cap=amount(row, "maxPositionVal"),
        maintenance_margin_rate=amount(row, "maintMarginRatio") + CLOSING_FEE,
        deduction=amount(row, "maintAmount"),
    )


def holdings_of(listed: Sequence[Row], reference: Reference, tiers: Tiers, warnings: list[str]) -> list[Holding]:
    """All open positions."""
    found = (_holding(row, reference, tiers, warnings) for row in listed)
    return [holding for holding in found if holding is not None]


def _holding(row: Row, reference: Reference, tiers: Tiers, warnings: list[str]) -> Holding | None:
    market, size = row.get("symbol"), number(row, "positionAmt")
    if not isinstance(market, str) or not market:
        raise BadPayload("a position without a symbol")
    if not size:
        if size is None or number(row, "positionValue", "initialMargin"):
            raise BadPayload(f"the size of {market} is missing")
        return None
    listing = listing_of(market, reference, _guessed, warnings)
    mark, entry = price(row, "markPrice"), price(row, "avgPrice")
    if mark is None:
        warnings.append(f"{listing.symbol}: BingX gives no mark price")
    notional = _notional(row, listing, abs(size), mark=mark, entry=entry, warnings=warnings)
    schedule = tiers.get(market, ())
    position = Position(
        symbol=listing.symbol,
        underlying=listing.underlying,
        side=_side(row, size, mark=mark, entry=entry),
        contracts=abs(size),
        notional=notional,
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "liquidationPrice"),
        maintenance_margin=maintenance_margin(notional, schedule) if schedule and notional is not None else None,
        unrealized_pnl=number(row, "unrealizedProfit"),
        coin_settled=listing.is_inverse,
        tiers=schedule,
    )
    isolated = _is_isolated(row, listing, warnings)
    return Holding(
        position=position,
        currency=listing.underlying if listing.is_inverse else str(row.get("currency") or listing.settle),
        isolated=isolated,
        margin=_isolated_margin(row, listing, warnings) if isolated else None,
        ratio=number(row, "riskRate"),
        hedged=row.get("onlyOnePosition") is False,
    )


def _notional(
    row: Row, listing: Listing, size: Decimal, *, mark: Decimal | None, entry: Decimal | None, warnings: list[str]
) -> Decimal | None:
    if not listing.is_inverse:
        known = listing if listing.contract_size is not None else replace(listing, contract_size=Decimal(1))
        return larger_value(listing, value_of(known, size, mark), number(row, "positionValue"), warnings)
    margin, leverage = number(row, "initialMargin"), number(row, "leverage")
    implied = None
    if margin and leverage and mark is not None and entry is not None:
        implied = abs(margin * leverage) * entry / mark
    return larger_value(listing, value_of(listing, size, mark), implied, warnings)


def _side(row: Row, size: Decimal, *, mark: Decimal | None, entry: Decimal | None) -> Side:
    """As said; a one-way row by the sign of its size, or by the sign of its profit."""
    said = str(row.get("positionSide")).upper()
    if said in ("LONG", "SHORT"):
        return Side.LONG if said == "LONG" else Side.SHORT
    profit = number(row, "unrealizedProfit")
    if size > 0 and profit and mark is not None and entry is not None and mark != entry:
        return Side.LONG if (mark > entry) is (profit > 0) else Side.SHORT
    return Side.LONG if size > 0 else Side.SHORT


def _is_isolated(row: Row, listing: Listing, warnings: list[str]) -> bool:
    if isinstance(row.get("isolated"), bool):
        return bool(row["isolated"])
    warnings.append(f"{listing.symbol}: BingX does not say whether it is cross or isolated; taken as isolated")
    return True


def _isolated_margin(row: Row, listing: Listing, warnings: list[str]) -> Decimal | None:
    """`margin`; initial margin and profit are the same sum unless margin was added, so that only less is told."""
    told, initial, profit = (number(row, name) for name in ("margin", "initialMargin", "unrealizedProfit"))
    if told is not None:
        return told
    if initial is None or profit is None:
        warnings.append(f"{listing.symbol}: BingX does not tell the margin behind it")
        return None
    warnings.append(f"{listing.symbol}: margin added to the position is not known, only the initial one counts")
    return initial + profit


def _guessed(market: str) -> Listing | None:
    """By the name alone: BTC-USDT, SOL-USD."""
    base, _, quote = market.partition("-")
    if not base or not quote:
        return None
    return contract(base, base) if quote == "USD" else contract(base, quote, size=Decimal(1))
