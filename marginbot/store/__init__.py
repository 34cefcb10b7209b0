"""The SQLite edge: everything that must survive a kill."""

from marginbot.store.backup import backup, restore
from marginbot.store.database import StoreFailed, instance_lock, open_database
from marginbot.store.schema import migrate, pending
from marginbot.store.sqlite_store import SqliteStore, open_store
from marginbot.store.unsealed import open_unsealed
from marginbot.store.vault import Vault, new_master_key, parse_master_key, rotate

__all__ = [
    "SqliteStore",
    "StoreFailed",
    "Vault",
    "backup",
    "instance_lock",
    "migrate",
    "new_master_key",
    "open_database",
    "open_store",
    "open_unsealed",
    "parse_master_key",
    "pending",
    "restore",
    "rotate",
]
