"""Puts the parts of the bot together from its settings. Nothing in here starts anything, or knows what time it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from telegram.ext import ExtBot

from marginbot.bot.board_screen import TelegramBoards
from marginbot.bot.buddy_bell import BuddyBell
from marginbot.bot.build import TelegramSide, build_bot, build_telegram
from marginbot.bot.calls import Services
from marginbot.bot.dialogue import Dialogues
from marginbot.bot.language import _ as look_up
from marginbot.bot.operators import LostLine, OperatorLine, TurmoilLine
from marginbot.bot.teller import TelegramTeller
from marginbot.bot.webhook import Webhook
from marginbot.bot.weblinks import WebLinks
from marginbot.channels import Channels
from marginbot.config import Settings
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
from marginbot.flow.tier_watch import TierWatch
from marginbot.flow.turmoil import TurmoilWatch
from marginbot.health import HealthServer, Vitals
from marginbot.lookback import LookBack
from marginbot.metrics import Metrics
from marginbot.pulse import in_words
from marginbot.store import SqliteStore
from marginbot.store.audit import AuditFile
from marginbot.webform import FormServer


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the parts are built on, and the two things that they ask back of who runs them."""

    settings: Settings
    store: SqliteStore
    reader: CcxtReader
    token: str
    clock: Callable[[], datetime]
    vitals: Callable[[], Vitals]  # the bot's own state now
    read: Callable[[], None]  # an account is new or resumed: read what is due at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """The ways to reach people beside the outbox: their phones and mail, their buddies, words in private."""

    ringer: Channels
    bell: BuddyBell
    teller: TelegramTeller
    channels: ChannelDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """What looks after something now and then, beside the cycle."""

    auditor: Auditor
    late: LateWatch
    key_checks: KeyChecks
    tiers: TierWatch
    turmoil: TurmoilWatch
    keeper: HistoryKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The bot in its parts, connected but at rest."""

    telegram: TelegramSide
    watch: Watch
    watches: Watches
    ringing: Ringing
    escalation: Escalation
    reports: Reports
    boards: BoardKeeper
    pushes: Pushes
    live: LiveMarks
    health: HealthServer | None  # None: nothing listens for it
    form: FormServer | None


def build_parts(ground: Ground) -> Parts:
    """All parts of the bot that the settings ask for."""
    settings, store, reader, clock = ground.settings, ground.store, ground.reader, ground.clock
    bot, metrics = build_bot(ground.token, settings.telegram_api_url), Metrics()
    ringing, operators = _ringing(store, bot), OperatorLine(bot)
    marks = VenueMarks(reader, settings.exchange_urls)
    services = _services(ground, ringing.channels, marks)
    telegram = build_telegram(ground.token, settings.telegram_api_url, services, bot=bot, webhook=_webhook(settings))
    cycle_settings = CycleSettings(poll_interval=settings.poll_every, stale_after=settings.blind_after)
    watch = build_watch(store, reader, telegram.messenger, settings=cycle_settings, clock=clock, meter=metrics)
    parts = Parts(
        telegram=telegram,
        watch=watch,
        watches=_watches(ground, watch.cycle, ringing.teller, operators),
        ringing=ringing,
        escalation=Escalation(store, ringing.bell, clock=clock, teller=ringing.teller),
        reports=services.reports,
        boards=_boards(ground, telegram, watch.delivery, metrics),
        pushes=Pushes(VenueStreams(VENUES, settings.exchange_urls, reader.api), store, watch.cycle, clock=clock),
        live=LiveMarks(marks, reader, store, watch.cycle, clock=clock),
        health=HealthServer(settings.listen, ground.vitals, metrics.page) if settings.listen else None,
        form=_form(ground, telegram),
    )
    _connect(ground, parts)
    watch.delivery.on_lost = LostLine(operators, settings.admin_ids).tell
    return parts


def _ringing(store: SqliteStore, bot: ExtBot[None]) -> Ringing:
    ringer = Channels(look_up=look_up)
    bell = BuddyBell(bot, ringer, store.name_of, store.language_of)
    teller = TelegramTeller(bot, store.zone_of, store.language_of)
    return Ringing(ringer=ringer, bell=bell, teller=teller, channels=ChannelDesk(store, bell))


def _services(ground: Ground, channels: ChannelDesk, marks: VenueMarks) -> Services:
    settings, store, reader, clock = ground.settings, ground.store, ground.reader, ground.clock
    access = Access(AccessMode(settings.access), settings.admin_ids, store)
    desk = build_desk(store, reader, access)
    return Services(
        funding=marks.funding,
        reports=Reports(store=store, status=desk.status, pause=settings.pause),
        registration=desk.registration,
        status=desk.status,
        preferences=desk.preferences,
        access=access,
        store=store,
        clock=clock,
        on_change=lambda _: ground.read(),
        health=lambda: in_words(ground.vitals()),
        stale_after=settings.blind_after,
        pause=settings.pause,
        channels=channels,
        buddies=BuddyDesk(store),
        dialogues=Dialogues(store),
        links=WebLinks(settings.form_url or ""),
        egress_ip=settings.egress_ip,
        hindsight=LookBack(reader=reader, store=store, clock=clock, poll=settings.poll_every),
    )


def _watches(ground: Ground, cycle: Cycle, teller: TelegramTeller, operators: OperatorLine) -> Watches:
    settings, store, reader, clock = ground.settings, ground.store, ground.reader, ground.clock
    auditor = Auditor(
        AuditFile(settings.database),
        operators,
        admins=settings.admin_ids,
        rules=AuditRules(poll_interval=settings.poll_every, stale_after=settings.blind_after),
        clock=clock,
    )
    trouble = TurmoilLine(operators, settings.admin_ids, store.language_of)
    return Watches(
        auditor=auditor,
        late=LateWatch(cycle, store, clock),
        key_checks=KeyChecks(reader, store, clock),
        tiers=TierWatch(reader, store, clock),
        turmoil=TurmoilWatch(store=store, quotes=reader, teller=teller, operators=trouble.tell, clock=clock),
        keeper=HistoryKeeper(store=store, clock=clock, retention=settings.retention, patience=settings.pause),
    )


def _boards(ground: Ground, telegram: TelegramSide, delivery: Delivery, metrics: Metrics) -> BoardKeeper:
    store = ground.store
    return BoardKeeper(
        store,
        TelegramBoards(telegram.application.bot, store.language_of, ground.settings.blind_after, store.zone_of),
        delivery.pacing,
        clock=ground.clock,
        moved=telegram.voice.follow,
        check_owners=telegram.presence.check_owners,
        meter=metrics,
    )


def _form(ground: Ground, telegram: TelegramSide) -> FormServer | None:
    address = ground.settings.form_address
    if not address:
        return None
    return FormServer(address, telegram.services.links, telegram.submitted, clock=ground.clock)


def _webhook(settings: Settings) -> Webhook | None:
    if settings.webhook_url is None:
        return None
    return Webhook(url=settings.webhook_url, address=settings.webhook_address, networks=settings.webhook_networks)


def _connect(ground: Ground, parts: Parts) -> None:
    """What the cycle asks of parts that are built on it."""
    cycle, turmoil = parts.watch.cycle, parts.watches.turmoil
    cycle.strained = lambda: turmoil.strained
    cycle.queue.ready_in, cycle.queue.pace = ground.reader.ready_in, ground.reader.pace
    if ground.settings.live_marks:
        cycle.on_recorded = parts.live.learn
