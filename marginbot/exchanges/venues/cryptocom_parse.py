"""The margin pool of a Crypto.com Exchange account: one for all, in dollars.

    equity                total_margin_balance = total_collateral_value + total_session_unrealized_pnl
    maintenance margin    total_maintenance_margin, in the documented account half of total_initial_margin

Both sums hold to the last digit in the documented account; where they do not, the worse figure counts. A position row
has no mark: its value is `open_pos_cost + open_position_pnl`, checked against the last price. Sources: see `cryptocom`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.listing import Listing, contract, larger_value, listing_of, value_of
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Payloads, Reference, dig, number, price, rows, total

Row = Mapping[str, Any]

HALF = Decimal("0.5")  # of the initial margin, where the maintenance margin is missing or below it
MORE = Decimal("1.02")
_NAME = re.compile(r"(?P<base>\w+?)(?P<quote>USDT|USDC|USD)-(?P<dated>PERP|\d{6})")


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    accounts = rows(payloads, "balance", "result", "data")
    if len(accounts) != 1:
        raise BadPayload(f"expected one account, found {len(accounts)}")
    last = _prices(payloads.get("tickers") or [])
    listed = rows(payloads, "positions", "result", "data")
    found = (_position(row, last, reference, warnings) for row in listed)
    positions = tuple(position for position in found if position is not None)
    pool = _pool(accounts[0], positions, warnings)
    return Snapshot(
        exchange="cryptocom",
        mode="smart cross margin",
        taken_at=now,
        pools=(pool,),
        warnings=tuple(dict.fromkeys(warnings)),
    )


# -- the pool


def _pool(account: Row, positions: tuple[Position, ...], warnings: list[str]) -> Pool:
    balances = rows(account, "position_balances") if "position_balances" in account else []
    equity = _equity(account, warnings)
    debt = bool(number(account, "total_borrow")) or any((number(row, "quantity") or 0) < 0 for row in balances)
    needed = _requirement(account, bool(positions) or debt, warnings)
    if account.get("is_liquidating") is True:
        warnings.append("cross: Crypto.com says that this account is being liquidated")
        needed = max((value for value in (needed, equity) if value is not None), default=None)
    if needed and not positions and not debt:
        warnings.append("cross: margin is required, but Crypto.com lists no position; room is unknown")
    return Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=equity,
        maintenance_margin=needed,
        positions=_shared_out(positions, needed),
        collateral=tuple(_collateral(balances, warnings)),
        has_debt=debt or (needed is None and not positions),
    )


def _equity(account: Row, warnings: list[str]) -> Decimal | None:
    """The margin balance; of it and its parts the smaller."""
    told = number(account, "total_margin_balance")
    parts = total((number(account, "total_collateral_value"), number(account, "total_session_unrealized_pnl")))
    known = [value for value in (told, parts) if value is not None]
    if len(known) == 1:
        warnings.append("cross: a part of Crypto.com's balance is missing, so it is not checked")
    elif known and apart(*known):
        warnings.append("cross: Crypto.com's figures for the margin balance differ; the smaller counts")
    elif told is not None:
        return told
    return min(known, default=None)


def _requirement(account: Row, at_stake: bool, warnings: list[str]) -> Decimal | None:
    """The venue's amount, not below half of the initial margin."""
    told, initial = number(account, "total_maintenance_margin"), number(account, "total_initial_margin")
    own = None if initial is None or initial < 0 else initial * HALF
    if told is None or told < 0 or (told == 0 and at_stake):
        if at_stake or own is None or told is None:
            how = "half of the initial margin counts" if own else "so it is unknown"
            warnings.append(f"cross: Crypto.com gives no maintenance margin, {how}")
        return own or (None if at_stake or told is None else Decimal(0))
    if own is None:
        warnings.append("cross: Crypto.com gives no initial margin, so the maintenance margin is not checked")
        return told
    if told < own and apart(told, own):
        warnings.append("cross: the maintenance margin is below half of the initial margin; half of it counts")
        return own
    return told


