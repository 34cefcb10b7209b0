"""Margin pools of a Bybit unified account.

    mode         pool                 equity                          maintenance margin
    cross        one, in USD          totalMarginBalance              totalMaintenanceMargin
    portfolio    one, in USD          totalEquity                     totalMaintenanceMargin
    isolated     one per position     from the liquidation price      positionMM

`accountMMRate` is cut to four decimals, so the ratio is recomputed from the totals; where the venue's is higher
all the same, open spot orders cost a haircut and equity is what its rate implies. In isolated mode all
account-wide figures are '' and nothing tells what backs a position, except its exact liquidation price L: there
equity equals the requirement, so equity now is requirement(L) plus the profit made between L and the mark.
Sources: Bybit glossary of the unified account, "UTA Trading Rules", V5 "Get Position Info".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, Unsupported
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Snapshot
from marginbot.exchanges.venue import Payloads, Reference, dig, number, price, rows, total
from marginbot.exchanges.venues.bybit_collateral import collateral_of, stables_of
from marginbot.exchanges.venues.bybit_isolated import isolated_pools
from marginbot.exchanges.venues.bybit_rows import Coin, Line, coins_of, lines_of

Row = Mapping[str, Any]

_MODES = {"REGULAR_MARGIN": "cross", "ISOLATED_MARGIN": "isolated", "PORTFOLIO_MARGIN": "portfolio"}
_EQUITY = {"cross": "totalMarginBalance", "portfolio": "totalEquity"}
_CUT = Decimal("0.0001")  # rates are cut to four decimals
_TELLING = Decimal("0.02")  # below this rate the cut is too coarse to derive an amount from
_FIRST_UNIFIED = {3, 4}  # account types in which inverse contracts had a wallet of their own


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    wallet = _wallet(payloads)
    coins = coins_of(wallet, warnings)
    lines = lines_of(payloads.get("positions"), payloads.get("tickers"), reference, warnings)
    mode = _mode(payloads.get("info"), wallet, warnings)
    _warn_of_first_unified(payloads.get("info"), lines, warnings)
    if mode == "isolated":
        pools = isolated_pools(wallet, coins, lines, warnings)
    else:
        pools = [_account_pool(mode, wallet, coins, lines, ratios=payloads.get("collateral"), warnings=warnings)]
    return Snapshot(
        exchange="bybit", mode=f"unified/{mode}", taken_at=now, pools=tuple(pools), warnings=tuple(warnings)
    )


def _wallet(payloads: Payloads) -> dict[str, Any]:
    listed = rows(payloads, "wallet", "result", "list")
    if not listed:
        raise BadPayload("the wallet is empty")
    kinds = {str(row.get("accountType") or "UNIFIED"): row for row in listed}
    if "UNIFIED" not in kinds:
        raise Unsupported(
            f"account type {', '.join(kinds)}",
            advice="Only Bybit's unified trading account is supported. Upgrade the account at Bybit, then try again.",
        )
    return kinds["UNIFIED"]


def _mode(info: Any, wallet: Row, warnings: list[str]) -> str:
    told = _MODES.get(str(dig(info, "result", "marginMode")))
    if told is not None:
        return told
    if number(wallet, "totalMaintenanceMargin", "accountMMRate") is None:
        warnings.append("Bybit does not name the margin mode; it looks like isolated, as account totals are blank")
        return "isolated"
    warnings.append("Bybit does not name the margin mode; the smaller of its two equity figures counts")
    balance, equity = number(wallet, "totalMarginBalance"), number(wallet, "totalEquity")
    return "portfolio" if balance is None or (equity is not None and equity < balance) else "cross"


def _warn_of_first_unified(info: Any, lines: Sequence[Line], warnings: list[str]) -> None:
    if dig(info, "result", "unifiedMarginStatus") not in _FIRST_UNIFIED:
        return
    warnings.extend(
        f"{line.symbol}: this account is of Bybit's first unified kind, where inverse contracts have a wallet of "
        "their own, which is not watched"
        for line in lines
        if line.instrument.is_inverse
    )


# -- the pool of a cross or portfolio account


def _account_pool(
    mode: str, wallet: Row, coins: Mapping[str, Coin], lines: Sequence[Line], *, ratios: Any, warnings: list[str]
) -> Pool:
    positions = tuple(_in_dollars(line, coins) for line in lines)
    has_debt = any(coin.is_borrowed for coin in coins.values())
    rate = number(wallet, "accountMMRate")
    equity = number(wallet, _EQUITY[mode])
    requirement = _requirement(mode, wallet, positions, equity=equity, has_debt=has_debt, warnings=warnings)
    collateral: list[Collateral] = []
    if positions or has_debt:
        equity = _checked_equity(mode, equity, requirement, rate, warnings)
        collateral = collateral_of(mode, coins, ratios, equity=equity, warnings=warnings)
    return Pool(
        name=mode,
        margin_mode=MarginMode.PORTFOLIO if mode == "portfolio" else MarginMode.CROSS,
        currency="USD",
        equity=equity,
        maintenance_margin=requirement,
        positions=positions,
        collateral=tuple(collateral),
        stables=stables_of(mode, coins, ratios),
        has_debt=has_debt,
        reported_ratio=rate if positions or has_debt else None,
    )


def _requirement(
    mode: str,
    wallet: Row,
    positions: Sequence[Position],
    *,
    equity: Decimal | None,
    has_debt: bool,
    warnings: list[str],
) -> Decimal | None:
    """The venue's total; without one, what its rate implies or (no loans) what the positions add up to."""
    told, rate = number(wallet, "totalMaintenanceMargin"), number(wallet, "accountMMRate")
    own = None if has_debt else total(position.maintenance_margin for position in positions)
    if told is not None and (told > 0 or not positions or own == 0):
        if own is not None and own > told * Decimal("1.02"):
            warnings.append(f"{mode}: the positions require more than Bybit's total says; the larger figure counts")
            return own
        return told
    if rate and equity is not None:
        warnings.append(f"{mode}: the total maintenance margin is missing, it is estimated from Bybit's own rate")
        return equity * (rate + _CUT)
    if not positions and not has_debt:
        return told
    how = "it is unknown" if own is None else "it is added up from the positions"
    warnings.append(f"{mode}: the total maintenance margin is missing, {how}")
    return own


