"""The master key in the operating system's keyring, with a keyring of the test's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marginbot.config import Settings, load_settings
from marginbot.domain.errors import ConfigError
from marginbot.store import parse_master_key
from marginbot.strongbox import keep_key, read_key
from tests.test_cli import marginbot

BACKEND = """
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

class FileRing(KeyringBackend):
    priority = 1
    file = pathlib.Path(os.environ["TEST_RING"])

    def _all(self):
        if os.environ.get("TEST_RING_LOCKED"):
            raise KeyringLocked("canary: the words of a keyring")
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps({**self._all(), f"{service}/{username}": password}))
"""


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A keyring in a file, for this process and those it starts."""
    keyring = pytest.importorskip("keyring")
    (tmp_path / "filering.py").write_text(BACKEND, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "filering.FileRing")
    monkeypatch.setenv("TEST_RING", str(tmp_path / "ring.json"))
    monkeypatch.syspath_prepend(str(tmp_path))
    before = keyring.get_keyring()
    keyring.core.init_backend()
    yield keyring
    keyring.set_keyring(before)
    sys.modules.pop("filering", None)


@pytest.fixture(autouse=True)
def empty_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MARGINBOT_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_key_made_there_is_read_from_there_and_printed_nowhere(
    ring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = marginbot(tmp_path, "keygen", "--keyring", "bots")
    assert made.returncode == 0, made.stderr
    key = ring.get_password("bots", "master-key")
    assert len(parse_master_key(key)) == 32
    assert key not in made.stdout + made.stderr
    monkeypatch.setenv("MARGINBOT_MASTER_KEY_KEYRING", "bots")
    assert load_settings().master_key_text() == key


def test_a_key_that_is_there_is_never_replaced(ring: Any, tmp_path: Path) -> None:
    keep_key("bots", "first")
    again = marginbot(tmp_path, "keygen", "--keyring", "bots")
    assert (again.returncode, "already holds a key" in again.stderr) == (2, True)
    assert read_key("bots") == "first"


def test_the_key_is_changed_to_one_in_the_keyring(ring: Any, tmp_path: Path) -> None:
    for name in ("old", "new"):
        assert marginbot(tmp_path, "keygen", "--keyring", name).returncode == 0
    assert marginbot(tmp_path, "migrate").returncode == 0
    changed = marginbot(tmp_path, "rotate-key", "--keyring", "new", MASTER_KEY_KEYRING="old")
    assert changed.returncode == 0, changed.stderr
    assert "MARGINBOT_MASTER_KEY_KEYRING=new" in changed.stdout
    told = [marginbot(tmp_path, "check", MASTER_KEY_KEYRING=name).stdout for name in ("new", "old")]
    assert ["ok   master key" in text for text in told] == [True, False]


def test_what_is_missing_is_said(ring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"holds no key for 'bots'.*marginbot keygen --keyring bots"):
        read_key("bots")
    monkeypatch.setenv("TEST_RING_LOCKED", "1")
    with pytest.raises(ConfigError, match=r"MARGINBOT_MASTER_KEY_KEYRING.*KeyringLocked") as caught:
        read_key("bots")
    assert "canary" not in str(caught.value)


def test_without_the_library_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("MARGINBOT_MASTER_KEY_KEYRING", "bots")
    with pytest.raises(ConfigError, match=r"pip install 'marginbot\[keyring\]'"):
        load_settings().master_key_text()
