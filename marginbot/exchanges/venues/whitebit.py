"""WhiteBIT: one collateral account for margin and futures positions.

`maintenanceMarginFraction` over `marginFraction` is the ratio; liquidation starts where the one reaches the other.
`equity` is without profit: the documented summary's free margin is equity + profit - held margin - funding to the last
digit, so equity here is free margin + held margin. A lone position's liquidation price gives the requirement again.
Source: docs.whitebit.com, "Collateral account summary", "Open positions", "Liquidation and margin requirements".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges.assembly import Row, instrument_of, mark_of, name_of, perpetual, smaller, unless_absent
from marginbot.exchanges.reconcile import requirement
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Reference,
    Venue,
    candles_of,
    number,
    price,
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

CASH = "USDT"


async def fetch(api: Api) -> Payloads:
    """Positions, then the summary: one after the other, because each request needs a number above the last one's."""
    positions = await api.call("v4PrivatePostCollateralAccountPositionsOpen")
    summary = await unless_absent(api.call("v4PrivatePostCollateralAccountSummary"))
    return {"positions": positions, "summary": summary}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the collateral account."""
    warnings: list[str] = []
    listed = [row for row in rows(payloads, "positions") if number(row, "amount") != 0]
    positions = tuple(_position(row, reference, warnings) for row in listed)
    told = payloads.get("summary")
    summary: Row = told if isinstance(told, dict) else {}
    if not summary:
        warnings.append("cross: WhiteBIT gives no account summary; equity is free and held margin of the positions")
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=_equity(summary, warnings) if summary else _free_and_held(listed),
        maintenance_margin=Decimal(0),
        positions=positions,
        reported_ratio=_ratio(summary) if positions else None,
    )
    return Snapshot(
        exchange=INFO.id,
        mode="collateral",
        taken_at=now,
        pools=(_judged(pool, listed, warnings),),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position:
    market = name_of(row, "market")
    instrument = instrument_of(reference, market, _guessed, warnings)
    size = number(row, "amount")
    if size is None:
        raise BadPayload(f"the size of {market} is missing")
    side = Side.LONG if size > 0 else Side.SHORT
    entry, profit = price(row, "basePrice"), number(row, "pnl")
    mark = mark_of(side.sign, abs(size), entry, profit)
    if mark is None:
        warnings.append(f"{instrument.symbol}: entry price or profit is missing, its value is not known")
    state = row.get("liquidationState")
    if state:
        warnings.append(f"{instrument.symbol}: WhiteBIT reports {str(state)[:40]}")
    return Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(size),
        notional=None if mark is None else abs(size) * mark,
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "liquidationPrice"),
        unrealized_pnl=profit,
    )


def _equity(summary: Row, warnings: list[str]) -> Decimal | None:
    """Free and held margin; equity with profit and funding gives it again."""
    funding = number(summary, "unrealizedFunding") or Decimal(0)
    told = total((number(summary, "freeMargin"), number(summary, "margin")))
    again = total((number(summary, "equity"), number(summary, "pnl"), -funding))
    return smaller("cross: equity", told, again, warnings)


def _free_and_held(listed: Sequence[Row]) -> Decimal | None:
    """Every position repeats what is free; what it holds is its own."""
    free = [number(row, "freeMargin") for row in listed]
    known = [value for value in free if value is not None]
    held = total(number(row, "margin") for row in listed)
    return None if held is None or not known or len(known) < len(free) else min(known) + held


def _ratio(summary: Row) -> Decimal | None:
    fraction, needed = number(summary, "marginFraction"), price(summary, "maintenanceMarginFraction")
    return None if fraction is None or needed is None or fraction <= 0 else needed / fraction


def _judged(pool: Pool, listed: list[dict[str, Any]], warnings: list[str]) -> Pool:
    if not pool.positions:
        return pool
    own = _by_liquidation_price(pool)
    used_up = pool.equity is not None and pool.equity <= 0
    if own is None and (pool.reported_ratio is None or used_up):
        own = total(number(row, "margin") for row in listed)
        warnings.append("cross: the margin held for the positions counts in place of the maintenance margin")
    needed = requirement(pool.name, pool.equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, maintenance_margin=needed)


def _by_liquidation_price(pool: Pool) -> Decimal | None:
    """What is left of the equity at the only position's liquidation price, scaled to its value now."""
    if len(pool.positions) != 1 or pool.equity is None:
        return None
    [position] = pool.positions
    mark, end, value = position.mark_price, position.liquidation_price, position.notional
    if mark is None or end is None or value is None:
        return None
    left = pool.equity - position.side.sign * value * (1 - end / mark)
    return left * mark / end if 0 < left < value else None


def _guessed(market: str) -> Instrument:
    """BTC_PERP, or BTC_USDT for a margin position."""
    base, *rest = market.split("_")
    quote = rest[0] if rest and rest[0] != "PERP" else CASH
    return perpetual(base, quote)


INFO = VenueInfo(
    id="whitebit",
    title="WhiteBIT",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At whitebit.com open Settings, API keys, and create a key for me alone (two programs with one key disturb "
        "each other). Allow it only the endpoints that read the collateral account: summary and open positions. Add "
        "this server's IP address. A sub-account needs a key of its own."
    ),
    aliases=("wb",),
)
_REFUSED = (
    "WhiteBIT refuses the key. Check that key and secret were copied whole, that the key is switched on there, and "
    "that its IP list admits this server."
)
_LIMITED = (
    "The key may not read the collateral account. Allow it the endpoints collateral-account/summary and "
    "collateral-account/positions/open at WhiteBIT (and nothing that trades or withdraws)."
)
FAULTS = {
    "10": Fault(KeyRefused, _REFUSED),
    "4": Fault(NoPermission, _LIMITED),
    "2": Fault(NoPermission, _LIMITED),
}
FACTS = Facts(
    modes="cross; margin and futures positions",
    ratio_from="`maintenanceMarginFraction` over `marginFraction`; a lone position's liquidation price",
    evidence=(Evidence.UNVERIFIED,),
    weight="2 requests",
    estimates="isolated margin is not told apart",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDT"),
    options={"nonceWindow": True},
    faults=FAULTS,
)
