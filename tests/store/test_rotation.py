"""Changing the master key, killed anywhere: one of the two keys opens every secret, and it can be finished."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection

import pytest

from marginbot.domain.errors import WrongMasterKey
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Credential
from marginbot.store import open_store, rotate
from tests.store.builders import ALICE, CREDENTIAL, KEY, NOW, OTHER_KEY, add, dies_at

POINTS, ACCOUNTS, SEED = 50, 8, 20
URL = "json://hooks.example/canary-url-90ac"
SECRETS = [*[CREDENTIAL] * ACCOUNTS, URL]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A database with secrets of each kind under the old key."""
    path = tmp_path / "original.db"
    with closing(open_store(path, KEY)) as store:
        for number in range(ACCOUNTS):
            add(store, f"acc{number}")
        store.add_channel(ALICE, "hook", URL, from_grade=Grade.CRITICAL, delay=timedelta(0), now=NOW)
    return path


def opened(path: Path, key: bytes) -> list[Credential | str] | None:
    """Every secret, opened with a key; None when the database refuses that key."""
    try:
        store = open_store(path, key)
    except WrongMasterKey:
        return None
    with closing(store):
        accounts = [store.credential(account.id) for account in store.accounts_of(ALICE.user_id)]
        return [*accounts, *(store.channel_url(channel.id) for channel in store.channels_of(ALICE.user_id))]


def turning(path: Path) -> Callable[[Callable[[Connection], None]], None]:
    """The work: the key is changed, with the trap armed."""

    def work(arm: Callable[[Connection], None]) -> None:
        store = open_store(path, KEY)
        arm(store._db.conn)
        rotate(store._db.conn, old=KEY, new=OTHER_KEY)

    return work


def statements_of(original: Path, path: Path) -> int:
    """How many statements a change of the key takes."""
    shutil.copy(original, path)
    seen: list[str] = []
    with closing(open_store(path, KEY)) as store:
        store._db.conn.set_trace_callback(seen.append)
        rotate(store._db.conn, old=KEY, new=OTHER_KEY)
        store._db.conn.set_trace_callback(None)
    path.unlink()
    return len(seen)


def test_killed_at_random_points_one_key_opens_everything_and_it_can_be_finished(
    original: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bot.db"
    last = statements_of(original, path)
    assert last > len(SECRETS), "a statement for each secret at least"
    drawn = random.Random(SEED)
    by_key = {KEY: 0, OTHER_KEY: 0}
    for point in [1, last, *(drawn.randint(1, last) for _ in range(POINTS - 2))]:
        shutil.copy(original, path)
        assert dies_at(point, turning(path))
        [(key, found)] = [(key, found) for key in by_key if (found := opened(path, key)) is not None]
        assert found == SECRETS, f"killed before statement {point} of {last}"
        by_key[key] += 1
        with closing(open_store(path, key)) as store:
            rotate(store._db.conn, old=KEY, new=OTHER_KEY)
        assert (opened(path, KEY), opened(path, OTHER_KEY)) == (None, SECRETS)
        path.unlink()
    assert by_key[KEY] > by_key[OTHER_KEY] > 0, "killed before the end, and after it"
