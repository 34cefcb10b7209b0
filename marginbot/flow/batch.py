"""What arrives at the same moment is written together: one commit of the database, not one for each account.

A piece of work looks at the store, decides and writes, and nothing comes in between: it is done in one go, within a
transaction that it shares with a few others. One that fails undoes its own part alone. What is to follow (telling,
sending) follows when all of it is on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

MOST = 8  # in one commit
ENOUGH = 0.002  # seconds on end that the work may keep the loop
GATHER = 0.002  # seconds that what is not urgent waits for others, to be written with them


class Together(Protocol):
    """Where it is written."""

    def together(self) -> AbstractContextManager[object]:
        """Everything written within is on disk afterwards, or nothing is and it raises."""


class _Piece(Generic[T]):
    def __init__(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        self.work, self.then = work, then
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.found: T | Exception

    def begin(self) -> None:
        try:
            self.found = self.work()
        except Exception as error:  # noqa: BLE001 - it is the business of who asked for it
            self.found = error

    def finish(self) -> None:
        try:
            if isinstance(self.found, Exception):
                raise self.found
            self.then(self.found)
        except Exception as error:  # noqa: BLE001 - likewise
            self.fail(error)
        else:
            self.result.set_result(self.found)

    def fail(self, error: BaseException) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class Batch(Generic[T]):
    """Pieces of work that wait for the end of the moment."""

    def __init__(self, store: Together, *, timer: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._timer = timer
        self._urgent: deque[_Piece[T]] = deque()
        self._calm: deque[_Piece[T]] = deque()
        self._next: asyncio.Handle | None = None

    async def add(self, work: Callable[[], T], then: Callable[[T], None], *, urgent: bool = False) -> T:
        """Do `work` and, once it is on disk, `then`; raises what either raises, or that nothing could be written.

        Neither may wait for anything. What is urgent comes first. Whoever is cancelled before the work began has not
        asked for it.
        """
        piece = _Piece(work, then)
        (self._urgent if urgent else self._calm).append(piece)
        loop = asyncio.get_running_loop()
        if urgent or len(self._calm) >= MOST:
            self._soon(loop)
        elif self._next is None:
            self._next = loop.call_later(GATHER, self._write)
        return await piece.result

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = loop.call_soon(self._write)

    def _write(self) -> None:
        self._next = None
        pieces = list[_Piece[T]]()
        try:
            with self._store.together():
                self._work(pieces)
        except Exception as error:  # noqa: BLE001 - nothing of it is on disk, which everybody hears
            for piece in pieces:
                piece.fail(error)
            return
        except BaseException as error:
            for piece in pieces:
                piece.fail(error)
            raise
        finally:
            if self._urgent or self._calm:
                self._soon(asyncio.get_running_loop())
        for piece in pieces:
            piece.finish()

    def _work(self, begun: list[_Piece[T]]) -> None:
        """As many of those that wait as are enough for one turn of the loop; at least one."""
        until = self._timer() + ENOUGH
        while (waiting := self._urgent or self._calm) and len(begun) < MOST:
            piece = waiting.popleft()
            if piece.result.done():
                continue
            begun.append(piece)
            piece.begin()
            if self._timer() >= until:
                return
