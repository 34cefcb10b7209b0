"""Pools of a Bybit account in isolated margin mode: one per position, and the wallet that backs none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import MarginMode, Pool, Position, Side
from marginbot.domain.tiers import maintenance_margin
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import number, price, total
from marginbot.exchanges.venues.bybit_rows import Coin, Line, requirement_from_tiers

Row = Mapping[str, Any]


def isolated_pools(wallet: Row, coins: Mapping[str, Coin], lines: Sequence[Line], warnings: list[str]) -> list[Pool]:
    """The positions' pools, then the rest of the wallet."""
    everything = number(wallet, "totalEquity")
    if everything is None:
        everything = total(coin.usd for coin in coins.values())
    pools = [_within(everything, _pool(line, warnings), _dollars(line, coins), warnings) for line in lines]
    tied = total(_times(pool.equity, _dollars(line, coins)) for line, pool in zip(lines, pools, strict=True))
    return [*pools, *_rest(coins, None if everything is None or tied is None else everything - tied)]


def _within(everything: Decimal | None, pool: Pool, rate: Decimal | None, warnings: list[str]) -> Pool:
    """A position cannot be backed by more than the account holds."""
    equity = _times(pool.equity, rate)
    if everything is None or equity is None or rate is None or equity <= everything or not apart(equity, everything):
        return pool
    warnings.append(f"{pool.name}: by its liquidation price it has more than the account holds; the account counts")
    return replace(pool, equity=everything / rate)


def _pool(line: Line, warnings: list[str]) -> Pool:
    requirement = _requirement(line, warnings)
    return Pool(
        name=f"isolated:{line.symbol}:{line.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=line.instrument.settle,
        equity=_equity(line, requirement, warnings),
        maintenance_margin=requirement,
        positions=(_position(line, requirement),),
    )


def _requirement(line: Line, warnings: list[str]) -> Decimal | None:
    if line.maintenance_margin:
        return line.maintenance_margin
    own = requirement_from_tiers(line)
    how = "so it is unknown" if own is None else "taken from the risk limits"
    warnings.append(f"{line.symbol}: Bybit gives no maintenance margin, {how}")
    return own


def _equity(line: Line, requirement: Decimal | None, warnings: list[str]) -> Decimal | None:
    """What backs the position now; see the module `bybit_parse`."""
    liquidation, mark = price(line.row, "liqPrice"), line.mark
    if mark is None or requirement is None or line.instrument.is_option:
        warnings.append(f"{line.symbol}: what backs it cannot be established")
        return None
    if liquidation is not None:
        return requirement * _growth(line, mark, liquidation) + line.gain(liquidation, mark)
    return _equity_without_liquidation_price(line, mark, warnings)


def _growth(line: Line, mark: Decimal, liquidation: Decimal) -> Decimal:
    """Requirement at the liquidation price over requirement now."""
    there, here = line.value_at(liquidation), line.value_at(mark)
    if line.tiers:
        now = maintenance_margin(here, line.tiers)
        if now > 0:
            return maintenance_margin(there, line.tiers) / now
    return there / here


def _equity_without_liquidation_price(line: Line, mark: Decimal, warnings: list[str]) -> Decimal | None:
    """Bybit leaves the price blank where it lies outside the contract's price limits."""
    balance, pnl = number(line.row, "positionBalance"), number(line.row, "unrealisedPnl")
    bankruptcy = price(line.row, "bustPrice")
    if balance and pnl is not None:
        warnings.append(f"{line.symbol}: no liquidation price, equity is taken from its position balance")
        return balance + pnl
    if bankruptcy is not None:
        warnings.append(f"{line.symbol}: no liquidation price, equity is taken from its bankruptcy price")
        return line.gain(bankruptcy, mark)
    told_blank = line.row.get("liqPrice") == "" or number(line.row, "liqPrice") is not None
    if told_blank and _covered(line):
        warnings.append(f"{line.symbol}: no liquidation price within Bybit's limits, the ratio is at most this")
        return line.value_at(mark)
    warnings.append(f"{line.symbol}: Bybit gives no liquidation price, so what backs it is unknown")
    return None


def _covered(line: Line) -> bool:
    """Whether the most it can lose is its own value, which no liquidation price says is put up in full."""
    return line.side is (Side.SHORT if line.instrument.is_inverse else Side.LONG)


def _position(line: Line, requirement: Decimal | None) -> Position:
    return Position(
        symbol=line.symbol,
        underlying=line.instrument.underlying,
        side=line.side,
        contracts=line.size,
        notional=line.value,
        entry_price=price(line.row, "avgPrice", "entryPrice"),
        mark_price=line.mark,
        liquidation_price=price(line.row, "liqPrice"),
        maintenance_margin=requirement,
        unrealized_pnl=number(line.row, "unrealisedPnl"),
        coin_settled=line.instrument.is_inverse,
        tiers=line.tiers,
        option=line.option,
    )


def _rest(coins: Mapping[str, Coin], equity: Decimal | None) -> list[Pool]:
    """The wallet less what the positions tie up. A loan in it makes it unknown: nothing tells its requirement."""
    has_debt = any(coin.is_borrowed for coin in coins.values())
    if equity == 0 and not has_debt:
        return []
    return [
        Pool(
            name="wallet",
            margin_mode=MarginMode.CROSS,
            currency="USD",
            equity=equity,
            maintenance_margin=Decimal(0),
            has_debt=has_debt,
        )
    ]


def _dollars(line: Line, coins: Mapping[str, Coin]) -> Decimal | None:
    """Dollars per settlement coin."""
    if line.instrument.is_inverse:
        return line.mark
    coin = coins.get(line.instrument.settle)
    return Decimal(1) if coin is None else coin.rate


def _times(value: Decimal | None, rate: Decimal | None) -> Decimal | None:
    return None if value is None or rate is None else value * rate
