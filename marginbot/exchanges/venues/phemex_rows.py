"""Phemex position rows, of the newer accounts (decimal text) and of the older ones (numbers with scaled twins).

`value` is the value at entry; the value at the mark follows from the contract size, and from `value` moved there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.exchanges.listing import Listing, contract, larger_value, listing_of, value_of
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference, number, price, total

Row = Mapping[str, Any]

FAR = Decimal(10)  # times the entry price; the only other price that a row holds
_NAME = re.compile(r"(?P<base>\w+?)(?P<quote>USDT|USDC|USD)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position with what decides its pool."""

    position: Position
    isolated: bool
    equity: Decimal | None  # behind it, if it is isolated
    assigned: Decimal | None  # taken from the balance of the account
    margin: Decimal | None  # `positionMargin`
    fee: Decimal | None  # set aside for closing
    hedged: bool


def holding_of(row: Row, coin: str, reference: Reference, warnings: list[str]) -> Holding | None:
    """A row as a position of the account of `coin`; None when it is closed."""
    market, size = row.get("symbol"), number(row, "sizeRq", "size")
    if not isinstance(market, str) or not market or size is None:
        raise BadPayload("a position without symbol or size")
    value = number(row, "valueRv", "value")
    if not size:
        if value and row.get("side") != "None":
            warnings.append(f"{market}: Phemex gives it a value but no size")
        return None
    listing = listing_of(market, reference, partial(_guessed, coin=coin), warnings)
    side, mark, entry = _side(row, market), price(row, "markPriceRp", "markPrice"), _entry(row)
    notional = _notional(row, listing, abs(size), mark=mark, entry=entry, warnings=warnings)
    profit = _profit(row, notional, side, mark=mark, entry=entry, listing=listing, warnings=warnings)
    isolated = not _is_cross(row, listing.symbol, warnings)
    assigned, fee = _assigned(row), _fee(row, listing.symbol, warnings)
    return Holding(
        position=Position(
            symbol=listing.symbol,
            underlying=listing.underlying,
            side=side,
            contracts=abs(size),
            notional=notional,
            entry_price=entry,
            mark_price=mark,
            liquidation_price=price(row, "liquidationPriceRp", "liquidationPrice"),
            maintenance_margin=_requirement(row, listing, notional, mark=mark, entry=entry, warnings=warnings),
            unrealized_pnl=profit,
            coin_settled=listing.is_inverse,
        ),
        isolated=isolated,
        equity=_isolated_equity(row, listing.symbol, assigned, fee=fee, profit=profit, warnings=warnings)
        if isolated
        else None,
        assigned=assigned,
        margin=number(row, "positionMarginRv", "positionMargin"),
        fee=fee,
        hedged=row.get("posMode") == "Hedged",
    )


def _assigned(row: Row) -> Decimal | None:
    return number(row, "assignedPosBalanceRv", "assignedPosBalance")


def _entry(row: Row) -> Decimal | None:
    return price(row, "avgEntryPriceRp", "avgEntryPrice")


def _side(row: Row, market: str) -> Side:
    for said, side in (("Long", Side.LONG), ("Short", Side.SHORT)):
        if row.get("posSide") == said:
            return side
    if row.get("side") not in ("Buy", "Sell"):
        raise BadPayload(f"the direction of {market} is not known")
    return Side.LONG if row["side"] == "Buy" else Side.SHORT


def _is_cross(row: Row, symbol: str, warnings: list[str]) -> bool:
    leverage = number(row, "leverageRr", "leverage", "leverageEr")
    if row.get("crossMargin") is True:
        return True
    if leverage is None:
        warnings.append(f"{symbol}: Phemex does not say whether it is cross or isolated; taken as isolated")
        return False
    if leverage <= 0 and not _apart_from_assigned(row):
        warnings.append(f"{symbol}: by its leverage it is cross, by its margin isolated; taken as cross")
    return leverage <= 0


def _apart_from_assigned(row: Row) -> bool:
    """A cross row shows the balance as its margin, an isolated one what was assigned to it."""
    margin, assigned = number(row, "positionMarginRv", "positionMargin"), _assigned(row)
    return margin is None or assigned is None or apart(margin, assigned)


