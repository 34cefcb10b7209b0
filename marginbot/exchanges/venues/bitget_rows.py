"""Bitget's position rows, of the classic and of the unified account.

The requirement of a position is (maintenance rate + taker fee of 0.06 %) x value; that reproduces Bitget's own ratio on
documented payloads. Sizes of coin-margined contracts are taken in coins, unless margin and leverage say dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, tier_for
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, Reference, amount, number, price

Row = Mapping[str, Any]

PRODUCTS = ("USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES")
TAKER_FEE = Decimal("0.0006")
_ROUGH = Decimal("0.20")
_QUOTES = {"PERP": "USDC", "USDT": "USDT", "USDC": "USDC", "USD": "USD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An open position with what decides its pool."""

    position: Position
    row: Row
    product: str
    coin: str  # that margins it
    is_isolated: bool
    requirement_without_fee: Decimal | None


def distinct(listed: Sequence[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Rows with the product they were asked for; the same row under two products counts once."""
    found: list[tuple[str, Row]] = []
    for product, row in listed:
        if all(row != known for _, known in found):
            found.append((product, row))
    return found


def held_of(
    product: str, row: Row, reference: Reference, *, tiers: Sequence[LeverageTier] = (), warnings: list[str]
) -> Held | None:
    """A position row; None for a closed one."""
    size = abs(amount(row, "total"))
    if size == 0:
        return None
    name = str(row.get("symbol") or "")
    instrument = reference.instruments.get(name)
    if instrument is None:
        warnings.append(f"{name}: not in the market list, its name was taken apart")
        instrument = _guessed(name)
    symbol, mark = instrument.symbol, price(row, "markPrice")
    inverse = instrument.is_inverse
    notional = _coins(row, size, symbol, warnings) if inverse else None if mark is None else size * mark
    if notional is None or mark is None:
        warnings.append(f"{symbol}: no mark price, its value is unknown")
    rate = _rate(row, symbol, notional, tiers=() if inverse else tiers, warnings=warnings)
    position = Position(
        symbol=symbol,
        underlying=instrument.underlying,
        side=_side(row),
        contracts=size,
        notional=notional,
        entry_price=price(row, "openPriceAvg", "avgPrice"),
        mark_price=mark,
        liquidation_price=price(row, "liquidationPrice"),
        maintenance_margin=None if rate is None or notional is None else (rate + TAKER_FEE) * notional,
        unrealized_pnl=number(row, "unrealizedPL", "unrealisedPnl"),
        coin_settled=inverse,
        tiers=() if inverse else _with_fee(tiers),
    )
    return Held(
        position=position,
        row=row,
        product=product,
        coin=str(row.get("marginCoin") or instrument.settle),
        is_isolated=_is_isolated(row, symbol),
        requirement_without_fee=None if rate is None or notional is None else rate * notional,
    )


def _side(row: Row) -> Side:
    said = str(row.get("holdSide") or row.get("posSide") or "").lower()
    if said not in ("long", "short"):
        raise BadPayload("the direction of a position is missing")
    return Side(said)


def _is_isolated(row: Row, symbol: str) -> bool:
    said = row.get("marginMode")
    if said not in ("isolated", "crossed"):
        raise BadPayload(f"the margin mode of {symbol} is missing")
    return str(said) == "isolated"


def _coins(row: Row, size: Decimal, symbol: str, warnings: list[str]) -> Decimal:
    """The size of a coin-margined position in coins; margin times leverage tells if it is meant in dollars."""
    margin, leverage = number(row, "marginSize", "positionBalance"), number(row, "leverage")
    entry = price(row, "openPriceAvg", "avgPrice")
    if not margin or not leverage or entry is None:
        warnings.append(f"{symbol}: its size is taken to be in coins")
        return size
    value = margin * leverage
    if not apart(size, value, _ROUGH):
        return size
    if not apart(size / entry, value, _ROUGH):
        return size / (price(row, "markPrice") or entry)
    warnings.append(f"{symbol}: size, margin and leverage do not fit each other, the larger value counts")
    return max(size, value)


def _rate(
    row: Row, symbol: str, notional: Decimal | None, *, tiers: Sequence[LeverageTier], warnings: list[str]
) -> Decimal | None:
    """The maintenance rate by the row, checked by the leverage tiers."""
    told = price(row, "keepMarginRate", "mmr")
    by_tiers = tier_for(notional, tiers).maintenance_margin_rate if tiers and notional is not None else None
    if told is None or told >= 1:
        how = "it is unknown" if by_tiers is None else "that of the leverage tiers counts"
        warnings.append(f"{symbol}: the maintenance rate is missing or impossible, {how}")
        return by_tiers
    if by_tiers is not None and apart(told, by_tiers):
        warnings.append(f"{symbol}: the maintenance rate is {told:.2%}, {by_tiers:.2%} by tiers; the larger counts")
        return max(told, by_tiers)
    return told


def _with_fee(tiers: Sequence[LeverageTier]) -> tuple[LeverageTier, ...]:
    return tuple(LeverageTier(t.floor, t.cap, t.maintenance_margin_rate + TAKER_FEE, t.deduction) for t in tiers)


def _guessed(name: str) -> Instrument:
    """BTCUSDT, BTCPERP (settled in USDC), BTCUSD and ETHUSD_231229 (settled in the coin)."""
    plain, _, expiry = name.partition("_")
    for ending, quote in _QUOTES.items():
        if plain.endswith(ending) and len(plain) > len(ending):
            base = plain.removesuffix(ending)
            settle = base if quote == "USD" else quote
            return Instrument(
                symbol=f"{base}/{quote}:{settle}" + (f"-{expiry}" if expiry else ""),
                underlying=base,
                settle=settle,
                contract_size=Decimal(1),
                is_inverse=settle == base,
            )
    raise BadPayload("a contract with a name of a form we do not know")
