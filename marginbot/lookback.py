"""Would I have been warned? The reader, the vault and the replayer put together, for the bot and the command line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Ladders
from marginbot.domain.margin import Snapshot
from marginbot.domain.volatility import Bar
from marginbot.flow.cycle import take_reading
from marginbot.flow.hindsight import Past, PastPool
from marginbot.flow.ports import Account, ExchangeReader, Store, Unreadable
from marginbot.sim.hindsight import WARM_UP, parse_period, portfolios_of, spec_of
from marginbot.sim.replay import Outcome, run
from marginbot.sim.spec import BadSpec, Spec

PATIENCE_SECONDS = 300.0
MOST_COIN_DAYS = 80  # of candles: the venue's limits are shared with what watches the accounts
CUT = timedelta(minutes=5)  # less is not worth a word
Period = tuple[datetime, datetime]


class PastReader(ExchangeReader, Protocol):
    """A reader that also knows the past."""

    async def history(self, exchange: str, underlying: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """One-minute bars of a past period; empty where unlisted. Raises `ReadingError`."""


async def spec_for(
    reader: PastReader,
    exchange: str,
    snapshot: Snapshot,
    *,
    period: Period,
    poll: float,
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Spec, tuple[str, ...]]:
    """An account's replay over a period, and what was left out of it; `BadSpec` where there is nothing to replay.

    `progress` hears of how many coins the prices are there.
    """
    portfolios, notes = portfolios_of(snapshot)
    if not portfolios:
        raise BadSpec("; ".join(notes) or "the account holds no position: there is nothing to replay")
    start, end = period
    names = underlyings(snapshot, {portfolio.name for portfolio in portfolios})
    bars: dict[str, list[Bar]] = {}
    for done, name in enumerate(names):
        progress(done, len(names))
        bars[name] = await reader.history(exchange, name, start - WARM_UP, end, now)
    return spec_of(portfolios, bars, period, poll), notes


def underlyings(snapshot: Snapshot, pools: set[str]) -> list[str]:
    """What the positions of these pools depend on."""
    return sorted({p.underlying for pool in snapshot.pools if pool.name in pools for p in pool.positions})


@dataclass(slots=True, kw_only=True)
class LookBack:
    """Hindsight for the people of the bot: one account at a time, with its owner's thresholds."""

    reader: PastReader
    store: Store
    clock: Callable[[], datetime]
    poll: timedelta
    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    def period(self, text: str) -> Period:
        """The days meant; `BadSpec` says what they should look like."""
        return parse_period(text)

    async def look(self, account: Account, period: Period) -> Past:
        """The account in those days; a `MarginbotError` says why not."""
        try:
            async with self._free, asyncio.timeout(PATIENCE_SECONDS):
                return await self._looked(account, period)
        except TimeoutError:
            raise RequestError(
                "a replay took too long",
                advice="That took too long, so I stopped. Try fewer days, or try again later.",
            ) from None

    async def _looked(self, account: Account, period: Period) -> Past:
        now, ladders = self.clock(), self.store.ladders(account.id)
        found, _ = await take_reading(self.reader, account.exchange, self.store.credential(account.id), now)
        if isinstance(found, Unreadable):
            raise RequestError(f"replay: {found.cause}: {found.detail}", advice=found.advice)
        _require_little(found, period)
        spec, notes = await spec_for(
            self.reader, account.exchange, found, period=period, poll=self.poll.total_seconds(), now=now
        )
        outcomes = await _replayed(spec, ladders)
        return Past(
            since=_moment(spec.start),
            until=_moment(spec.end),
            pause=self.poll,
            ladders=ladders,
            pools=[_pool(outcome) for outcome in outcomes],
            notes=[*_cut(spec, period), *notes],
        )


def _require_little(snapshot: Snapshot, period: Period) -> None:
    portfolios, _ = portfolios_of(snapshot)
    coins = len(underlyings(snapshot, {portfolio.name for portfolio in portfolios}))
    days = (period[1] - period[0] + WARM_UP).days
    if coins * days > MOST_COIN_DAYS:
        most = MOST_COIN_DAYS // coins - WARM_UP.days
        instead = f"ask for {most} days at most" if most > 0 else "the command line can do it: marginbot replay"
        raise RequestError("too much to replay", advice=f"{coins} coins over so many days is too much here: {instead}.")


def _cut(spec: Spec, period: Period) -> list[str]:
    """What is missing of the days at either end: less was looked at than was asked for."""
    since, until = _moment(spec.start), _moment(spec.end)
    if since - period[0] < CUT and period[1] - until < CUT:
        return []
    return [f"there are candles only from {since:%d %b %H:%M} to {until:%d %b %H:%M} UTC"]


async def _replayed(spec: Spec, ladders: Ladders) -> list[Outcome]:
    """In a thread, which ends soon after nobody waits for it any more."""
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(run, spec, ladders, is_stopped=stopped.is_set)
    finally:
        stopped.set()


def _pool(outcome: Outcome) -> PastPool:
    return PastPool(
        name=outcome.name,
        breach_at=None if outcome.breach_at is None else _moment(outcome.breach_at),
        announced={grade: None if at is None else _moment(at) for grade, at in outcome.first.items()},
        alerts=[(_moment(at), grade) for at, grade in outcome.alerts],
        lines=list(outcome.points.values()),
    )


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
