"""What a person did between two readings: a deposit, or a part closed. Market moves are none of it.

The release band of a grade is there for the pauses of a crash. Who has added collateral or closed a part has changed
the account itself, and is graded afresh. The equity that the prices explain is worked out from the positions of the
reading before, each along its own mark, which is exact for linear contracts and near enough between two readings for
the others; only what lies clearly above counts as a deposit.
"""

from __future__ import annotations

from decimal import Decimal

from marginbot.domain.report import AccountReport, PoolReport, PositionReport

LEAST_DEPOSIT = Decimal("0.10")  # of the equity before, over what the prices explain
LEAST_CLOSE = Decimal("0.10")  # of a position

Key = tuple[str, str, str]


def acted_on(before: AccountReport, after: AccountReport) -> set[str]:
    """The pools whose owner has added to them, or closed a part, between two readings."""
    known = {pool.name: pool for pool in before.pools}
    both = [(known[pool.name], pool) for pool in after.pools if pool.name in known]
    return {new.name for old, new in both if _is_acted_on(old, new, before, after)}


def _is_acted_on(old: PoolReport, new: PoolReport, before: AccountReport, after: AccountReport) -> bool:
    was, now = _positions(before, new.name), _positions(after, new.name)
    if any(_has_shrunk(position, now.get(key)) for key, position in was.items()):
        return all(key in was and position.contracts <= was[key].contracts for key, position in now.items())
    return _has_grown(old, new, _gain(was, now))


def _positions(report: AccountReport, pool: str) -> dict[Key, PositionReport]:
    return {(p.pool, p.symbol, str(p.side)): p for p in report.positions if p.pool == pool}


def _has_shrunk(was: PositionReport, now: PositionReport | None) -> bool:
    left = Decimal(0) if now is None else now.contracts
    return left < was.contracts * (1 - LEAST_CLOSE)


def _gain(was: dict[Key, PositionReport], now: dict[Key, PositionReport]) -> Decimal | None:
    """What the prices have added to the pool; None where one of them is not known."""
    gain = Decimal(0)
    for key, position in was.items():
        later = now.get(key)
        if later is None or position.notional is None or not position.mark_price or not later.mark_price:
            return None
        sign = 1 if position.side == "long" else -1
        gain += sign * position.notional * (later.mark_price / position.mark_price - 1)
    return gain


def _has_grown(old: PoolReport, new: PoolReport, gain: Decimal | None) -> bool:
    if old.equity is None or new.equity is None or gain is None or old.currency != new.currency:
        return False
    explained = old.equity + gain
    return new.equity - explained > LEAST_DEPOSIT * max(abs(old.equity), abs(explained))
