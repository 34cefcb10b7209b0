"""Gate's futures positions.

What a position requires is its value times (average maintenance rate + taker fee); an isolated one is liquidated when
margin and profit fall to that. Gate prints a requirement of 0 for cross positions, which is no zero, and a liquidation
price of 0 or 99999999 where there is none. Source: www.gate.com/docs/developers/apiv4 "List all positions of a user".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.implied import implied_equity, proportional
from marginbot.domain.margin import MarginMode, Pool, Position, Side
from marginbot.domain.tiers import LeverageTier, tier_for
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, Reference, amount, number, price, rows

Row = Mapping[str, Any]

TAKER_FEE = Decimal("0.00075")
_ROUGH = Decimal("0.20")
_BEYOND = 100  # a liquidation price further away than this, in marks, stands for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An open position with what decides its pool."""

    position: Position
    row: Row
    settle: str
    is_isolated: bool
    is_hedged: bool


def held_of(row: Row, settle: str, reference: Reference, *, told_tiers: Any, warnings: list[str]) -> Held | None:
    """A position row of the futures settled in `settle`; None for a closed one."""
    size = amount(row, "size")
    if size == 0:
        return None
    name = str(row.get("contract") or "")
    instrument = reference.instruments.get(name)
    if instrument is None:
        warnings.append(f"{name}: not in the market list, its name was taken apart")
        instrument = _guessed(name, settle)
    mark, tiers = price(row, "mark_price"), _tiers(told_tiers)
    notional = _value(row, abs(size), instrument, mark=mark, warnings=warnings)
    side, liquidation = Side.LONG if size > 0 else Side.SHORT, price(row, "liq_price")
    _check_direction(row, side, instrument.symbol, warnings)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(size),
        notional=notional,
        entry_price=price(row, "entry_price"),
        mark_price=mark,
        liquidation_price=liquidation if liquidation and mark and liquidation < mark * _BEYOND else None,
        maintenance_margin=_requirement(row, instrument.symbol, notional, tiers=tiers, warnings=warnings),
        unrealized_pnl=number(row, "unrealised_pnl"),
        coin_settled=instrument.is_inverse,
        tiers=tiers,
    )
    return Held(
        position=position,
        row=row,
        settle=settle.upper(),
        is_isolated=_is_isolated(row, instrument.symbol, warnings),
        is_hedged=str(row.get("mode")).startswith("dual"),
    )


def _check_direction(row: Row, side: Side, symbol: str, warnings: list[str]) -> None:
    """The direction is the sign of the size alone; a profit of the other sign contradicts it."""
    entry, mark, profit = price(row, "entry_price"), price(row, "mark_price"), number(row, "unrealised_pnl")
    if entry is not None and mark is not None and profit and side.sign * (mark - entry) * profit < 0:
        warnings.append(f"{symbol}: a {side} position whose profit has the wrong sign")


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    """A leverage of zero means cross."""
    leverage = number(row, "leverage", "lever")
    if leverage is None:
        warnings.append(f"{symbol}: Gate does not say whether it is cross or isolated, cross is assumed")
    return bool(leverage)


