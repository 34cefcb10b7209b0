"""The documented JSON of a report, and its table for the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from marginbot.domain.report import AccountReport, PoolReport, PositionReport


def timestamp(at: datetime) -> str:
    """UTC with milliseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def report_as_json(report: AccountReport) -> dict[str, Any]:
    """The schema of `snapshot --json`."""
    return {
        "exchange": report.exchange,
        "mode": report.mode,
        "taken_at": timestamp(report.taken_at),
        "state": report.state.value,
        "margin_ratio": _number(report.margin_ratio),
        "grade": None if report.grade is None else report.grade.name,
        "pools": [_pool(pool) for pool in report.pools],
        "positions": [_position(position) for position in report.positions],
        "warnings": list(report.warnings),
    }


def _number(value: Decimal | float | None) -> float | None:
    return None if value is None else float(value)


def _pool(pool: PoolReport) -> dict[str, Any]:
    return {
        "name": pool.name,
        "margin_mode": str(pool.margin_mode),
        "currency": pool.currency,
        "state": pool.state.value,
        "equity": _number(pool.equity),
        "maintenance_margin": _number(pool.maintenance_margin),
        "margin_ratio": _number(pool.margin_ratio),
        "buffer": _number(pool.buffer),
        "reported_ratio": _number(pool.reported_ratio),
        "room": _number(pool.room),
        "scenario": pool.scenario,
        "cushion": _number(pool.cushion),
        "grade": None if pool.grade is None else pool.grade.name,
    }


def _position(position: PositionReport) -> dict[str, Any]:
    return {
        "pool": position.pool,
        "symbol": position.symbol,
        "side": str(position.side),
        "contracts": _number(position.contracts),
        "notional": _number(position.notional),
        "entry_price": _number(position.entry_price),
        "mark_price": _number(position.mark_price),
        "liquidation_price": _number(position.liquidation_price),
        "maintenance_margin": _number(position.maintenance_margin),
    }


def report_table(report: AccountReport) -> RenderableType:
    """A report for people at a terminal."""
    pools = Table(title=f"{report.exchange} · {report.mode} · {timestamp(report.taken_at)}", title_justify="left")
    for heading in ("pool", "state", "grade", "ratio", "equity", "maintenance", "room", "cushion"):
        pools.add_column(heading)
    for pool in report.pools:
        pools.add_row(*_pool_cells(pool))
    parts: list[RenderableType] = [pools]
    if report.positions:
        parts.append(_positions_table(report.positions))
    parts += [Text(f"! {warning}", style="yellow") for warning in report.warnings]
    return Group(*parts)


def _pool_cells(pool: PoolReport) -> tuple[str, ...]:
    ratio = "–" if pool.margin_ratio is None else f"{pool.margin_ratio:.1%}"
    room = "–" if pool.room is None else f"{pool.scenario} {pool.room:+.1%}"
    cushion = "–" if pool.cushion is None else f"{pool.cushion:.1f}x"
    grade = "not known" if pool.grade is None else pool.grade.name
    money = (_money(pool.equity, pool.currency), _money(pool.maintenance_margin, pool.currency))
    return pool.name, pool.state.value, grade, ratio, *money, room, cushion


def _positions_table(positions: tuple[PositionReport, ...]) -> Table:
    table = Table()
    for heading in ("position", "side", "contracts", "entry", "mark", "liquidation"):
        table.add_column(heading)
    for position in positions:
        table.add_row(
            position.symbol,
            str(position.side),
            f"{position.contracts.normalize():f}",
            *(_price(value) for value in (position.entry_price, position.mark_price, position.liquidation_price)),
        )
    return table


def _money(value: Decimal | None, currency: str) -> str:
    return (
        "not known" if value is None else f"{value:,.4g} {currency}" if abs(value) < 1 else f"{value:,.2f} {currency}"
    )


def _price(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:,.8g}" if abs(value) < 10 else f"{value:,.2f}"
