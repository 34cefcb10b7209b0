"""A user's own account in the past: today's positions and equity, opened at the first price of a period.

What the replayer cannot carry (options, contracts settled in their coin, positions of unknown size) is left out and
named; collateral in coins keeps today's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from marginbot.domain.margin import Pool, PoolState, Position, Snapshot
from marginbot.domain.volatility import Bar
from marginbot.sim.spec import BadSpec, History, Holding, Portfolio, Spec, checked

DAY = timedelta(days=1)
WARM_UP = 2 * DAY
LONGEST = 14 * DAY


def parse_period(text: str) -> tuple[datetime, datetime]:
    """`2025-10-10`, or `2025-10-09..2025-10-11` with both days; `BadSpec` says what a right one looks like."""
    first, _, last = text.partition("..")
    try:
        start = datetime.strptime(first.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
        end = datetime.strptime((last or first).strip(), "%Y-%m-%d").replace(tzinfo=UTC) + DAY
    except ValueError:
        raise BadSpec(f"{text!r} is not a period: 2025-10-10 or 2025-10-09..2025-10-11") from None
    if not start < end <= start + LONGEST:
        raise BadSpec(f"{text!r}: the second day must not be before the first, nor two weeks after it")
    return start, end


def portfolios_of(snapshot: Snapshot) -> tuple[tuple[Portfolio, ...], tuple[str, ...]]:
    """The account's pools as portfolios, and what had to be left out."""
    made, notes = [], []
    for pool in snapshot.pools:
        if pool.state is PoolState.FLAT:
            continue
        unfit = sorted(position.symbol for position in pool.positions if not _fits(position))
        if unfit:
            notes.append(f"{pool.name}: left out whole, because of {', '.join(unfit)}")
        elif not pool.positions or pool.state is not PoolState.OK:
            notes.append(f"{pool.name}: left out, its margin is not known or gone")
        else:
            made.append(_portfolio(pool))
            notes += [f"{pool.name}: collateral in coins keeps today's value"] if pool.collateral else []
    return tuple(made), tuple(notes)


def spec_of(
    portfolios: Sequence[Portfolio], bars: Mapping[str, Sequence[Bar]], period: tuple[datetime, datetime], poll: float
) -> Spec:
    """The replay of these portfolios over a period; `BadSpec` where prices are missing."""
    start, end = (int(at.timestamp() * 1000) for at in period)
    missing = sorted(name for name, found in bars.items() if not found)
    if missing:
        raise BadSpec(f"the exchange gives no candles of {', '.join(missing)} for these days")
    prices = {name: History(tuple(found), tuple(bar.opened_at for bar in found)) for name, found in bars.items()}
    return checked(Spec(prices=prices, start=start, end=end, poll_interval=poll, portfolios=tuple(portfolios)))


def _fits(position: Position) -> bool:
    return position.option is None and not position.coin_settled and bool(position.notional)


def _portfolio(pool: Pool) -> Portfolio:
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    total = sum(float(position.notional or 0) for position in pool.positions)
    holdings = tuple(
        Holding(asset=p.underlying, side=p.side, leverage=1.0, notional=float(p.notional or 0)) for p in pool.positions
    )
    return Portfolio(
        name=pool.name,
        margin_mode=pool.margin_mode,
        equity=float(pool.equity),
        maintenance_margin_rate=float(pool.maintenance_margin) / total,
        positions=holdings,
    )
