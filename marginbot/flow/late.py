"""Accounts whose turn does not come in time are told like those that cannot be read, and keep their turn.

A venue's limit may not allow for all accounts, or a venue that hangs may hold all places there are. Neither is a
failed reading, so nothing else would ever say that these accounts are not watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from marginbot.domain.alerting import ACCOUNT
from marginbot.domain.errors import Cause, NoSuchAccount, VenueDown
from marginbot.flow.cycle import Cycle
from marginbot.flow.ports import Account, Store, Unreadable

LATE = timedelta(seconds=2)  # after its time has come; how long it may really wait, the alerts decide
LOOKS = 100  # in one go, of which each takes a millisecond or two

NO_PLACE = Unreadable(Cause.VENUE_DOWN, "no place is free, the others hang", VenueDown.advice)
NO_BUDGET = Unreadable(
    Cause.RATE_LIMITED,
    "the venue's limit does not allow for all accounts",
    "There are more accounts at this exchange than its limit lets me read in time; the most endangered come first. "
    "I read yours as soon as I may. Check it at the exchange itself; whoever runs me can add an address.",
)


class LateWatch:
    """Looks at some of the late accounts at a time, round and round."""

    def __init__(self, cycle: Cycle, store: Store, clock: Callable[[], datetime]) -> None:
        self._cycle = cycle
        self._store = store
        self._clock = clock
        self._after = 0
        self._looking = False

    def dispatch(self) -> None:
        """Start a look, unless one is under way."""
        if not self._looking:
            self._looking = True
            self._cycle.tasks.spawn(self.look())

    async def look(self) -> int:
        """Tell of those that are late by now, one in a turn of the loop; returns how many were looked at."""
        self._looking = True
        try:
            return await self._look()
        finally:
            self._looking = False

    async def _look(self) -> int:
        found = self._store.overdue(self._clock() - LATE, self._after, LOOKS)
        self._after = found[-1] if len(found) == LOOKS else 0
        for account_id in found:
            await asyncio.sleep(0)
            try:
                account = self._store.account_by_id(account_id)
            except NoSuchAccount:
                continue
            if not self._cycle.queue.is_taken(account):
                self._judge(account)
        return len(found)

    def _judge(self, account: Account) -> None:
        """What changes is written down; for most nothing does."""
        before = self._store.states(account.id).get(ACCOUNT)
        why = NO_PLACE if self._cycle.queue.is_full(account.exchange) else NO_BUDGET
        record = self._cycle.conclude(account, why, {})
        if record.states[ACCOUNT] == before:
            return
        self._store.record(replace(record, next_due_at=account.next_due_at or record.at))
        if record.notices:
            self._cycle.on_notices()
