"""One reading of one account: read, judge, decide, write. Polling never sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from marginbot.domain.actions import acted_on
from marginbot.domain.alerting import (
    DEFAULT_REMINDERS,
    AlertState,
    Decision,
    Observation,
    Policy,
    Reason,
    Reminders,
    Seen,
    Unseen,
    step,
    watch,
)
from marginbot.domain.errors import Cause, NoSuchAccount, OurFault, ReadingError, VaultError, VenueDown
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.losses import Loss, described, losses
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.notices import UNNUMBERED, Facts, NewNotice, Note, NoteKind
from marginbot.domain.report import AccountReport, PoolReport, assess, with_way_back
from marginbot.domain.volatility import Volatility
from marginbot.flow import trail
from marginbot.flow.due import DueQueue
from marginbot.flow.intervals import interval, strained_interval
from marginbot.flow.meter import Meter, Unmetered
from marginbot.flow.outage import joined
from marginbot.flow.ports import (
    Account,
    Credential,
    CycleRecord,
    ExchangeReader,
    LastReading,
    Reading,
    Store,
    Unreadable,
)
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

ACCOUNT = ""  # the subject that stands for the account itself

BAN_PAUSE = timedelta(seconds=60)
ENDINGS = frozenset({Reason.RECOVERED, Reason.LIQUIDATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSettings:
    """How often to read, and when silence becomes news."""

    poll_interval: timedelta
    stale_after: timedelta
    read_timeout: timedelta = timedelta(seconds=25)
    second_opinion_after: timedelta = timedelta(seconds=2)


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
            self.tasks.spawn(self._batch(due))
        elif self.queue.is_idle:  # nothing due while others are being read is not a complete cycle
            self.completed_at, self.caught_up = now, True
            self._meter.cycle(now - now)
        return len(due)

    async def run(self) -> int:
        """One complete cycle: read what is due and wait until it is written down."""
        count = self.dispatch()
        await self.tasks.settle()
        return count

    async def _batch(self, due: Sequence[Account]) -> None:
        began = self._clock()
        if all(await asyncio.gather(*(self._guarded(account) for account in due))):
            self.completed_at = self._clock()
            self._meter.cycle(self.completed_at - began)
            self.caught_up = self.caught_up or self.queue.is_idle

    async def _guarded(self, account: Account) -> bool:
        try:
            is_written = await self._tried(account)
        finally:
            self.queue.done(account)
        if self.queue.has_more(account.exchange) and (due := self.queue.take(account.exchange, self._clock())):
            self.tasks.spawn(self._batch(due))  # whose turn it is takes the place that was left
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
            written = await self.read(account)
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

    async def read(self, account: Account) -> CycleRecord:
        """Read one account and write down what follows."""
        reading, volatilities = await self._reading(account)
        self._meter.reading(account.exchange, reading.cause if isinstance(reading, Unreadable) else "ok")
        # From here to the end nothing is awaited: what a person does meanwhile is either seen or comes after.
        record = self.conclude(account, reading, volatilities)
        self._store.record(record)
        if isinstance(reading, Unreadable):
            trail.unread(account.id, account.exchange, reading)
        trail.decided(record.notices)
        self.on_recorded(account, record)
        return record

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

    async def _reading(self, account: Account) -> tuple[Reading, Mapping[str, Volatility]]:
        try:
            async with asyncio.timeout(self._settings.read_timeout.total_seconds()):
                found = await self._asked(account)
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

    async def _asked(self, account: Account) -> tuple[Reading, Mapping[str, Volatility]]:
        credential = self._store.credential(account.id)
        return await take_reading(self._reader, account.exchange, credential, self._clock())


async def take_reading(
    reader: ExchangeReader, exchange: str, credential: Credential, now: datetime
) -> tuple[Reading, Mapping[str, Volatility]]:
    """A snapshot with the volatilities needed to judge it, or why there is none."""
    try:
        snapshot = await reader.read(exchange, credential, now)
        return snapshot, await reader.volatilities(exchange, underlyings_of(snapshot), now)
    except ReadingError as error:
        log.info("%s: %s: %s", exchange, error.cause, error)
        return Unreadable(error.cause, str(error), error.advice), {}
    except TimeoutError:
        raise  # the caller's deadline
    except Exception as error:
        # A bug in reading must not stop the other accounts, nor pass for silence.
        log.exception("%s: reading failed", exchange)
        return _our_fault(error), {}


def _our_fault(error: Exception) -> Unreadable:
    return Unreadable(Cause.OUR_FAULT, type(error).__name__, OurFault.advice)


def underlyings_of(snapshot: Snapshot) -> set[str]:
    """Everything whose price moves one of the pools."""
    positions = {position.underlying for pool in snapshot.pools for position in pool.positions}
    return positions | {coin.asset for pool in snapshot.pools for coin in pool.collateral}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of an account when a reading of it arrives."""

    account: Account
    states: Mapping[str, AlertState]
    ladders: Ladders
    settings: CycleSettings
    now: datetime
    strained: bool = False
    reminders: Reminders = DEFAULT_REMINDERS
    last: Callable[[], AccountReport | None] = lambda: None  # of the last good reading

    @property
    def policy(self) -> Policy:
        """The part that bears on alerts; going blind takes at least two missed readings."""
        stale_after = max(self.settings.stale_after, 2 * self.settings.poll_interval)
        return Policy(stale_after=stale_after, reminders=self.reminders)


