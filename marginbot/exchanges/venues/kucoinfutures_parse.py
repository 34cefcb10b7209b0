"""Margin pools of a KuCoin futures account.

    account, mode       pool              equity                               maintenance margin
    classic, cross      one per coin      accountEquity without isolated       posMaint of its positions + closing fees
    classic, isolated   one per position  maintMargin = posMargin + profit     posMaint, a fixed amount
    unified             one, in USDT      adjustedEquity                       mm + closing fees

KuCoin's `riskRatio` covers cross only and counts open orders as if filled; liquidation starts at 1. With a closing fee
of 0.06 % it reproduces the documented overview of a unified account to ten digits. `maintMargin` is no requirement in
spite of its name. Sources: www.kucoin.com support 35233217061785 and the documentation of the endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.priced import least_equity
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import Payloads, Reference, dig, number, price, record, rows, total
from marginbot.exchanges.venues.kucoinfutures_rows import CLOSING_FEE, Holding, Row, coin, holdings_of

UNIFIED, CLASSIC = "UNIFIED", "CLASSIC"


def mode_of(answer: Any) -> str | None:
    """Which kind of account the key opens; None when KuCoin does not say it in a form we know."""
    told = dig(answer, "data", "selfAccountMode")
    return told if told in (UNIFIED, CLASSIC) else None


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    unified = payloads.get("overview") is not None
    held = holdings_of(rows(payloads, "positions", "data"), reference, unified=unified, warnings=warnings)
    if unified:
        pools = _unified_pools(payloads, held, warnings)
    else:
        pools = _classic_pools(record(payloads, "wallets"), held, warnings)
        if mode_of(payloads.get("mode")) is None:
            warnings.append("KuCoin does not say whether this is a unified account; its futures account was read")
    mode = "unified" if unified else "classic"
    return Snapshot(
        exchange="kucoinfutures",
        mode=f"{mode}/{'hedge' if any(holding.hedged for holding in held) else 'one-way'}",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


# -- classic


def _classic_pools(wallets: Row, held: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    names = dict.fromkeys([*map(coin, wallets), *(holding.currency for holding in held)])
    told = {coin(name): _wallet(name, answer, warnings) for name, answer in wallets.items()}
    made = [_cross_pool(name, told.get(name, {}), held, warnings) for name in names]
    kept = [pool for pool in made if pool.positions or pool.maintenance_margin or pool.equity not in (None, 0)]
    return kept + [_isolated_pool(holding, warnings) for holding in held if holding.isolated]


def _wallet(name: str, answer: Any, warnings: list[str]) -> Row:
    wallet = record(answer, "data")
    if wallet.get("currency") not in (None, name):
        warnings.append(f"{coin(name)}: KuCoin answered for {wallet['currency']} instead, so its balance is not known")
        return {}
    return wallet


def _isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    position = holding.position
    name = f"isolated:{position.symbol}:{position.side}"
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=holding.currency,
        equity=least_equity(name, holding.equity, [position], warnings),
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


def _cross_pool(currency: str, wallet: Row, held: Sequence[Holding], warnings: list[str]) -> Pool:
    name = f"cross:{currency}"
    settled = [holding for holding in held if holding.currency == currency]
    positions = tuple(holding.position for holding in settled if not holding.isolated)
    equity = _cross_equity(name, wallet, settled, warnings)
    if equity is None and positions:
        equity = least_equity(name, None, positions, warnings)
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=equity,
        maintenance_margin=_required(name, equity, positions_of=settled, wallet=wallet, warnings=warnings),
        positions=positions,
        reported_ratio=number(wallet, "riskRatio") or None,
    )


def _cross_equity(name: str, wallet: Row, settled: Sequence[Holding], warnings: list[str]) -> Decimal | None:
    """What the wallet holds without the isolated positions; of two figures the smaller."""
    sums = [number(wallet, "accountEquity"), total((number(wallet, "marginBalance"), number(wallet, "unrealisedPNL")))]
    known = [value for value in sums if value is not None]
    isolated = total(holding.equity for holding in settled if holding.isolated)
    if not known or isolated is None:
        return None
    if len(known) < len(sums):
        warnings.append(f"{name}: a part of KuCoin's balance is missing, so it is not checked")
    elif apart(*known):
        warnings.append(f"{name}: KuCoin's figures for the balance differ; the smallest counts")
    return min(known) - isolated


def _required(
    name: str, equity: Decimal | None, *, positions_of: Sequence[Holding], wallet: Row, warnings: list[str]
) -> Decimal | None:
    cross = [holding.position for holding in positions_of if not holding.isolated]
    reported = number(wallet, "riskRatio")
    if not cross:
        if not reported or equity is None:
            return Decimal(0)
        warnings.append(f"{name}: margin is required, but KuCoin lists no position there; room is unknown")
        return equity * reported
    own = total(position.maintenance_margin for position in cross)
    if number(wallet, "orderMargin") and own and equity and equity > 0 and reported and reported > own / equity:
        return equity * reported  # open orders count as if filled
    return requirement(name, equity, own=own, reported=reported, warnings=warnings)


# -- unified


def _unified_pools(payloads: Payloads, held: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    overview = record(payloads, "overview", "data")
    cross = tuple(holding.position for holding in held if not holding.isolated)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=_adjusted_equity(overview, warnings),
        maintenance_margin=Decimal(0),
        positions=cross,
        collateral=_collateral(payloads, warnings),
        has_debt=bool(number(overview, "liability")),
        reported_ratio=number(overview, "riskRatio") or None,
    )
    return [
        _with_requirement(pool, overview, warnings),
        *(_isolated_pool(holding, warnings) for holding in held if holding.isolated),
    ]


def _adjusted_equity(overview: Row, warnings: list[str]) -> Decimal | None:
    """Equity after haircut, which cannot be more than the full one."""
    adjusted, full = number(overview, "adjustedEquity"), number(overview, "equity")
    if adjusted is None or full is None:
        warnings.append(
            "cross: a part of KuCoin's equity is missing" + (", the other counts" if adjusted or full else "")
        )
        return full if adjusted is None else adjusted
    if adjusted > full and apart(adjusted, full):
        warnings.append("cross: KuCoin's adjusted equity is above the full one, which counts")
        return full
    return adjusted


def _with_requirement(pool: Pool, overview: Row, warnings: list[str]) -> Pool:
    """The larger of KuCoin's sum and ours, each with closing fees, against its ratio."""
    margin, fees = number(overview, "mm"), total(p.notional for p in pool.positions)
    summed = total(p.maintenance_margin for p in pool.positions)
    told = None if margin is None or fees is None else margin + fees * CLOSING_FEE
    known = [value for value in (told, summed) if value is not None]
    if not pool.positions and not pool.has_debt and not margin and pool.reported_ratio is None:
        if margin is None or number(overview, "riskRatio") is None:
            warnings.append("cross: KuCoin gives neither a requirement nor a ratio, and lists no position")
        return pool
    if told is not None and summed is not None and summed > told and apart(summed, told):
        warnings.append("cross: the positions require more than KuCoin's total says; the larger figure counts")
    needed = requirement(
        pool.name, pool.equity, own=max(known, default=None), reported=pool.reported_ratio, warnings=warnings
    )
    if needed and not pool.positions and not pool.has_debt:
        warnings.append("cross: margin is required, but KuCoin lists no position; room is unknown")
    return replace(pool, maintenance_margin=needed, has_debt=pool.has_debt or (needed is None and not pool.positions))


def _collateral(payloads: Payloads, warnings: list[str]) -> tuple[Collateral, ...]:
    """Coins that back the account, at the mark price of their perpetual; KuCoin does not tell the haircut."""
    held = dig(payloads.get("balances"), "data", "accounts", 0, "currencies")
    if not isinstance(held, list):
        warnings.append("cross: KuCoin did not list the coins of the account; what their fall costs is not in the room")
        return ()
    contracts = dig(payloads.get("contracts"), "data")
    listed = contracts if isinstance(contracts, list) else []
    marks = {coin(str(row.get("baseCurrency"))): price(row, "markPrice") for row in listed if _is_linear(row)}
    found = []
    for row in rows(held):
        asset, amount = coin(str(row.get("currency"))), number(row, "equity")
        if asset in STABLE or not amount:
            continue
        mark = marks.get(asset)
        if mark is None:
            warnings.append(f"cross: no price of {asset}; what its fall would cost is not in the room")
        else:
            found.append(Collateral(asset=asset, value=amount * mark))
    return tuple(found)


def _is_linear(row: Any) -> bool:
    return isinstance(row, dict) and row.get("quoteCurrency") == "USDT" and row.get("isInverse") is not True
