"""A little in each turn of the loop: what arrives in a heap is taken up piece by piece, and others come in between."""

from __future__ import annotations

import asyncio
from collections import deque


class Pace:
    """Lets go what adds up to `most` in one turn of the loop, first come first served; what is larger goes alone."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_counting = False

    async def turn(self, size: int = 1) -> None:
        """Wait until there is room for something of this size; at once when nobody waits and there is."""
        if not self._waiting and self._fits(size):
            self._left -= size
            self._count()
            return
        let_go = asyncio.get_running_loop().create_future()
        self._waiting.append((size, let_go))
        self._count()
        await let_go

    def _fits(self, size: int) -> bool:
        return size <= self._left or self._left == self._most

    def _count(self) -> None:
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._left, self._is_counting = self._most, False
        while self._waiting and self._fits(self._waiting[0][0]):
            size, let_go = self._waiting.popleft()
            if not let_go.done():  # else it was given up
                self._left -= size
                let_go.set_result(None)
        if self._left < self._most:
            self._count()
