"""Positions, collateral and margin pools as a venue reported them.

Money is exact (`Decimal`) and in the pool's currency unless a field says otherwise. None means *unknown*;
it never stands for zero. Definitions of the ratio per venue: the modules in `exchanges/venues`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from marginbot.domain.tiers import LeverageTier


class MarginMode(StrEnum):
    """What stands behind a pool's positions."""

    CROSS = "cross"
    ISOLATED = "isolated"
    PORTFOLIO = "portfolio"


class Side(StrEnum):
    """Direction of a position; quantities are never signed."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return 1 if self is Side.LONG else -1


class PoolState(StrEnum):
    """Whether a pool's ratio is known. Ordered by `severity`."""

    FLAT = "flat"  # neither position nor debt
    OK = "ok"  # the ratio is known
    UNKNOWN = "unknown"  # a position or debt exists, the requirement cannot be established
    DEFICIT = "deficit"  # margin is required, equity is zero or less

    @property
    def severity(self) -> int:
        """Deficit, unknown, ok, flat: an account is as bad as its worst pool."""
        return (PoolState.FLAT, PoolState.OK, PoolState.UNKNOWN, PoolState.DEFICIT).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What revaluing an option needs. Prices in US dollars per unit of the underlying.

    Volatility and greeks are the venue's own, where it states them; they stand in where its mark cannot be explained.
    """

    is_call: bool
    strike: Decimal
    expires_at: datetime
    underlying_price: Decimal
    mark_usd: Decimal  # mark price of one unit
    implied_volatility: Decimal | None = None  # a year, as a fraction
    delta: Decimal | None = None  # dollars per dollar of the underlying
    gamma: Decimal | None = None  # change of delta per dollar
    vega: Decimal | None = None  # dollars per point (0.01) of volatility


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One open position. Quantities are >= 0; direction is only in `side`."""

    symbol: str  # unified: BTC/USDT:USDT
    underlying: str  # BTC
    side: Side
    contracts: Decimal
    notional: Decimal | None  # |value| at the mark price, in the pool's currency
    entry_price: Decimal | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None  # the venue's own estimate; None: it gives none
    maintenance_margin: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    coin_settled: bool = False  # True: profit accrues in the underlying itself and the pool is kept in it
    tiers: tuple[LeverageTier, ...] = ()  # empty: the requirement is taken as proportional to notional
    option: Option | None = None  # set for options; notional is then units x underlying price


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """A coin that backs a pool kept in another currency, so that its price moves the pool's equity."""

    asset: str
    value: Decimal  # in the pool's currency, after haircut; negative: a debt
    is_cut: bool = True  # False: the venue counts its full value here, whatever its haircut elsewhere
    # What one more coin would count for, in the pool's currency, after haircut; None: not told. No judgement needs it.
    per_coin: Decimal | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What the venue liquidates as one unit.

    `equity` is after haircuts and includes unrealised profit; zero or less is real: losses have outrun the
    collateral. `maintenance_margin` is scaled so that liquidation starts where equity equals it, i.e. it
    includes whatever the venue adds to the requirement (a liquidation fee, say).
    """

    name: str  # unique within the account: "cross:USDT", "isolated:BTC/USDT:USDT:short"
    margin_mode: MarginMode
    currency: str
    equity: Decimal | None
    maintenance_margin: Decimal | None
    positions: tuple[Position, ...] = ()
    collateral: tuple[Collateral, ...] = ()
    stables: tuple[Collateral, ...] = ()  # stablecoins behind a pool kept in dollars; empty: the venue does not tell
    has_debt: bool = False  # a loan that itself needs margin
    reported_ratio: Decimal | None = None  # the venue's own figure, normalised to 1.0 = liquidation
    option_equity_counts: bool = True  # False: the venue leaves option values out of the equity used here

    @property
    def state(self) -> PoolState:
        """Flat, ok, unknown or deficit; never 'ok' without both amounts."""
        if not self.positions and not self.has_debt and not self.maintenance_margin:
            return PoolState.FLAT
        if self.equity is None or self.maintenance_margin is None:
            return PoolState.UNKNOWN
        if self.maintenance_margin <= 0:
            return self._state_without_requirement()
        return PoolState.DEFICIT if self.equity <= 0 else PoolState.OK

    def _state_without_requirement(self) -> PoolState:
        """A requirement of zero is believable only where nothing but bought options is held."""
        assert self.equity is not None
        bought_options_only = (
            bool(self.positions)
            and not self.has_debt
            and all(position.option is not None and position.side is Side.LONG for position in self.positions)
        )
        if bought_options_only and self.maintenance_margin == 0 and self.equity > 0:
            return PoolState.OK
        return PoolState.UNKNOWN

    @property
    def margin_ratio(self) -> Decimal | None:
        """Maintenance margin over equity: 0 is idle, 1 is the venue's trigger. None unless the state is ok."""
        if self.state is not PoolState.OK:
            return None
        assert self.equity is not None
        assert self.maintenance_margin is not None
        return self.maintenance_margin / self.equity

    @property
    def buffer(self) -> Decimal | None:
        """What can be lost before the trigger, in the pool's currency; negative past it."""
        if self.equity is None or self.maintenance_margin is None:
            return None
        return self.equity - self.maintenance_margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One complete reading of an account. A part that could not be read makes it unreadable, not smaller."""

    exchange: str
    mode: str  # "single-asset/one-way", "unified/cross", ...
    taken_at: datetime  # UTC, our clock
    pools: tuple[Pool, ...]
    warnings: tuple[str, ...] = ()
    carried_from: datetime | None = None  # set: entry and liquidation prices are those of a reading at that time

    @property
    def worst(self) -> Pool | None:
        """The pool that decides the account's state and ratio."""
        return max(self.pools, key=_badness, default=None)

    @property
    def state(self) -> PoolState:
        """State of the worst pool; an account without pools is flat."""
        worst = self.worst
        return worst.state if worst else PoolState.FLAT

    @property
    def margin_ratio(self) -> Decimal | None:
        """Ratio of the worst pool, None unless its state is ok."""
        worst = self.worst
        return worst.margin_ratio if worst else None


def _badness(pool: Pool) -> tuple[int, Decimal]:
    return pool.state.severity, pool.margin_ratio or Decimal(0)
