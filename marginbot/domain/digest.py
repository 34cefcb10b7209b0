"""A person's day: what happened to each account, and how near a bad episode came. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marginbot.domain.chart import Frame, combined, gaps
from marginbot.domain.grading import Grade
from marginbot.domain.history import Point
from marginbot.domain.notices import Facts
from marginbot.domain.report import AccountReport, PoolReport, PositionReport

DAY = timedelta(days=1)
SETTLED = timedelta(hours=1)  # a first reading later than this into the day says since when it counts


@dataclass(frozen=True, slots=True)
class PositionShare:
    """A position's part of its pool's maintenance margin; None: the venue does not say."""

    symbol: str
    side: str
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDay:
    """A pool over a day. Money in its currency; None is not known."""

    now: PoolReport
    leverage: Decimal | None  # notional over equity
    equity_before: float | None  # to five digits
    before_at: datetime | None
    ratio_worst: float | None
    cushion_worst: float | None
    worst: Grade | None
    positions: Sequence[PositionShare]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """An account over a day; `pools` worst first, empty: it was never read."""

    label: str
    exchange: str
    read_at: datetime | None
    is_blind: bool
    pools: Sequence[PoolDay]
    gone: Sequence[str]  # pools that were there in the day and are not any more
    unseen: timedelta
    alerts: int


def pool_day(
    pool: PoolReport, positions: Iterable[PositionReport], points: Sequence[Point], since: datetime
) -> PoolDay:
    """The day of a pool, from its history and how it stands."""
    held = [position for position in positions if position.pool == pool.name]
    within = [point for point in points if point.until >= since]
    judged = [point for point in within if point.grade is not None]
    first = next((point for point in within if point.equity is not None), None)
    return PoolDay(
        now=pool,
        leverage=leverage(pool, held),
        equity_before=None if first is None else first.equity,
        before_at=None if first is None or first.at - since < SETTLED else first.at,
        ratio_worst=max((p.ratio_high for p in judged if p.ratio_high is not None), default=None),
        cushion_worst=min((p.cushion_low for p in judged if p.cushion_low is not None), default=None),
        worst=max((p.grade for p in judged if p.grade is not None), default=None),
        positions=shares(pool, held),
    )


def leverage(pool: PoolReport, held: Sequence[PositionReport]) -> Decimal | None:
    """What the positions are worth over what backs them; None where one of the two is not known or nothing backs it."""
    notionals = [position.notional for position in held if position.notional is not None]
    if len(notionals) < len(held) or pool.equity is None or pool.equity <= 0:
        return None
    return sum(notionals, Decimal(0)) / pool.equity


def shares(pool: PoolReport, held: Sequence[PositionReport]) -> list[PositionShare]:
    """Each position's share of the pool's maintenance margin, largest first; the pool's total is the whole."""
    whole = pool.maintenance_margin

    def share(position: PositionReport) -> float | None:
        if len(held) == 1 and whole:
            return 1.0
        return float(position.maintenance_margin / whole) if position.maintenance_margin is not None and whole else None

    found = [PositionShare(position.symbol, position.side, share(position)) for position in held]
    return sorted(found, key=lambda s: -1.0 if s.share is None else s.share, reverse=True)


def account_day(
    report: AccountReport | None,
    history: Mapping[str, Sequence[Point]],
    frame: Frame,
    *,
    label: str,
    exchange: str,
    is_blind: bool,
    alerts: int,
) -> AccountDay:
    """The day of an account, from its latest report and the history of its pools."""
    whole = combined(history.values(), frame)
    pools = report.pools if report else ()
    present = {pool.name for pool in pools}
    return AccountDay(
        label=label,
        exchange=exchange,
        read_at=report.taken_at if report else None,
        is_blind=is_blind,
        pools=[
            pool_day(pool, report.positions if report else (), history.get(pool.name, ()), frame.since)
            for pool in pools
        ],
        gone=[name for name, points in history.items() if name not in present and any(p.symbol for p in points)],
        unseen=sum((gap.end - gap.start for gap in gaps(whole, frame, frame.since)), timedelta(0)),
        alerts=alerts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One message of an episode: what was known then."""

    at: datetime
    grade: Grade
    ratio: Decimal | None
    cushion: float | None
    currency: str
    top_up: Decimal | None
    close_share: Decimal | None
    target: Grade | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """An episode that was critical or worse and is over."""

    label: str
    exchange: str
    pool: str
    moments: Sequence[Moment]  # each change of grade, oldest first
    ended_at: datetime
    left_with_nothing: bool  # the position is gone: closed, or liquidated
    ratio_worst: float | None  # of all readings, between the messages too
    cushion_worst: float | None

    @property
    def worst(self) -> Moment:
        """The message at the worst grade; of several the one with the least cushion."""
        return max(self.moments, key=lambda m: (m.grade, -(m.cushion if m.cushion is not None else 1e9)))

    @property
    def first_critical(self) -> Moment | None:
        """The first message that said CRITICAL or worse."""
        return next((moment for moment in self.moments if moment.grade >= Grade.CRITICAL), None)


def near_miss(pool: str, told: Sequence[Facts], points: Sequence[Point]) -> NearMiss | None:
    """The story of an episode's messages, oldest first; None unless it was critical and has ended."""
    if not told:
        return None
    last = told[-1]
    moments = [_moment(facts) for facts in told[:-1] if facts.grade is not None and facts.grade is not Grade.OK]
    if last.grade is not Grade.OK or max((m.grade for m in moments), default=Grade.OK) < Grade.CRITICAL:
        return None
    within = [p for p in points if moments[0].at <= p.until and p.at <= last.known_at]
    return NearMiss(
        label=last.label,
        exchange=last.exchange,
        pool=pool,
        moments=[m for n, m in enumerate(moments) if n == 0 or m.grade is not moments[n - 1].grade],
        ended_at=last.known_at,
        left_with_nothing=last.left_with_nothing,
        ratio_worst=max((p.ratio_high for p in within if p.ratio_high is not None), default=None),
        cushion_worst=min((p.cushion_low for p in within if p.cushion_low is not None), default=None),
    )


def _moment(facts: Facts) -> Moment:
    pool = facts.pool
    assert facts.grade is not None
    return Moment(
        at=facts.known_at,
        grade=facts.grade,
        ratio=pool.margin_ratio if pool else None,
        cushion=pool.cushion if pool else None,
        currency=pool.currency if pool else "",
        top_up=pool.top_up if pool else None,
        close_share=pool.close_share if pool else None,
        target=pool.target if pool else None,
    )
