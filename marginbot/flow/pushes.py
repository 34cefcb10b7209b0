"""A venue's own warnings, as they come: a bonus beside the readings, never instead of them.

Margin calls of venues come late or not at all, so their silence means nothing and is told to nobody. One that comes
makes the account be read at once; if it cannot be read, the warning raises the grade by itself.
What the venue has closed by then is told as it says, once an order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from marginbot.domain.alerting import AlertState, Reason, Seen
from marginbot.domain.errors import Cause, NoSuchAccount, ReadingError, VaultError
from marginbot.domain.forced import ForcedClose
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Facts, NewNotice
from marginbot.domain.pushed import RiskPush, concerned
from marginbot.domain.transition import step
from marginbot.flow.cycle import Cycle
from marginbot.flow.decide import Context, notice_of, without_reading
from marginbot.flow.intervals import interval
from marginbot.flow.ports import Account, Credential, CycleRecord, Store
from marginbot.flow.tasks import Tasks, ended

log = logging.getLogger(__name__)

UNNOTICED = timedelta(seconds=75)  # a broken line is noticed later than this only where the system notices none
CATCH_UP_PAUSE = 5.0  # seconds from one account to the next: readings need the venue's budget more
SETTLES = timedelta(seconds=2)  # what comes within this belongs to the warning before
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
PUSHED_GRADE = Grade.CRITICAL


class PushSource(Protocol):
    """Streams of venues."""

    def offers(self, exchange: str) -> bool:
        """Whether this venue sends warnings."""

    def listen(
        self, exchange: str, credential: Credential, clock: Callable[[], datetime], opened: Callable[[], None]
    ) -> AsyncGenerator[RiskPush, None]:
        """Warnings until the connection ends; `opened` is called when they can be heard.

        Raises `ReadingError` for what goes wrong.
        """

    async def missed(
        self, exchange: str, credential: Credential, start: datetime, end: datetime
    ) -> tuple[ForcedClose, ...] | None:
        """What the venue closed in that time; None where it does not tell afterwards. Raises `ReadingError`."""


class Pushes:
    """One listener an account, at venues that send warnings."""

    def __init__(
        self,
        source: PushSource,
        store: Store,
        cycle: Cycle,
        *,
        clock: Callable[[], datetime],
        first_pause: float = FIRST_PAUSE,
        catch_up_pause: float = CATCH_UP_PAUSE,
    ) -> None:
        self._source = source
        self._store = store
        self._cycle = cycle
        self._clock = clock
        self._listeners: dict[int, asyncio.Task[None]] = {}
        self._heard_at: dict[int, datetime] = {}
        self._deaf_since: dict[int, datetime] = {}
        self._first_pause, self._catch_up_pause = first_pause, catch_up_pause
        self._catching_up = asyncio.Lock()
        self._tasks = Tasks()
        self._told: set[tuple[int, str]] = set()  # spares the store; after a restart the outbox knows

    def dispatch(self) -> None:
        """Listen for every account that is polled, and for no other."""
        wanted = {a.id: a for a in self._store.active_accounts() if self._source.offers(a.exchange)}
        for account_id in set(self._listeners) - set(wanted):
            self._listeners.pop(account_id).cancel()
            self._deaf_since.pop(account_id, None)
        for account_id, account in wanted.items():
            task = self._listeners.get(account_id)
            if task is None or task.done():
                self._listeners[account_id] = asyncio.create_task(self._listen(account))

    async def stop(self) -> None:
        """Hang up."""
        await ended(*self._listeners.values())
        await self._tasks.stop(0.0)
        self._listeners.clear()

    async def _listen(self, account: Account) -> None:
        pause = self._first_pause
        while True:
            began = self._clock()
            try:
                credential = self._store.credential(account.id)
                opened = partial(self._opened, account)
                async with aclosing(self._source.listen(account.exchange, credential, self._clock, opened)) as found:
                    async for push in found:
                        await self.heard(account, push)
            except NoSuchAccount:
                return
            except (ReadingError, VaultError) as error:
                log.info("account %s: no warnings from %s for now: %s", account.id, account.exchange, error)
            except Exception:
                # A bonus must not end anything else; the readings go on.
                log.exception("account %s: listening to %s failed", account.id, account.exchange)
            self._deaf_since.setdefault(account.id, max(began, self._clock() - UNNOTICED))
            if self._clock() - began > timedelta(seconds=LONGEST_PAUSE):
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _opened(self, account: Account) -> None:
        since = self._deaf_since.pop(account.id, None)
        if since is not None:
            self._tasks.spawn(self._catch_up(account, since, self._clock()))

    async def _catch_up(self, account: Account, since: datetime, until: datetime) -> None:
        """What the venue closed while nobody heard it is asked for once; operators are told of what stays unknown.

        The credential is opened when its turn comes: after an outage many accounts wait for theirs.
        """
        gap = f"account {account.id}: what {account.exchange} closed between {since:%F %T} and {until:%F %T} UTC"
        async with self._catching_up:
            try:
                credential = self._store.credential(account.id)
                closed = await self._source.missed(account.exchange, credential, since, until)
            except NoSuchAccount:
                return
            except (ReadingError, VaultError) as error:
                log.warning("%s is not known: %s", gap, error)
            else:
                if closed is None:
                    log.warning("%s is not known: it is not told afterwards", gap)
                else:
                    log.info("%s was asked for: %s fills", gap, len(closed))
                    self._tell(account, closed)
                if closed:
                    await self._cycle.read_now(account)
            await asyncio.sleep(self._catch_up_pause)

    async def heard(self, account: Account, push: RiskPush) -> None:
        """Read the account now; where that fails, believe the warning."""
        self._tell(account, push.closed)
        now, before = self._clock(), self._heard_at.get(account.id)
        if before is not None and now - before < SETTLES:
            return
        self._heard_at[account.id] = now
        log.warning("account %s: %s warns: %s", account.id, account.exchange, push.what)
        record = await self._cycle.read_now(account)
        if record is None or record.report is not None:
            return
        raised = raised_by(push, self._cycle.context(account), cause=self._cause(record))
        if raised is not None:
            self._store.record(raised)
            self._cycle.on_notices()

    def _tell(self, account: Account, closed: tuple[ForcedClose, ...]) -> None:
        """Each of the venue's own orders once: its further fills, and what is sent again, are no news."""
        news = {close.order: close for close in reversed(closed) if (account.id, close.order) not in self._told}
        if not news:
            return
        self._store.record(told_by([*reversed(news.values())], account, self._clock()))
        self._told |= {(account.id, order) for order in news}
        self._cycle.on_notices()

    @staticmethod
    def _cause(record: CycleRecord) -> Cause | None:
        return next((state.blind_cause for state in record.states.values()), None)


