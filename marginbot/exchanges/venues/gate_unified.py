"""Pools of Gate's unified account.

    mode                          pool                 equity                  maintenance margin
    multi-currency, portfolio     one, in dollars      total_margin_balance    total_maintenance_margin
    single-currency               one per currency     balances.X.margin_balance    balances.X.mm

`total_maintenance_margin_rate` is balance over requirement and falls to 1. In single-currency mode the totals are 0 by
design. Source: www.gate.com/docs/developers/apiv4 "Get unified account information".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart, inverted, requirement
from marginbot.exchanges.venue import number, price, record, total
from marginbot.exchanges.venues.gate_classic import judged
from marginbot.exchanges.venues.gate_rows import Held, required

Row = Mapping[str, Any]

_DEBTS = ("borrowed", "total_liab", "negative_liab", "futures_pos_liab")
_NO_COLLATERAL = frozenset({"POINT"})  # fee vouchers


def unified_pools(
    account: Row, cross: Sequence[Held], *, prices: Mapping[str, Decimal], mode: str, warnings: list[str]
) -> list[Pool]:
    """The account's pool, or in single-currency mode one for each currency at stake."""
    balances = record(account, "balances")
    if mode == "single_currency" or (not price(account, "total_margin_balance") and _margined(balances)):
        return _currency_pools(balances, cross, warnings)
    return [_account_pool(account, balances, cross, prices=prices, mode=mode, warnings=warnings)]


def _margined(balances: Row) -> bool:
    return any(number(record(balances, name), "margin_balance", "mm") for name in balances)


def owed(balances: Row) -> list[str]:
    """Currencies that are borrowed or negative."""
    return [name for name in balances if any(number(record(balances, name), field) for field in _DEBTS)]


def _account_pool(
    account: Row,
    balances: Row,
    cross: Sequence[Held],
    *,
    prices: Mapping[str, Decimal],
    mode: str,
    warnings: list[str],
) -> Pool:
    equity, told = number(account, "total_margin_balance"), number(account, "total_maintenance_margin")
    debts = owed(balances)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.PORTFOLIO if mode == "portfolio" else MarginMode.CROSS,
        currency="USD",
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=tuple(held.position for held in cross),
        has_debt=bool(debts),
    )
    reported = inverted(number(account, "total_maintenance_margin_rate"))
    if not cross and not debts and not told and not (reported and told is None):
        return pool
    own = _own(told, cross, mode, warnings)
    equity = _checked_equity(account, equity, own=own, reported=reported, warnings=warnings)
    if equity is not None and equity <= 0 and own:
        return replace(pool, equity=equity, maintenance_margin=own)
    needed = requirement("cross", equity, own=own, reported=reported, warnings=warnings)
    return replace(
        pool,
        equity=equity,
        maintenance_margin=needed,
        reported_ratio=reported,
        collateral=_collateral(balances, equity, prices, warnings),
        has_debt=bool(debts) or (needed is None and not cross),
    )


def _own(told: Decimal | None, cross: Sequence[Held], mode: str, warnings: list[str]) -> Decimal | None:
    """Gate's amount; what the positions require is a lower bound for it, except where risks offset each other."""
    summed = required(cross) if cross and not any(held.position.coin_settled for held in cross) else None
    if not told:
        if cross and told is not None:
            warnings.append("cross: Gate says that nothing is required although positions are held")
        return summed
    if summed is not None and mode != "portfolio" and summed > told and apart(summed, told):
        warnings.append(f"cross: the positions require {summed:.2f}, Gate's total is {told:.2f}; the larger counts")
        return summed
    return told


def _checked_equity(
    account: Row, equity: Decimal | None, *, own: Decimal | None, reported: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """The margin balance, checked by available and initial margin, which add up to it."""
    parts = total((number(account, "total_available_margin"), number(account, "total_initial_margin")))
    if equity is None:
        equity = parts if parts is not None else own / reported if own and reported else None
        warnings.append("cross: the margin balance is missing, other figures stand in")
    elif parts is not None and parts < equity and apart(parts, equity):
        # Nothing is available below zero, so the parts may exceed the balance, never fall short of it.
        warnings.append(f"cross: the margin balance is {equity:.2f}, its parts come to {parts:.2f}; the smaller counts")
        equity = parts
    return equity


def _collateral(
    balances: Row, equity: Decimal | None, prices: Mapping[str, Decimal], warnings: list[str]
) -> tuple[Collateral, ...]:
    """Coins at their price, times the share of it that the margin balance shows."""
    amounts = {name: number(record(balances, name), "equity") for name in balances if name not in _NO_COLLATERAL}
    coins = {name: size for name, size in amounts.items() if size != 0 and name not in STABLE}
    values = {name: size * prices[name] for name, size in coins.items() if size is not None and name in prices}
    if any(size is not None and size < 0 and name not in owed(balances) for name, size in amounts.items()):
        warnings.append("cross: a currency has a negative balance although nothing of it is owed")
    missing = [name for name in coins if name not in values]
    if missing:
        warnings.append(f"cross: no value of {', '.join(missing[:5])}; what a fall would cost is not in the room")
    full = sum(values.values(), Decimal(0))
    if equity is None or full <= 0:
        return tuple(Collateral(asset=name, value=value) for name, value in values.items())
    cash = sum((size for name, size in amounts.items() if size and name in STABLE), Decimal(0))
    share = min(max((equity - cash) / full, Decimal(0)), Decimal(1))
    return tuple(Collateral(asset=name, value=value * share) for name, value in values.items() if share)


# -- single-currency mode


def _currency_pools(balances: Row, cross: Sequence[Held], warnings: list[str]) -> list[Pool]:
    debts = owed(balances)
    used = [held.settle for held in cross]
    staked = [name for name in balances if name in debts or number(record(balances, name), "mm")]
    names = list(dict.fromkeys([*used, *staked])) or [n for n in balances if number(record(balances, n), "equity")]
    return [_currency_pool(name, balances, cross, is_owed=name in debts, warnings=warnings) for name in names]


def _currency_pool(name: str, balances: Row, cross: Sequence[Held], *, is_owed: bool, warnings: list[str]) -> Pool:
    row = record(balances, name) if name in balances else {}
    held = [position for position in cross if position.settle == name]
    margin, full = number(row, "margin_balance"), number(row, "equity")
    told = price(row, "mm")
    staked = bool(held or is_owed or told)
    if staked and (margin is None or (full is not None and margin > full and apart(margin, full))):
        warnings.append(f"cross:{name}: the margin balance is missing or exceeds the equity, the smaller figure counts")
    known = [value for value in (margin, full) if value is not None]
    pool = Pool(
        name=f"cross:{name}",
        margin_mode=MarginMode.CROSS,
        currency=name,
        equity=min(known, default=None) if margin is not None else None if staked and full is None else full,
        maintenance_margin=Decimal(0),
        positions=tuple(position.position for position in held),
        has_debt=is_owed,
    )
    if not staked:
        return pool
    _check_rate(pool, told, price(row, "mmr"), warnings)
    return judged(pool, told, required(held) if held else None, warnings)


def _check_rate(pool: Pool, told: Decimal | None, rate: Decimal | None, warnings: list[str]) -> None:
    equity = pool.equity
    if told and rate and equity and equity > 0:
        readings = (rate, 1 / rate, rate / 100, 100 / rate)
        if all(apart(reading, told / equity) for reading in readings):
            warnings.append(f"{pool.name}: Gate's mmr {rate} does not follow from its amounts")
