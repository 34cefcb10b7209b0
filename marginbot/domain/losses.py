"""Positions that vanished together with what backed them: perhaps liquidated between two readings.

No venue says so in an account reading, so it is concluded: a pool that had positions has none (or is gone), and the
equity of all pools in its currency fell by most of what backed it. Closed by hand, the equity stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marginbot.domain.margin import PoolState
from marginbot.domain.report import AccountReport, PoolReport

# At the trigger less than the maintenance margin is left: some per cent of the equity of the reading before.
LOST_SHARE = Decimal("0.7")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What stood behind the positions, and what is left. Money in `currency`, all its pools together."""

    currency: str
    before: Decimal
    after: Decimal
    read_at: datetime  # of the reading before
    positions: tuple[str, ...] = ()  # what was held then

    @property
    def lost(self) -> Decimal:
        """How much less it is."""
        return self.before - self.after


def losses(before: AccountReport, after: AccountReport) -> Mapping[str, Loss]:
    """By pool: positions that went together with what backed them."""
    open_now = {pool.name for pool in after.pools if pool.state is not PoolState.FLAT}
    held = {position.pool for position in before.positions}
    gone = [pool for pool in before.pools if pool.name in held and pool.name not in open_now]
    found = {pool.name: _loss(pool, before, after) for pool in gone}
    return {name: loss for name, loss in found.items() if loss is not None}


def _loss(pool: PoolReport, before: AccountReport, after: AccountReport) -> Loss | None:
    had, has = equity_in(before, pool.currency), equity_in(after, pool.currency)
    if had is None or has is None or pool.equity is None or pool.equity <= 0:
        return None  # what is not known is concluded from by nobody; without equity the danger was told
    if had - has < LOST_SHARE * pool.equity:
        return None
    told = tuple(described(p.side, p.contracts, p.symbol) for p in before.positions if p.pool == pool.name)
    return Loss(currency=pool.currency, before=had, after=has, read_at=before.taken_at, positions=told)


def equity_in(report: AccountReport, currency: str) -> Decimal | None:
    """The equity of all pools in a currency; None when one of them is not known. No pool: nothing is left."""
    total = Decimal(0)
    for pool in report.pools:
        if pool.currency == currency:
            if pool.equity is None:
                return None
            total += pool.equity
    return total


def described(side: str, contracts: Decimal, symbol: str) -> str:
    """`long 0.5 BTC/USDT:USDT`."""
    return f"{side} {contracts.normalize():f} {symbol}"