def _notional(
    row: Row,
    listing: Listing,
    size: Decimal,
    *,
    mark: Decimal | None,
    entry: Decimal | None,
    warnings: list[str],
) -> Decimal | None:
    """Value at the mark: by contract size, and moved there from the value at entry."""
    value = number(row, "valueRv", "value")
    if mark is None:
        warnings.append(f"{listing.symbol}: Phemex gives no mark price")
        return None
    if entry is not None and not 1 / FAR < mark / entry < FAR:
        warnings.append(f"{listing.symbol}: the mark price {mark:f} is very far from the entry price {entry:f}")
    moved = None
    if value and entry is not None:
        moved = abs(value) * (entry / mark if listing.is_inverse else mark / entry)
    return larger_value(listing, value_of(listing, size, mark), moved, warnings)


def _profit(
    row: Row,
    notional: Decimal | None,
    side: Side,
    *,
    mark: Decimal | None,
    entry: Decimal | None,
    listing: Listing,
    warnings: list[str],
) -> Decimal | None:
    """From entry to mark; the venue's own figure, where it gives one, checks it and the smaller counts."""
    told, own = number(row, "unRealisedPnlRv"), None
    if notional is not None and mark is not None and entry is not None:
        own = side.sign * notional * (mark / entry - 1 if listing.is_inverse else 1 - entry / mark)
    known = [value for value in (told, own) if value is not None]
    if not known:
        warnings.append(f"{listing.symbol}: its profit is not known")
        return None
    if max(known) - min(known) > Decimal("0.001") * (notional or Decimal(0)) and apart(max(known), min(known)):
        warnings.append(f"{listing.symbol}: two figures for its profit differ; the smaller counts")
    return min(known)


def _requirement(
    row: Row,
    listing: Listing,
    notional: Decimal | None,
    *,
    mark: Decimal | None,
    entry: Decimal | None,
    warnings: list[str],
) -> Decimal | None:
    """The rate on the value at entry."""
    rate, value = number(row, "maintMarginReqRr", "maintMarginReq"), number(row, "valueRv", "value")
    at_entry = None
    if notional is not None and mark is not None and entry is not None:
        at_entry = notional * (mark / entry if listing.is_inverse else entry / mark)
    known = [abs(found) for found in (value, at_entry) if found]
    if not rate or not known:
        warnings.append(f"{listing.symbol}: Phemex gives no maintenance margin rate or value")
        return None
    if not 0 < rate < 1:
        warnings.append(f"{listing.symbol}: a maintenance margin rate of {rate:f} cannot be right")
    if not value:
        warnings.append(f"{listing.symbol}: Phemex gives no value, the contract size is used")
    return abs(rate) * max(known)


def _fee(row: Row, symbol: str, warnings: list[str]) -> Decimal | None:
    fee = number(row, "bankruptCommRv", "bankruptComm")
    if fee is None:
        warnings.append(f"{symbol}: Phemex does not tell the fee of closing it")
    return Decimal(0) if fee is None else abs(fee)


def _isolated_equity(
    row: Row,
    symbol: str,
    assigned: Decimal | None,
    *,
    fee: Decimal | None,
    profit: Decimal | None,
    warnings: list[str],
) -> Decimal | None:
    """`positionMargin`, which is what was assigned without the fee, and the profit."""
    margins = [number(row, "positionMarginRv", "positionMargin"), total((assigned, None if fee is None else -fee))]
    known = [margin for margin in margins if margin is not None]
    if len(known) < len(margins):
        warnings.append(f"{symbol}: Phemex's figures for the margin behind it are not complete")
    elif apart(*known):
        warnings.append(f"{symbol}: Phemex's figures for the margin behind it differ; the smaller counts")
    return min(known) + profit if known and profit is not None else None


def _guessed(market: str, *, coin: str) -> Listing | None:
    """By the name and the coin of the account: BTCUSDT, BTCUSD in BTC."""
    found = _NAME.fullmatch(market)
    if found is None:
        return None
    base, quote = found["base"], found["quote"]
    if quote != "USD":
        return contract(base, quote, size=Decimal(1))
    return contract(base, coin, quote="USD")
