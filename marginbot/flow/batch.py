"""What arrives at the same moment is written together: one commit of the database, not one for each account.

A piece of work looks at the store, decides and writes, and nothing comes in between: it is done in one go, within a
transaction that it shares with a few others. One that fails undoes its own part alone. What is to follow (telling,
sending) follows when all of it is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

MOST = 8  # so many keep the loop for a few milliseconds


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

    def __init__(self, store: Together) -> None:
        self._store = store
        self._waiting: list[_Piece[T]] = []

    async def add(self, work: Callable[[], T], then: Callable[[T], None]) -> T:
        """Do `work` and, once it is on disk, `then`; raises what either raises, or that nothing could be written.

        Neither may wait for anything. Whoever is cancelled before the work began has not asked for it.
        """
        piece = _Piece(work, then)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        self._waiting.append(piece)
        return await piece.result

    def _write(self) -> None:
        pieces, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        pieces = [piece for piece in pieces if not piece.result.done()]
        try:
            with self._store.together():
                for piece in pieces:
                    piece.begin()
        except Exception as error:  # noqa: BLE001 - nothing of it is on disk, which everybody hears
            for piece in pieces:
                piece.fail(error)
            return
        except BaseException as error:
            for piece in pieces:
                piece.fail(error)
            raise
        for piece in pieces:
            piece.finish()
