"""What adapters need to make positions and pools of a venue's rows: names, markets, and checks that one figure
makes of another.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from marginbot.domain.errors import BadPayload, ReadingError
from marginbot.domain.implied import implied_equity, proportional
from marginbot.domain.margin import Pool, Position
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, Reference

Row = Mapping[str, Any]
T = TypeVar("T")

ROUNDING = Decimal("0.005")  # of a position's value: prices of one row are not taken at the very same moment
_NOT_THERE = re.compile(r"\b(?:HTTP|code) 404\b")


async def unless_absent(request: Awaitable[Any]) -> Any:
    """The answer, or None where the venue has no such endpoint. Any other failure is raised: it hides something."""
    try:
        return await request
    except ReadingError as error:
        if _NOT_THERE.search(str(error)) and not error.cause.owner_must_act:
            return None
        raise


def first(values: Iterable[T | None]) -> T | None:
    """The first value that is there."""
    return next((value for value in values if value is not None), None)


def name_of(row: Row, field: str) -> str:
    """A name that must be there."""
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise BadPayload(f"field {field} is missing")
    return value


def instrument_of(
    reference: Reference, market: str, guess: Callable[[str], Instrument], warnings: list[str]
) -> Instrument:
    """The market by the venue's name for it; a guess by the name alone where the market list lacks it."""
    known = reference.instruments.get(market)
    if known is None:
        warnings.append(f"{market}: not in the market list, its name was taken apart")
        return guess(market)
    return known


def perpetual(base: str, quote: str, settle: str = "") -> Instrument:
    """A linear perpetual counted in units of the coin."""
    settle = settle or quote
    return Instrument(symbol=f"{base}/{quote}:{settle}", underlying=base, settle=settle, contract_size=Decimal(1))


def mark_of(side_sign: int, size: Decimal, entry: Decimal | None, profit: Decimal | None) -> Decimal | None:
    """The mark price that entry price and profit imply; None where that is no price."""
    if entry is None or profit is None or size <= 0:
        return None
    mark = entry + side_sign * profit / size
    return mark if mark > 0 else None


def check_profit(position: Position, warnings: list[str]) -> None:
    """Tell when a linear position's profit does not follow from its side, value and prices."""
    value, mark, entry, profit = position.notional, position.mark_price, position.entry_price, position.unrealized_pnl
    if value is None or mark is None or entry is None or profit is None:
        warnings.append(f"{position.symbol}: value, prices or profit are incomplete, they could not be checked")
        return
    due = position.side.sign * value * (1 - entry / mark)
    if abs(due - profit) > ROUNDING * max(value, abs(profit)):
        warnings.append(f"{position.symbol}: its profit does not follow from its size and prices; check it there")


def weighed(pool: Pool, requirement_of: Callable[[Decimal], Decimal] | None, warnings: list[str]) -> Pool:
    """The pool with what the liquidation price of its only position says, as the venue's own ratio.

    `requirement_of` gives the maintenance margin of a value of that position. Where other positions share the pool,
    or there is no price, the pool stays as it is: the price then depends on more than this position.
    """
    if len(pool.positions) != 1 or requirement_of is None:
        return pool
    [position] = pool.positions
    implied = _implied(position, requirement_of)
    if implied is None or position.notional is None:
        return pool
    if pool.equity is None:
        warnings.append(f"{pool.name}: equity is not told, it is worked out from the liquidation price")
        return replace(pool, equity=implied)
    if implied <= 0 or pool.equity <= 0:
        if implied < pool.equity:
            warnings.append(f"{pool.name}: the liquidation price says that the margin is used up; that counts")
        return replace(pool, equity=min(implied, pool.equity))
    told = requirement_of(position.notional) / implied
    return replace(pool, reported_ratio=told if pool.reported_ratio is None else max(told, pool.reported_ratio))


def _implied(position: Position, requirement_of: Callable[[Decimal], Decimal]) -> Decimal | None:
    if position.notional is None or position.mark_price is None or position.liquidation_price is None:
        return None
    return implied_equity(
        requirement_of,
        side=position.side,
        notional=position.notional,
        mark=position.mark_price,
        liquidation=position.liquidation_price,
    )


def rate_of_the_only(rates: Sequence[Decimal | None]) -> Callable[[Decimal], Decimal] | None:
    """The requirement by the rate of a pool's only position; None where there are several, or it is unknown."""
    return proportional(rates[0]) if len(rates) == 1 and rates[0] is not None else None


def smaller(what: str, told: Decimal | None, own: Decimal | None, warnings: list[str]) -> Decimal | None:
    """Of two figures for what backs a pool: the venue's, or the smaller one with a word where they differ."""
    if told is None or own is None:
        found = told if own is None else own
        missing = "it is unknown" if found is None else "it counts unchecked"
        warnings.append(f"{what}: a figure is missing, {missing}")
        return found
    if not apart(told, own):
        return told
    warnings.append(f"{what}: the exchange says {told:.2f}, its parts come to {own:.2f}; the smaller counts")
    return min(told, own)


def larger(what: str, told: Decimal | None, own: Decimal | None, warnings: list[str]) -> Decimal | None:
    """Of two figures for a requirement: the venue's, or the larger one with a word where they differ."""
    told, own = (None if value is None or value <= 0 else value for value in (told, own))
    if told is None or own is None:
        found = told if own is None else own
        missing = "it is unknown" if found is None else "it counts unchecked"
        warnings.append(f"{what}: a figure is missing, {missing}")
        return found
    if not apart(told, own):
        return told
    warnings.append(f"{what}: the exchange says {told:.2f}, its parts come to {own:.2f}; the larger counts")
    return max(told, own)