def _checked_equity(
    mode: str, equity: Decimal | None, requirement: Decimal | None, rate: Decimal | None, warnings: list[str]
) -> Decimal | None:
    """Equity as told, or as the venue's rate implies where that is less or nothing else is known."""
    implied = requirement / rate if requirement and rate is not None and rate >= _TELLING else None
    if equity is None:
        how = "it is unknown" if implied is None else "it is estimated from Bybit's own rate"
        warnings.append(f"{mode}: the equity is missing, {how}")
        return None if implied is None or requirement is None or rate is None else requirement / (rate + _CUT)
    if rate is None:
        warnings.append(f"{mode}: Bybit's own rate is missing, ours counts unchecked")
    if implied is not None and equity > 0 and implied < equity * (1 - _CUT / 10):
        warnings.append(f"{mode}: by its rate Bybit counts {equity - implied:.2f} USD less, for open spot orders")
        return implied
    return equity


def _in_dollars(line: Line, coins: Mapping[str, Coin]) -> Position:
    """A position of a pool kept in dollars. There an inverse contract gains like a linear one of its face value."""
    rate = _dollars(line, coins)
    face = line.size * line.instrument.contract_size
    notional = face if line.instrument.is_inverse else _times(line.value, rate)
    return Position(
        symbol=line.symbol,
        underlying=line.instrument.underlying,
        side=line.side,
        contracts=line.size,
        notional=notional,
        entry_price=price(line.row, "avgPrice", "entryPrice"),
        mark_price=line.mark,
        liquidation_price=price(line.row, "liqPrice"),
        maintenance_margin=_times(line.maintenance_margin, rate),
        unrealized_pnl=_times(number(line.row, "unrealisedPnl"), rate),
        tiers=() if line.instrument.is_inverse else line.tiers,
        option=line.option,
    )


def _dollars(line: Line, coins: Mapping[str, Coin]) -> Decimal | None:
    """Dollars per settlement coin."""
    if line.instrument.is_inverse and line.mark is not None:
        return line.mark
    coin = coins.get(line.instrument.settle)
    return Decimal(1) if coin is None else coin.rate


def _times(value: Decimal | None, rate: Decimal | None) -> Decimal | None:
    return None if value is None or rate is None else value * rate