def judged(context: Context, reading: Reading, volatilities: Mapping[str, Volatility]) -> CycleRecord:
    """`decide`, where a bug of ours makes the account unreadable: it must not pass for silence."""
    try:
        return decide(context, reading, volatilities)
    except Exception as error:
        log.exception("account %s: judging failed", context.account.id)
        return decide(context, _our_fault(error), {})


def decide(context: Context, reading: Reading, volatilities: Mapping[str, Volatility]) -> CycleRecord:
    """What a reading leads to: new states, notices, and when to read again. Pure."""
    if isinstance(reading, Unreadable):
        return _decide_unreadable(context, reading)
    report = _assessed(context, reading, volatilities)
    states: dict[str, AlertState] = {}
    notices: list[NewNotice] = []
    last = context.last() if _may_be_gone(report, context.states) else None
    lost = {} if last is None else losses(last, report)
    for subject, observation, pool in _observations(context, report, lost):
        before = context.states.get(subject, AlertState())
        judge = watch if subject == ACCOUNT else step
        decision = judge(before, observation, policy=context.policy, now=context.now)
        states[subject] = decision.state
        if decision.speak:
            told = pool and with_way_back(pool, reading, volatilities, ladders=context.ladders, now=context.now)
            facts = replace(_facts(context, decision, before, report=report, pool=told), loss=lost.get(subject))
            notices.append(_notice(context, subject, decision, facts))
    return CycleRecord(
        account_id=context.account.id,
        at=context.now,
        report=report,
        states=states,
        notices=notices,
        notes=[note_of_end(notice) for notice in notices if notice.facts.reason in ENDINGS],
        next_due_at=context.now + _wait(context, report),
        reading=LastReading(reading, volatilities),
    )


def _assessed(context: Context, reading: Snapshot, volatilities: Mapping[str, Volatility]) -> AccountReport:
    """Judged after the grades before it, but for the pools whose owner has done something about them."""
    previous = {name: state.grade for name, state in context.states.items() if state.grade is not None}
    report = assess(reading, volatilities, ladders=context.ladders, previous=previous, now=context.now)
    last = context.last() if any(pool.is_held for pool in report.pools) else None
    acted = set() if last is None else acted_on(last, report)
    if not acted:
        return report
    kept = {name: grade for name, grade in previous.items() if name not in acted}
    return assess(reading, volatilities, ladders=context.ladders, previous=kept, now=context.now)


def _decide_unreadable(context: Context, reading: Unreadable) -> CycleRecord:
    before = context.states.get(ACCOUNT, AlertState())
    decision = watch(before, Unseen(reading.cause), policy=context.policy, now=context.now)
    notices = []
    if decision.speak:
        facts = replace(_facts(context, decision, before, report=None, pool=None), advice=reading.advice)
        notices.append(_notice(context, ACCOUNT, decision, facts))
    wait = interval(context.settings.poll_interval, before.grade, before.cushion)
    if reading.cause in (Cause.BANNED, Cause.RATE_LIMITED):
        wait = max(wait, context.settings.poll_interval, BAN_PAUSE if reading.cause is Cause.BANNED else wait)
    return CycleRecord(
        account_id=context.account.id,
        at=context.now,
        report=None,
        states={ACCOUNT: decision.state},
        notices=notices,
        next_due_at=context.now + wait,
        refused=reading.cause if reading.cause.owner_must_act else None,
    )