def _value(
    row: Row, contracts: Decimal, instrument: Instrument, *, mark: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """|Value| in the settlement currency: Gate's, checked by the contracts."""
    told = number(row, "value")
    ours = None
    if mark is not None and instrument.contract_size > 0:
        units = contracts * instrument.contract_size
        ours = units / mark if instrument.is_inverse else units * mark
    known = [abs(value) for value in (told, ours) if value]
    if not known:
        warnings.append(f"{instrument.symbol}: neither value nor mark price is told")
        return None
    if not told or told < 0 or apart(min(known), max(known)):
        warnings.append(f"{instrument.symbol}: its value is missing or does not fit its size, the larger figure counts")
    return max(known)


def _requirement(
    row: Row, symbol: str, notional: Decimal | None, *, tiers: Sequence[LeverageTier], warnings: list[str]
) -> Decimal | None:
    """Gate's figure, and ours by the maintenance rate with the fee; the larger one."""
    told, rate = price(row, "maintenance_margin"), _rate(row, symbol, notional, tiers=tiers, warnings=warnings)
    own = None if rate is None or notional is None else notional * (rate + TAKER_FEE)
    if told is None:
        return own
    if own is None:
        warnings.append(f"{symbol}: what it requires could not be recomputed, Gate's figure counts unchecked")
        return told
    if notional is not None and apart(told, min(max(told, own - notional * TAKER_FEE), own)):
        warnings.append(f"{symbol}: it requires {told:.4f} by Gate, {own:.4f} by its rate; the larger counts")
        return max(told, own)
    return told


def _rate(
    row: Row, symbol: str, notional: Decimal | None, *, tiers: Sequence[LeverageTier], warnings: list[str]
) -> Decimal | None:
    average, top = price(row, "average_maintenance_rate"), price(row, "maintenance_rate")
    told = average or top
    if average is not None and top is not None and average > top:
        warnings.append(f"{symbol}: the average maintenance rate exceeds the highest one, it counts")
    if told is not None and told < 1:
        if "average_maintenance_rate" in row and average is None:
            warnings.append(f"{symbol}: the average maintenance rate is missing, the highest one counts")
        return told
    found = tier_for(notional, tiers).maintenance_margin_rate - TAKER_FEE if tiers and notional is not None else None
    how = "it is unknown" if found is None else "that of the leverage tiers counts"
    warnings.append(f"{symbol}: the maintenance rate is missing or impossible, {how}")
    return found


def _tiers(told: Any) -> tuple[LeverageTier, ...]:
    """Risk limit tiers with the fee, bounded in value; the deduction where Gate gives one."""
    if not isinstance(told, list):
        return ()
    known = {number(row, "tier"): row for row in rows(told)}
    found: list[LeverageTier] = []
    for row in sorted(known.values(), key=lambda row: number(row, "risk_limit") or Decimal(0)):
        cap, rate = price(row, "risk_limit"), price(row, "maintenance_rate")
        if cap is None or rate is None or rate >= 1:
            return ()
        floor = found[-1].cap if found and found[-1].cap is not None else Decimal(0)
        found.append(LeverageTier(floor, cap, rate + TAKER_FEE, number(row, "deduction") or Decimal(0)))
    return tuple(found)


def isolated_pool(held: Held, warnings: list[str]) -> Pool:
    """Margin and profit, checked by the liquidation price."""
    position = held.position
    name = f"isolated:{position.symbol}:{position.side}"
    margin, profit = number(held.row, "margin"), position.unrealized_pnl
    equity = None if margin is None or profit is None else margin + profit
    known = [value for value in (equity, _implied(position)) if value is not None]
    if len(known) == 2 and apart(known[0], known[1], _ROUGH):
        warnings.append(f"{name}: equity is {known[0]:.4f}, by the liquidation price {known[1]:.4f}; the smaller one")
    elif len(known) < 2:
        warnings.append(f"{name}: what backs it could not be checked")
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=held.settle,
        equity=min(known, default=None),
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


def _implied(position: Position) -> Decimal | None:
    mark, liquidation, notional = position.mark_price, position.liquidation_price, position.notional
    needed = position.maintenance_margin
    if mark is None or liquidation is None or notional is None or needed is None:
        return None
    return implied_equity(
        proportional(needed / notional),
        side=position.side,
        notional=notional,
        mark=mark,
        liquidation=liquidation,
        is_inverse=position.coin_settled,
    )


def required(cross: Sequence[Held]) -> Decimal | None:
    """Sum over cross positions; of the two sides of a hedged contract the larger counts."""
    sides: dict[tuple[str, Side], Decimal] = {}
    for held in cross:
        needed = held.position.maintenance_margin
        if needed is None:
            return None
        group = held.position.symbol if held.is_hedged else f"{held.position.symbol} {held.position.side}"
        key = (group, held.position.side)
        sides[key] = sides.get(key, Decimal(0)) + needed
    groups = {group for group, _ in sides}
    return sum((max(sides.get((group, side), Decimal(0)) for side in Side) for group in groups), Decimal(0))


def _guessed(name: str, settle: str) -> Instrument:
    """BTC_USDT, BTC_USD (settled in bitcoin), BTC_USDT_20261225."""
    parts = name.split("_")
    if len(parts) < 2:
        raise BadPayload("a contract with a name of a form we do not know")
    base, quote, expiry = parts[0], parts[1], "".join(parts[2:])[2:]
    return Instrument(
        symbol=f"{base}/{quote}:{settle.upper()}" + (f"-{expiry}" if expiry else ""),
        underlying=base,
        settle=settle.upper(),
        contract_size=Decimal(0),
        is_inverse=base == settle.upper(),
    )
