"""What a venue's own market id stands for, with or without the loaded market list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference

SIZE_TOLERANCE = Decimal("0.02")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A contract. `contract_size`: units of the underlying (linear) or dollars (inverse); None: not known."""

    symbol: str
    underlying: str
    settle: str
    is_inverse: bool = False
    contract_size: Decimal | None = None


def listing_of(
    market: str, reference: Reference, guess: Callable[[str], Listing | None], warnings: list[str]
) -> Listing:
    """The market by the loaded list, else by its name alone, which is told."""
    known = reference.instruments.get(market)
    if known is not None:
        return Listing(
            symbol=known.symbol,
            underlying=known.underlying,
            settle=known.settle,
            is_inverse=known.is_inverse,
            contract_size=known.contract_size if known.contract_size > 0 else None,
        )
    warnings.append(f"{market}: not in the market list, its name was taken apart")
    return guess(market) or Listing(symbol=market, underlying=market, settle="")


def contract(
    underlying: str, settle: str, *, size: Decimal | None = None, quote: str | None = None, dated: str = ""
) -> Listing:
    """A listing of which only the coins are known; settled in the underlying it is an inverse one."""
    inverse = settle == underlying
    symbol = f"{underlying}/{quote or ('USD' if inverse else settle)}:{settle}" + (f"-{dated}" if dated else "")
    return Listing(symbol=symbol, underlying=underlying, settle=settle, is_inverse=inverse, contract_size=size)


def value_of(listing: Listing, contracts: Decimal, mark: Decimal | None) -> Decimal | None:
    """|Value| at the mark in the settlement currency; None where size or mark is not known."""
    if listing.contract_size is None or mark is None:
        return None
    units = contracts * listing.contract_size
    return units / mark if listing.is_inverse else units * mark


def larger_value(listing: Listing, ours: Decimal | None, told: Decimal | None, warnings: list[str]) -> Decimal | None:
    """The venue's value and ours: the larger counts, a clear gap is told."""
    known = [abs(value) for value in (ours, told) if value]
    if not known:
        warnings.append(f"{listing.symbol}: its value is not known (neither contract size nor value)")
        return None
    if apart(min(known), max(known), SIZE_TOLERANCE):
        warnings.append(
            f"{listing.symbol}: the exchange values it at {abs(told or 0):f}, its contracts come to {ours or 0:f}"
        )
    return max(known)
