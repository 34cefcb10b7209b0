"""What was last learned of each account's key, and the transaction that writes it with what is told of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from marginbot.domain.notices import NewNotice
from marginbot.domain.passport import KeyCheck
from marginbot.flow.ports import Account
from marginbot.store.accounts import ACCOUNT, account_of
from marginbot.store.alerts import require_account, write_notice
from marginbot.store.codec import KEY_CHECK, text_of
from marginbot.store.rows import Rows

log = logging.getLogger(__name__)


class Passports(Rows):
    """One look at a key an account, the latest."""

    def key_check(self, account_id: int) -> KeyCheck | None:
        """The latest look at the account's key; None: none yet."""
        row = self._one("SELECT checked FROM key_checks WHERE account_id = ?", account_id)
        if row is None:
            return None
        try:
            return KEY_CHECK.decode(row["checked"])
        except ValueError:
            # Written by another version, say: as if the key had not been looked at yet.
            log.warning("account %s: the stored look at its key cannot be read", account_id)
            return None

    def record_key_check(self, account_id: int, check: KeyCheck, notices: Sequence[NewNotice] = ()) -> None:
        """A look at the key and what is to be told of it, in one transaction; `NoSuchAccount` if it was removed."""
        with self._writing() as conn:
            require_account(conn, account_id)
            conn.execute(
                "INSERT INTO key_checks (account_id, checked_at, checked) VALUES (?, ?, ?) "
                "ON CONFLICT (account_id) DO UPDATE SET checked_at = excluded.checked_at, checked = excluded.checked",
                (account_id, text_of(check.checked_at), KEY_CHECK.encode(check)),
            )
            for notice in notices:
                write_notice(conn, notice, check.checked_at)

    def next_key_check(self, before: datetime, exchanges: Sequence[str]) -> Account | None:
        """The polled account at these venues whose key was not looked at since, the one waiting longest first."""
        row = self._one(
            f"{ACCOUNT} LEFT JOIN key_checks k ON k.account_id = a.id "
            f"WHERE a.refused IS NULL AND a.exchange IN ({', '.join('?' * len(exchanges))}) "
            "AND (k.checked_at IS NULL OR k.checked_at < ?) ORDER BY k.checked_at, a.id LIMIT 1",
            *exchanges,
            text_of(before),
        )
        return None if row is None else account_of(row)
