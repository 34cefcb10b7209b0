"""The composition root: builds the parts, wires them, runs them, and closes them in reverse.

The only module that reads the clock.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp

from marginbot import __version__
from marginbot.bot.board_screen import TelegramBoards
from marginbot.bot.buddy_bell import BuddyBell
from marginbot.bot.build import TelegramSide, build_bot, build_telegram
from marginbot.bot.calls import Services
from marginbot.bot.dialogue import Dialogues
from marginbot.bot.language import _ as look_up
from marginbot.bot.language import read_in_language
from marginbot.bot.operators import OperatorLine
from marginbot.bot.render_turmoil import operators as turmoil_for_operators
from marginbot.bot.teller import TelegramTeller
from marginbot.bot.webhook import Webhook
from marginbot.bot.weblinks import WebLinks
from marginbot.channels import Channels
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError
from marginbot.domain.holes import AuditRules
from marginbot.exchanges.marks import VenueMarks
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.streams import VenueStreams
from marginbot.exchanges.venues import VENUES
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.audit import Auditor
from marginbot.flow.boards import BoardKeeper
from marginbot.flow.buddies import BuddyDesk
from marginbot.flow.channels import ChannelDesk
from marginbot.flow.cycle import Cycle
from marginbot.flow.decide import CycleSettings
from marginbot.flow.deliver import Delivery
from marginbot.flow.escalation import Escalation
from marginbot.flow.history import HistoryKeeper
from marginbot.flow.late import LateWatch
from marginbot.flow.live_marks import LiveMarks
from marginbot.flow.meter import Meter, MeteredMessenger, Unmetered
from marginbot.flow.passports import KeyChecks
from marginbot.flow.ports import ExchangeReader, Messenger, Store
from marginbot.flow.preferences import Preferences
from marginbot.flow.pushes import Pushes
from marginbot.flow.registration import Registration
from marginbot.flow.reports import Reports
from marginbot.flow.status import Status
from marginbot.flow.tasks import ended
from marginbot.flow.tier_watch import TierWatch
from marginbot.flow.turmoil import Trouble, TurmoilWatch
from marginbot.health import HealthServer, Vitals
from marginbot.lookback import LookBack
from marginbot.metrics import Metrics
from marginbot.pulse import Moment, in_words, taken
from marginbot.scheduler import Scheduler
from marginbot.store import SqliteStore, StoreFailed, instance_lock, open_store, parse_master_key
from marginbot.store.audit import AuditFile
from marginbot.webform import FormServer

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The use-cases that people talk to."""

    registration: Registration
    status: Status
    preferences: Preferences
    access: Access


