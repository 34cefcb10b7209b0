"""Background work is neither lost nor left behind."""

from __future__ import annotations

import asyncio

import pytest

from marginbot.flow.tasks import Tasks


async def test_settling_waits_for_work_that_spawns_work() -> None:
    tasks, done = Tasks(), []

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second())
        done.append("first")

    tasks.spawn(first())
    await tasks.settle()
    assert done == ["first", "second"]


async def test_failed_work_is_logged_and_does_not_stop_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    tasks, done = Tasks(), []

    async def broken() -> None:
        raise ValueError("broken")

    async def sound() -> None:
        done.append("sound")

    tasks.spawn(broken())
    tasks.spawn(sound())
    await tasks.settle()
    assert done == ["sound"]
    assert "a background task failed" in caplog.text


async def test_stopping_lets_work_finish_and_cancels_what_does_not() -> None:
    tasks, done = Tasks(), []

    async def quick() -> None:
        await asyncio.sleep(0.01)
        done.append("quick")

    stuck = tasks.spawn(asyncio.Event().wait())
    tasks.spawn(quick())
    await tasks.stop(0.05)
    assert done == ["quick"]
    assert stuck.cancelled()
