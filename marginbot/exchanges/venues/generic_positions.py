"""ccxt's unified position rows, as far as the exchange's own row confirms them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.implied import implied_equity, proportional
from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, number, price

Row = Mapping[str, Any]
Requirement = Callable[[Decimal], Decimal]

ASSUMED_RATE = Decimal("0.01")
MODEL_GAP = Decimal("0.20")  # between two ways to estimate the same thing
_SIZE_GAP = Decimal("0.05")
_QUOTE = re.compile(r"USDT|USDC|USD|EUR|JPY|INR|KRW")


@dataclass(frozen=True, slots=True)
class Held:
    """An open position and what is known of the margin behind it."""

    position: Position
    settle: str
    is_isolated: bool
    implied: Decimal | None  # equity above the requirements of other positions, by the liquidation price


def held_of(
    row: Row, instrument: Instrument | None, *, ticker: Row, tiers: Sequence[LeverageTier], warnings: list[str]
) -> Held | None:
    """A unified position row; None for a closed one."""
    size = _size(row, warnings)
    if not size:
        return None
    if instrument is None:
        warnings.append(f"{symbol_of(row)}: not in the market list, its name was taken apart")
        instrument = _guessed(row)
    mark = _mark(row, ticker, instrument.symbol, warnings)
    notional = _notional(row, instrument, abs(size), mark=mark, warnings=warnings)
    side, liquidation = _side(row, size), price({"told": _told(row, "liquidationPrice")}, "told")
    needs = None if instrument.is_option else _requirement(row, instrument.symbol, notional, tiers=tiers, told=warnings)
    if needs is None and not instrument.is_option and liquidation is not None:
        needs = proportional(ASSUMED_RATE)
        warnings.append(
            f"{instrument.symbol}: its maintenance rate is not known, {ASSUMED_RATE:%} is assumed; the distance to the "
            "liquidation price is the exchange's"
        )
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(size),
        notional=notional,
        entry_price=price({"told": _told(row, "entryPrice")}, "told"),
        mark_price=mark,
        liquidation_price=liquidation,
        maintenance_margin=None if needs is None or notional is None else needs(notional),
        unrealized_pnl=number(row, "unrealizedPnl"),
        coin_settled=instrument.is_inverse,
        tiers=tuple(tiers),
    )
    isolated = _is_isolated(row, instrument.symbol, warnings)
    return Held(position, instrument.settle, isolated, _implied(position, needs))


def _size(row: Row, warnings: list[str]) -> Decimal | None:
    """Contracts, as signed as they are told; None where nothing at all speaks of a position."""
    size = number(row, "contracts")
    if size is None:
        lives = any(number(row, field) for field in ("notional", "entryPrice", "liquidationPrice", "initialMargin"))
        if lives or row.get("side") in ("long", "short"):
            raise BadPayload(f"the size of {symbol_of(row)} is missing")
        warnings.append(f"{symbol_of(row)}: listed without a size and without anything else; taken as closed")
    return size


def _implied(position: Position, needs: Requirement | None) -> Decimal | None:
    mark, liquidation, notional = position.mark_price, position.liquidation_price, position.notional
    if needs is None or mark is None or liquidation is None or notional is None:
        return None
    return implied_equity(
        needs,
        side=position.side,
        notional=notional,
        mark=mark,
        liquidation=liquidation,
        is_inverse=position.coin_settled,
    )


def _requirement(
    row: Row, symbol: str, notional: Decimal | None, *, tiers: Sequence[LeverageTier], told: list[str]
) -> Requirement | None:
    """The exchange's own figure, as a rate; else its tiers."""
    own = _told(row, "maintenanceMargin")
    if own is not None and own > 0 and notional:
        by_tiers = maintenance_margin(notional, tiers) if tiers else own
        if apart(own, by_tiers, MODEL_GAP):
            told.append(
                f"{symbol}: maintenance margin is {own:.2f}, {by_tiers:.2f} by leverage tiers; the larger counts"
            )
        return proportional(max(own, by_tiers) / notional)
    if tiers:
        told.append(f"{symbol}: maintenance margin is estimated from leverage tiers")
        return lambda value: maintenance_margin(value, tiers)
    return None


def _told(row: Row, field: str) -> Decimal | None:
    """A number of the unified row, if the exchange's raw row holds it too: ccxt works out what is not told."""
    value = number(row, field)
    return value if value is not None and value in _numbers(row.get("info")) else None


def _numbers(raw: Any) -> Iterator[Decimal]:
    if isinstance(raw, Mapping):
        raw = list(raw.values())
    if isinstance(raw, list | tuple):
        for part in raw:
            yield from _numbers(part)
    elif isinstance(raw, str | int | float | Decimal) and not isinstance(raw, bool):
        try:
            yield Decimal(str(raw))
        except InvalidOperation:
            return


def symbol_of(row: Row) -> str:
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise BadPayload("a position without a symbol")
    return symbol


def _side(row: Row, size: Decimal) -> Side:
    said = str(row.get("side")).lower()
    if said in ("long", "short"):
        return Side(said)
    if size < 0:
        return Side.SHORT
    raise BadPayload(f"the direction of {symbol_of(row)} is missing")


def _mark(row: Row, ticker: Row, symbol: str, warnings: list[str]) -> Decimal | None:
    mark = price(row, "markPrice") or price(ticker, "markPrice")
    if mark is not None:
        return mark
    last = price(row, "lastPrice") or price(ticker, "last")
    stand_in = "it is unknown" if last is None else "the last traded price stands in"
    warnings.append(f"{symbol}: no mark price, {stand_in}")
    return last


def _notional(
    row: Row, instrument: Instrument, contracts: Decimal, *, mark: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """Value at the mark in the settlement currency; the exchange's own where it is larger."""
    told = _told(row, "notional")
    told = None if told is None else abs(told)
    size = instrument.contract_size or price(row, "contractSize") or Decimal(0)
    ours = None
    if mark is not None and size > 0:
        ours = contracts * size / mark if instrument.is_inverse else contracts * size * mark
    if ours is None or not told:
        if ours is None:
            how = "the exchange's value counts" if told else "it is unknown"
            warnings.append(f"{instrument.symbol}: its size cannot be worked out, {how}")
        return ours if ours is not None else told or None
    if instrument.is_inverse or not apart(ours, told, _SIZE_GAP):
        return ours
    warnings.append(f"{instrument.symbol}: the exchange values it at {told:.2f}, ours is {ours:.2f}; the larger counts")
    return max(ours, told)


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    said = row.get("marginMode")
    if said not in ("isolated", "cross"):
        warnings.append(f"{symbol}: cross or isolated is not told, cross is assumed")
    return said == "isolated"


def _guessed(row: Row) -> Instrument:
    """A market by its name alone; its contract size is not known."""
    symbol = symbol_of(row)
    base = re.split(r"[/_-]", symbol)[0]
    settle = symbol.split(":")[1].split("-")[0] if ":" in symbol else ""
    quote = _QUOTE.search(symbol)
    currency = settle or (quote.group() if quote else "USD")
    return Instrument(
        symbol=symbol,
        underlying=base,
        settle=currency,
        contract_size=Decimal(0),
        is_inverse=bool(settle) and settle == base,
    )
