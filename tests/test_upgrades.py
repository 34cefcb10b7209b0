"""A database of every earlier schema, with accounts, an open episode and a queued notice, goes on where it stopped.

`golden/databases` holds those written by the marginbot of their time: their rows are as they were, not as a test of
today would write them. A schema that has none yet is reached from the one before it, by its own migrations. Before
adding a migration, write down the database of the present: `python -m tests.test_upgrades`.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.grading import Grade
from marginbot.domain.margin import Snapshot
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.store import SqliteStore, open_database, open_store, pending
from marginbot.store.schema import load_migrations, migrations_file, names
from tests.builders import Clock, pool, position, snapshot
from tests.fakes import FakeMessenger, FakeReader
from tests.flow.conftest import SETTINGS
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, BOB, CREDENTIAL, GROUP, KEY, NOW, POOL, add, cycle_record

DATABASES = Path(__file__).parent / "golden" / "databases"
FIRST = "m003_alerts"  # the three before it were never alone
SECOND = timedelta(seconds=1)


def schemas() -> list[str]:
    """Every schema that a database can have been left with, oldest first; the current one last."""
    known = names(load_migrations(migrations_file()))
    return known[known.index(FIRST) :]


@contextmanager
def upgraded(folder: Path, schema: str) -> Iterator[SqliteStore]:
    """The store of that time, opened by the marginbot of today."""
    path = folder / "marginbot.db"
    upto = schemas()[: schemas().index(schema) + 1]
    written = next(name for name in reversed(upto) if (DATABASES / f"{name}.sql").exists())
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript((DATABASES / f"{written}.sql").read_text(encoding="utf-8"))
    if written != schema:
        with closing(open_database(path)) as database:
            load_migrations(migrations_file()).apply(database, stop_before=_after(schema))
    store = open_store(path, KEY)
    try:
        yield store
    finally:
        store.close()


def _after(schema: str) -> str | None:
    following = schemas()[schemas().index(schema) + 1 :]
    return following[0] if following else None


def owing(equity: str, clock: Clock) -> Snapshot:
    """A pool that requires 500 and has `equity`."""
    return snapshot(pool(position(notional="1000", rate="0.5"), equity=equity, name=POOL), at=clock())


@pytest.mark.parametrize("schema", schemas())
def test_nothing_is_lost_on_the_way_up(schema: str, tmp_path: Path) -> None:
    with upgraded(tmp_path, schema) as store:
        with closing(open_database(tmp_path / "marginbot.db")) as database:
            assert pending(database) == []
            assert database.execute("PRAGMA foreign_key_check").fetchone() is None
        assert {a.label for a in store.accounts_of(ALICE.user_id)} == {"main", "calm"}
        assert [a.label for a in store.accounts_of(BOB.user_id)] == ["main"]
        account = store.account(ALICE.user_id, "main")
        assert store.credential(account.id) == CREDENTIAL
        assert [(a.id, amounts) for a, amounts in store.shared_with(GROUP)] == [(account.id, True)]
        state = store.states(account.id)[POOL]
        assert (state.grade, state.announced, state.episode, state.number) == (Grade.CRITICAL, Grade.CRITICAL, 1, 1)
        (notice,) = pending_in(store)
        assert (notice.facts.grade, notice.facts.pool is not None, notice.attempts) == (Grade.CRITICAL, True, 0)


@pytest.mark.parametrize("schema", schemas())
async def test_the_bot_goes_on_with_the_episode(schema: str, tmp_path: Path) -> None:
    clock, reader, messenger = Clock(NOW + 20 * SECOND), FakeReader(), FakeMessenger()
    with upgraded(tmp_path, schema) as store:
        account = store.account(ALICE.user_id, "main")
        delivery = Delivery(store, messenger, clock=clock)
        cycle = Cycle(reader, store, settings=SETTINGS, clock=clock)

        async def told_of(equity: str) -> list[str]:
            before = len(messenger.accepted)
            reader.accounts[CREDENTIAL.key] = lambda: owing(equity, clock)
            await cycle.run()
            await delivery.run()
            news = [n for n in messenger.accepted[before:] if n.account_id == account.id]
            return [f"{n.episode}.{n.number} {n.facts.reason} {(n.facts.grade or Grade.OK).name}" for n in news]

        await delivery.run()
        assert [n.facts.grade for n in messenger.accepted if n.account_id == account.id] == [Grade.CRITICAL]
        clock.advance(60)
        assert await told_of("600") == []  # as bad as before: nothing new
        clock.advance(60)
        assert await told_of("540") == ["1.2 worsened EMERGENCY"]
        clock.advance(600)
        recovery = await told_of("50000")
        assert recovery[-1:] == [f"1.{store.states(account.id)[POOL].number} recovered OK"]


def write(folder: Path) -> Path:
    """A database as this version leaves it, under the name of its schema."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "marginbot.db"
        store = open_store(path, KEY)
        account = add(store)
        add(store, "calm")
        add(store, person=BOB)
        store.record(cycle_record(account))
        store.share(GROUP, account.id, amounts=True, now=NOW)
        store.close()
        with closing(sqlite3.connect(path)) as conn:
            target = folder / f"{names(load_migrations(migrations_file()))[-1]}.sql"
            target.write_text("\n".join(conn.iterdump()) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{write(DATABASES)}\n")
