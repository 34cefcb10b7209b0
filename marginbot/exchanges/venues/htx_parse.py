"""Margin pools of HTX: the USDT-margined account, and what `htx_older` makes of the coin-margined ones.

    mode       pool              equity                                  maintenance margin
    cross      one, in USDT      `equity` without `isolated_equity`      `maintenance_margin`, sum of the positions
    isolated   one per position  `margin` + profit                       `maintenance_margin` of the position

`margin_rate` of a position row is requirement over equity, 1 is liquidation; it has four digits. On cross rows it is
taken as the account's where all agree, else the rows are added up. The documented liquidation price (a negative one)
is that of an equity with which the same row's rate comes out. Sources: see `htx`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.listing import Listing, contract, listing_of, value_of
from marginbot.exchanges.priced import least_equity
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import Payloads, Reference, number, price, record, rows, total
from marginbot.exchanges.venues.htx_older import Row, coin_pools, linear_pools

FAR = Decimal("0.20")
_NAME = re.compile(r"(?P<base>[^-]+)-(?P<quote>USDT|USDC|HUSD)(?:-(?P<dated>\d{6}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position with what decides its pool."""

    position: Position
    isolated: bool
    equity: Decimal | None  # behind it, if it is isolated
    rate: Decimal | None  # `margin_rate`
    hedged: bool


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure. Answers of the first version of the interface (`older`) are read where they are given."""
    warnings: list[str] = []
    pools: list[Pool] = []
    mode = "usdt-margined"
    if payloads.get("older") is not None:
        pools += linear_pools(record(payloads, "older"), reference, guessed, warnings)
    else:
        listed = rows(payloads, "positions", "data")
        found = (_holding(row, reference, warnings) for row in listed)
        held = [holding for holding in found if holding is not None]
        pools += _account_pools(record(payloads, "balance", "data"), held, warnings)
        mode += "/hedge" if any(holding.hedged for holding in held) else "/one-way"
    for name in ("swaps", "futures"):
        coins = payloads.get(name)
        if coins is None:
            warnings.append(f"HTX did not answer for coin-margined {name}, so they are not watched")
        else:
            pools += coin_pools(name, coins, warnings)
    return Snapshot(
        exchange="htx", mode=mode, taken_at=now, pools=tuple(pools), warnings=tuple(dict.fromkeys(warnings))
    )


# -- pools


def _account_pools(account: Row, held: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    cross = [holding for holding in held if not holding.isolated]
    positions = tuple(holding.position for holding in cross)
    equity = _cross_equity(account, warnings)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=positions,
        reported_ratio=_account_ratio("cross", cross, warnings),
    )
    own = _required(account, positions, held=held, warnings=warnings)
    if positions:
        needed = requirement("cross", equity, own=own, reported=pool.reported_ratio, warnings=warnings)
        pool = replace(pool, maintenance_margin=needed, equity=least_equity("cross", equity, positions, warnings))
    elif own:
        warnings.append("cross: margin is required, but HTX lists no cross position; room is unknown")
        pool = replace(pool, maintenance_margin=own)
    if account.get("state") not in (None, "normal"):
        warnings.append(f"cross: HTX says that the state of this account is {str(account['state'])[:20]}")
    return [pool, *(_isolated_pool(holding, warnings) for holding in held if holding.isolated)]


def _cross_equity(account: Row, warnings: list[str]) -> Decimal | None:
    """The account's equity without what stands behind isolated positions; one asset's own figure checks it."""
    details = rows(account, "details") if "details" in account else []
    told = number(account, "equity")
    isolated = sum((number(row, "isolated_equity") or Decimal(0) for row in details), Decimal(0))
    used = [row for row in details if number(row, "equity") or number(row, "isolated_equity")]
    coins = [str(row.get("currency")) for row in used if row.get("currency") not in STABLE]
    if coins:
        warnings.append(f"cross: {', '.join(coins)} backs the account; what its fall would cost is not in the room")
    if told is None:
        warnings.append("cross: HTX does not tell the equity")
        return None
    parts = [number(row, "equity") for row in used]
    if not coins and None not in parts and apart(told, total(parts) or Decimal(0)):
        warnings.append("cross: HTX's figures for the equity differ; the smaller counts")
        told = min(told, total(parts) or Decimal(0))
    return told - isolated


def _required(
    account: Row, positions: Sequence[Position], *, held: Sequence[Holding], warnings: list[str]
) -> Decimal | None:
    """The larger of the account's figure (which may count isolated positions) and the sum of the cross positions."""
    told = number(account, "maintenance_margin")
    cross = total(position.maintenance_margin for position in positions)
    everything = total(holding.position.maintenance_margin for holding in held)
    if told is None or told < 0 or (told == 0 and positions):
        if positions or told is None:
            warnings.append("cross: HTX gives no maintenance margin of the account, its positions are added up")
        return cross
    if cross is None or everything is None:
        warnings.append("cross: a position gives no maintenance margin, the account's figure counts")
        return told
    if told > everything and apart(told, everything):
        warnings.append("cross: HTX requires more than the listed positions do; the larger figure counts")
        return cross + told - everything
    if cross > told and apart(cross, told):
        warnings.append("cross: the positions require more than HTX's total says; the larger figure counts")
    return cross


