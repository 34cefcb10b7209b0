"""Binance Portfolio Margin, classic and Pro: one pool in US dollars.

`uniMMR = accountEquity / accountMaintMargin`, and liquidation starts at 1.05, so the ratio is `1.05 / uniMMR`, and the
requirement 1.05 times the maintenance margin. `accountEquity` is after collateral rates: each asset counts
`min(x price, x price rate)`, where x is what is owned less what is owed plus the futures wallets and their profit. A
COIN-M position is worth the same number of dollars at any price; its profit in the coin is dollars again. Source:
Binance FAQ on the Unified Maintenance Margin Ratio; the formula reproduces the vendor's example to 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Snapshot
from marginbot.domain.room import STABLE
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import Payloads, Reference, number, price, rows, total
from marginbot.exchanges.venues.binancecoinm import coin_tiers
from marginbot.exchanges.venues.binanceusdm import bracket_tiers
from marginbot.exchanges.venues.binanceusdm_rows import held_positions, name_of

TRIGGER = Decimal("1.05")
NO_REQUIREMENT = Decimal(99_999_999)  # what uniMMR says where nothing is required
_COLLATERAL = Decimal("0.1")  # prices and rates may be ten minutes old, open orders may weigh on the equity
_FEES = Decimal("0.05")  # the account's total may hold more than the positions' requirements: loans

Row = Mapping[str, Any]


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One pool; pure."""
    warnings: list[str] = []
    pro = payloads.get("kind") == "pro"
    told = payloads.get("account")
    account: Row = told if isinstance(told, dict) else {}
    if not account:
        warnings.append("portfolio: Binance does not give the account's own figures")
    positions = _positions(payloads, reference, warnings)
    balances = rows(payloads, "balances") if payloads.get("balances") is not None else []
    pool = Pool(
        name="portfolio",
        margin_mode=MarginMode.PORTFOLIO,
        currency="USD",
        equity=number(account, "accountEquity"),
        maintenance_margin=Decimal(0),
        positions=tuple(positions),
        collateral=_collateral(balances, payloads, positions, warnings),
        has_debt=any(_owed(row) or number(row, "negativeBalance") for row in balances),
        reported_ratio=_reported(account),
    )
    if pro and pool.positions:
        warnings.append("portfolio: coins that back the account are not listed, so their fall is not in the room")
    warnings += _status(account) + _not_backed(pool)
    kind = " ".join(filter(None, ("portfolio margin", "pro" if pro else "", str(account.get("accountType") or ""))))
    judged = _judged(_with_sound_equity(pool, account, warnings), account, warnings)
    return Snapshot(exchange="binance", mode=kind, taken_at=now, pools=(judged,), warnings=tuple(warnings))


def _reported(account: Row) -> Decimal | None:
    safety = number(account, "uniMMR")
    return None if not safety or safety >= NO_REQUIREMENT else TRIGGER / safety


def _with_sound_equity(pool: Pool, account: Row, warnings: list[str]) -> Pool:
    """The equity is also the ratio times the requirement; where the two differ the smaller one counts."""
    safety, margin, equity = number(account, "uniMMR"), number(account, "accountMaintMargin"), pool.equity
    if not safety or not margin or not equity or safety >= NO_REQUIREMENT:
        return pool
    if not apart(equity, safety * margin):
        return pool
    warnings.append("portfolio: Binance's equity is not its ratio times its requirement; the worse reading counts")
    return replace(pool, equity=min(equity, safety * margin))


def _not_backed(pool: Pool) -> list[str]:
    """The listed collateral should come to the equity; it is what the room moves."""
    listed = sum((coin.value for coin in pool.collateral), Decimal(0))
    if pool.equity is None or not pool.collateral or not apart(listed, pool.equity, _COLLATERAL):
        return []
    return [
        f"portfolio: the balances come to {listed:.0f} USD, the equity is {pool.equity:.0f}; room is a rough estimate"
    ]


def _judged(pool: Pool, account: Row, warnings: list[str]) -> Pool:
    told = number(account, "accountMaintMargin")
    summed = total(position.maintenance_margin for position in pool.positions) if pool.positions else None
    own = told or summed
    if not told and summed:
        warnings.append("portfolio: the total maintenance margin is missing, it is added up from the positions")
    elif told and summed and summed > told and apart(summed, told, _FEES):
        warnings.append("portfolio: the positions require more than Binance's total says; the larger figure counts")
        own = summed
    if told == 0 and not own and not pool.positions and not pool.has_debt and pool.reported_ratio is None:
        return pool
    scaled = None if own is None else own * TRIGGER
    needed = requirement(pool.name, pool.equity, own=scaled, reported=pool.reported_ratio, warnings=warnings)
    if needed and not pool.positions and not pool.has_debt:
        warnings.append("portfolio: margin is required, but neither positions nor loans are listed; room is unknown")
    unclear = needed is None and not pool.positions
    return replace(pool, maintenance_margin=needed, has_debt=pool.has_debt or unclear)


def _status(account: Row) -> list[str]:
    told = account.get("accountStatus")
    return [] if told in (None, "", "NORMAL") else [f"portfolio: Binance's own word for the account is {told}"]