def _shared_out(positions: tuple[Position, ...], needed: Decimal | None) -> tuple[Position, ...]:
    """Requirements by position, in proportion to value: Crypto.com gives only their sum."""
    size = total(position.notional for position in positions)
    if not needed or not size:
        return positions
    return tuple(replace(p, maintenance_margin=needed * (p.notional or Decimal(0)) / size) for p in positions)


def _collateral(balances: Sequence[Row], warnings: list[str]) -> list[Collateral]:
    """Coins that back the account, after haircut."""
    found = []
    for row in balances:
        asset = str(row.get("instrument_name"))
        excluded = str(row.get("collateral_eligible", "true")).lower() == "false"
        if asset in STABLE or excluded or not number(row, "quantity"):
            continue
        value = _counted(row, asset, warnings)
        if value:
            found.append(Collateral(asset=asset, value=value))
    return found


def _counted(row: Row, asset: str, warnings: list[str]) -> Decimal | None:
    """What a coin counts, which cannot be more than its market value."""
    counted, full = number(row, "collateral_amount"), number(row, "market_value")
    if counted is None:
        warnings.append(
            f"{asset}: what it counts as collateral is missing" + (", its full value is used" if full else "")
        )
        return full
    if full is None or abs(counted) > abs(full) * MORE or counted * full < 0:
        warnings.append(f"{asset}: what it counts as collateral does not fit its value")
        return max(counted, full or counted)
    return counted


# -- positions


def _prices(answers: Sequence[Any]) -> dict[str, Decimal | None]:
    """Last prices by instrument."""
    told = (dig(answer, "result", "data") for answer in answers)
    listed = [row for data in told if isinstance(data, list) for row in data if isinstance(row, dict)]
    return {str(row.get("i")): price(row, "a") for row in listed}


def _position(
    row: Row, last: Mapping[str, Decimal | None], reference: Reference, warnings: list[str]
) -> Position | None:
    market, size = row.get("instrument_name"), number(row, "quantity")
    if not isinstance(market, str) or not market or size is None:
        raise BadPayload("a position without instrument or quantity")
    if not size:
        return None
    listing = listing_of(market, reference, _guessed, warnings)
    cost, profit = number(row, "open_pos_cost", "cost"), number(row, "open_position_pnl")
    value = _value(cost, profit, size, listing=listing, warnings=warnings)
    traded = last.get(market)
    if traded is None:
        warnings.append(f"{listing.symbol}: no price to check its value with")
    notional = larger_value(listing, value_of(listing, abs(size), traded), value, warnings)
    units = None if listing.contract_size is None else abs(size) * listing.contract_size
    return Position(
        symbol=listing.symbol,
        underlying=listing.underlying,
        side=Side.LONG if size > 0 else Side.SHORT,
        contracts=abs(size),
        notional=notional,
        entry_price=abs(cost) / units if cost and units else None,
        mark_price=notional / units if notional is not None and units else None,
        unrealized_pnl=profit,
    )


def _value(
    cost: Decimal | None, profit: Decimal | None, size: Decimal, *, listing: Listing, warnings: list[str]
) -> Decimal | None:
    """Cost and profit together; a short's cost is negative, and so is its value."""
    if cost is None or profit is None:
        warnings.append(f"{listing.symbol}: cost or profit is missing" + (", the cost counts" if cost else ""))
        return cost
    signed = cost if (cost > 0) is (size > 0) else -cost
    return signed + profit


def _guessed(market: str) -> Listing | None:
    """By the name alone: BTCUSD-PERP, ETHUSD-230825."""
    found = _NAME.fullmatch(market)
    if found is None:
        return None
    dated = "" if found["dated"] == "PERP" else found["dated"]
    return contract(found["base"], found["quote"], size=Decimal(1), dated=dated)
