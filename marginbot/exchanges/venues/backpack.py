"""Backpack: one cross account; liquidated when `marginFraction` (equity over exposure) falls below `mmf`.

So the venue's ratio is mmf / marginFraction. Ours is the sum of each position's own `mmf` x value over `netEquity`.
A position's fraction is max(base, factor x root of the value): the recorded position prints its base while the root
is small. Everything is a string here, '0' stands for no liquidation price, and the sign of the quantity is the side.
Source: docs.backpack.exchange, "Get collateral", "Get open positions".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused, VenueDown
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.room import STABLE
from marginbot.domain.tiers import LeverageTier, maintenance_margin, with_deductions
from marginbot.exchanges.assembly import Row, check_profit, instrument_of, name_of, perpetual, unless_absent, weighed
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.together import together
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

CASH = "USDC"
STEP = Decimal("1.25")  # tiers that follow the root lie at most 0.7 % above it
STEPS = 40
SECRET_BYTES = 32


async def fetch(api: Api) -> Payloads:
    """Positions and what backs them."""
    positions, collateral = await together(
        api.call("privateGetApiV1Position"),
        unless_absent(api.call("privateGetApiV1CapitalCollateral")),
    )
    return {"positions": positions, "collateral": collateral}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    listed = [row for row in rows(payloads, "positions") if _is_open(row)]
    positions = tuple(_position(row, reference, warnings) for row in listed)
    told = payloads.get("collateral")
    if told is None:
        warnings.append("cross: Backpack gives no account margin, only a liquidation price can tell it")
    pool = _pool(told if isinstance(told, dict) else {}, positions, warnings)
    return Snapshot(
        exchange=INFO.id,
        mode="cross",
        taken_at=now,
        pools=(pool,),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _is_open(row: Row) -> bool:
    size = number(row, "netExposureQuantity", "netQuantity")
    if size is None and number(row, "netExposureNotional"):
        raise BadPayload("the size of a position is missing")
    return bool(size)


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position:
    market = name_of(row, "symbol")
    instrument = instrument_of(reference, market, _guessed, warnings)
    signed, exposed = number(row, "netQuantity"), number(row, "netExposureQuantity")
    size = max((abs(known) for known in (signed, exposed) if known is not None), default=Decimal(0))
    side = _side(row, signed, exposed, warnings)
    mark, value = price(row, "markPrice"), number(row, "netExposureNotional")
    again = None if mark is None else size * mark
    known = [abs(one) for one in (value, again) if one]
    if len(known) < 2 or apart(*known):
        warnings.append(f"{instrument.symbol}: value, size and price do not fit; the larger value counts")
    notional = max(known, default=None)
    tiers = _tiers(row.get("mmfFunction"))
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=size,
        notional=notional,
        entry_price=price(row, "entryPrice"),
        mark_price=mark,
        liquidation_price=price(row, "estLiquidationPrice"),
        maintenance_margin=_requirement(instrument.symbol, row, notional, tiers=tiers, warnings=warnings),
        unrealized_pnl=number(row, "pnlUnrealized"),
        tiers=tiers,
    )
    check_profit(position, warnings)
    return position


def _side(row: Row, signed: Decimal | None, exposed: Decimal | None, warnings: list[str]) -> Side:
    """By the quantity; the cost has the same sign."""
    cost = number(row, "netCost")
    told = next((value for value in (signed, cost, exposed) if value), None)
    if told is None:
        raise BadPayload(f"the side of {row.get('symbol')} is missing")
    if signed is None or cost is None or signed * cost <= 0:
        warnings.append(f"{row.get('symbol')}: quantity and cost do not agree on the side")
    return Side.LONG if told > 0 else Side.SHORT


def _requirement(
    symbol: str, row: Row, notional: Decimal | None, *, tiers: Sequence[LeverageTier], warnings: list[str]
) -> Decimal | None:
    """The told fraction of the value, checked against the function that makes it."""
    fraction = price(row, "mmf")
    told = None if fraction is None or notional is None else fraction * notional
    own = maintenance_margin(notional, tiers) if tiers and notional is not None else None
    if told is None or own is None or apart(told, own):
        warnings.append(f"{symbol}: its margin fraction does not follow from its function; the larger one counts")
    return max((known for known in (told, own) if known), default=None)


def _tiers(function: Any) -> tuple[LeverageTier, ...]:
    """base x N below the knee, above it chords of factor x N^1.5, which lie over the curve."""
    if not isinstance(function, dict):
        return ()
    base, factor = price(function, "base"), number(function, "factor")
    if base is None or factor is None or factor < 0:
        return ()
    if factor == 0:
        return (LeverageTier(Decimal(0), None, base),)
    knee = (base / factor) ** 2
    edges = [knee * STEP**k for k in range(STEPS + 1)]
    margins = [factor * edge * edge.sqrt() for edge in edges]
    chords = [
        LeverageTier(edges[k], edges[k + 1], (margins[k + 1] - margins[k]) / (edges[k + 1] - edges[k]))
        for k in range(STEPS)
    ]
    return with_deductions([LeverageTier(Decimal(0), knee, base), *chords])


def _pool(told: Row, positions: tuple[Position, ...], warnings: list[str]) -> Pool:
    equity = number(told, "netEquity")
    own = total(position.maintenance_margin for position in positions)
    debt = bool(number(told, "borrowLiability"))
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=own,
        positions=positions,
        collateral=_collateral(told, warnings),
        has_debt=debt,
        reported_ratio=_ratio(told),
    )
    if not positions and not debt:
        return pool
    if not told:
        return weighed(pool, _requirement_of(positions), warnings)
    return _judged(pool, told, warnings)


def _judged(pool: Pool, told: Row, warnings: list[str]) -> Pool:
    _check_exposure(pool, told, warnings)
    own = None if pool.has_debt else pool.maintenance_margin
    needed = requirement(pool.name, pool.equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, maintenance_margin=needed)


def _check_exposure(pool: Pool, told: Row, warnings: list[str]) -> None:
    """Equity over exposure is the margin fraction."""
    fraction, exposure, equity = price(told, "marginFraction"), number(told, "netExposureFutures"), pool.equity
    if pool.has_debt or not pool.positions:
        return
    if fraction is None or not exposure or equity is None or apart(equity / abs(exposure), fraction):
        warnings.append("cross: equity, exposure and margin fraction of the account do not fit")


def _ratio(told: Row) -> Decimal | None:
    fraction, needed = price(told, "marginFraction"), price(told, "mmf")
    return None if fraction is None or needed is None else needed / fraction


def _requirement_of(positions: Sequence[Position]) -> Any:
    tiers = positions[0].tiers
    return (lambda value: maintenance_margin(value, tiers)) if len(positions) == 1 and tiers else None


def _collateral(told: Row, warnings: list[str]) -> tuple[Collateral, ...]:
    """Coins that back the account and move with their own price, after the venue's weight."""
    found = []
    for row in rows(told, "collateral") if told.get("collateral") is not None else []:
        asset, value = name_of(row, "symbol"), number(row, "collateralValue")
        if asset in STABLE or not number(row, "totalQuantity"):
            continue
        if value is None:
            warnings.append(f"{asset}: its value as collateral is missing, room leaves it out")
        elif value:
            found.append(Collateral(asset=asset, value=value))
    return tuple(found)


