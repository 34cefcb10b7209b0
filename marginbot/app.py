"""Runs the bot: opens what it stands on, starts its parts and their loops, and closes them in reverse.

The only module that reads the clock.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from marginbot import __version__
from marginbot.bot import language
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.tasks import ended
from marginbot.health import Vitals
from marginbot.pulse import Moment, taken
from marginbot.scheduler import Scheduler
from marginbot.store import SqliteStore, StoreFailed, instance_lock, open_store, parse_master_key
from marginbot.wiring import Ground, build_parts

log = logging.getLogger(__name__)

RECONCILE_WITHIN = timedelta(seconds=10)  # after this, old notices go out even if no cycle has completed
CATCHING_UP_WITHIN = timedelta(minutes=5)  # after this, what accounts bring along is collected as anything else
STOP_GRACE_SECONDS = 3.0
KEY_CHECK_SECONDS = 60.0  # one key at a time; each of them once a day
TERMS_SECONDS = 60.0  # one venue at a time; each of them once a day
ESCALATE_SECONDS = 2.0
REMIND_SECONDS = 3600.0
HISTORY_SECONDS = 1.0
LOG_SECONDS = 1.0
DUE_SECONDS = 0.1
REPORT_SECONDS = 20.0
TURMOIL_SECONDS = 15.0
BOARD_SECONDS = 2.0
PUSHES_SECONDS = 2.0  # who has come or gone
HEARTBEAT_TIMEOUT = aiohttp.ClientTimeout(total=10)


def utc_now() -> datetime:
    """The clock of everything that runs for real."""
    return datetime.now(UTC)


@contextmanager
def stored(settings: Settings) -> Iterator[SqliteStore]:
    """The database of the settings, migrated and opened with the master key; closed at the end."""
    store = open_store(settings.database, parse_master_key(settings.master_key_text()))
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[CcxtReader]:
    """A reader with the configured addresses; closed at the end."""
    reader = CcxtReader(settings.exchange_urls, proxies=settings.proxies)
    try:
        yield reader
    finally:
        await reader.close()


async def run(settings: Settings) -> None:
    """The bot, until SIGINT or SIGTERM. A `ConfigError` when it cannot start as configured."""
    token = settings.require_token()
    with instance_lock(settings.database), stored(settings) as store:
        async with reading(settings) as reader:
            await Bot(settings, store, reader, token).run_until_stopped()


class Bot:
    """The running bot."""

    def __init__(self, settings: Settings, store: SqliteStore, reader: CcxtReader, token: str) -> None:
        self._settings = settings
        self._store = store
        self._reader = reader
        self._started_at = utc_now()
        self._stopping = asyncio.Event()
        self._failure: ConfigError | None = None
        self._beat_at: datetime | None = None
        self._scheduler = Scheduler()
        self.parts = build_parts(
            Ground(
                settings=settings,
                store=store,
                reader=reader,
                token=token,
                clock=utc_now,
                vitals=self.vitals,
                read=self._read,
            )
        )

    async def run_until_stopped(self) -> None:
        """Start everything, wait for a signal (or a fatal answer from Telegram), stop everything."""
        self._listen_for_signals()
        language.load()  # while nobody waits: each catalogue holds the loop up for as long as it compiles
        if self.parts.health:
            await self.parts.health.start()
        if self.parts.form:
            await self.parts.form.start()
        self.parts.watch.cycle.on_notices = self._deliver
        gc.collect()
        gc.freeze()  # what ccxt brings along stays for good; walking through it would stop everything for a while
        self._start_jobs()
        talking = asyncio.create_task(self._talk())
        log.info("marginbot %s is watching %d accounts", __version__, len(self._store.active_accounts()))
        try:
            await self._stopping.wait()
        finally:
            await self._stop(talking)
        if self._failure:
            raise self._failure

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self._stopping.set)

    def _read_due(self) -> None:
        if not self.parts.watch.cycle.caught_up and utc_now() - self._started_at < CATCHING_UP_WITHIN:
            gc.freeze()  # what is known of the accounts stays, too, and comes within minutes
        self.parts.watch.cycle.dispatch()

    def _start_jobs(self) -> None:
        tick = min(1.0, max(0.05, self._settings.poll_interval / 10))
        self._scheduler.every(min(tick, DUE_SECONDS), "due accounts", self._read_due)
        self._scheduler.every(tick, "late accounts", self.parts.watches.late.dispatch)
        self._scheduler.every(tick, "delivery", self._deliver)
        self._scheduler.every(KEY_CHECK_SECONDS, "key checks", self.parts.watches.key_checks.check_next)
        self._scheduler.every(
            min(TERMS_SECONDS, 4 * self._settings.poll_interval), "terms", self.parts.watches.tiers.check_next
        )
        self._scheduler.every(min(ESCALATE_SECONDS, self._settings.poll_interval), "escalation", self._escalate)
        self._scheduler.every(REMIND_SECONDS, "channel reminders", self._remind)
        self._scheduler.every(tick, "audit", self._audit)
        self._scheduler.every(HISTORY_SECONDS, "history", self.parts.watches.keeper.turn)
        self._scheduler.every(LOG_SECONDS, "log of the database", self._write_back)
        self._scheduler.every(min(TURMOIL_SECONDS, self._settings.poll_interval), "market stress", self._look)
        self._scheduler.every(min(REPORT_SECONDS, self._settings.poll_interval), "reports", self._report)
        self._scheduler.every(min(BOARD_SECONDS, self._settings.poll_interval), "boards", self._show_boards)
        if self._settings.venue_pushes:
            self._scheduler.every(PUSHES_SECONDS, "venue pushes", self.parts.pushes.dispatch)
        if self._settings.live_marks:
            self._scheduler.every(PUSHES_SECONDS, "live marks", self.parts.live.dispatch)
        if self._settings.heartbeat_url:
            self._scheduler.every(max(1.0, self._settings.poll_interval), "heartbeat", self._heartbeat)
        self.parts.watches.tiers.prime()
        self.parts.watch.cycle.dispatch()
        self._scheduler.start()

    def _deliver(self) -> None:
        """The first cycle reconciles before anything older goes out."""
        if self._is_reconciled():
            self.parts.watch.delivery.dispatch()

    def _escalate(self) -> None:
        """Nobody is rung about what may have passed while the bot was away."""
        if self._is_reconciled():
            self.parts.escalation.dispatch()

    async def _write_back(self) -> None:
        try:
            await asyncio.to_thread(self._store.write_back)
        except StoreFailed as error:
            log.warning("the log of the database could not be written back, and grows until it can: %s", error)

    async def _remind(self) -> None:
        await self.parts.ringing.channels.remind(self.parts.ringing.teller, utc_now())

    async def _report(self) -> None:
        """Reports speak of what was read, so a restarted bot reads first."""
        if self._is_reconciled():
            await self.parts.reports.send_due(self.parts.ringing.teller, utc_now())
            await self.parts.reports.send_stories(self.parts.ringing.teller, utc_now())

    def _show_boards(self) -> None:
        """Boards show what was read, so a restarted bot reads first."""
        if self._is_reconciled():
            self.parts.boards.look()

    async def _look(self) -> None:
        if self._is_reconciled():
            await self.parts.watches.turmoil.look()

    def _is_reconciled(self) -> bool:
        return self.parts.watch.cycle.caught_up or utc_now() - self._started_at > RECONCILE_WITHIN

    async def _audit(self) -> None:
        if self._is_reconciled() and self.parts.watches.auditor.is_due():
            await self.parts.watches.auditor.check()

    def _read(self) -> None:
        self.parts.watch.cycle.dispatch()

    async def _talk(self) -> None:
        """Telegram may be away for long; accounts are read and notices written all the same."""
        listening: asyncio.Task[None] | None = None
        try:
            listening = await self.parts.telegram.start()
            await listening
        except ConfigError as error:
            self._failure = error
            self._stopping.set()
        finally:
            await self.parts.telegram.stop(listening)

    async def _stop(self, talking: asyncio.Task[None]) -> None:
        log.info("stopping")
        if self.parts.form:
            await self.parts.form.stop()
        self._scheduler.stop()
        await asyncio.gather(self.parts.pushes.stop(), self.parts.live.stop())
        await asyncio.gather(
            self.parts.watch.cycle.stop(STOP_GRACE_SECONDS),
            self.parts.watch.delivery.stop(STOP_GRACE_SECONDS),
            self.parts.escalation.tasks.stop(STOP_GRACE_SECONDS),
            self.parts.boards.stop(STOP_GRACE_SECONDS),
        )
        self.parts.ringing.ringer.close()
        await ended(talking)
        if self.parts.health:
            await self.parts.health.stop()

    async def _heartbeat(self) -> None:
        """Only after a complete cycle since the last beat, while Telegram answers and the audit finds nothing."""
        completed, vitals = self.parts.watch.cycle.completed_at, self.vitals()
        if not (vitals.healthy and vitals.audit.ok) or completed is None or completed == self._beat_at:
            return
        self._beat_at = completed
        try:
            async with (
                aiohttp.ClientSession(timeout=HEARTBEAT_TIMEOUT) as session,
                session.get(str(self._settings.heartbeat_url)) as answer,
            ):
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            # The address may hold a secret: the kind of failure says enough.
            log.warning("the heartbeat was not accepted: %s", type(error).__name__)

    def vitals(self) -> Vitals:
        """What is known of the bot's own state now."""
        health, cycle = self.parts.telegram.health, self.parts.watch.cycle
        moment = Moment(
            now=utc_now(),
            started_at=self._started_at,
            answered_at=health.answered_at,
            completed_at=cycle.completed_at,
            poll_every=self._settings.poll_every,
            telegram_trouble=health.trouble,
        )
        return taken(moment, self._store, self.parts.watches.auditor.verdict(), self._reader.budgets_used())
