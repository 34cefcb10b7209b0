"""Deribit position rows: side, size and option terms in the currency of their pool.

Inverse futures are sized in USD, linear ones and options in coins; `size_currency` repeats a future's size in
coins. Prices of inverse options are in the coin. Source: docs.deribit.com, "private/get_positions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Option, Position, Side
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference, amount, number, price

Row = Mapping[str, Any]

USD = "USD"
SIZE_TOLERANCE = Decimal("0.02")
MARK_TOLERANCE = Decimal("0.20")
IMPOSSIBLE = Decimal(3)  # a sold option may need more than its underlying is worth, but not this much more
SIDES = {"buy": Side.LONG, "sell": Side.SHORT}


@dataclass(frozen=True, slots=True)
class Listing:
    """What an instrument name says: `BTC-PERPETUAL`, `BTC_USDC-27JUN25`, `BTC-31DEC27-50000-P`, `XRP_USDC-…-2d5-C`."""

    symbol: str
    base: str
    settle: str
    strike: Decimal | None = None
    is_call: bool | None = None
    expires_at: datetime | None = None

    @property
    def inverse(self) -> bool:
        return self.settle == self.base

    @property
    def is_option(self) -> bool:
        return self.is_call is not None


Held = tuple[Listing, Position]


def listing_of(name: str, reference: Reference) -> Listing:
    """Symbol, settlement and option terms; the loaded markets come first."""
    known = reference.instruments.get(name)
    if known is not None:
        return Listing(known.symbol, known.underlying, known.settle, known.strike, known.is_call, known.expires_at)
    pair, *rest = name.split("-")
    base, _, settle = pair.partition("_")
    if not rest or not base:
        raise BadPayload("instrument name of a form we do not know")
    try:
        expires_at = None if rest[0] == "PERPETUAL" else _expiry(rest[0])
        strike = Decimal(rest[1].replace("d", ".")) if len(rest) == 3 else None
    except (ValueError, InvalidOperation):
        raise BadPayload("instrument name of a form we do not know") from None
    symbol = f"{base}/{settle or USD}:{settle or base}"
    if expires_at is not None:
        dated = [expires_at.strftime("%y%m%d"), *rest[1:]]
        symbol += "-" + "-".join(part.replace("d", ".") for part in dated)
    is_call = rest[2] == "C" if len(rest) == 3 else None
    return Listing(symbol, base, settle or base, strike, is_call, expires_at)


def _expiry(text: str) -> datetime:
    return datetime.strptime(text, "%d%b%y").replace(hour=8, tzinfo=UTC)


def position_of(
    row: Row, reference: Reference, *, in_usd: bool, warnings: list[str]
) -> tuple[Listing, Position] | None:
    """A row as a position of its pool, kept in USD or in the settlement currency; None when it is closed."""
    size = amount(row, "size")
    side = SIDES.get(str(row.get("direction")))
    if size == 0:
        return None
    if side is None:
        raise BadPayload("a position of some size without a direction")
    listing = listing_of(str(row.get("instrument_name") or ""), reference)
    if size * side.sign < 0:
        # Sizes are signed; here the sign and the direction contradict each other.
        warnings.append(f"{listing.symbol}: size {size:f} does not fit a {side} position")
    mark = _mark(row, listing, warnings)
    notional = _notional(row, listing, abs(size), mark=mark, in_usd=in_usd, warnings=warnings)
    position = Position(
        symbol=listing.symbol,
        underlying=listing.base,
        side=side,
        contracts=abs(size),
        notional=notional,
        entry_price=price(row, "average_price"),
        mark_price=mark,
        liquidation_price=price(row, "estimated_liquidation_price"),
        maintenance_margin=_margin(row, listing, notional, mark=mark, in_usd=in_usd, warnings=warnings),
        unrealized_pnl=number(row, "total_profit_loss"),
        coin_settled=listing.inverse and not in_usd,
        option=_option(row, listing, mark, warnings) if listing.is_option else None,
    )
    return listing, position


def _mark(row: Row, listing: Listing, warnings: list[str]) -> Decimal | None:
    mark, index = price(row, "mark_price"), price(row, "index_price")
    if listing.is_option:
        return mark
    if mark is None:
        warnings.append(f"{listing.symbol}: no mark price, the index stands in")
        return index
    if index is not None and apart(mark, index, MARK_TOLERANCE):
        warnings.append(f"{listing.symbol}: mark price {mark:f} is far from the index {index:f}")
    return mark


def _notional(
    row: Row, listing: Listing, size: Decimal, *, mark: Decimal | None, in_usd: bool, warnings: list[str]
) -> Decimal | None:
    reference = price(row, "index_price") if listing.is_option else mark
    if reference is None:
        warnings.append(f"{listing.symbol}: no price to value it at, size unknown")
        return None
    coins = size if listing.is_option or not listing.inverse else size / reference
    said = None if listing.is_option else number(row, "size_currency")
    if said is not None and apart(abs(said), coins, SIZE_TOLERANCE):
        warnings.append(f"{listing.symbol}: its size is {coins:f} {listing.base}, Deribit also says {abs(said):f}")
        coins = max(coins, abs(said))
    return coins if listing.inverse and not in_usd else coins * reference


def _margin(
    row: Row, listing: Listing, notional: Decimal | None, *, mark: Decimal | None, in_usd: bool, warnings: list[str]
) -> Decimal | None:
    """The position's own requirement; under portfolio margin these do not add up to the account's."""
    margin = number(row, "maintenance_margin")
    if margin is None or margin < 0:
        warnings.append(f"{listing.symbol}: no usable maintenance margin of its own, room is an estimate")
        return None
    if in_usd and listing.inverse:
        index = price(row, "index_price") or mark
        margin = None if index is None else margin * index
    if margin is not None and notional is not None and margin > notional * IMPOSSIBLE:
        warnings.append(f"{listing.symbol}: its maintenance margin {margin:f} exceeds its value many times")
    return margin


def _option(row: Row, listing: Listing, mark: Decimal | None, warnings: list[str]) -> Option | None:
    index = price(row, "index_price")
    worth = number(row, "mark_price") if mark is None else mark
    if index is None or worth is None or worth < 0 or listing.strike is None or listing.expires_at is None:
        warnings.append(f"{listing.symbol}: price or terms of the option are missing, room leaves it out")
        return None
    return Option(
        is_call=bool(listing.is_call),
        strike=listing.strike,
        expires_at=listing.expires_at,
        underlying_price=index,
        mark_usd=worth * index if listing.inverse else worth,
    )
