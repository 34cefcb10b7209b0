"""What marginbot knows of an account after judging a snapshot: the one read model behind every view.

`assess` makes it; `snapshot --json`, `/status`, `/positions` and the alerts all show parts of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.grading import DecidedBy, Grade, Ladders, grade, regrade
from marginbot.domain.margin import Pool, PoolState, Snapshot
from marginbot.domain.rescue import way_back
from marginbot.domain.room import RoomReport, decisive_room
from marginbot.domain.volatility import Volatility

# A gap between the venue's own ratio and ours beyond this (relative) is told, and the worse one grades.
RATIO_TOLERANCE = Decimal("0.02")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """A pool as judged. Money in `currency`; ratio 1.0 is liquidation; `grade` None: cannot be judged."""

    name: str
    margin_mode: str
    currency: str
    state: PoolState
    equity: Decimal | None
    maintenance_margin: Decimal | None
    margin_ratio: Decimal | None
    buffer: Decimal | None
    reported_ratio: Decimal | None
    room: float | None
    scenario: str | None
    cushion: float | None
    grade: Grade | None
    decided_by: DecidedBy
    top_up: Decimal | None = None
    close_share: Decimal | None = None
    target: Grade | None = None
    afresh: Grade | None = None  # what the grade would be without the release band; None: cannot be judged
    room_known: bool = True  # False: `room` is None because it could not be computed, not because nothing can breach

    @property
    def is_held(self) -> bool:
        """Whether the grade stands only because the release band has not let go."""
        return self.afresh is not None and self.grade is not None and self.afresh < self.grade

    @property
    def danger(self) -> Grade | None:
        """The grade without hysteresis: what advice has to mend."""
        return self.grade if self.afresh is None else self.afresh


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """A position as shown to people; `mark_price` and `liquidation_price` as the venue gave them."""

    pool: str
    symbol: str
    side: str
    contracts: Decimal
    notional: Decimal | None
    entry_price: Decimal | None
    mark_price: Decimal | None
    liquidation_price: Decimal | None
    maintenance_margin: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """An account as judged; pools worst first."""

    exchange: str
    mode: str
    taken_at: datetime
    state: PoolState
    margin_ratio: Decimal | None
    pools: tuple[PoolReport, ...]
    positions: tuple[PositionReport, ...]
    warnings: tuple[str, ...]
    coins: tuple[str, ...] = ()  # what the collateral is kept in, and the currencies of the pools
    carried_from: datetime | None = None  # set: entry and liquidation prices are those of a reading at that time

    @property
    def grade(self) -> Grade | None:
        """The worst known grade; None where nothing at all could be judged."""
        grades = [pool.grade for pool in self.pools if pool.grade is not None]
        if not grades and any(pool.grade is None for pool in self.pools):
            return None
        return max(grades, default=Grade.OK)

    @property
    def worst(self) -> PoolReport | None:
        """The pool to look at first."""
        return self.pools[0] if self.pools else None


def assess(
    snapshot: Snapshot,
    volatilities: Mapping[str, Volatility],
    *,
    ladders: Ladders,
    previous: Mapping[str, Grade],
    now: datetime,
) -> AccountReport:
    """Judge a snapshot. `previous` holds the last grade by pool name, for hysteresis."""
    warnings = list(snapshot.warnings)
    pools: list[PoolReport] = []
    for pool in snapshot.pools:
        checked, doubts = _cross_checked(pool)
        rooms = decisive_room(checked, volatilities, now)
        warnings += doubts + list(rooms.notes)
        before = previous.get(pool.name, Grade.OK)
        pools.append(_pool_report(checked, rooms, ladders=ladders, previous=before))
    pools.sort(key=_urgency, reverse=True)
    return AccountReport(
        exchange=snapshot.exchange,
        mode=snapshot.mode,
        taken_at=snapshot.taken_at,
        state=snapshot.state,
        margin_ratio=_worst_ratio(snapshot.state, pools),
        pools=tuple(pools),
        positions=_positions(snapshot),
        warnings=tuple(dict.fromkeys(warnings)),
        coins=_coins(snapshot),
        carried_from=snapshot.carried_from,
    )


def with_way_back(
    report: PoolReport,
    snapshot: Snapshot,
    volatilities: Mapping[str, Volatility],
    *,
    ladders: Ladders,
    now: datetime,
) -> PoolReport:
    """The same pool with what would bring it back; only worth computing when someone is to be told."""
    pool = next((pool for pool in snapshot.pools if pool.name == report.name), None)
    if pool is None or report.danger is None:
        return report
    back = way_back(judged(pool), volatilities, ladders=ladders, graded=report.danger, now=now)
    if back is None:
        return report
    return replace(report, top_up=back.top_up, close_share=back.close_share, target=back.target)


def judged(pool: Pool) -> Pool:
    """The pool as it is graded: by the worse of the venue's own ratio and ours."""
    return _cross_checked(pool)[0]


