"""A real store, in a file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marginbot.store import SqliteStore, open_store
from tests.store.builders import KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "marginbot.db"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = open_store(":memory:", KEY)
    yield opened
    opened.close()


@pytest.fixture
def on_disk(path: Path) -> Iterator[SqliteStore]:
    opened = open_store(path, KEY)
    yield opened
    opened.close()
