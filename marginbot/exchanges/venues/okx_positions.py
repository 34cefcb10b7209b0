"""OKX position rows: their market, side, size and requirement in the currency of their pool.

A requirement includes the liquidation fee, because OKX's margin ratio does: 0.05 % of the value of a contract,
0.102 % of a spot loan (both reproduce recorded payloads to 1e-12). Fields: www.okx.com/docs-v5, "Get positions".
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

CONTRACT_FEE = Decimal("0.0005")
LOAN_FEE = Decimal("0.00102")
SIZE_TOLERANCE = Decimal("0.05")  # notionalUsd follows the dollar price of the settlement coin, ours need not
MARK_TOLERANCE = Decimal("0.20")
USD = "USD"


@dataclass(frozen=True, slots=True)
class Listing:
    """What an instrument id says by itself, completed by the loaded markets."""

    symbol: str
    base: str
    settle: str
    inverse: bool
    contract_size: Decimal | None = None
    strike: Decimal | None = None
    is_call: bool | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A position row read for its pool."""

    row: Row
    listing: Listing
    position: Position
    is_loan: bool  # spot margin: an asset held against a liability

    @property
    def isolated(self) -> bool:
        return self.row.get("mgnMode") == "isolated"

    @property
    def currency(self) -> str:
        """The currency that margins it."""
        return str(self.row.get("ccy") or self.listing.settle)


def listing_of(inst_id: str, reference: Reference) -> Listing:
    """Symbol and settlement of an instrument; its contract size only if the markets are loaded."""
    known = reference.instruments.get(inst_id)
    if known is not None:
        return Listing(
            known.symbol,
            known.underlying,
            known.settle,
            known.is_inverse,
            known.contract_size if known.contract_size > 0 else None,
            known.strike,
            known.is_call,
            known.expires_at,
        )
    parts = inst_id.split("-")
    if len(parts) < 2:
        raise BadPayload("instrument id of a form we do not know")
    base, quote, rest = parts[0], parts[1], parts[2:]
    if not rest:
        return Listing(f"{base}/{quote}", base, quote, inverse=False)
    settle = base if quote == USD else quote
    dated = "-".join(part for part in rest if part != "SWAP")
    symbol = f"{base}/{quote}:{settle}" + (f"-{dated}" if dated else "")
    strike, is_call, expires_at = _option_terms(rest)
    return Listing(symbol, base, settle, settle == base, None, strike, is_call, expires_at)


def _option_terms(rest: list[str]) -> tuple[Decimal | None, bool | None, datetime | None]:
    if len(rest) != 3:
        return None, None, None
    try:
        expires_at = datetime.strptime(rest[0], "%y%m%d").replace(hour=8, tzinfo=UTC)
        return Decimal(rest[1]), rest[2] == "C", expires_at
    except (ValueError, InvalidOperation):
        return None, None, None


def holding_of(row: Row, reference: Reference, *, in_usd: bool, warnings: list[str]) -> Holding | None:
    """A position row as a position of its pool (kept in USD or in the row's `ccy`); None when it is closed."""
    listing = listing_of(str(row.get("instId") or ""), reference)
    is_loan = row.get("instType") == "MARGIN"
    size = amount(row, "pos")
    if size == 0 and not (is_loan and number(row, "liab")):
        return None
    in_usd = in_usd and row.get("mgnMode") != "isolated"
    side = _side(row, listing, size)
    mark = _mark(row, listing, warnings)
    if is_loan:
        notional, fee_base, coin_settled = _loan_size(row, listing, side, mark=mark, in_usd=in_usd, warnings=warnings)
    else:
        notional = _contract_size(row, listing, abs(size), mark=mark, in_usd=in_usd, warnings=warnings)
        fee_base, coin_settled = notional, listing.inverse and not in_usd
    position = Position(
        symbol=listing.symbol,
        underlying=listing.base,
        side=side,
        contracts=abs(size),
        notional=notional,
        entry_price=price(row, "avgPx"),
        mark_price=mark,
        liquidation_price=price(row, "liqPx"),
        maintenance_margin=_requirement(row, listing, fee_base, mark=mark, in_usd=in_usd, is_loan=is_loan),
        unrealized_pnl=number(row, "upl"),
        coin_settled=coin_settled,
        option=_option(row, listing, warnings),
    )
    return Holding(row, listing, position, is_loan)


def _side(row: Row, listing: Listing, size: Decimal) -> Side:
    said = row.get("posSide")
    if said in ("long", "short"):
        return Side.LONG if said == "long" else Side.SHORT
    if row.get("instType") == "MARGIN" and row.get("posCcy"):
        return Side.LONG if row["posCcy"] == listing.base else Side.SHORT
    return Side.LONG if size > 0 else Side.SHORT


