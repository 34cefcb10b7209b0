"""Margin pools out of ccxt's unified positions and balances, for exchanges without an adapter of their own.

ccxt fills missing fields by algebra, so a liquidation price, a maintenance margin or an entry price counts only where
the exchange's raw row holds the very number. Its margin ratio and its collateral are never read. What is estimated:

    requirement   the exchange's own, else the rate of the leverage tier, else, where there is a liquidation price,
                  1 % of the position; nothing else is assumed
    isolated      equity follows from the liquidation price (`domain.implied`), else it is unknown
    cross         one pool per settlement currency; equity is the smaller of what the balance and what the
                  liquidation prices say. A profit that the balance may hold already is not added to it, a loss that
                  it may lack is taken off
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import MarginMode, Pool, Snapshot
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Payloads, Reference, number, record, rows, total
from marginbot.exchanges.venues.generic_positions import MODEL_GAP, Held, held_of, symbol_of

Row = Mapping[str, Any]

MODE = "estimated"
GENERAL = (
    "this exchange is read in a general way: its figures are estimates, and other wallets or kinds of contract may be "
    "missing"
)

_LEFT_BEHIND = {"toobit": "flp"}


def parse(name: str, payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings = [GENERAL]
    listed = {instrument.symbol: instrument for instrument in reference.instruments.values()}
    tickers = payloads.get("tickers") or {}
    found = []
    for told in rows(payloads, "positions"):
        row, symbol = _completed(name, told, warnings), symbol_of(told)
        ticker = tickers.get(symbol) or {}
        held = held_of(row, listed.get(symbol), ticker=ticker, tiers=reference.tiers.get(symbol, ()), warnings=warnings)
        if held is not None:
            found.append(held)
    pools = [_isolated_pool(held, warnings) for held in found if held.is_isolated]
    pools += _cross_pools(payloads.get("balance"), found, warnings)
    return Snapshot(exchange=name, mode=MODE, taken_at=now, pools=tuple(pools), warnings=tuple(dict.fromkeys(warnings)))


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    position = held.position
    if held.implied is None:
        warnings.append(f"{position.symbol}: what backs this isolated position is not told")
    return Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=held.settle,
        equity=held.implied,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


def _completed(name: str, row: Row, warnings: list[str]) -> Row:
    """The row with a liquidation price that ccxt leaves in the exchange's own row."""
    raw, field = row.get("info"), _LEFT_BEHIND.get(name)
    if field is None or not isinstance(raw, dict) or row.get("liquidationPrice") is not None:
        return row
    warnings.append(f"{symbol_of(row)}: its liquidation price is taken from the field {field}")
    return {**row, "liquidationPrice": raw.get(field)}


def _cross_pools(balance: Any, found: Sequence[Held], warnings: list[str]) -> list[Pool]:
    """One for each currency that settles a position or is owed; the balances where nothing is at stake."""
    totals, debts = _amounts(balance, "total"), _amounts(balance, "debt")
    if not isinstance(balance, dict):
        warnings.append("the balance could not be read")
    owed = [ccy for ccy in debts if number(debts, ccy)]
    staked = list(dict.fromkeys([*(held.settle for held in found if not held.is_isolated), *owed]))
    if not found and not staked:
        return [_flat_pool(ccy, number(totals, ccy)) for ccy in totals if number(totals, ccy)]
    return [_cross_pool(ccy, totals, found, is_owed=ccy in owed, warnings=warnings) for ccy in staked]


def _amounts(balance: Any, kind: str) -> dict[str, Any]:
    return record(balance, kind) if isinstance(balance, dict) and balance.get(kind) is not None else {}


def _flat_pool(currency: str, equity: Decimal | None) -> Pool:
    return Pool(
        name=f"cross:{currency}",
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=equity,
        maintenance_margin=Decimal(0),
    )


def _cross_pool(currency: str, totals: Row, found: Sequence[Held], *, is_owed: bool, warnings: list[str]) -> Pool:
    name = f"cross:{currency}"
    cross = [held for held in found if held.settle == currency and not held.is_isolated]
    needed = total(held.position.maintenance_margin for held in cross)
    if is_owed:
        warnings.append(f"{name}: there is a debt, and what it needs is not known")
        needed = None
    elif needed is None:
        warnings.append(f"{name}: the maintenance margin is not told and cannot be worked out")
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=_cross_equity(name, totals, found, currency=currency, warnings=warnings),
        maintenance_margin=needed,
        positions=tuple(held.position for held in cross),
        has_debt=is_owed,
    )


def _cross_equity(
    name: str, totals: Row, found: Sequence[Held], *, currency: str, warnings: list[str]
) -> Decimal | None:
    """The smaller of what the balance and what the liquidation prices say."""
    settled = [held for held in found if held.settle == currency]
    cross = [held for held in settled if not held.is_isolated]
    by_balance = _balance_equity(name, totals, settled, currency=currency, warnings=warnings)
    by_price = _priced_equity(cross)
    if by_price is None:
        if by_balance is not None:
            warnings.append(f"{name}: equity is the balance alone, no liquidation price checks it")
        return by_balance
    if by_balance is None:
        warnings.append(f"{name}: equity is worked out from liquidation prices")
        return by_price
    if apart(by_balance, by_price, MODEL_GAP):
        warnings.append(
            f"{name}: equity is {by_balance:.2f} by the balance and {by_price:.2f} by liquidation prices; the smaller "
            "counts"
        )
    return min(by_balance, by_price)


def _balance_equity(
    name: str, totals: Row, settled: Sequence[Held], *, currency: str, warnings: list[str]
) -> Decimal | None:
    """Balance without profit, with losses, without what backs isolated positions."""
    balance = number(totals, currency)
    if not balance:
        # A zero says nothing where coins of another kind may back the positions.
        warnings.append(f"{name}: no balance in {currency} is told")
        return None
    profits = [held.position.unrealized_pnl for held in settled if not held.is_isolated]
    backing = [held.implied for held in settled if held.is_isolated]
    profit, isolated = total(profits), total(backing)
    if profit is None or isolated is None:
        warnings.append(f"{name}: profit or isolated margin is not told, so the balance cannot be judged")
        return None
    if profit > 0:
        warnings.append(f"{name}: whether the balance holds the profit is not known, none is added")
    elif profit < 0:
        warnings.append(f"{name}: whether the balance holds the loss is not known, it is taken off")
    if isolated > 0:
        warnings.append(f"{name}: the margin of isolated positions is taken off the balance")
    return balance + min(profit, Decimal(0)) - max(isolated, Decimal(0))


def _priced_equity(cross: Sequence[Held]) -> Decimal | None:
    """At its liquidation price a position uses up what the requirements of the others leave: the least of all."""
    needed = total(held.position.maintenance_margin for held in cross)
    if needed is None:
        return None
    told = (
        needed - held.position.maintenance_margin + held.implied
        for held in cross
        if held.implied is not None and held.position.maintenance_margin is not None
    )
    return min(told, default=None)
