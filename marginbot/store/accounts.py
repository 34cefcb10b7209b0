"""Accounts: their owners, sealed credentials, ladders, and who else may look."""

from __future__ import annotations

import difflib
import json
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.domain.alerting import DEFAULT_REMINDERS, Reminders
from marginbot.domain.errors import Cause, LabelTaken, MarginbotError, NoSuchAccount, VaultError
from marginbot.domain.grading import DEFAULT_LADDERS, Ladders
from marginbot.flow.ports import Account, Credential, Person
from marginbot.store.codec import LADDERS, optional_time_of, text_of, time_of
from marginbot.store.database import translated, wipe_log
from marginbot.store.people import ensure_person, upsert_person
from marginbot.store.rows import Row, Rows

log = logging.getLogger(__name__)

REMINDED = ("WARNING", "CRITICAL", "EMERGENCY")  # the grades of `Reminders`, in its order

_COLUMNS = "a.id, a.user_id, p.private_chat_id, a.exchange, a.label, a.created_at, a.refused, a.next_due_at"
_SOURCE = "FROM accounts a JOIN people p ON p.user_id = a.user_id "
ACCOUNT = f"SELECT {_COLUMNS} {_SOURCE}"


class Accounts(Rows):
    """Registered accounts. Labels are unique per owner, whatever their case."""

    def add_account(
        self, person: Person, chat_id: int, exchange: str, label: str, credential: Credential, now: datetime
    ) -> Account:
        """Store an account with its sealed credential; `LabelTaken` on a label of theirs, in any case."""
        with self._writing() as conn:
            upsert_person(conn, person, chat_id)
            self._refuse_taken(person.user_id, label, "Nothing was stored.")
            added = conn.execute(
                "INSERT INTO accounts (user_id, exchange, label, label_key, created_at) VALUES (?, ?, ?, ?, ?)",
                (person.user_id, exchange, label, _key(label), text_of(now)),
            )
            account_id = int(added.lastrowid or 0)
            self._vault.seal(account_id, credential)
            return self.account_by_id(account_id)

    def accounts_of(self, user_id: int) -> Sequence[Account]:
        """A person's accounts, by label."""
        return [account_of(row) for row in self._all(ACCOUNT + "WHERE a.user_id = ? ORDER BY a.label_key", user_id)]

    def account(self, user_id: int, label: str) -> Account:
        """`NoSuchAccount` unless the user owns that label (case-insensitive)."""
        row = self._one(ACCOUNT + "WHERE a.user_id = ? AND a.label_key = ?", user_id, _key(label))
        if row is None:
            raise NoSuchAccount("no account of that label", advice=self._which_account(user_id, label))
        return account_of(row)

    def account_by_id(self, account_id: int) -> Account:
        """For the bot's own use, whoever owns it; `NoSuchAccount` when it was removed."""
        row = self._one(ACCOUNT + "WHERE a.id = ?", account_id)
        if row is None:
            raise _removed(account_id)
        return account_of(row)

    def active_accounts(self) -> Sequence[Account]:
        """All accounts that are polled (not refused), the most overdue first."""
        rows = self._all(ACCOUNT + "WHERE a.refused IS NULL ORDER BY a.next_due_at, a.id")
        return [account_of(row) for row in rows]

    def all_accounts(self) -> Sequence[Account]:
        """All accounts, refused ones too, oldest first."""
        return [account_of(row) for row in self._all(ACCOUNT + "ORDER BY a.id")]

    def credential(self, account_id: int) -> Credential:
        """Open the sealed credential; `VaultError` when that fails, `NoSuchAccount` when it was removed."""
        try:
            with translated():
                return self._vault.open(account_id)
        except VaultError:
            self.account_by_id(account_id)  # its secret went with it
            raise

    def remove_account(self, user_id: int, label: str) -> None:
        """Delete the account, its secret, history, shares and pending notices, also from the write-ahead log."""
        with self._writing() as conn:
            account = self.account(user_id, label)
            conn.execute("DELETE FROM accounts WHERE id = ?", (account.id,))
        wipe_log(self._db.conn)

    def replace_credential(self, account_id: int, credential: Credential, now: datetime) -> Account:
        """Seal a new credential for a refused account and poll it again at once."""
        with self._writing() as conn:
            _accept(conn, self.account_by_id(account_id), now)
            conn.execute("DELETE FROM key_checks WHERE account_id = ?", (account_id,))
            self._vault.seal(account_id, credential)
        wipe_log(self._db.conn)
        return self.account_by_id(account_id)

    def resume(self, account_id: int, now: datetime) -> Account:
        """Poll a refused account again at once, with the credential it has."""
        with self._writing() as conn:
            _accept(conn, self.account_by_id(account_id), now)
            return self.account_by_id(account_id)

    def rename_account(self, user_id: int, old: str, new: str) -> None:
        """`NoSuchAccount` or `LabelTaken`; history, shares and alerts stay with the account."""
        with self._writing() as conn:
            account = self.account(user_id, old)
            if _key(new) != _key(old):
                self._refuse_taken(user_id, new, "Nothing was changed.")
            conn.execute("UPDATE accounts SET label = ?, label_key = ? WHERE id = ?", (new, _key(new), account.id))

    def ladders(self, account_id: int) -> Ladders:
        """The account's own ladders, else its owner's, else the defaults."""
        row = self._one(f"SELECT coalesce(a.ladders, p.ladders) AS ladders {_SOURCE} WHERE a.id = ?", account_id)
        if row is None:
            raise _removed(account_id)
        return _ladders(row)

    def set_ladders(self, user_id: int, label: str | None, ladders: Ladders) -> None:
        """For one account, or (label None) as the owner's default and on all their accounts."""
        text = LADDERS.encode(ladders)
        with self._writing() as conn:
            if label is not None:
                account = self.account(user_id, label)
                conn.execute("UPDATE accounts SET ladders = ? WHERE id = ?", (text, account.id))
                return
            ensure_person(conn, user_id)
            conn.execute("UPDATE people SET ladders = ? WHERE user_id = ?", (text, user_id))
            conn.execute("UPDATE accounts SET ladders = NULL WHERE user_id = ?", (user_id,))

    def reminders(self, user_id: int) -> Reminders:
        """How often a person's alerts are repeated."""
        row = self._one("SELECT reminders FROM people WHERE user_id = ?", user_id)
        if row is None or row["reminders"] is None:
            return DEFAULT_REMINDERS
        try:
            seconds = json.loads(row["reminders"])
            return Reminders(*(timedelta(seconds=seconds[name]) for name in REMINDED))
        except (ValueError, LookupError, TypeError):
            # Written by another version, say. The defaults are at least heard.
            log.warning("user %s: the stored reminders cannot be read, the defaults hold", user_id)
            return DEFAULT_REMINDERS

    def set_reminders(self, user_id: int, reminders: Reminders) -> None:
        """Store them in seconds by grade, where the audit can read them."""
        spans = (reminders.warning, reminders.critical, reminders.emergency)
        seconds = {name: span.total_seconds() for name, span in zip(REMINDED, spans, strict=True)}
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute("UPDATE people SET reminders = ? WHERE user_id = ?", (json.dumps(seconds), user_id))

    def user_ladders(self, user_id: int) -> Ladders:
        """A person's default ladders."""
        row = self._one("SELECT ladders FROM people WHERE user_id = ?", user_id)
        return DEFAULT_LADDERS if row is None else _ladders(row)

    # shares

    def share(self, chat_id: int, account_id: int, *, amounts: bool, now: datetime) -> None:
        """Let a group see an account; sharing again changes whether amounts show."""
        with self._writing() as conn:
            self.account_by_id(account_id)
            conn.execute(
                "INSERT INTO shares (chat_id, account_id, amounts, created_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (chat_id, account_id) DO UPDATE SET amounts = excluded.amounts",
                (chat_id, account_id, amounts, text_of(now)),
            )

    def unshare(self, chat_id: int, account_id: int) -> bool:
        """Take an account out of a group's sight; False if it was not there."""
        with self._writing() as conn:
            gone = conn.execute("DELETE FROM shares WHERE chat_id = ? AND account_id = ?", (chat_id, account_id))
            return gone.rowcount > 0

    def end_shares(self, chat_id: int, user_id: int | None = None) -> Sequence[Account]:
        """End all shares with a group, or one owner's; the accounts it no longer sees."""
        with self._writing() as conn:
            seen = [account for account, _ in self.shared_with(chat_id) if user_id in (None, account.user_id)]
            for account in seen:
                conn.execute("DELETE FROM shares WHERE chat_id = ? AND account_id = ?", (chat_id, account.id))
            return seen

    def shared_with(self, chat_id: int) -> Sequence[tuple[Account, bool]]:
        """Accounts shared with a group, each with whether amounts may be shown."""
        rows = self._all(
            f"SELECT {_COLUMNS}, s.amounts {_SOURCE} JOIN shares s ON s.account_id = a.id "
            "WHERE s.chat_id = ? ORDER BY a.id",
            chat_id,
        )
        return [(account_of(row), bool(row["amounts"])) for row in rows]

    def _refuse_taken(self, user_id: int, label: str, outcome: str) -> None:
        row = self._one("SELECT label FROM accounts WHERE user_id = ? AND label_key = ?", user_id, _key(label))
        if row is not None:
            taken = row["label"]
            raise LabelTaken(
                "the label is taken",
                advice=f"You already have an account called {taken}. Choose another label, or /remove {taken} first. "
                f"{outcome}",
            )

    def _which_account(self, user_id: int, label: str) -> str:
        """Never repeats what was typed: it may be a key in the wrong place."""
        mine = {_key(account.label): account.label for account in self.accounts_of(user_id)}
        if not mine:
            return "You have no accounts yet. /add makes one. Nothing was changed."
        near = difflib.get_close_matches(_key(label), mine, n=1)
        hint = "".join(f" Did you mean {meant}?" for meant in (mine[key] for key in near))
        return f"You have no account of that label.{hint} Yours: {', '.join(mine.values())}. Nothing was changed."


def _accept(conn: sqlite3.Connection, account: Account, now: datetime) -> None:
    conn.execute(
        "UPDATE accounts SET refused = NULL, refused_at = NULL, next_due_at = ? WHERE id = ?",
        (text_of(now), account.id),
    )


def account_of(row: Row) -> Account:
    """A row of `ACCOUNT`."""
    return Account(
        id=row["id"],
        user_id=row["user_id"],
        chat_id=row["private_chat_id"],
        exchange=row["exchange"],
        label=row["label"],
        created_at=time_of(row["created_at"]),
        refused=None if row["refused"] is None else Cause(row["refused"]),
        next_due_at=optional_time_of(row["next_due_at"]),
    )


def _ladders(row: Row) -> Ladders:
    if row["ladders"] is None:
        return DEFAULT_LADDERS
    try:
        return LADDERS.decode(row["ladders"])
    except (ValueError, MarginbotError):
        # Better watched with the defaults than not at all.
        log.warning("stored thresholds cannot be read; the defaults are used")
        return DEFAULT_LADDERS


def _key(label: str) -> str:
    return label.strip().casefold()


def _removed(account_id: int) -> NoSuchAccount:
    return NoSuchAccount(f"account {account_id} was removed", advice="That account was removed. Nothing was changed.")