# -- positions


def _positions(payloads: Payloads, reference: Reference, warnings: list[str]) -> list[Position]:
    brackets = payloads.get("brackets") or {}
    found = []
    for name, title in (("um", "USDⓈ-M"), ("cm", "COIN-M")):
        if payloads.get(name) is None:
            warnings.append(f"portfolio: {title} positions are not answered, room leaves them out")
            continue
        listed = rows(payloads, name)
        warnings += [f"{row.get('symbol')}: its size and its value or profit disagree" for row in listed if _odd(row)]
        made = coin_tiers if name == "cm" else bracket_tiers
        tiers = {
            reference.instruments[symbol].symbol: _tiers(row, made, warnings)
            for symbol in {str(row.get("symbol")) for row in listed} & reference.instruments.keys()
            if (row := brackets.get(symbol))
        }
        known = Reference(instruments=reference.instruments, tiers=tiers)
        unsaid: list[str] = []  # no position says what it requires: the account does, as a whole
        held = held_positions({"positions": listed}, listed, known, unsaid)
        warnings += [line for line in unsaid if "maintenance margin" not in line]
        found += [_in_dollars(one.position) for one in held]
    return found


def _tiers(row: Row, made: Callable[[Row], tuple[LeverageTier, ...]], warnings: list[str]) -> tuple[LeverageTier, ...]:
    try:
        return made(row)
    except BadPayload as error:
        warnings.append(f"{row.get('symbol')}: its leverage brackets cannot be read ({error})")
        return ()


def _odd(row: Row) -> bool:
    """Whether the sign of the size is contradicted: by the value (signed of USDⓈ-M), or by the profit."""
    size, value = number(row, "positionAmt"), number(row, "notional")
    entry, mark, profit = price(row, "entryPrice"), price(row, "markPrice"), number(row, "unRealizedProfit")
    if size and value and size * value < 0:
        return True
    if not size or entry is None or mark is None or not profit:
        return False
    return size * (mark - entry) * profit < 0


def _in_dollars(position: Position) -> Position:
    """The requirement by its tiers; of a COIN-M position everything converted at the mark."""
    own = maintenance_margin(position.notional, position.tiers) if position.tiers and position.notional else None
    position = replace(position, maintenance_margin=position.maintenance_margin or own)
    if not position.coin_settled:
        return position
    mark = position.mark_price
    return replace(
        position,
        coin_settled=False,
        tiers=(),  # in coins
        notional=_times(position.notional, mark),
        maintenance_margin=_times(position.maintenance_margin, mark),
        unrealized_pnl=_times(position.unrealized_pnl, mark),
    )


def _times(value: Decimal | None, mark: Decimal | None) -> Decimal | None:
    return None if value is None or mark is None else value * mark


# -- what backs the account


def _collateral(
    balances: Sequence[Row], payloads: Payloads, positions: Sequence[Position], warnings: list[str]
) -> tuple[Collateral, ...]:
    prices = _table(payloads.get("prices"), "assetIndexPrice")
    prices |= {p.underlying: p.mark_price for p in positions if p.mark_price is not None}
    rates = _table(payloads.get("rates"), "collateralRate")
    found = []
    for row in balances:
        asset = name_of(row, "asset")
        owned = _owned(row, warnings)
        if not owned:
            continue
        rate, at = rates.get(asset), prices.get(asset, Decimal(1) if asset in STABLE else None)
        if at is None:
            warnings.append(f"portfolio: no price of {asset}; what its fall would cost is not in the room")
            continue
        if rate is None and owned > 0 and asset not in STABLE:
            warnings.append(f"portfolio: collateral rate of {asset} is missing, its full value moves the room")
        found.append(
            Collateral(asset=asset, value=min(owned * at, owned * at * (Decimal(1) if rate is None else rate)))
        )
    return tuple(found)


def _table(listed: Any, field: str) -> dict[str, Decimal]:
    if not isinstance(listed, list):
        return {}
    found = {str(row.get("asset")): price(row, field) for row in listed if isinstance(row, dict)}
    return {asset: value for asset, value in found.items() if value is not None}


def _owned(row: Row, warnings: list[str]) -> Decimal:
    """What is owned less what is owed, with the futures wallets and their profit."""
    asset = name_of(row, "asset")
    parts = [number(row, "crossMarginFree"), number(row, "crossMarginLocked")]
    parts += [number(row, "umWalletBalance"), number(row, "cmWalletBalance")]
    parts += [number(row, "umUnrealizedPNL"), number(row, "cmUnrealizedPNL")]
    if None in parts:
        warnings.append(f"portfolio: a part of the balance of {asset} is missing, it counts as nothing in the room")
    if any(part is not None and part < 0 for part in parts[:2]) or _owed(row) < 0:
        warnings.append(f"portfolio: an amount of {asset} is negative that cannot be")
    return sum((part for part in parts if part is not None), Decimal(0)) - _owed(row)


def _owed(row: Row) -> Decimal:
    """Loans with interest. `negativeBalance` is part of the wallet balances."""
    return (number(row, "crossMarginBorrowed") or Decimal(0)) + (number(row, "crossMarginInterest") or Decimal(0))
