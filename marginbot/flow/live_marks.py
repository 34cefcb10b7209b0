"""Danger learned from the price itself: every followed pool is revalued at each tick of a venue's mark prices.

A pool that may have risen to a worse grade is judged exactly, by the code that judges readings. If it has risen, the
account is read at once, out of turn. What cannot be read in time is told as what it is: a projection of the last
reading. The next reading judges as ever.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.errors import NoSuchAccount, ReadingError
from marginbot.domain.live import Alarm, followable, lower, rungs_of
from marginbot.domain.live_book import LiveBook
from marginbot.domain.margin import Snapshot
from marginbot.domain.report import AccountReport, judged
from marginbot.domain.volatility import Volatility
from marginbot.flow.cycle import Cycle, underlyings_of
from marginbot.flow.ports import Account, CycleRecord, LastReading, Store
from marginbot.flow.projection import Projected, projected, projection, risen, told_in_full
from marginbot.flow.tasks import Tasks, ended

log = logging.getLogger(__name__)

IN_TIME = 2.0  # seconds a reading may take before the projection is told
MOST_LOOKS = 64  # accounts looked at at once; further ones at the next tick, the worst first
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
LOADED_AT_ONCE = 50  # accounts looked up together at the start: about a millisecond
FRESH = timedelta(seconds=10)
ODD = 0.05  # a live mark so far from the one of a reading is not believed
DISTRUST = timedelta(minutes=1)


class MarkSource(Protocol):
    """Public mark prices of venues."""

    def offers(self, exchange: str) -> bool:
        """Whether this venue's marks can be had all at once."""

    def marks(self, exchange: str, clock: Callable[[], datetime]) -> AsyncGenerator[Mapping[str, float], None]:
        """Marks by unified symbol, as they change. Raises `ReadingError` for what goes wrong."""


class Moves(Protocol):
    """Ordinary hourly moves; see `ExchangeReader`."""

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        """By underlying."""


class _Followed:
    """One venue."""

    def __init__(self) -> None:
        self.book = LiveBook()
        self.ticked_at: datetime | None = None
        self.distrusted: dict[str, datetime] = {}


