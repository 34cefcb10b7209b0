"""The clockwork: a few APScheduler jobs that start work and never wait for it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

Job = Callable[[], object] | Callable[[], Awaitable[object]]


class Scheduler:
    """Periodic jobs. A late tick is run late, never dropped; ticks that piled up are run once."""

    def __init__(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def every(self, seconds: float, name: str, job: Job) -> None:
        """Run `job` every `seconds`, on the loop: the library would give a plain function to another thread."""

        async def on_loop() -> None:
            result = job()
            if inspect.isawaitable(result):
                await result

        self._scheduler.add_job(on_loop, "interval", seconds=seconds, id=name, name=name)

    def start(self) -> None:
        """Start ticking on the running loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """No further ticks; what a tick has started goes on."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
