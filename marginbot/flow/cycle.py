"""One reading of one account: read, judge, decide, write. Polling never sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from marginbot.domain.alerting import ACCOUNT, AlertState
from marginbot.domain.errors import Cause, NoSuchAccount, ReadingError, VaultError, VenueDown
from marginbot.domain.margin import Snapshot
from marginbot.domain.volatility import Volatility
from marginbot.flow import trail
from marginbot.flow.batch import Batch
from marginbot.flow.decide import Context, CycleSettings, judged, our_fault
from marginbot.flow.due import DueQueue
from marginbot.flow.meter import Meter, Unmetered
from marginbot.flow.outage import joined
from marginbot.flow.pace import Pace
from marginbot.flow.ports import (
    Account,
    Credential,
    CycleRecord,
    ExchangeReader,
    Reading,
    Store,
    Unreadable,
)
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

Found = tuple[Reading, Mapping[str, Volatility]]

BEGUN_IN_A_TURN = 1  # of the loop: signing and sending takes about a millisecond


class Cycle:
    """Reads the accounts that are due, side by side; one account's trouble is its own."""

    def __init__(
        self,
        reader: ExchangeReader,
        store: Store,
        *,
        settings: CycleSettings,
        clock: Callable[[], datetime],
        concurrency: int = 64,
        meter: Meter | None = None,
    ) -> None:
        self._reader = reader
        self._store = store
        self._settings = settings
        self._clock = clock
        self._meter = meter or Unmetered()
        # By venue: one that hangs delays nobody else's accounts.
        self.queue = DueQueue(store, at_once=concurrency)
        self.tasks = Tasks()
        self._batch: Batch[CycleRecord | None] = Batch(store)
        self._calm: set[int] = set()  # accounts whose next reading may be a brief one
        self._beginning = Pace(BEGUN_IN_A_TURN)
        self.completed_at: datetime | None = None
        self.caught_up = False  # whether there was a moment since the start when no account waited
        self.on_notices: Callable[[], None] = lambda: None
        self.on_recorded: Callable[[Account, CycleRecord], None] = lambda account, record: None
        self.strained: Callable[[], bool] = lambda: False  # whether the market is in trouble

    def dispatch(self) -> int:
        """Start reading what is due and may be read now; returns how many accounts."""
        now = self._clock()
        self.queue.release(now)
        due = self.queue.take_all(now)
        if due:
            self.tasks.spawn(self._side_by_side(due))
        elif self.queue.is_idle:  # nothing due while others are being read is not a complete cycle
            self.completed_at, self.caught_up = now, True
            self._meter.cycle(now - now)
        return len(due)

    async def run(self) -> int:
        """One complete cycle: read what is due and wait until it is written down."""
        count = self.dispatch()
        await self.tasks.settle()
        return count

    async def _side_by_side(self, due: Sequence[Account]) -> None:
        began = self._clock()
        if all(await asyncio.gather(*(self._guarded(account) for account in due))):
            self.completed_at = self._clock()
            self._meter.cycle(self.completed_at - began)
            self.caught_up = self.caught_up or self.queue.is_idle

    async def _guarded(self, account: Account) -> bool:
        try:
            await self._beginning.turn()
            is_written = await self._tried(account)
        finally:
            self.queue.done(account)
        if self.queue.has_more(account.exchange) and (due := self.queue.take(account.exchange, self._clock())):
            self.tasks.spawn(self._side_by_side(due))  # whose turn it is takes the place that was left
        return is_written

    async def _tried(self, account: Account) -> bool:
        try:
            written = await self.read(account)
            if written.notices:
                self.on_notices()
        except NoSuchAccount:
            log.info("account %s was removed while it was read", account.id)
        except Exception as error:
            # Nothing is half written. The cycle does not count as complete, so that the outside hears of it.
            log.exception("account %s was not recorded: %s", account.id, error)
            self.queue.hold(account, self._clock() + self._settings.poll_interval)
            return False
        return True

    async def stop(self, grace: float) -> None:
        """Begin nothing more, and let what is under way finish for `grace` seconds."""
        self.queue.closed = True
        await self.tasks.stop(grace)

    async def read_now(self, account: Account) -> CycleRecord | None:
        """Read an account whether it is due or not, after a reading that is under way; None if that came to nothing."""
        while self.queue.is_taken(account):  # noqa: ASYNC110 - rare, and bounded by the time a reading may take
            await asyncio.sleep(0.05)
        self.queue.take_one(account)
        try:
            written = await self.read(account, urgent=True)
        except NoSuchAccount:
            return None
        except Exception:
            log.exception("account %s was not recorded", account.id)
            return None
        finally:
            self.queue.done(account)
        if written.notices:
            self.on_notices()
        return written

    @property
    def settings(self) -> CycleSettings:
        """How often to read, and when silence becomes news."""
        return self._settings

    async def read(self, account: Account, *, urgent: bool = False) -> CycleRecord:
        """Read one account and write down what follows; before that of others when it is urgent."""
        calm = account.id in self._calm and not urgent
        found = await self._reading(account, calm=calm)
        record = await self._written(account, found, only_if_calm=calm, urgent=urgent)
        if record is None:
            # The calm is over: the rest is asked for before anything is told. What was seen counts either way.
            full = await self._reading(account) if self._is_room(account.exchange) else found
            record = await self._written(account, found if isinstance(full[0], Unreadable) else full, urgent=True)
        assert record is not None
        return record

    async def _written(
        self, account: Account, found: Found, *, only_if_calm: bool = False, urgent: bool
    ) -> CycleRecord | None:
        reading, volatilities = found

        def recorded() -> CycleRecord | None:
            record = self.conclude(account, reading, volatilities)
            if only_if_calm and not record.calm and not isinstance(reading, Unreadable):
                return None
            self._store.record(record)
            return record

        # Each of the two in one go: what a person does meanwhile is either seen or comes after.
        return await self._batch.add(
            recorded, lambda record: self._follow_up(account, reading, record) if record else None, urgent=urgent
        )

    def _is_room(self, exchange: str) -> bool:
        return self.queue.ready_in(exchange, self.queue.under_way(exchange)) <= 0

    def _follow_up(self, account: Account, reading: Reading, record: CycleRecord) -> None:
        self._meter.reading(account.exchange, reading.cause if isinstance(reading, Unreadable) else "ok")
        (self._calm.add if record.calm else self._calm.discard)(account.id)
        if isinstance(reading, Unreadable):
            trail.unread(account.id, account.exchange, reading)
        trail.decided(record.notices)
        self.on_recorded(account, record)

    def conclude(self, account: Account, reading: Reading, volatilities: Mapping[str, Volatility]) -> CycleRecord:
        """What follows from a reading as things stand now; to be written down before anything is awaited."""
        context = self.context(account)
        record = judged(context, reading, volatilities)
        sight = context.states.get(ACCOUNT, AlertState())
        cause = reading.cause if isinstance(reading, Unreadable) else sight.blind_cause
        return joined(record, account, self._store, cause=cause, unread_after=1.5 * self._settings.poll_interval)

    def context(self, account: Account) -> Context:
        """What is known of an account now."""
        return Context(
            account=account,
            states=self._store.states(account.id),
            last=lambda: self._store.standing(account).report,
            ladders=self._store.ladders(account.id),
            reminders=self._store.reminders(account.user_id),
            settings=self._settings,
            now=self._clock(),
            strained=self.strained(),
        )

    async def _reading(self, account: Account, *, calm: bool = False) -> Found:
        try:
            async with asyncio.timeout(self._settings.read_timeout.total_seconds()):
                found = await self._asked(account, calm=calm)
                if isinstance(found[0], Unreadable) and found[0].cause.owner_must_act:
                    # A refusal stops polling, so one answer is not enough: venues refuse sound keys at bad times.
                    await asyncio.sleep(self._settings.second_opinion_after.total_seconds())
                    found = await self._asked(account)
                return found
        except TimeoutError:
            return Unreadable(Cause.VENUE_DOWN, "reading took too long", VenueDown.advice), {}
        except VaultError as error:
            # Told at once like a refused key: only a new /add by the owner brings the account back.
            return Unreadable(Cause.KEY_REFUSED, str(error), error.advice), {}

    async def _asked(self, account: Account, *, calm: bool = False) -> Found:
        credential = self._store.credential(account.id)
        return await take_reading(self._reader, account.exchange, credential, self._clock(), calm=calm)


async def take_reading(
    reader: ExchangeReader, exchange: str, credential: Credential, now: datetime, *, calm: bool = False
) -> Found:
    """A snapshot with the volatilities needed to judge it, or why there is none."""
    try:
        snapshot = await reader.read(exchange, credential, now, calm=calm)
        return snapshot, await reader.volatilities(exchange, underlyings_of(snapshot), now)
    except ReadingError as error:
        log.info("%s: %s: %s", exchange, error.cause, error)
        return Unreadable(error.cause, str(error), error.advice), {}
    except TimeoutError:
        raise  # the caller's deadline
    except Exception as error:
        # A bug in reading must not stop the other accounts, nor pass for silence.
        log.exception("%s: reading failed", exchange)
        return our_fault(error), {}


def underlyings_of(snapshot: Snapshot) -> set[str]:
    """Everything whose price moves one of the pools."""
    positions = {position.underlying for pool in snapshot.pools for position in pool.positions}
    return positions | {coin.asset for pool in snapshot.pools for coin in pool.collateral}