class LiveMarks:
    """One stream of marks a venue, for all accounts there."""

    def __init__(
        self, source: MarkSource, moves: Moves, store: Store, cycle: Cycle, *, clock: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._moves = moves
        self._store = store
        self._cycle = cycle
        self._clock = clock
        self._venues: dict[str, _Followed] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._looking: set[int] = set()
        self.first_pause = FIRST_PAUSE
        self.tasks = Tasks()

    def dispatch(self) -> None:
        """Follow every venue where there are accounts."""
        for exchange in self._store.exchanges():
            if self._source.offers(exchange) and exchange not in self._streams:
                self._venues[exchange] = _Followed()
                self._streams[exchange] = asyncio.create_task(self._follow(exchange))

    async def stop(self) -> None:
        """Hang up."""
        await ended(*self._streams.values())
        await self.tasks.stop(0)

    def ages(self, now: datetime) -> dict[str, timedelta | None]:
        """How old the marks of each followed venue are; None: none came yet."""
        ticks = {name: venue.ticked_at for name, venue in self._venues.items()}
        return {name: None if at is None else now - at for name, at in ticks.items()}

    def learn(self, account: Account, record: CycleRecord) -> None:
        """A reading was written down: go by it from now on."""
        venue = self._venues.get(account.exchange)
        if venue is None:
            return
        if record.refused is not None:
            venue.book.drop(account.id)
        elif record.reading is not None and record.report is not None:
            self._compare(venue, record.reading.snapshot)
            self._hold(venue, account.id, record.reading.snapshot, record.report)

    def _hold(self, venue: _Followed, account_id: int, snapshot: Snapshot, report: AccountReport) -> None:
        ladders = self._store.ladders(account_id)
        told = {pool.name: pool for pool in report.pools}
        kept = [pool for pool in map(judged, snapshot.pools) if followable(pool) and pool.name in told]
        venue.book.hold(account_id, [(pool, rungs_of(pool, told[pool.name], ladders)) for pool in kept])

    def _compare(self, venue: _Followed, snapshot: Snapshot) -> None:
        """Live marks against those of a reading: the reading wins."""
        now = self._clock()
        polled = {p.symbol: float(p.mark_price) for pool in snapshot.pools for p in pool.positions if p.mark_price}
        if not _is_fresh(venue, now):
            venue.book.price(polled)
            return
        for symbol, mark in polled.items():
            live = venue.book.price_of(symbol)
            if live is not None and abs(live / mark - 1) > ODD:
                log.warning("%s: the live mark of %s is far from the one just read", snapshot.exchange, symbol)
                venue.distrusted[symbol] = now + DISTRUST
                venue.book.price({symbol: mark})

    async def _follow(self, exchange: str) -> None:
        self.tasks.spawn(self._load(exchange))
        pause = self.first_pause
        while True:
            try:
                async with aclosing(self._source.marks(exchange, self._clock)) as batches:
                    async for marks in batches:
                        self.tick(exchange, marks)
                        pause = self.first_pause
            except ReadingError as error:
                log.info("%s: no live marks for now: %s", exchange, error)
            except Exception:
                # Marks are a bonus beside the readings: they must end nothing else.
                log.exception("%s: following the marks failed", exchange)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _load(self, exchange: str) -> None:
        """What was read before the start, a little at a time."""
        venue, after_id = self._venues[exchange], 0
        while accounts := self._store.polled_after(exchange, after_id, LOADED_AT_ONCE):
            after_id = accounts[-1].id
            for account in accounts:
                await asyncio.sleep(0)
                last = None if venue.book.holds(account.id) else self._store.last_reading(account.id)
                report = None if last is None else self._store.standing(account).report
                if last is not None and report is not None:
                    self._hold(venue, account.id, last.snapshot, report)

    def tick(self, exchange: str, marks: Mapping[str, float]) -> None:
        """New marks: look at the accounts that they may have endangered."""
        venue, now = self._venues[exchange], self._clock()
        venue.distrusted = {symbol: until for symbol, until in venue.distrusted.items() if until > now}
        venue.book.price({name: mark for name, mark in marks.items() if name not in venue.distrusted and _sane(mark)})
        venue.ticked_at = now
        for alarm in venue.book.alarms():
            if len(self._looking) >= MOST_LOOKS:
                break
            account_id = alarm.account_id
            assert isinstance(account_id, int)
            if account_id not in self._looking:
                self._looking.add(account_id)
                self.tasks.spawn(self._look(venue, alarm, account_id))

    async def _look(self, venue: _Followed, alarm: Alarm, account_id: int) -> None:
        try:
            account = self._store.account_by_id(account_id)
            last = self._store.last_reading(account_id)
            if last is None or account.refused is not None:
                venue.book.drop(account_id)
                return
            seen = await self._projected(venue, account, last)
            if not risen(seen.report, self._store.states(account_id)):
                rungs = lower(venue.book.rungs(account_id, alarm.pool), alarm)
                venue.book.set_rungs(account_id, alarm.pool, rungs)
            elif not await self._read(account):
                self._tell(venue, account, seen, read_at=last.snapshot.taken_at)
        except NoSuchAccount:
            venue.book.drop(account_id)
        finally:
            self._looking.discard(account_id)

    async def _projected(self, venue: _Followed, account: Account, last: LastReading) -> Projected:
        """The last reading at the marks of now."""
        underlyings = underlyings_of(last.snapshot)
        fresh = await self._moves.volatilities(account.exchange, underlyings, self._clock())
        held = {p.symbol for pool in last.snapshot.pools for p in pool.positions}
        marks = {symbol: venue.book.price_of(symbol) for symbol in held}
        at = LastReading(last.snapshot, {**last.volatilities, **fresh})
        states, ladders = self._store.states(account.id), self._store.ladders(account.id)
        return projected(at, marks, ladders=ladders, states=states, now=self._clock())

    async def _read(self, account: Account) -> bool:
        """Whether the account could be read in time; a reading that takes longer goes on by itself."""
        queue = self._cycle.queue
        if queue.is_full(account.exchange) or queue.ready_in(account.exchange, queue.under_way(account.exchange)) > 0:
            return False
        reading = self.tasks.spawn(self._cycle.read_now(account))
        done, _ = await asyncio.wait({reading}, timeout=IN_TIME)
        if not done:
            return False
        record: CycleRecord | None = reading.result()
        return record is not None and record.report is not None

    def _tell(self, venue: _Followed, account: Account, seen: Projected, *, read_at: datetime) -> None:
        """Nothing is awaited in here: what a late reading has written meanwhile is seen."""
        context = self._cycle.context(account)
        newer = self._store.last_reading(account.id)
        if newer is not None and newer.snapshot.taken_at != read_at:
            return
        worse = told_in_full(context, seen)
        record = projection(context, worse, seen.report, read_at=read_at)
        if record is None:
            return
        self._store.record(record)
        by_name = {pool.name: pool for pool in seen.at.snapshot.pools}
        for pool in worse:
            venue.book.set_rungs(account.id, pool.name, rungs_of(by_name[pool.name], pool, context.ladders))
        self._cycle.on_notices()


def _is_fresh(venue: _Followed, now: datetime) -> bool:
    return venue.ticked_at is not None and now - venue.ticked_at < FRESH


def _sane(mark: float) -> bool:
    return math.isfinite(mark) and mark > 0