def _mark(row: Row, listing: Listing, warnings: list[str]) -> Decimal | None:
    mark, last = price(row, "markPx"), price(row, "last")
    reference = price(row, "idxPx") if row.get("optVal") in (None, "") else None
    if mark is None:
        warnings.append(f"{listing.symbol}: no mark price, the last traded price stands in")
        return last
    other = reference or last
    if other is not None and not _is_option(row) and apart(mark, other, MARK_TOLERANCE):
        warnings.append(f"{listing.symbol}: mark price {mark:f} is far from the market's {other:f}")
    return mark


def _is_option(row: Row) -> bool:
    return row.get("instType") == "OPTION"


def _contract_size(
    row: Row, listing: Listing, contracts: Decimal, *, mark: Decimal | None, in_usd: bool, warnings: list[str]
) -> Decimal | None:
    """|Value| in USD or in the settlement currency; the venue's own dollar value checks or replaces ours."""
    said = number(row, "notionalUsd")
    per_settle = price(row, "usdPx") or Decimal(1)  # of a stablecoin; inverse contracts count in dollars anyway
    if _is_option(row):
        return _option_size(row, listing, said, in_usd=in_usd, warnings=warnings)
    dollars = None if said is None else abs(said)
    ours: Decimal | None = None
    if listing.contract_size is not None and mark is not None:
        ours = contracts * listing.contract_size * (Decimal(1) if listing.inverse else mark * per_settle)
    if ours is None and dollars is None:
        warnings.append(f"{listing.symbol}: size unknown (neither contract size nor value in USD)")
        return None
    if ours is not None and dollars is not None and apart(ours, dollars, SIZE_TOLERANCE):
        warnings.append(f"{listing.symbol}: OKX values it at {dollars:.2f} USD, its contracts come to {ours:.2f} USD")
    if ours is None:
        warnings.append(f"{listing.symbol}: contract size not known, the exchange's value in USD is used")
    if in_usd:
        return max(value for value in (ours, dollars) if value is not None)
    value = ours if ours is not None else dollars
    divisor = mark if listing.inverse else per_settle
    return None if value is None or divisor is None else value / divisor


def _option_size(
    row: Row, listing: Listing, said: Decimal | None, *, in_usd: bool, warnings: list[str]
) -> Decimal | None:
    index = price(row, "idxPx")
    if said is None or index is None or listing.strike is None or listing.expires_at is None:
        warnings.append(f"{listing.symbol}: an option whose size or terms are missing, room leaves it out")
        return None
    return abs(said) if in_usd else abs(said) / index


def _option(row: Row, listing: Listing, warnings: list[str]) -> Option | None:
    if not _is_option(row) or listing.strike is None or listing.expires_at is None or listing.is_call is None:
        return None
    index, mark = price(row, "idxPx"), number(row, "markPx")
    if index is None or mark is None or mark < 0:
        warnings.append(f"{listing.symbol}: no mark or index price of the option")
        return None
    return Option(
        is_call=listing.is_call,
        strike=listing.strike,
        expires_at=listing.expires_at,
        underlying_price=index,
        mark_usd=mark * index if listing.inverse else mark,
    )


def _loan_size(
    row: Row, listing: Listing, side: Side, *, mark: Decimal | None, in_usd: bool, warnings: list[str]
) -> tuple[Decimal | None, Decimal | None, bool]:
    """A spot margin position: its exposure, its loan, both in the pool's currency, and whether that is the coin.

    Long owes the quote currency, short the coin. Kept in the coin, a long's profit is that of an inverse
    contract of the size of its loan; kept in the quote currency (or USD) it is that of the coin it holds.
    """
    held, liability = abs(amount(row, "pos")), number(row, "liab")
    if liability is None or mark is None:
        warnings.append(f"{listing.symbol}: liability or mark price missing, size unknown")
        return None, None, False
    owed = abs(liability)
    in_coin = not in_usd and row.get("ccy") == listing.base
    if side is Side.LONG:
        return (owed / mark, owed / mark, True) if in_coin else (held * mark, owed, False)
    return (held / mark, owed, True) if in_coin else (owed * mark, owed * mark, False)


def _requirement(
    row: Row, listing: Listing, fee_base: Decimal | None, *, mark: Decimal | None, in_usd: bool, is_loan: bool
) -> Decimal | None:
    """Maintenance margin with the liquidation fee; None where OKX gives no margin by position."""
    margin = number(row, "mmr")
    if margin is None or fee_base is None:
        return None
    if in_usd:
        in_coin = row.get("ccy") == listing.base
        rate = mark if in_coin else price(row, "usdPx") or Decimal(1)
        margin = None if rate is None else margin * rate
    return None if margin is None else margin + fee_base * (LOAN_FEE if is_loan else CONTRACT_FEE)