def told_by(closed: Sequence[ForcedClose], account: Account, now: datetime) -> CycleRecord:
    """What was traded, each order a story of its own, so that none takes another's place. Pure."""
    notices = [
        NewNotice(
            account_id=account.id,
            subject=f"{close.kind} {close.order}",
            episode=1,
            number=1,
            user_id=account.user_id,
            chat_id=account.chat_id,
            sound=True,
            facts=Facts(
                label=account.label,
                exchange=account.exchange,
                mode="",
                reason=Reason.UNCHANGED,
                at=now,
                grade=None,
                forced=close,
            ),
        )
        for close in closed
    ]
    return CycleRecord(account_id=account.id, at=now, report=None, states={}, notices=notices, next_due_at=now)


def raised_by(push: RiskPush, context: Context, *, cause: Cause | None) -> CycleRecord | None:
    """What a warning leads to when the account cannot be read; None where it says nothing new. Pure.

    The pools it may be about are raised to CRITICAL; the next reading judges them as ever. Being unreadable stays
    what it is, and is told by itself.
    """
    states: dict[str, AlertState] = {}
    notices = []
    for subject in concerned(push, context.states):
        before = context.states.get(subject, AlertState())
        if (before.grade or Grade.OK) >= PUSHED_GRADE:
            continue  # told, and repeated until somebody acknowledges it
        sighted = replace(before, blind_since=None, blind_cause=None, blind_spoke_at=None)
        decision = step(sighted, Seen(PUSHED_GRADE, before.cushion), policy=context.policy, now=context.now)
        states[subject] = decision.state
        if decision.speak:
            facts = Facts(
                label=context.account.label,
                exchange=context.account.exchange,
                mode="",
                reason=decision.reason,
                at=context.now,
                grade=decision.state.grade,
                previous=before.grade,
                last_cushion=before.cushion,
                venue_says=push.what,
                unread_because=cause,
            )
            notices.append(notice_of(context, subject, decision, facts))
    return without_reading(context, states, notices, wait=interval(context.settings.poll_interval, PUSHED_GRADE))