def _may_be_gone(report: AccountReport, states: Mapping[str, AlertState]) -> bool:
    """Whether a pool that had something to lose has no position any more."""
    held = {pool.name for pool in report.pools if pool.state is not PoolState.FLAT} | {ACCOUNT}
    return any(
        name not in held and (state.cushion is not None or (state.grade or Grade.OK) > Grade.OK)
        for name, state in states.items()
    )


def _observations(
    context: Context, report: AccountReport, lost: Mapping[str, Loss]
) -> list[tuple[str, Observation, PoolReport | None]]:
    """The account itself first, then its pools; a pool that is gone was closed: the snapshot is complete."""
    grade = report.grade or Grade.OK
    cushions = [pool.cushion for pool in report.pools if pool.cushion is not None]
    found: list[tuple[str, Observation, PoolReport | None]] = [
        (ACCOUNT, Seen(grade, min(cushions, default=None)), report.worst)
    ]
    for pool in report.pools:
        found.append((pool.name, _seen(pool, is_lost=pool.name in lost), pool))
    present = {pool.name for pool in report.pools} | {ACCOUNT}
    states = context.states.items()
    left = [name for name, state in states if name not in present and (name in lost or not state.is_settled)]
    return found + [(name, Seen(Grade.OK, is_gone=True, is_lost=name in lost), None) for name in left]


def _seen(pool: PoolReport, *, is_lost: bool) -> Observation:
    if pool.grade is None:
        return Unseen(Cause.POOL_UNKNOWN)
    flat = pool.state is PoolState.FLAT
    return Seen(pool.grade, pool.cushion, is_gone=flat, is_lost=is_lost, afresh=pool.afresh)


def _facts(
    context: Context, decision: Decision, before: AlertState, *, report: AccountReport | None, pool: PoolReport | None
) -> Facts:
    state = decision.state
    held = [p for p in report.positions if p.pool == pool.name] if report and pool else []
    return Facts(
        label=context.account.label,
        exchange=context.account.exchange,
        mode=report.mode if report else "",
        reason=decision.reason,
        at=context.now,
        read_at=report.taken_at if report else None,
        grade=state.grade,
        previous=before.grade,
        pool=pool,
        positions=tuple(described(p.side, p.contracts, p.symbol) for p in held),
        cause=state.blind_cause,
        blind_since=_unwatched_since(decision, before),
        last_cushion=before.cushion,
        warnings=report.warnings if report else (),
        episode_worst=None if before.grade is None else before.worst,
    )


def _unwatched_since(decision: Decision, before: AlertState) -> datetime | None:
    if decision.reason is Reason.SIGHT_BACK:
        return before.blind_since or before.seen_at
    return decision.state.blind_since


def _notice(context: Context, subject: str, decision: Decision, facts: Facts) -> NewNotice:
    return NewNotice(
        account_id=context.account.id,
        subject=subject,
        episode=decision.state.episode,
        number=decision.state.number,
        user_id=context.account.user_id,
        chat_id=context.account.chat_id,
        sound=decision.sound,
        facts=facts,
    )


def _wait(context: Context, report: AccountReport) -> timedelta:
    cushion = min((pool.cushion for pool in report.pools if pool.cushion is not None), default=None)
    usual = interval(context.settings.poll_interval, report.grade, cushion)
    return strained_interval(usual, report.grade, cushion, context.policy) if context.strained else usual


def note_of_end(ending: NewNotice) -> NewNotice:
    """The episode's message shows its end, too: its buttons have lost their use."""
    facts = ending.facts
    over = Facts(
        label=facts.label,
        exchange=facts.exchange,
        mode=facts.mode,
        reason=Reason.UNCHANGED,
        at=facts.at,
        grade=None,
        note=Note(NoteKind.OVER),
    )
    return replace(ending, number=UNNUMBERED, sound=False, facts=over)
