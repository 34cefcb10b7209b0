"""Tasks that run by themselves and are neither lost nor left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


_ROUNDS, _ROUND_SECONDS = 3, 2.5


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are over; asked again, because a cancellation can be swallowed on its way."""
    for _ in range(_ROUNDS):
        running = {task for task in tasks if not task.done()}
        if not running:
            break
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_ROUND_SECONDS)
    for task in tasks:
        if not task.done():
            log.error("a task does not end: %s", task.get_name())


class Tasks:
    """Holds references to running tasks, reports what went wrong in them, and can wait for them to end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work; its failure is logged, because nobody awaits it."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a background task failed", exc_info=task.exception())

    async def settle(self) -> None:
        """Wait until nothing is running any more."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def stop(self, grace: float) -> None:
        """Let running work finish for `grace` seconds, then cancel what is left."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace)
        await ended(*self._running)
