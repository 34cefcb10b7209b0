"""The store of `flow.ports`, put together, on SQLite."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database

from marginbot.store.accounts import Accounts
from marginbot.store.alerts import Alerts
from marginbot.store.boards import BoardRows
from marginbot.store.buddies import BuddyRows
from marginbot.store.database import IN_MEMORY, open_database, write_back
from marginbot.store.dialogues import DialogueRows
from marginbot.store.drills import DrillRows
from marginbot.store.due import DueRows
from marginbot.store.escalations import EscalationRows
from marginbot.store.hours import HoursRows
from marginbot.store.languages import LanguageRows
from marginbot.store.outbox import Outbox
from marginbot.store.passports import Passports
from marginbot.store.people import People
from marginbot.store.personal import Personal
from marginbot.store.record import Record
from marginbot.store.reports import ReportRows
from marginbot.store.schema import migrate
from marginbot.store.snapshots import Snapshots
from marginbot.store.themes import ThemeRows
from marginbot.store.tiers import TierRows
from marginbot.store.turmoil import TurmoilRows
from marginbot.store.vault import Vault


class SqliteStore(
    TurmoilRows,
    People,
    Personal,
    Accounts,
    DueRows,
    Alerts,
    Outbox,
    Passports,
    Record,
    EscalationRows,
    DrillRows,
    BuddyRows,
    TierRows,
    Snapshots,
    ReportRows,
    HoursRows,
    LanguageRows,
    BoardRows,
    ThemeRows,
    DialogueRows,
):
    """Everything that must survive a kill, in one file. Belongs to the thread that opened it, but for `write_back`."""

    def __init__(self, db: Database, vault: Vault, path: Path | str = IN_MEMORY) -> None:
        super().__init__(db, vault)
        self._path = path

    def write_back(self) -> None:
        """Tidy up the log in another thread, now and then: who commits need not do it, and nobody waits."""
        if str(self._path) != IN_MEMORY:
            write_back(Path(self._path).absolute())


def open_store(path: Path | str, master_key: bytes) -> SqliteStore:
    """Open or create the database, bring it to the current schema, and make sure the master key is the right one."""
    db = open_database(path)
    try:
        migrate(db)
        return SqliteStore(db, Vault(master_key, db.conn), path)
    except BaseException:
        db.close()
        raise
