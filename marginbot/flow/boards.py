"""Live boards: who may start and end one, and the loop that keeps them up to date.

Alerts come first: while one is due, a board waits, up to a minute; it uses the calm lane of the same pacing, and what
a group asks for by a flood wait binds that group's board alone. What a group was told is written only after Telegram
took it: a crash in between tells it once more, never less.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from marginbot.domain.board import Board, Seen, Step, step, told_after, worsened
from marginbot.domain.errors import BoardEnding, NothingShared, NotTheirBoard
from marginbot.domain.outcomes import Moved, NotEditable, Outcome, Sent, TryAgain, Unreachable, retry_at
from marginbot.domain.pacing import Pacing
from marginbot.flow.access import Access
from marginbot.flow.meter import OUTCOMES, Meter, Unmetered
from marginbot.flow.ports import Person, Standing, Store
from marginbot.flow.status import Status, grade_of
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

Told = TypeVar("Told", bound=Outcome | NotEditable)

MOST_AT_ONCE = 4
MOST_IN_A_LOOK = 20  # reading and laying out one takes a millisecond or two of the loop
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
ALERTS_FIRST = timedelta(seconds=60)  # a board waits no longer than this for alerts that are due


class BoardScreen(Protocol):
    """Where boards are shown. Never raises for what the other side does."""

    def digest(self, board: Board, standings: Sequence[Standing], now: datetime) -> str:
        """Differs when, and only when, the figures shown would differ; the time does not count."""

    async def post(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome:
        """Send a board as a new message, without a sound."""

    async def edit(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome | NotEditable:
        """Change its message."""

    async def pin(self, board: Board, message_id: int) -> None:
        """Pin it; where the right is missing, the group is told which one and how to give it."""

    async def worse(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome:
        """Tell, with a sound, that these accounts have become worse."""

    async def ended(self, board: Board) -> Outcome | NotEditable:
        """Change its message for the last time: it is no longer kept up to date."""

    async def lost(self, board: Board) -> Outcome:
        """Tell that its message is gone and how to start another."""

    async def silenced(self, board: Board) -> None:
        """Tell who started it, in private, that the bot may no longer write in the group."""


@dataclass(frozen=True, slots=True)
class BoardDesk:
    """Starts and ends boards: who owns an account that is shared with the group may, and who runs the bot."""

    store: Store
    status: Status
    access: Access

    def start(self, person: Person, chat_id: int, thread_id: int | None, now: datetime) -> bool:
        """Begin the board of a group in a topic of it; False where there is one already, which is refreshed."""
        self._require_rights(person, chat_id)
        running = self.store.board(chat_id)
        if running is not None and running.ending:
            raise BoardEnding("the old board is not gone yet")
        if running is not None:
            self.store.hurry_board(chat_id)
            return False
        told = {s.account.id: grade for s in self.status.group(chat_id) if (grade := grade_of(s)) is not None}
        self.store.start_board(Board(chat_id=chat_id, thread_id=thread_id, user_id=person.user_id, told=told), now)
        return True

    def end(self, person: Person, chat_id: int) -> bool:
        """Ask for the end of a group's board; False where there is none."""
        self._require_rights(person, chat_id)
        return self.store.close_board(chat_id)

    def _require_rights(self, person: Person, chat_id: int) -> None:
        shared = self.store.shared_with(chat_id)
        if not shared and self.store.board(chat_id) is None:
            raise NothingShared("a board of nothing")
        owners = {account.user_id for account, _ in shared}
        if person.user_id not in owners and not self.access.is_operator(person.user_id):
            raise NotTheirBoard("no owner here")