def build_desk(store: Store, reader: ExchangeReader, access: Access) -> Desk:
    """Wire what answers people; `run` and `demo` share it."""
    return Desk(
        registration=Registration(reader, store, access),
        status=Status(store),
        preferences=Preferences(store),
        access=access,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What works by itself: reading on one side of the database, telling on the other."""

    cycle: Cycle
    delivery: Delivery


def build_watch(
    store: Store,
    reader: ExchangeReader,
    messenger: Messenger,
    *,
    settings: CycleSettings,
    clock: Callable[[], datetime],
    meter: Meter | None = None,
) -> Watch:
    """Wire reading and delivery; `run` and `demo` share it."""
    meter = meter or Unmetered()
    cycle = Cycle(reader, store, settings=settings, clock=clock, meter=meter)
    return Watch(cycle=cycle, delivery=Delivery(store, MeteredMessenger(messenger, meter, clock=clock), clock=clock))


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
        self._metrics = Metrics()
        access = Access(AccessMode(settings.access), settings.admin_ids, store)
        desk = build_desk(store, reader, access)
        self._ringer = Channels(look_up=look_up)
        bot = build_bot(token, settings.telegram_api_url)
        bell = BuddyBell(bot, self._ringer, store.name_of, store.language_of)
        self._channels = ChannelDesk(store, bell)
        self._reports = Reports(store=store, status=desk.status, pause=settings.pause)
        marks = VenueMarks(reader, settings.exchange_urls)
        services = Services(
            funding=marks.funding,
            reports=self._reports,
            registration=desk.registration,
            status=desk.status,
            preferences=desk.preferences,
            access=access,
            store=store,
            clock=utc_now,
            on_change=lambda _: self._read(),
            health=self._health_text,
            stale_after=settings.blind_after,
            pause=settings.pause,
            channels=self._channels,
            buddies=BuddyDesk(store),
            dialogues=Dialogues(store),
            links=WebLinks(settings.form_url or ""),
            egress_ip=settings.egress_ip,
            hindsight=LookBack(reader=reader, store=store, clock=utc_now, poll=settings.poll_every),
        )
        self._telegram: TelegramSide = build_telegram(
            token, settings.telegram_api_url, services, bot=bot, webhook=_webhook(settings)
        )
        self._watch = build_watch(
            store,
            reader,
            self._telegram.messenger,
            settings=CycleSettings(poll_interval=settings.poll_every, stale_after=settings.blind_after),
            clock=utc_now,
            meter=self._metrics,
        )
        self._boards = BoardKeeper(
            store,
            TelegramBoards(bot, store.language_of, settings.blind_after, store.zone_of),
            self._watch.delivery.pacing,
            clock=utc_now,
            moved=self._telegram.voice.follow,
            check_owners=self._telegram.presence.check_owners,
            meter=self._metrics,
        )
        self._auditor = Auditor(
            AuditFile(settings.database),
            OperatorLine(self._telegram.application.bot),
            admins=settings.admin_ids,
            rules=AuditRules(poll_interval=settings.poll_every, stale_after=settings.blind_after),
            clock=utc_now,
        )
        self._late = LateWatch(self._watch.cycle, store, utc_now)
        self._key_checks = KeyChecks(reader, store, utc_now)
        self._tier_watch = TierWatch(reader, store, utc_now)
        self._teller = TelegramTeller(self._telegram.application.bot, store.zone_of, store.language_of)
        self._escalation = Escalation(store, bell, clock=utc_now, teller=self._teller)
        self._operators = OperatorLine(self._telegram.application.bot)
        self._turmoil = TurmoilWatch(
            store=store, quotes=reader, teller=self._teller, operators=self._tell_operators, clock=utc_now
        )
        self._watch.cycle.strained = lambda: self._turmoil.strained
        self._keeper = HistoryKeeper(store=store, clock=utc_now, retention=settings.retention, patience=settings.pause)
        streams = VenueStreams(VENUES, settings.exchange_urls, reader.api)
        self._pushes = Pushes(streams, store, self._watch.cycle, clock=utc_now)
        self._live = LiveMarks(marks, reader, store, self._watch.cycle, clock=utc_now)
        self._scheduler = Scheduler()
        self._health = HealthServer(settings.listen, self.vitals, self._metrics.page) if settings.listen else None
        self._form = (
            FormServer(settings.form_address, services.links, self._telegram.submitted, clock=utc_now)
            if settings.form_address
            else None
        )
        self._beat_at: datetime | None = None

    async def run_until_stopped(self) -> None:
        """Start everything, wait for a signal (or a fatal answer from Telegram), stop everything."""
        self._listen_for_signals()
        if self._health:
            await self._health.start()
        if self._form:
            await self._form.start()
        self._watch.cycle.on_notices = self._deliver
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
        if not self._watch.cycle.caught_up and utc_now() - self._started_at < CATCHING_UP_WITHIN:
            gc.freeze()  # what is known of the accounts stays, too, and comes within minutes
        self._watch.cycle.dispatch()

    def _start_jobs(self) -> None:
        tick = min(1.0, max(0.05, self._settings.poll_interval / 10))
        self._watch.cycle.queue.ready_in, self._watch.cycle.queue.pace = self._reader.ready_in, self._reader.pace
        self._scheduler.every(min(tick, DUE_SECONDS), "due accounts", self._read_due)
        self._scheduler.every(tick, "late accounts", self._late.dispatch)
        self._scheduler.every(tick, "delivery", self._deliver)
        self._scheduler.every(KEY_CHECK_SECONDS, "key checks", self._key_checks.check_next)
        self._scheduler.every(
            min(TERMS_SECONDS, 4 * self._settings.poll_interval), "terms", self._tier_watch.check_next
        )
        self._scheduler.every(min(ESCALATE_SECONDS, self._settings.poll_interval), "escalation", self._escalate)
        self._scheduler.every(REMIND_SECONDS, "channel reminders", self._remind)
        self._scheduler.every(tick, "audit", self._audit)
        self._scheduler.every(HISTORY_SECONDS, "history", self._keeper.turn)
        self._scheduler.every(LOG_SECONDS, "log of the database", self._write_back)
        self._scheduler.every(min(TURMOIL_SECONDS, self._settings.poll_interval), "market stress", self._look)
        self._scheduler.every(min(REPORT_SECONDS, self._settings.poll_interval), "reports", self._report)
        self._scheduler.every(min(BOARD_SECONDS, self._settings.poll_interval), "boards", self._show_boards)
        if self._settings.venue_pushes:
            self._scheduler.every(PUSHES_SECONDS, "venue pushes", self._pushes.dispatch)
        if self._settings.live_marks:
            self._watch.cycle.on_recorded = self._live.learn
            self._scheduler.every(PUSHES_SECONDS, "live marks", self._live.dispatch)
        if self._settings.heartbeat_url:
            self._scheduler.every(max(1.0, self._settings.poll_interval), "heartbeat", self._heartbeat)
        self._tier_watch.prime()
        self._watch.cycle.dispatch()
        self._scheduler.start()

    def _deliver(self) -> None:
        """The first cycle reconciles before anything older goes out."""
        if self._is_reconciled():
            self._watch.delivery.dispatch()

    def _escalate(self) -> None:
        """Nobody is rung about what may have passed while the bot was away."""
        if self._is_reconciled():
            self._escalation.dispatch()

    async def _write_back(self) -> None:
        try:
            await asyncio.to_thread(self._store.write_back)
        except StoreFailed as error:
            log.warning("the log of the database could not be written back, and grows until it can: %s", error)

    async def _remind(self) -> None:
        await self._channels.remind(self._teller, utc_now())

    async def _report(self) -> None:
        """Reports speak of what was read, so a restarted bot reads first."""
        if self._is_reconciled():
            await self._reports.send_due(self._teller, utc_now())
            await self._reports.send_stories(self._teller, utc_now())

    def _show_boards(self) -> None:
        """Boards show what was read, so a restarted bot reads first."""
        if self._is_reconciled():
            self._boards.look()

    async def _look(self) -> None:
        if self._is_reconciled():
            await self._turmoil.look()

    async def _tell_operators(self, trouble: Trouble, people: int) -> None:
        for operator in sorted(self._settings.admin_ids):
            with read_in_language(self._store.language_of(operator)):
                told = turmoil_for_operators(trouble, people)
            await self._operators.tell(operator, told)

    def _is_reconciled(self) -> bool:
        return self._watch.cycle.caught_up or utc_now() - self._started_at > RECONCILE_WITHIN

    async def _audit(self) -> None:
        if self._is_reconciled() and self._auditor.is_due():
            await self._auditor.check()

    def _read(self) -> None:
        self._watch.cycle.dispatch()

    async def _talk(self) -> None:
        """Telegram may be away for long; accounts are read and notices written all the same."""
        listening: asyncio.Task[None] | None = None
        try:
            listening = await self._telegram.start()
            await listening
        except ConfigError as error:
            self._failure = error
            self._stopping.set()
        finally:
            await self._telegram.stop(listening)

    async def _stop(self, talking: asyncio.Task[None]) -> None:
        log.info("stopping")
        if self._form:
            await self._form.stop()
        self._scheduler.stop()
        await asyncio.gather(self._pushes.stop(), self._live.stop())
        await asyncio.gather(
            self._watch.cycle.stop(STOP_GRACE_SECONDS),
            self._watch.delivery.stop(STOP_GRACE_SECONDS),
            self._escalation.tasks.stop(STOP_GRACE_SECONDS),
            self._boards.stop(STOP_GRACE_SECONDS),
        )
        self._ringer.close()
        await ended(talking)
        if self._health:
            await self._health.stop()

    async def _heartbeat(self) -> None:
        """Only after a complete cycle since the last beat, while Telegram answers and the audit finds nothing."""
        completed, vitals = self._watch.cycle.completed_at, self.vitals()
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
        health, cycle = self._telegram.health, self._watch.cycle
        moment = Moment(
            now=utc_now(),
            started_at=self._started_at,
            answered_at=health.answered_at,
            completed_at=cycle.completed_at,
            poll_every=self._settings.poll_every,
            telegram_trouble=health.trouble,
        )
        return taken(moment, self._store, self._auditor.verdict(), self._reader.budgets_used())

    def _health_text(self) -> str:
        return in_words(self.vitals())


def _webhook(settings: Settings) -> Webhook | None:
    if settings.webhook_url is None:
        return None
    return Webhook(url=settings.webhook_url, address=settings.webhook_address, networks=settings.webhook_networks)