def _guessed(market: str) -> Instrument:
    """SOL_USDC_PERP."""
    base, *rest = market.split("_")
    return perpetual(base, rest[0] if rest else CASH)


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless the secret is 32 bytes in base 64, as Backpack's are."""
    try:
        size = len(base64.b64decode(fields.get("secret", ""), validate=True))
    except ValueError:
        size = 0
    if size != SECRET_BYTES:
        raise BadCredentials("the secret is not 32 bytes in base 64", advice=_MALFORMED)


_MALFORMED = "This is not a Backpack secret: it has 44 characters and ends in =. Copy it again. Nothing was stored."


INFO = VenueInfo(
    id="backpack",
    title="Backpack",
    fields=(("key", "API key"), ("secret", "API secret")),
    instructions=(
        "At backpack.exchange open Settings, API keys, and create a key for me alone; switch off everything that it "
        "can do beyond reading. Send its key and secret. A sub-account needs a key of its own."
    ),
    aliases=("bpx",),
)
_REFUSED = (
    "Backpack refuses the key or its signature. Check that key and secret were copied whole (both end in = as a rule), "
    "belong together and still exist."
)
FAULTS = {
    "INVALID_SIGNATURE": Fault(KeyRefused, _REFUSED),
    "MAINTENANCE": Fault(VenueDown),
    "UNAUTHORIZED": Fault(KeyRefused, _REFUSED),
}
FACTS = Facts(
    modes="cross, with spot collateral and borrowing",
    ratio_from="`mmf` over `marginFraction`, recomputed from the positions' fractions",
    evidence=(Evidence.UNVERIFIED,),
    weight="2 requests",
    estimates="borrowing under price moves",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDC:USDC", "{0}/USDC"),
    check_form=check_form,
    faults=FAULTS,
)