class BoardKeeper:
    """Brings boards up to date, groups side by side."""

    def __init__(
        self,
        store: Store,
        screen: BoardScreen,
        pacing: Pacing,
        *,
        clock: Callable[[], datetime],
        moved: Callable[[int, int], object] | None = None,
        check_owners: Callable[[int, datetime], Awaitable[None]] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._store, self._screen, self._pacing, self._clock = store, screen, pacing, clock
        self._status = Status(store)
        self._moved = moved or store.move_chat
        self._check_owners = check_owners
        self._meter = meter or Unmetered()
        self._busy: set[int] = set()
        self._failures: Counter[int] = Counter()
        self._retry_at: dict[int, datetime] = {}
        self._waiting_since: dict[int, datetime] = {}
        self._looked_at: dict[int, datetime] = {}
        self._waking: asyncio.TimerHandle | None = None
        self.tasks = Tasks()

    def look(self) -> None:
        """Begin whatever is due."""
        now = self._clock()
        boards = [board for board in self._store.boards() if board.chat_id not in self._busy]
        alerts = bool(boards) and self._store.is_alert_due(now)
        self._looked_at = {board.chat_id: self._looked_at.get(board.chat_id, _LONG_AGO) for board in boards}
        for board in sorted(boards, key=lambda board: self._looked_at[board.chat_id])[:MOST_IN_A_LOOK]:
            ready_at = self._pacing.lane_ready_at(now, urgent=False)
            if ready_at > now:
                self._nap(ready_at - now)
            if ready_at > now or len(self._busy) >= MOST_AT_ONCE:
                return
            self._looked_at[board.chat_id] = now
            self._look_at(board, now, alerts=alerts)

    def _nap(self, span: timedelta) -> None:
        """Look again as soon as the lane is free; the scheduler looks as well."""
        if self._waking is not None:
            self._waking.cancel()
        self._waking = asyncio.get_running_loop().call_later(span.total_seconds(), self.look)

    async def stop(self, grace: float) -> None:
        """Start nothing new; let what is on its way arrive."""
        if self._waking is not None:
            self._waking.cancel()
        await self.tasks.stop(grace)

    async def run(self) -> None:
        """Do whatever is due, and wait until it is done."""
        self.look()
        await self.tasks.settle()

    def _look_at(self, board: Board, now: datetime, *, alerts: bool) -> None:
        chat_id = board.chat_id
        standings = self._status.group(chat_id)
        seen = self._seen(board, standings, now)
        if seen is not None and (noted := told_after(board, seen)) != board.told:
            self._store.tell_board(chat_id, noted)
            board = replace(board, told=noted)
        next_step = step(board, seen, now)
        if next_step is Step.WAIT:
            self._waiting_since.pop(chat_id, None)
        elif not self._must_wait(chat_id, now, alerts=alerts):
            self._pacing.take(chat_id, now, urgent=False)
            self._busy.add(chat_id)
            self.tasks.spawn(self._work(board, next_step, standings, seen))

    def _seen(self, board: Board, standings: Sequence[Standing], now: datetime) -> Seen | None:
        if not standings:
            return None
        grades = {s.account.id: grade for s in standings if (grade := grade_of(s)) is not None}
        return Seen(self._screen.digest(board, standings, now), grades)

    def _must_wait(self, chat_id: int, now: datetime, *, alerts: bool) -> bool:
        if self._retry_at.get(chat_id, now) > now or self._pacing.chat_ready_at(chat_id, now) > now:
            return True
        since = self._waiting_since.setdefault(chat_id, now)
        return alerts and now - since < ALERTS_FIRST

    async def _work(self, board: Board, next_step: Step, standings: Sequence[Standing], seen: Seen | None) -> None:
        chat_id = board.chat_id
        self._waiting_since.pop(chat_id, None)
        try:
            if next_step is Step.END or seen is None:
                await self._end(board)
            elif not await self._may_show(board, standings):
                log.info("what a group may see has changed: its board is looked at anew")
            elif next_step is Step.POST:
                await self._post(board, standings, seen)
            elif next_step is Step.WORSE:
                await self._worse(board, standings, seen)
            else:
                await self._edit(board, standings, seen)
        finally:
            self._pacing.done(chat_id, self._clock())
            self._busy.discard(chat_id)

    async def _may_show(self, board: Board, standings: Sequence[Standing]) -> bool:
        """Whether the group may still see exactly this: an owner may have left it without the bot being told."""
        if self._check_owners is not None:
            await self._check_owners(board.chat_id, self._clock())
        shared = {(account.id, amounts) for account, amounts in self._store.shared_with(board.chat_id)}
        return shared == {(standing.account.id, standing.shared_amounts) for standing in standings}

    async def _post(self, board: Board, standings: Sequence[Standing], seen: Seen) -> None:
        outcome = self._counted(Step.POST, await self._screen.post(board, standings, self._clock()))
        if isinstance(outcome, Sent):
            self._store.post_board(board.chat_id, outcome.message_id, seen.digest, self._clock())
            await self._screen.pin(board, outcome.message_id)
        await self._settle(board, outcome)

    async def _edit(self, board: Board, standings: Sequence[Standing], seen: Seen) -> None:
        outcome = self._counted(Step.EDIT, await self._screen.edit(board, standings, self._clock()))
        if isinstance(outcome, NotEditable):
            log.info("the board of a group is gone: %s", outcome.error)
            outcome = await self._screen.lost(board)
            if not isinstance(outcome, TryAgain):
                self._store.drop_board(board.chat_id)
        elif isinstance(outcome, Sent):
            self._store.post_board(board.chat_id, outcome.message_id, seen.digest, self._clock())
        await self._settle(board, outcome)

    async def _worse(self, board: Board, standings: Sequence[Standing], seen: Seen) -> None:
        news = worsened(board, seen)
        told = sorted((s for s in standings if s.account.id in news), key=lambda s: news.index(s.account.id))
        outcome = self._counted(Step.WORSE, await self._screen.worse(board, told, self._clock()))
        if isinstance(outcome, Sent):
            self._store.tell_board(board.chat_id, dict(board.told) | dict(seen.grades))
        await self._settle(board, outcome)

    async def _end(self, board: Board) -> None:
        outcome: Outcome | NotEditable = Sent(0)
        if board.message_id is not None:
            outcome = self._counted(Step.END, await self._screen.ended(board))
        if isinstance(outcome, TryAgain | Moved):
            await self._settle(board, outcome)
        else:
            self._forget(board.chat_id)

    def _counted(self, made: Step, outcome: Told) -> Told:
        self._meter.board(made, OUTCOMES[type(outcome)])
        return outcome

    async def _settle(self, board: Board, outcome: Outcome) -> None:
        """Note when to try again, follow a group that moved, and give up where the bot may no longer write."""
        chat_id, now = board.chat_id, self._clock()
        if isinstance(outcome, TryAgain):
            self._failures[chat_id] += 1
            again = retry_at(outcome, self._failures[chat_id], now)
            self._retry_at[chat_id] = again
            if outcome.after is not None:
                self._pacing.flooded(chat_id, again, now)
            log.warning("the board of a group is not taken, next try %s: %s", again.isoformat(), outcome.error)
            return
        self._failures.pop(chat_id, None)
        self._retry_at.pop(chat_id, None)
        if isinstance(outcome, Moved):
            self._moved(chat_id, outcome.chat_id)
        elif isinstance(outcome, Unreachable):
            log.warning("the board of a group ends: %s", outcome.error)
            self._forget(chat_id)
            await self._screen.silenced(board)

    def _forget(self, chat_id: int) -> None:
        self._store.drop_board(chat_id)
        for kept in (self._failures, self._retry_at, self._waiting_since):
            kept.pop(chat_id, None)
