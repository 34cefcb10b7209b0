"""Waiting for a change, from any thread and any event loop."""

import asyncio
import threading
from contextlib import suppress


class Bell:
    """Counts its rings; a waiter names the count it has seen and returns when there is a newer one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.count = 0

    def ring(self) -> None:
        with self._condition:
            self.count += 1
            self._condition.notify_all()
            for loop, event in self._listeners:
                with suppress(RuntimeError):  # that loop is closed: nobody listens
                    loop.call_soon_threadsafe(event.set)

    def wait(self, seen: int, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self.count != seen, seconds)

    async def listen(self, seen: int, seconds: float) -> None:
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._condition:
            if self.count != seen:
                return
            self._listeners.append(listener)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(listener[1].wait(), seconds)
        finally:
            with self._condition:
                self._listeners.remove(listener)
