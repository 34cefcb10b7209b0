"""Sending through Apprise: in a thread, bounded in time, with the outcome as a value.

Apprise says only yes or no; the status it saw is in its log, which is read here and goes no further, because it may
name addresses.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from apprise import NotifyType

from marginbot.channels.addresses import load_services, plugin
from marginbot.domain.escalation import Accepted, Rang, RingAgain, RingRefused

SEND_SECONDS = 25.0
MOST_THREADS = 8

# What a service answers when asking again cannot help: the address itself is wrong or no longer allowed.
FOR_GOOD = frozenset({400, 401, 403, 404, 405, 410, 422})
_STATUS = re.compile(r"error\s*=\s*(\d{3})")


class _Statuses(logging.Handler):
    """Remembers, by thread, the HTTP status that Apprise complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._by_thread: dict[int, list[int]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        """Only the number is kept."""
        found = _STATUS.search(record.getMessage())
        if found is not None:
            self._by_thread[record.thread or 0].append(int(found[1]))

    def start(self) -> None:
        """Forget what this thread saw before."""
        self._by_thread.pop(threading.get_ident(), None)

    def taken(self) -> int | None:
        """The last status of this thread."""
        seen = self._by_thread.pop(threading.get_ident(), [])
        return seen[-1] if seen else None


_statuses = _Statuses()


def keep_quiet() -> None:
    """Apprise's log, and that of the HTTP library under it, hold addresses: they go nowhere."""
    ours = logging.getLogger("apprise")
    ours.propagate = False
    ours.setLevel(logging.WARNING)
    ours.handlers[:] = [_statuses]
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class AppriseSender:
    """Sends a text to an address."""

    def __init__(self, *, timeout: float = SEND_SECONDS) -> None:
        keep_quiet()
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="channel")
        self._threads.submit(load_services)

    async def send(self, url: str, title: str, body: str, *, urgent: bool) -> Rang:
        """What became of it; never raises for what the other side does."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._threads, _send, url, title, body, urgent)
        except TimeoutError:
            return RingAgain(f"no answer within {self._timeout:g} s")

    def close(self) -> None:
        """No further sends; a hanging one is left to end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _send(url: str, title: str, body: str, urgent: bool) -> Rang:
    sender = plugin(url)
    if sender is None:
        return RingRefused("the address is not accepted by Apprise any more")
    _statuses.start()
    kind = NotifyType.FAILURE if urgent else NotifyType.INFO
    try:
        accepted = bool(sender.notify(body=body, title=title, notify_type=kind))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its text may hold the address
        return RingAgain(type(error).__name__)
    status = _statuses.taken()
    if accepted:
        return Accepted()
    said = f"the service answered {status}" if status else "the service did not accept it"
    return RingRefused(said) if status in FOR_GOOD else RingAgain(said)
