"""An account at prices newer than its last reading: judged like a reading, told as what it is. Nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from marginbot.domain.alerting import AlertState, Seen
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.live import followable, moved
from marginbot.domain.losses import described
from marginbot.domain.notices import Facts
from marginbot.domain.report import AccountReport, PoolReport, assess, judged, with_way_back
from marginbot.domain.transition import step
from marginbot.flow.decide import Context, notice_of, without_reading
from marginbot.flow.ports import CycleRecord, LastReading


@dataclass(frozen=True, slots=True)
class Projected:
    """What a reading would say by now if nothing but the prices had changed."""

    at: LastReading
    report: AccountReport


def projected(
    last: LastReading,
    marks: Mapping[str, float | None],
    *,
    ladders: Ladders,
    states: Mapping[str, AlertState],
    now: datetime,
) -> Projected:
    """The pools of a reading that prices alone can move, at these marks by symbol (None: as it was read)."""
    exact = {symbol: Decimal(repr(mark)) for symbol, mark in marks.items() if mark is not None}
    pools = [judged(pool) for pool in last.snapshot.pools]
    there = tuple(moved(pool, exact) for pool in pools if followable(pool))
    after = replace(last.snapshot, pools=there, taken_at=now)
    previous = {name: state.grade for name, state in states.items() if state.grade is not None}
    report = assess(after, last.volatilities, ladders=ladders, previous=previous, now=now)
    return Projected(LastReading(after, last.volatilities), report)


def risen(report: AccountReport, states: Mapping[str, AlertState]) -> list[PoolReport]:
    """The pools whose grade is worse than the one that stands; not those that nothing is known of."""
    found = []
    for pool in report.pools:
        before = states.get(pool.name)
        known = before is not None and before.blind_since is None and before.grade is not None
        if known and before and pool.grade is not None and pool.grade > (before.grade or Grade.OK):
            found.append(pool)
    return found


def told_in_full(context: Context, seen: Projected) -> list[PoolReport]:
    """The pools that have risen, with the way back from there."""
    at, ladders, now = seen.at, context.ladders, context.now
    return [
        with_way_back(pool, at.snapshot, at.volatilities, ladders=ladders, now=now)
        for pool in risen(seen.report, context.states)
    ]


def projection(
    context: Context, worse: Sequence[PoolReport], report: AccountReport, *, read_at: datetime
) -> CycleRecord | None:
    """What a projected rise leads to when the account cannot be read; None where there is none."""
    states, notices = {}, []
    for pool in worse:
        assert pool.grade is not None
        before = context.states[pool.name]
        decision = step(before, Seen(pool.grade, pool.cushion), policy=context.policy, now=context.now)
        states[pool.name] = decision.state
        if decision.speak:
            facts = Facts(
                label=context.account.label,
                exchange=context.account.exchange,
                mode=report.mode,
                reason=decision.reason,
                at=context.now,
                grade=decision.state.grade,
                previous=before.grade,
                pool=pool,
                positions=tuple(
                    described(p.side, p.contracts, p.symbol) for p in report.positions if p.pool == pool.name
                ),
                last_cushion=before.cushion,
                warnings=report.warnings,
                episode_worst=before.worst,
                projected_from=read_at,
            )
            notices.append(notice_of(context, pool.name, decision, facts))
    return without_reading(context, states, notices, wait=timedelta(0))  # to be read as soon as that is possible