def _cross_checked(pool: Pool) -> tuple[Pool, list[str]]:
    """Where the venue's own ratio is clearly worse than ours, it grades; either way a gap is told."""
    ours, theirs = pool.margin_ratio, pool.reported_ratio
    if ours is None or theirs is None or ours <= 0 or abs(theirs - ours) <= RATIO_TOLERANCE * max(ours, theirs):
        return pool, []
    if max(ours, theirs) < Decimal("0.01"):
        return pool, []  # both idle: the venue's rounding, not a disagreement
    note = f"{pool.name}: the venue's own ratio is {theirs:.2%}, ours is {ours:.2%}; the worse one counts"
    if theirs <= ours or pool.equity is None:
        return pool, [note]
    return _with_ratio(pool, theirs), [note]


def _with_ratio(pool: Pool, ratio: Decimal) -> Pool:
    assert pool.equity is not None
    return replace(pool, maintenance_margin=pool.equity * ratio)


def _pool_report(pool: Pool, rooms: RoomReport, *, ladders: Ladders, previous: Grade) -> PoolReport:
    decisive = rooms.decisive
    cushion = decisive.cushion if decisive else None
    state, ratio = pool.state, pool.margin_ratio
    graded = regrade(state, ratio, cushion, ladders=ladders, previous=previous)
    afresh = grade(state, ratio, cushion, ladders)
    return PoolReport(
        name=pool.name,
        margin_mode=pool.margin_mode,
        currency=pool.currency,
        state=state,
        equity=pool.equity,
        maintenance_margin=pool.maintenance_margin,
        margin_ratio=ratio,
        buffer=pool.buffer,
        reported_ratio=pool.reported_ratio,
        room=decisive.room if decisive else None,
        scenario=decisive.name if decisive else None,
        cushion=cushion,
        grade=graded.grade if graded else None,
        afresh=afresh.grade if afresh else None,
        decided_by=graded.decided_by if graded else DecidedBy.NOTHING,
        room_known=decisive is not None or rooms.known,
    )


def _positions(snapshot: Snapshot) -> tuple[PositionReport, ...]:
    return tuple(
        PositionReport(
            pool=pool.name,
            symbol=position.symbol,
            side=position.side,
            contracts=position.contracts,
            notional=position.notional,
            entry_price=position.entry_price,
            mark_price=position.mark_price,
            liquidation_price=position.liquidation_price,
            maintenance_margin=position.maintenance_margin,
        )
        for pool in snapshot.pools
        for position in pool.positions
    )


def _coins(snapshot: Snapshot) -> tuple[str, ...]:
    kept = {coin.asset for pool in snapshot.pools for coin in pool.collateral if coin.value}
    return tuple(sorted(kept | {pool.currency for pool in snapshot.pools}))


def _worst_ratio(state: PoolState, pools: list[PoolReport]) -> Decimal | None:
    if state is not PoolState.OK:
        return None
    return max((p.margin_ratio for p in pools if p.margin_ratio is not None), default=None)


def _urgency(pool: PoolReport) -> tuple[int, int, Decimal, float]:
    grade = -1 if pool.grade is None else int(pool.grade)
    # An unknown pool stands before a calm one and behind one that is known to be in danger.
    rank = max(grade, Grade.NOTICE) if pool.state is PoolState.UNKNOWN else grade
    nearness = -pool.cushion if pool.cushion is not None else float("-inf")
    return rank, pool.state.severity, pool.margin_ratio or Decimal(0), nearness
