"""HTX's older accounts: coin-margined swaps and futures, and USDT-margined ones in the first version's form.

HTX prints `risk_rate`, which falls to zero as danger grows:

    an account per coin or contract   risk_rate = balance / used margin - adjust_factor
    one cross account                 risk_rate = balance / sum(used margin x adjust_factor) - 1

So the requirement is used margin times `adjust_factor`, orders (`margin_frozen`) included. Both forms reproduce the
documented accounts to the last digits. The value of a position is its margin times its leverage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, Pool, Position, Side
from marginbot.exchanges.listing import Listing, contract, listing_of
from marginbot.exchanges.reconcile import requirement
from marginbot.exchanges.venue import Reference, number, price, record, rows, total

Row = Mapping[str, Any]
Find = Callable[[str], Listing]

_DATED = re.compile(r"(?P<base>[A-Z0-9]+?)(?P<dated>\d{6})")


# -- coin-margined


def coin_pools(kind: str, answers: Any, warnings: list[str]) -> list[Pool]:
    """An account for each coin of `kind` ("swaps", "futures"), kept in the coin."""
    positions = rows(answers, "positions", "data")
    accounts = rows(answers, "accounts", "data")
    known = {str(row.get("symbol")) for row in accounts}
    pools = []
    for row in [*accounts, *({"symbol": coin} for coin in _coins(positions) - known)]:
        coin = str(row.get("symbol"))
        held = [_position(entry, _coin_listing, warnings) for entry in positions if entry.get("symbol") == coin]
        pool = _own_account(f"{kind}:{coin}", coin, row, held, warnings=warnings)
        if pool.positions or pool.maintenance_margin or pool.equity not in (None, 0):
            pools.append(pool)
    return pools


def _coins(positions: Sequence[Row]) -> set[str]:
    return {str(row.get("symbol")) for row in positions}


def _coin_listing(market: str) -> Listing:
    """BTC-USD, BTC220624."""
    base, dash, _ = market.partition("-")
    if dash:
        return contract(base, base)
    found = _DATED.fullmatch(market)
    return contract(found["base"], found["base"], dated=found["dated"]) if found else contract(market, market)


# -- USDT-margined, first version


def linear_pools(
    older: Row, reference: Reference, guess: Callable[[str], Listing | None], warnings: list[str]
) -> list[Pool]:
    """Isolated accounts (one for each contract, with its positions) and the cross account."""

    def find(market: str) -> Listing:
        return listing_of(market, reference, guess, warnings)

    pools = []
    for row in rows(older, "isolated", "data") if older.get("isolated") is not None else []:
        held = [_position(entry, find, warnings) for entry in row.get("positions") or []]
        listing = find(str(row.get("contract_code")))
        pool = _own_account(f"isolated:{listing.symbol}", str(row.get("margin_asset")), row, held, warnings=warnings)
        pools += [pool] if pool.positions or pool.equity else []
    if older.get("cross") is not None:
        pools.append(_cross_account(record(older, "cross", "data"), find, warnings))
    return pools


def _cross_account(account: Row, find: Find, warnings: list[str]) -> Pool:
    held = tuple(_position(row, find, warnings) for row in rows(account, "positions"))
    details = [*rows(account, "contract_detail"), *rows(account, "futures_contract_detail")]
    own = total(_needed(row) for row in details if _used(row) != 0)
    risk = number(account, "risk_rate")
    reported = None if risk is None or risk <= -1 else 1 / (risk + 1)
    return _judged(
        Pool(
            name=f"cross:{account.get('margin_asset')}",
            margin_mode=MarginMode.CROSS,
            currency=str(account.get("margin_asset")),
            equity=number(account, "margin_balance"),
            maintenance_margin=own,
            positions=held,
            reported_ratio=reported if held else None,
        ),
        warnings,
    )


# -- shared


def _own_account(name: str, currency: str, row: Row, held: Sequence[Position], *, warnings: list[str]) -> Pool:
    factor, risk = number(row, "adjust_factor"), number(row, "risk_rate")
    known = bool(factor) and risk is not None and factor is not None and risk + factor > 0
    return _judged(
        Pool(
            name=name,
            margin_mode=MarginMode.ISOLATED if name.startswith("isolated") else MarginMode.CROSS,
            currency=currency,
            equity=number(row, "margin_balance"),
            maintenance_margin=_needed(row),
            positions=tuple(held),
            reported_ratio=factor / (risk + factor) if known and held else None,  # type: ignore[operator]
        ),
        warnings,
    )


def _needed(row: Row) -> Decimal | None:
    """Used margin times the factor; zero where nothing is used."""
    used, factor = _used(row), number(row, "adjust_factor")
    if used == 0:
        return Decimal(0)
    return None if used is None or not factor else used * factor


def _used(row: Row) -> Decimal | None:
    held = number(row, "margin_position")
    return None if held is None else held + (number(row, "margin_frozen") or Decimal(0))


def _judged(pool: Pool, warnings: list[str]) -> Pool:
    """The requirement against HTX's own ratio; orders alone need nothing yet."""
    if not pool.positions:
        return replace(pool, maintenance_margin=Decimal(0))
    needed = requirement(
        pool.name, pool.equity, own=pool.maintenance_margin, reported=pool.reported_ratio, warnings=warnings
    )
    size = total(position.notional for position in pool.positions)
    if not needed or not size:
        return replace(pool, maintenance_margin=needed)
    shares = (replace(p, maintenance_margin=needed * (p.notional or Decimal(0)) / size) for p in pool.positions)
    return replace(pool, maintenance_margin=needed, positions=tuple(shares))


def _position(row: Row, find: Find, warnings: list[str]) -> Position:
    size, market = number(row, "volume"), str(row.get("contract_code") or "")
    if not size or not market:
        raise BadPayload("a position without contract or volume")
    if row.get("direction") not in ("buy", "sell"):
        raise BadPayload(f"the direction of {market} is not known")
    listing = find(market)
    margin, leverage = number(row, "position_margin"), number(row, "lever_rate")
    notional = abs(margin * leverage) if margin and leverage else None
    if notional is None:
        warnings.append(f"{listing.symbol}: its value is not known (margin or leverage missing)")
    return Position(
        symbol=listing.symbol,
        underlying=listing.underlying,
        side=Side.LONG if row["direction"] == "buy" else Side.SHORT,
        contracts=abs(size),
        notional=notional,
        entry_price=price(row, "cost_open"),
        mark_price=price(row, "last_price"),
        liquidation_price=price(row, "liquidation_price"),
        unrealized_pnl=number(row, "profit_unreal"),
        coin_settled=listing.is_inverse,
    )
