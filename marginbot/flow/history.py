"""The upkeep of the history: written together, folded as it ages, forgotten in the end, a little at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.history import TIERS, Series, Tier

WRITE_EVERY = timedelta(minutes=5)  # so much of a picture may be lost in a crash; of an alert, nothing
ENOUGH = 20_000  # readings that are not left waiting, whatever the time
WALK_EVERY = timedelta(hours=1)
SLICE = 500  # rows in one transaction: a few milliseconds
LOOKS = 25  # series looked at in one turn


class HistoryStore(Protocol):
    """Where the history is kept."""

    @property
    def unwritten(self) -> int: ...
    def write_history(self, limit: int) -> int: ...
    def history(self, account_id: int, since: datetime, until: datetime) -> Sequence[Series]: ...
    def series_after(self, series_id: int, limit: int) -> Sequence[int]: ...
    def fold_series(
        self, series_id: int, tiers: Sequence[Tier], *, patience: timedelta, now: datetime, limit: int
    ) -> int: ...
    def drop_history(self, series_id: int, before: datetime, limit: int) -> int: ...
    def drop_records(self, before: datetime, limit: int) -> int: ...


@dataclass(slots=True, kw_only=True)
class HistoryKeeper:
    """Two small pieces of work a turn, so that nothing else ever waits for it."""

    store: HistoryStore
    clock: Callable[[], datetime]
    retention: timedelta
    patience: timedelta  # a longer pause between readings counts as blindness
    _to_write: int = 0
    _write_at: datetime | None = None
    _at_series: int | None = None  # None: no walk is under way
    _walk_at: datetime | None = None

    def turn(self) -> None:
        """Write, fold or forget a slice of what is due."""
        now = self.clock()
        self._write(now)
        self._walk(now)

    def _write(self, now: datetime) -> None:
        if self._to_write <= 0:
            waiting = self.store.unwritten
            if self._write_at is not None and now < self._write_at and waiting < ENOUGH:
                return
            self._to_write, self._write_at = waiting, now + WRITE_EVERY
        written = self.store.write_history(SLICE) if self._to_write > 0 else 0
        self._to_write = self._to_write - written if written else 0

    def _walk(self, now: datetime) -> None:
        if self._at_series is None:
            if self._walk_at is not None and now < self._walk_at:
                return
            self._at_series, self._walk_at = 0, now + WALK_EVERY
        before, rows = now - self.retention, 0
        found = self.store.series_after(self._at_series, LOOKS)
        for series_id in found:
            rows += self.store.drop_history(series_id, before, SLICE)
            rows += self.store.fold_series(series_id, TIERS, patience=self.patience, now=now, limit=SLICE)
            if rows >= SLICE:
                return  # the same series again, until it has no more
            self._at_series = series_id
        if not found and self.store.drop_records(before, SLICE) < SLICE:
            self._at_series = None
