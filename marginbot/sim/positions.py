"""The parts of a futures account: positions, pools, and what was liquidated."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from marginbot.sim.instruments import LISTED_MS, Instrument

PositionSide = Literal["BOTH", "LONG", "SHORT"]
ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class Position:
    """An open position; `isolated_wallet` is its own margin, None when it shares the cross wallet."""

    instrument: Instrument
    amount: Decimal  # signed
    entry_price: Decimal
    position_side: PositionSide
    isolated_wallet: Decimal | None
    leverage: int
    updated_ms: int = LISTED_MS

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def asset(self) -> str:
        return self.instrument.margin_asset

    @property
    def is_cross(self) -> bool:
        return self.isolated_wallet is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What the venue liquidates as one."""

    name: str  # "cross:USDT", "cross:USD" in multi-assets mode, "isolated:BTCUSDT:BOTH"
    currency: str
    equity: Decimal
    maintenance_margin: Decimal

    @property
    def margin_ratio(self) -> Decimal:
        """Maintenance margin over equity: 1 is liquidation, infinite when nothing is left."""
        if self.maintenance_margin == 0:
            return ZERO
        if self.equity <= 0:
            return Decimal("Infinity")
        return self.maintenance_margin / self.equity


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """A position the venue closed, and the price tick that did it."""

    at_ms: int
    pool: str
    symbol: str
    position_side: PositionSide
    amount: Decimal
    price: Decimal