def _account_ratio(name: str, cross: Sequence[Holding], warnings: list[str]) -> Decimal | None:
    """The account's ratio where the rows agree on it, else their sum."""
    known = [holding.rate for holding in cross if holding.rate]
    if len(known) < len(cross):
        warnings.append(f"{name}: HTX gives no margin rate for a position")
    if not known:
        return None
    if max(known) - min(known) <= Decimal("0.0001"):
        return max(known)
    return sum(known, Decimal(0))


def _isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    position = holding.position
    name = f"isolated:{position.symbol}:{position.side}"
    needed = requirement(
        name, holding.equity, own=position.maintenance_margin, reported=holding.rate or None, warnings=warnings
    )
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency="USDT",
        equity=least_equity(name, holding.equity, [position], warnings),
        maintenance_margin=needed,
        positions=(position,),
        reported_ratio=holding.rate or None,
    )


# -- positions


def _holding(row: Row, reference: Reference, warnings: list[str]) -> Holding | None:
    market, size = row.get("contract_code"), number(row, "volume")
    if not isinstance(market, str) or not market or size is None:
        raise BadPayload("a position without contract or volume")
    if not size:
        return None
    listing = listing_of(market, reference, guessed, warnings)
    mark, profit = _mark(row, listing.symbol, warnings), number(row, "profit_unreal")
    notional = _notional(row, listing, abs(size), mark=mark, warnings=warnings)
    margin = number(row, "maintenance_margin")
    if not margin or margin < 0:
        warnings.append(f"{listing.symbol}: HTX gives no maintenance margin")
        margin = None
    behind = number(row, "margin", "initial_margin")
    return Holding(
        position=Position(
            symbol=listing.symbol,
            underlying=listing.underlying,
            side=_side(row, market),
            contracts=abs(size),
            notional=notional,
            entry_price=price(row, "open_avg_price"),
            mark_price=mark,
            liquidation_price=price(row, "liquidation_price"),
            maintenance_margin=margin,
            unrealized_pnl=profit,
        ),
        isolated=_is_isolated(row, listing.symbol, warnings),
        equity=None if behind is None or profit is None else behind + profit,
        rate=number(row, "margin_rate"),
        hedged=row.get("position_side") in ("long", "short"),
    )


def _side(row: Row, market: str) -> Side:
    """`position_side` in hedge mode; in one-way mode it is "both" and `direction` tells."""
    for said, side in (("long", Side.LONG), ("short", Side.SHORT)):
        if row.get("position_side") == said:
            return side
    if row.get("direction") not in ("buy", "sell"):
        raise BadPayload(f"the direction of {market} is not known")
    return Side.LONG if row["direction"] == "buy" else Side.SHORT


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    if row.get("margin_mode") not in ("cross", "isolated"):
        warnings.append(f"{symbol}: HTX does not say whether it is cross or isolated; taken as isolated")
    return row.get("margin_mode") != "cross"


def _mark(row: Row, symbol: str, warnings: list[str]) -> Decimal | None:
    mark, last = price(row, "mark_price"), price(row, "last_price")
    if mark is None:
        warnings.append(f"{symbol}: no mark price" + (", the last traded price stands in" if last else ""))
        return last
    if last is None or apart(mark, last, FAR):
        warnings.append(f"{symbol}: the mark price {mark:f} could not be confirmed by the last price")
    return mark


def _notional(
    row: Row, listing: Listing, size: Decimal, *, mark: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """By contract size; without one, the initial margin times the leverage."""
    ours = value_of(listing, size, mark)
    margin, leverage = number(row, "initial_margin"), number(row, "lever_rate")
    implied = abs(margin * leverage) if margin and leverage else None
    if ours is not None and implied is not None and apart(ours, implied, FAR):
        warnings.append(f"{listing.symbol}: its contracts come to {ours:f}, its margin and leverage to {implied:f}")
        return max(ours, implied)
    if ours is None:
        what = "its margin and leverage tell its value" if implied else "its value is not known"
        warnings.append(f"{listing.symbol}: contract size not known, {what}")
    return ours if ours is not None else implied


def guessed(market: str) -> Listing | None:
    """By the name alone: BTC-USDT, BTC-USDT-211231."""
    found = _NAME.fullmatch(market)
    return None if found is None else contract(found["base"], found["quote"], dated=found["dated"] or "")
