"""What arrives at the same moment is written in one commit, and yet each for itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from marginbot.flow.batch import ENOUGH, MOST, Batch
from marginbot.store.database import StoreFailed
from marginbot.store.sqlite_store import SqliteStore, open_store

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = open_store(path, KEY)
    yield opened
    opened.close()


def on_disk(path: Path) -> set[str]:
    """What another process would see."""
    conn = sqlite3.connect(path)
    try:
        return {name for (name,) in conn.execute("SELECT name FROM meta") if len(name) == 1}
    finally:
        conn.close()


def writing(store: SqliteStore, name: str) -> Callable[[], str]:
    def work() -> str:
        store.set_meta(name, "written")
        return name

    return work


def nothing(_: str) -> None:
    """Nothing follows."""


async def test_what_arrives_together_is_one_commit_and_what_follows_comes_after_it(
    path: Path, store: SqliteStore
) -> None:
    batch, statements, seen = Batch[str](store, timer=lambda: 0.0), list[str](), list[set[str]]()
    store._db.conn.set_trace_callback(statements.append)
    asked = (batch.add(writing(store, name), lambda _: seen.append(on_disk(path))) for name in "abc")
    assert await asyncio.gather(*asked) == ["a", "b", "c"]
    assert statements.count("COMMIT") == 1
    assert seen == [{"a", "b", "c"}] * 3


async def test_more_than_a_few_are_several_commits(store: SqliteStore) -> None:
    batch, statements = Batch[str](store, timer=lambda: 0.0), list[str]()
    store._db.conn.set_trace_callback(statements.append)
    names = [chr(ord("a") + place) for place in range(2 * MOST + 1)]
    assert await asyncio.gather(*(batch.add(writing(store, name), nothing) for name in names)) == names
    assert statements.count("COMMIT") == 3


async def test_who_takes_long_is_written_alone_and_others_come_in_between(store: SqliteStore) -> None:
    ticks = count()
    batch, order = Batch[str](store, timer=lambda: next(ticks) * ENOUGH), list[str]()

    async def beside() -> None:
        for _ in range(6):
            await asyncio.sleep(0)
            order.append("-")

    other = asyncio.ensure_future(batch.add(writing(store, "a"), order.append, urgent=True))
    await asyncio.gather(other, batch.add(writing(store, "b"), order.append), beside())
    assert order[: order.index("b")].count("-") > order[: order.index("a")].count("-")


async def test_as_many_as_are_enough_for_a_turn_are_one_commit(store: SqliteStore) -> None:
    ticks = count()
    batch, statements = Batch[str](store, timer=lambda: next(ticks) * ENOUGH / 2.5), list[str]()
    store._db.conn.set_trace_callback(statements.append)
    await asyncio.gather(*(batch.add(writing(store, name), nothing) for name in "abcdef"))
    assert statements.count("COMMIT") == 2


async def test_what_is_urgent_is_written_before_what_came_earlier(store: SqliteStore) -> None:
    batch, order = Batch[str](store), list[str]()
    calm = (batch.add(writing(store, name), order.append) for name in "abcdefghijk")
    await asyncio.gather(*calm, batch.add(writing(store, "x"), order.append, urgent=True))
    assert order == ["x", *"abcdefghijk"]


async def test_one_that_fails_undoes_its_own_part_alone(path: Path, store: SqliteStore) -> None:
    batch, followed = Batch[str](store), list[str]()

    def failing() -> str:
        with store._writing() as conn:
            conn.execute("INSERT INTO meta (name, value) VALUES ('x', 'half')")
            raise ValueError("in the middle")

    found = await asyncio.gather(
        batch.add(writing(store, "a"), followed.append),
        batch.add(failing, followed.append),
        batch.add(writing(store, "b"), followed.append),
        return_exceptions=True,
    )
    assert (found[0], found[2]) == ("a", "b")
    assert isinstance(found[1], ValueError)
    assert on_disk(path) == {"a", "b"}
    assert followed == ["a", "b"]


async def test_when_nothing_can_be_committed_everybody_hears_and_nothing_follows(
    path: Path, store: SqliteStore
) -> None:
    batch, followed = Batch[str](store), list[str]()

    def losing() -> str:
        store.set_meta("x", "written")
        store._db.conn.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        return "x"

    found = await asyncio.gather(
        batch.add(writing(store, "a"), followed.append),
        batch.add(losing, followed.append),
        batch.add(writing(store, "b"), followed.append),
        return_exceptions=True,
    )
    assert [type(one) for one in found] == [StoreFailed] * 3
    assert on_disk(path) == set()
    assert followed == []
    assert await batch.add(writing(store, "c"), followed.append) == "c"
    assert on_disk(path) == {"c"}


async def test_who_is_cancelled_before_it_began_has_not_asked(path: Path, store: SqliteStore) -> None:
    batch = Batch[str](store)
    given_up = asyncio.ensure_future(batch.add(writing(store, "a"), nothing))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await batch.add(writing(store, "b"), nothing) == "b"
    assert on_disk(path) == {"b"}
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_what_follows_and_fails_is_heard_by_who_asked(path: Path, store: SqliteStore) -> None:
    def failing(_: str) -> None:
        raise ValueError("what follows")

    batch = Batch[str](store)
    found = await asyncio.gather(
        batch.add(writing(store, "a"), failing), batch.add(writing(store, "b"), nothing), return_exceptions=True
    )
    assert isinstance(found[0], ValueError)
    assert found[1] == "b"
    assert on_disk(path) == {"a", "b"}, "it is written all the same"
