"""KuCoin position rows, of the classic futures account and of the unified account.

Classic: `currentQty` is signed, in contracts; `markValue` is negative for a short (and for an inverse long). A closing
fee is part of what liquidation needs in cross margin, `posMaint` of an isolated position holds it already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.exchanges.listing import Listing, contract, larger_value, listing_of, value_of
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Reference, number, price

Row = Mapping[str, Any]

CLOSING_FEE = Decimal("0.0006")
_NAME = re.compile(r"(?P<base>\w+?)(?P<quote>USDT|USDC|USD)M?(?P<dated>[FGHJKMNQUVXZ]\w*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position with what decides its pool."""

    position: Position
    currency: str
    isolated: bool
    equity: Decimal | None  # behind an isolated position
    hedged: bool


def coin(name: str) -> str:
    """KuCoin's name of a coin in ours."""
    return "BTC" if name == "XBT" else name


def holdings_of(listed: Sequence[Row], reference: Reference, *, unified: bool, warnings: list[str]) -> list[Holding]:
    """All open positions."""
    found = (_holding(row, reference, unified=unified, warnings=warnings) for row in listed)
    return [holding for holding in found if holding is not None]


def _holding(row: Row, reference: Reference, *, unified: bool, warnings: list[str]) -> Holding | None:
    size, market = number(row, "currentQty", "size"), row.get("symbol")
    if not isinstance(market, str) or not market:
        raise BadPayload("a position without a symbol")
    if not size:
        if number(row, "markValue", "positionValue") or number(row, "posMaint", "maintenanceMargin"):
            raise BadPayload(f"the size of {market} is missing")
        return None
    listing = listing_of(market, reference, _guessed, warnings)
    mark = price(row, "markPrice")
    notional = larger_value(
        listing, value_of(listing, abs(size), mark), number(row, "markValue", "positionValue"), warnings
    )
    in_dollars = unified and listing.is_inverse
    if in_dollars:
        notional = None if notional is None or mark is None else notional * mark
        warnings.append(f"{listing.symbol}: a coin-margined position, its requirement in dollars is an estimate")
    isolated = _is_isolated(row, listing, warnings)
    margin = _requirement(row, listing, notional, isolated=isolated, warnings=warnings)
    position = Position(
        symbol=listing.symbol,
        underlying=listing.underlying,
        side=_side(row, size),
        contracts=abs(size),
        notional=notional,
        entry_price=price(row, "avgEntryPrice", "entryPrice"),
        mark_price=mark,
        liquidation_price=price(row, "liquidationPrice"),
        maintenance_margin=margin,
        unrealized_pnl=number(row, "unrealisedPnl", "unrealizedPnL"),
        coin_settled=listing.is_inverse and not in_dollars,
    )
    return Holding(
        position=position,
        currency="USDT" if unified else coin(str(row.get("settleCurrency") or listing.settle)),
        isolated=isolated,
        equity=_isolated_equity(row, listing, warnings) if isolated and not unified else None,
        hedged=row.get("positionSide") in ("LONG", "SHORT"),
    )


def _side(row: Row, size: Decimal) -> Side:
    said = row.get("positionSide")
    if said in ("LONG", "SHORT"):
        return Side.LONG if said == "LONG" else Side.SHORT
    return Side.LONG if size > 0 else Side.SHORT


def _is_isolated(row: Row, listing: Listing, warnings: list[str]) -> bool:
    if isinstance(row.get("crossMode"), bool):
        return not row["crossMode"]
    if row.get("marginMode") in ("CROSS", "ISOLATED"):
        return bool(row["marginMode"] == "ISOLATED")
    warnings.append(f"{listing.symbol}: KuCoin does not say whether it is cross or isolated")
    return number(row, "maintMargin") is not None


def _requirement(
    row: Row, listing: Listing, notional: Decimal | None, *, isolated: bool, warnings: list[str]
) -> Decimal | None:
    """The venue's amount, checked against its rate; of the two the larger. Cross positions also pay to be closed."""
    told, rate = number(row, "posMaint", "maintenanceMargin"), number(row, "maintMarginReq", "maintainMargin", "mmr")
    own = None if not rate or notional is None else abs(rate) * notional
    if told is None or told <= 0:
        told = None
        warnings.append(f"{listing.symbol}: KuCoin gives no maintenance margin" + (", its rate is used" if own else ""))
    elif own is None:
        warnings.append(f"{listing.symbol}: its maintenance margin could not be checked")
    elif (own > told or not isolated) and apart(own, told):
        warnings.append(f"{listing.symbol}: maintenance margin is {told:f} by KuCoin, {own:f} by its rate; more counts")
    known = [value for value in (told, own) if value is not None]
    if not known:
        return None
    return max(known) + (Decimal(0) if isolated or notional is None else notional * CLOSING_FEE)


def _isolated_equity(row: Row, listing: Listing, warnings: list[str]) -> Decimal | None:
    """`maintMargin`, which is position margin and profit; the same sum checks it, the smaller counts."""
    sums = [number(row, "maintMargin"), _sum(number(row, "posMargin"), number(row, "unrealisedPnl"))]
    known = [value for value in sums if value is not None]
    if len(known) == 1:
        warnings.append(f"{listing.symbol}: KuCoin's figures for the margin behind it are not complete")
    elif known and apart(*known):
        warnings.append(f"{listing.symbol}: KuCoin's figures for the margin behind it differ; the smaller counts")
    return min(known, default=None)


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _guessed(market: str) -> Listing | None:
    """By the name alone: XBTUSDTM, ETHUSDM."""
    found = _NAME.fullmatch(market)
    if found is None:
        return None
    base = coin(found["base"])
    return contract(base, base if found["quote"] == "USD" else found["quote"], dated=found["dated"] or "")
