"""So much in a turn of the loop, in order, and what is given up holds up nobody."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from marginbot.flow.pace import Pace

MOST = 4


async def let_go(sizes: list[int], given_up: frozenset[int] = frozenset()) -> list[tuple[int, int]]:
    """Who was let go, in order, and in which turn of the loop."""
    pace, found, turn = Pace(MOST), list[tuple[int, int]](), 0

    async def going(place: int, size: int) -> None:
        await pace.turn(size)
        found.append((place, turn))

    tasks = [asyncio.create_task(going(place, size)) for place, size in enumerate(sizes)]
    for turn in count():
        if turn == 1:
            for place in given_up:
                tasks[place].cancel()
        if all(task.done() for task in tasks):
            return found
        await asyncio.sleep(0)
    raise AssertionError


@given(st.lists(st.integers(1, 2 * MOST), max_size=20))
def test_in_order_and_no_more_in_a_turn_than_fits(sizes: list[int]) -> None:
    found = asyncio.run(let_go(sizes))
    assert [place for place, _ in found] == list(range(len(sizes)))
    together, alone = Counter[int](), Counter[int]()
    for place, turn in found:
        together[turn] += sizes[place]
        alone[turn] += 1
    assert all(size <= MOST or alone[turn] == 1 for turn, size in together.items())


def test_who_gives_up_takes_no_room() -> None:
    found = asyncio.run(let_go([4, 4, 4, 4], frozenset({1, 2})))
    assert [place for place, _ in found] == [0, 3]
    assert found[1][1] <= 3
