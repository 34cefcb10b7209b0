"""What follows from an object that many share, remembered by that very object: its hash would cost as much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 8192


class ByObject(Generic[K, V]):
    """A pure function of immutable objects that is asked for the same ones again and again."""

    def __init__(self, work: Callable[[K], V]) -> None:
        self._work = work
        self._known: dict[int, tuple[K, V]] = {}

    def __call__(self, of: K) -> V:
        """The result; the object is kept with it, so that no other takes its place in memory."""
        known = self._known.get(id(of))
        if known is not None:
            return known[1]
        if len(self._known) >= MOST:
            self._known.clear()
        found = self._work(of)
        self._known[id(of)] = (of, found)
        return found
