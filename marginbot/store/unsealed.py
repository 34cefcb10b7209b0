"""A store to look into without the master key: everything but the secrets can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Never

from marginbot.domain.errors import ConfigError, WrongMasterKey
from marginbot.flow.ports import Credential
from marginbot.store.database import open_database
from marginbot.store.schema import pending
from marginbot.store.sqlite_store import SqliteStore
from marginbot.store.vault import Vault


class _NoKey(Vault):
    """Stays shut: there is no key that could open or seal anything."""

    __slots__ = ()

    def __init__(self) -> None:
        """Nothing to hold, and so nothing to verify."""

    def __repr__(self) -> str:
        return "<Vault without a key>"

    def seal(self, account_id: int, credential: Credential) -> Never:
        _refuse()

    def open(self, account_id: int) -> Never:
        _refuse()

    def seal_url(self, channel_id: int, url: str) -> Never:
        _refuse()

    def open_url(self, channel_id: int) -> Never:
        _refuse()


def _refuse() -> Never:
    raise WrongMasterKey("opened without the master key, for looking only")


def open_unsealed(path: Path) -> SqliteStore:
    """An existing database of the current schema, beside a running bot; `ConfigError` where it is neither."""
    db = open_database(path, create=False)
    try:
        if pending(db):
            raise ConfigError("MARGINBOT_DATABASE has an older schema: run `marginbot migrate` first")
        return SqliteStore(db, _NoKey())
    except BaseException:
        db.close()
        raise
