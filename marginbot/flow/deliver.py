"""Delivery: sends what was written, then writes what became of it. Delivery never grades.

What a chat is told next is decided when it can be told: nothing queues behind a decision. One message at a time to
a chat, few at a time in all; everything due for a chat leaves together, the worst first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from marginbot.domain.backlog import Backlog, Story
from marginbot.domain.hours import may_wait
from marginbot.domain.notices import DropReason, Line, Notice, is_urgent, overtaken, quieted_grade, shown, urgency
from marginbot.domain.outcomes import Moved, NotEditable, Outcome, Sent, TryAgain, Unreachable, retry_at
from marginbot.domain.pacing import LineTrouble, Pacing, patience
from marginbot.flow import trail
from marginbot.flow.ports import Messenger, Store
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_IN_FLIGHT = 24  # of what is urgent: answers that do not come must not keep the others waiting
MOST_CALM_IN_FLIGHT = 6
MOST_IN_A_BUNDLE = 10
LEASE = timedelta(seconds=15)  # longer than `pacing.patience`
RELOAD_AFTER = timedelta(seconds=5)
HOLD_LOOKS_AGAIN = timedelta(seconds=60)
SHORTEST_NAP = 0.002


class Delivery:
    """Works the outbox off: chats side by side, the most endangered first, each subject's story in order."""

    def __init__(self, store: Store, messenger: Messenger, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._messenger = messenger
        self._clock = clock
        self._backlog = Backlog()
        self.pacing = Pacing()
        self.on_lost: Callable[[Notice], Coroutine[None, None, None]] | None = (
            None  # told once of each chat that takes nothing
        )
        self._lost: set[int] = set()
        self._line = LineTrouble()
        self._alone: set[int] = set()  # what a bundle was refused for is sent by itself
        self._in_flight = 0
        self._reload_at: datetime | None = None
        self._nap: asyncio.TimerHandle | None = None
        self._stopped = False
        self.tasks = Tasks()

    def dispatch(self) -> int:
        """Start sending whatever may leave now; returns how many messages. The rest leaves as soon as it may."""
        if self._stopped:
            return 0
        now = self._clock()
        self._load(now)
        self._probe(now)
        started, wakes_at = 0, None
        while (turn := self._turn(now)) is not None:
            chat_id, urgent = turn
            if self._in_flight >= (MOST_IN_FLIGHT if urgent else MOST_CALM_IN_FLIGHT):
                break  # the end of one looks again
            ready_at = self.pacing.lane_ready_at(now, urgent=urgent)
            if ready_at > now:
                wakes_at = ready_at
                break
            started += self._start(chat_id, now, urgent=urgent)
        self._sleep(now, wakes_at)
        return started

    async def run(self) -> None:
        """Send everything that may leave now, and wait until the outcome is written down."""
        self.dispatch()
        await self.tasks.settle()

    async def stop(self, grace: float) -> None:
        """Start nothing new; let what is on its way arrive."""
        self._stopped = True
        if self._nap is not None:
            self._nap.cancel()
        await self.tasks.stop(grace)

    def _load(self, now: datetime) -> None:
        if self._reload_at is not None and self._reload_at <= now:
            self._backlog.clear()
            self._reload_at = None
        self._backlog.add(self._store.pending_lines(self._backlog.newest_id), now)

    def _probe(self, now: datetime) -> None:
        """While nothing gets through at all, one message now and then finds out when that has ended."""
        if not self._line.is_probe_due(now):
            return
        free = [
            (rest, line)
            for line in self._backlog.waiting(self._line.failed)
            if (rest := self.pacing.rest(line.chat_id, now)) is not None
        ]
        if free:
            # By turns, so that the trouble's end finds no chat's burst used up by asking for it.
            _, line = max(free, key=lambda one: (is_urgent(urgency(one[1])), one[0], -one[1].id))
            self._hasten([line], now)
        self._line.probed(now)

    def _hasten(self, lines: Sequence[Line], now: datetime) -> None:
        self._store.hasten([line.id for line in lines], now)
        for line in lines:
            self._backlog.change(line.id, next_attempt_at=now)
            self._backlog.touch(line.chat_id, now)

    def _turn(self, now: datetime) -> tuple[int, bool] | None:
        """The chat whose turn it is, and whether it is urgent; chats that were told enough for now are put off."""
        while (found := self._backlog.first(now)) is not None:
            chat_id, rank = found
            ready_at = self.pacing.chat_ready_at(chat_id, now)
            if ready_at <= now:
                return chat_id, is_urgent(rank)
            self._backlog.park(chat_id, ready_at)
        return None

    def _sleep(self, now: datetime, wakes_at: datetime | None) -> None:
        """Look again by itself when something may leave; the ends of sends and the scheduler look as well."""
        if self._nap is not None:
            self._nap.cancel()
            self._nap = None
        wakes = [at for at in (wakes_at, self._backlog.wakes_at(), self._line.probe_at, self._reload_at) if at]
        if wakes:
            seconds = max(SHORTEST_NAP, (min(wakes) - now).total_seconds())
            self._nap = asyncio.get_running_loop().call_later(seconds, self.dispatch)

    def _start(self, chat_id: int, now: datetime, *, urgent: bool) -> bool:
        """Take what the chat is told next. Nothing is awaited in here: who acknowledges, does it before or after."""
        heads = [head for story in self._backlog.stories(chat_id, now) if (head := self._head(story, now)) is not None]
        wanted, message_id = self._together(heads)
        taken = self._store.begin_attempts([line.id for line in wanted], now, now + LEASE) if wanted else []
        for line in wanted:
            self._backlog.change(line.id, attempts=line.attempts + 1, next_attempt_at=now + LEASE)
        for missing in {line.id for line in wanted} - {notice.id for notice in taken}:
            # Its account was removed, or another loop sends it, or it cannot be read: the database knows.
            self._backlog.remove(missing)
            self._reload_at = self._reload_at or now + RELOAD_AFTER
        if not taken:
            self._backlog.touch(chat_id, now)
            return False
        self.pacing.take(chat_id, now, urgent=urgent)
        self._backlog.leave(chat_id)
        self._in_flight += 1
        self.tasks.spawn(self._work(taken, message_id))
        return True

    def _head(self, story: Story, now: datetime) -> Line | None:
        """What is told next of a story; what lost its point is dropped on the way."""
        for line in list(story):
            reason = self._point_lost(line, story, now)
            if reason is None:
                return line if line.is_due(now) and not self._is_held(line, now) else None
            self._store.drop_notice(line.id, reason, now)
            self._backlog.remove(line.id)
        return None

    def _is_held(self, line: Line, now: datetime) -> bool:
        """Whether it waits for the end of its reader's quiet hours.

        Only noted, not scheduled: what is held is pending, and is decided anew after a restart, and every minute, so
        that hours which were changed count at once.
        """
        until = self._store.quiet_until(line.user_id, now) if may_wait(line) else None
        if until is None:
            return False
        if until != line.held_until:
            self._store.hold_notice(line.id, until)
        self._backlog.hold(line.id, until, min(until, now + HOLD_LOOKS_AGAIN))
        return True

    def _together(self, heads: Sequence[Line]) -> tuple[Sequence[Line], int | None]:
        """What goes in one request: new messages first, else all changes of one message, and which message that is."""
        bases = {head.id: self._store.episode_message(head.id) for head in heads if head.amends}
        new = [head for head in heads if bases.get(head.id) is None and not head.is_note]
        if new and new[0].id in self._alone:
            return new[:1], None
        if new:
            return [head for head in new if head.id not in self._alone][:MOST_IN_A_BUNDLE], None
        message_id = next((base for base in bases.values() if base is not None), None)
        return [head for head in heads if bases[head.id] == message_id], message_id

    def _point_lost(self, line: Line, story: Story, now: datetime) -> DropReason | None:
        if overtaken(line, story, now):
            return DropReason.OVERTAKEN
        if line.is_note and self._store.episode_message(line.id) is None:
            return DropReason.NOTHING_TO_NOTE_IT_ON
        grade = quieted_grade(line) if line.held_until is None else line.grade
        if grade is not None:
            state = self._store.states(line.account_id).get(line.subject)
            if state and state.mute and state.mute.covers(grade, now):
                return DropReason.ACKNOWLEDGED
        return None

    async def _work(self, notices: Sequence[Notice], message_id: int | None) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await (self._tell(notices) if message_id is None else self._amend(notices, message_id))
        finally:
            now, chat_id = self._clock(), notices[0].chat_id
            self._in_flight -= 1
            self.pacing.done(chat_id, now, taken=not (isinstance(outcome, TryAgain) and outcome.untaken))
            self._backlog.back(chat_id, now)
            self.dispatch()

    async def _tell(self, notices: Sequence[Notice]) -> Outcome:
        if len(notices) == 1:
            outcome = await self._tried(notices, lambda: self._messenger.send(notices[0], self._clock()))
        else:
            outcome = await self._tried(notices, lambda: self._messenger.send_bundle(notices, self._clock()))
        self._finish(notices, outcome, self._clock())
        return outcome

    async def _amend(self, notices: Sequence[Notice], message_id: int) -> Outcome | None:
        """Change a message; what cannot be told by that becomes a message of its own, a note is dropped with a reason.

        The change is made from what is recorded, so that making it twice after a crash is making it once.
        """
        told = shown([*self._store.carried(notices[0].chat_id, message_id), *notices])
        outcome = await self._tried(notices, lambda: self._messenger.amend(message_id, told, self._clock()))
        if not isinstance(outcome, NotEditable):
            self._finish(notices, outcome, self._clock())
            return outcome
        log.info("message %s cannot be changed: %s", message_id, outcome.error)
        for note in (notice for notice in notices if notice.facts.note is not None):
            self._store.drop_notice(note.id, DropReason.NOTHING_TO_NOTE_IT_ON, self._clock())
            self._backlog.remove(note.id)
        news = [notice for notice in notices if notice.facts.note is None]
        return await self._tell(news) if news else None

    async def _tried(self, notices: Sequence[Notice], request: Callable[[], Awaitable[T]]) -> T | TryAgain:
        ids = [notice.id for notice in notices]
        try:
            async with asyncio.timeout(patience(self._line.unanswered(ids), urgent=self._backlog.is_urgent(ids))):
                return await request()
        except TimeoutError:
            return TryAgain("no answer in time", line=True)
        except Exception as error:
            # A bug in rendering one notice must not hold up the chat's others: it is tried again, ever later.
            log.exception("notices %s could not be sent", ids)
            return TryAgain(type(error).__name__)

    def _finish(self, notices: Sequence[Notice], outcome: Outcome, now: datetime) -> None:
        ids, chat_id = [notice.id for notice in notices], notices[0].chat_id
        again: datetime | None = None
        if isinstance(outcome, TryAgain):
            again = self._again(notices, outcome, now)
            log.warning("notices %s not accepted, again by %s at the latest: %s", ids, again.isoformat(), outcome.error)
        elif isinstance(outcome, Unreachable):
            log.warning("notices %s cannot be delivered: %s", ids, outcome.error)
            self._lose(notices)
        elif isinstance(outcome, Moved):
            self._store.move_chat(chat_id, outcome.chat_id)
            again = self._reload_at = now
        self._store.finish_attempts(ids, outcome, again, now)
        trail.handed_over(notices, outcome)
        for notice_id in ids:
            if again is None:
                self._line.arrived([notice_id])
                self._backlog.remove(notice_id)
                self._alone.discard(notice_id)
            else:
                self._backlog.change(notice_id, next_attempt_at=again)
        if isinstance(outcome, Sent):
            self._lost.discard(chat_id)
            if held_up := self._backlog.waiting(self._line.passed()):
                self._hasten(held_up, now)

    def _lose(self, notices: Sequence[Notice]) -> None:
        chat_id = notices[0].chat_id
        if self.on_lost is not None and chat_id not in self._lost:
            self._lost.add(chat_id)
            self.tasks.spawn(self.on_lost(notices[0]))  # the worst of them

    def _again(self, notices: Sequence[Notice], outcome: TryAgain, now: datetime) -> datetime:
        ids = [notice.id for notice in notices]
        urgent, attempts = self._backlog.is_urgent(ids), max(notice.attempts for notice in notices) + 1
        if outcome.line:
            self._line.did_not_pass(ids, now, untaken=outcome.untaken)
            attempts = self._line.unanswered(ids) if urgent else self._line.own_failures(ids)
        elif outcome.after is None and len(notices) > 1:
            self._alone.update(ids)
            return now
        again = retry_at(outcome, attempts, now, failures=self._line.failures, urgent=urgent)
        if outcome.after is not None:
            self.pacing.flooded(notices[0].chat_id, again, now)
        return again
