"""Facts that change slowly: loaded once for all, renewed behind the scenes, never waited for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from marginbot.domain.errors import ReadingError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Kept(Generic[T]):
    """One such fact. Whoever asks first starts the load; all others share it.

    An old value is given at once and renewed meanwhile. Without any value the asker waits for `patience` at
    most, counted from the start of the load, so that a venue that hangs delays nobody twice.
    """

    def __init__(self, name: str, *, max_age: timedelta, retry_after: timedelta, patience: float) -> None:
        self._name = name
        self._max_age = max_age
        self._retry_after = retry_after
        self._patience = patience
        self._value: T | None = None
        self._due_at: datetime | None = None
        self.loaded_at: datetime | None = None  # of the value
        self._started = 0.0
        self._task: asyncio.Task[None] | None = None

    async def get(self, load: Callable[[], Awaitable[T]], now: datetime) -> T | None:
        """The value, None when there is none yet. Never raises what `load` raises."""
        if self._task is None and (self._due_at is None or now >= self._due_at):
            self._started = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._load(load, now))
        if self._task is not None and self._value is None:
            waited = asyncio.get_running_loop().time() - self._started
            await asyncio.wait({self._task}, timeout=max(0.0, self._patience - waited))
        return self._value

    def prime(self, value: T, loaded_at: datetime) -> None:
        """A value from elsewhere, with its age; ignored where a newer one is known."""
        if self.loaded_at is None or loaded_at >= self.loaded_at:
            self._value, self.loaded_at, self._due_at = value, loaded_at, loaded_at + self._max_age

    async def close(self) -> None:
        """Stop a load that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _load(self, load: Callable[[], Awaitable[T]], now: datetime) -> None:
        try:
            self._value = await load()
            self.loaded_at, self._due_at = now, now + self._max_age
        except ReadingError as error:
            log.warning("%s could not be loaded: %s", self._name, error)
            self._due_at = now + self._retry_after
        finally:
            self._task = None
