"""Small worlds to judge: positions, pools, snapshots, and a clock that only tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility

D = Decimal
T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOURLY = {"BTC": Volatility(0.01, 5000), "ETH": Volatility(0.015, 5000)}


def position(
    underlying: str = "BTC",
    side: Side = Side.LONG,
    *,
    notional: str = "100000",
    rate: str = "0.005",
    coin_settled: bool = False,
    tiers: tuple[LeverageTier, ...] = (),
    mark_price: str = "50000",
) -> Position:
    """A position whose requirement is `rate` of its notional."""
    value = D(notional)
    return Position(
        symbol=f"{underlying}/USDT:USDT",
        underlying=underlying,
        side=side,
        contracts=value / D(mark_price),
        notional=value,
        mark_price=D(mark_price),
        maintenance_margin=value * D(rate),
        coin_settled=coin_settled,
        tiers=tiers,
    )


def pool(
    *positions: Position,
    equity: str | None = "10000",
    maintenance_margin: str | Decimal | None = "own",
    name: str = "cross:USDT",
    collateral: Sequence[Collateral] = (),
    reported_ratio: str | None = None,
    has_debt: bool = False,
) -> Pool:
    """A cross pool; unless given, its requirement is the sum of its positions'."""
    summed = sum((p.maintenance_margin or D(0) for p in positions), D(0))
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED if name.startswith("isolated") else MarginMode.CROSS,
        currency="USDT",
        equity=None if equity is None else D(equity),
        maintenance_margin=summed if maintenance_margin == "own" else _optional(maintenance_margin),
        positions=tuple(positions),
        collateral=tuple(collateral),
        has_debt=has_debt,
        reported_ratio=_optional(reported_ratio),
    )


def _optional(value: str | Decimal | None) -> Decimal | None:
    return None if value is None else D(value)


def snapshot(*pools: Pool, at: datetime = T0, warnings: tuple[str, ...] = ()) -> Snapshot:
    """A complete reading."""
    return Snapshot(exchange="binanceusdm", mode="single-asset/one-way", taken_at=at, pools=pools, warnings=warnings)


def long_at(price: float, *, at: datetime = T0, name: str = "cross:USDT") -> Snapshot:
    """10 000 USDT behind a 10x BTC long opened at 100, with the price now at `price`."""
    notional = D(1000) * D(str(price))
    held = replace(position(notional=str(notional), mark_price=str(price)), contracts=D(1000))
    return snapshot(pool(held, equity=str(D(10000) + notional - D(100000)), name=name), at=at)


class Clock:
    """Says what time it is until told otherwise."""

    def __init__(self, now: datetime = T0) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now
