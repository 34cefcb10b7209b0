"""Delivery: sends what was written, then writes what became of it. Delivery never grades."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from marginbot.domain.alerting import Reason
from marginbot.domain.notices import (
    DropReason,
    Moved,
    Notice,
    Outcome,
    Sent,
    TryAgain,
    Unreachable,
    overtaken,
    retry_at,
    urgency,
)
from marginbot.flow.ports import Messenger, Store
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

MAX_CHATS_AT_ONCE = 8


class Delivery:
    """Works the outbox off: chats side by side, the most endangered first, each subject's story in order."""

    def __init__(self, store: Store, messenger: Messenger, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._messenger = messenger
        self._clock = clock
        self._not_before: dict[int, datetime] = {}  # flood waits, by chat
        self._busy: set[int] = set()
        self._slots = asyncio.Semaphore(MAX_CHATS_AT_ONCE)
        self.tasks = Tasks()

    def dispatch(self) -> int:
        """Start working every chat that has notices due and is not being worked already; returns how many."""
        queues = [q for q in self._by_chat(self._store.pending_notices()) if q[0].chat_id not in self._busy]
        for queue in queues:
            self._busy.add(queue[0].chat_id)
            self.tasks.spawn(self._work(queue))
        return len(queues)

    async def run(self) -> None:
        """Send everything that is due now, and wait until the outcome is written down."""
        self.dispatch()
        await self.tasks.settle()

    async def _work(self, queue: Sequence[Notice]) -> None:
        try:
            async with self._slots:
                await self._work_off(queue)
        finally:
            self._busy.discard(queue[0].chat_id)

    def _by_chat(self, pending: Sequence[Notice]) -> list[list[Notice]]:
        """One queue per chat; within it the subjects by their most urgent notice, each subject oldest first."""
        now = self._clock()
        chats: dict[int, list[Notice]] = defaultdict(list)
        for notice in pending:
            if self._not_before.get(notice.chat_id, now) <= now:
                chats[notice.chat_id].append(notice)
        queues = [_in_order(notices) for notices in chats.values()]
        return sorted(queues, key=lambda queue: min(urgency(notice) for notice in queue))

    async def _work_off(self, queue: Sequence[Notice]) -> None:
        newest = {(n.account_id, n.subject): n.id for n in sorted(queue, key=lambda n: n.id)}
        for notice in queue:
            now = self._clock()
            reason = self._point_lost(notice, newest[notice.account_id, notice.subject], now)
            if reason is not None:
                self._store.drop_notice(notice.id, reason, now)
                continue
            if notice.next_attempt_at is not None and notice.next_attempt_at > now:
                continue
            if not isinstance(await self._attempt(notice), Sent):
                return  # the chat has trouble: leave the rest in order for the next round

    def _point_lost(self, notice: Notice, newest_id: int, now: datetime) -> DropReason | None:
        if overtaken(notice, newest_id, now):
            return DropReason.OVERTAKEN
        if notice.facts.reason is Reason.REMINDER_DUE and notice.facts.grade is not None:
            state = self._store.states(notice.account_id).get(notice.subject)
            if state and state.mute and state.mute.covers(notice.facts.grade, now):
                return DropReason.ACKNOWLEDGED
        return None

    async def _attempt(self, notice: Notice) -> Outcome:
        self._store.begin_attempt(notice.id, self._clock())
        outcome = await self._sent(notice)
        now = self._clock()
        again: datetime | None = None
        if isinstance(outcome, TryAgain):
            again = retry_at(outcome, notice.attempts + 1, now)
            if outcome.after is not None:
                self._not_before[notice.chat_id] = again
            log.warning("notice %s not accepted, next try %s: %s", notice.id, again.isoformat(), outcome.error)
        elif isinstance(outcome, Unreachable):
            log.warning("notice %s cannot be delivered: %s", notice.id, outcome.error)
        elif isinstance(outcome, Moved):
            self._store.move_chat(notice.chat_id, outcome.chat_id)
            again = now
        self._store.finish_attempt(notice.id, outcome, again, now)
        return outcome

    async def _sent(self, notice: Notice) -> Outcome:
        try:
            return await self._messenger.send(notice, self._clock())
        except Exception as error:
            # A bug in rendering one notice must not hold up the chat's others: it is tried again, ever later.
            log.exception("notice %s could not be sent", notice.id)
            return TryAgain(type(error).__name__)


def _in_order(notices: Sequence[Notice]) -> list[Notice]:
    subjects: dict[tuple[int, str], list[Notice]] = defaultdict(list)
    for notice in notices:
        subjects[notice.account_id, notice.subject].append(notice)
    stories = sorted(subjects.values(), key=lambda story: min(urgency(notice) for notice in story))
    return [notice for story in stories for notice in sorted(story, key=lambda n: n.id)]
