"""The daily look at each key: rights and address lists change after a registration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import NoSuchAccount, VaultError
from marginbot.domain.notices import Facts, NewNotice
from marginbot.domain.passport import KeyCheck, KeyNews, Passport, checked, news
from marginbot.flow.ports import Account, ExchangeReader, Store

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
SUBJECT = "key"  # what notices about a key are about
LOUD = frozenset({KeyNews.CAN_WITHDRAW, KeyNews.CAN_TRADE})


@dataclass(frozen=True, slots=True)
class KeyChecks:
    """Looks at one key a call. Called once a minute, that spreads all accounts over the day by itself."""

    reader: ExchangeReader
    store: Store
    clock: Callable[[], datetime]

    async def check_next(self) -> Account | None:
        """Look at the key that has waited longest, if any has waited a day; which account that was."""
        account = self.store.next_key_check(self.clock() - EVERY, self._venues_with_keys())
        if account is not None:
            await self._check(account)
        return account

    def _venues_with_keys(self) -> Sequence[str]:
        return [name for name, venue in self.reader.venues().items() if venue.needs_secret]

    async def _check(self, account: Account) -> None:
        previous = self.store.key_check(account.id)
        try:
            credential = self.store.credential(account.id)
            latest = await self.reader.passport(account.exchange, credential, self.clock())
            # Nothing is awaited from here on. A key that was replaced meanwhile has a passport of its own.
            if self.store.key_check(account.id) == previous and self.store.credential(account.id) == credential:
                self._record(account, previous, latest)
        except NoSuchAccount:
            log.info("account %s was removed while its key was looked at", account.id)
        except VaultError as error:
            self._record(account, previous, Passport(notes=("the stored key cannot be opened",)))
            log.warning("account %s: %s", account.id, error)

    def _record(self, account: Account, previous: KeyCheck | None, latest: Passport) -> None:
        current = checked(latest, previous, self.clock())
        changes = news(previous, current)
        self.store.record_key_check(account.id, current, [_notice(account, current, changes)] if changes else [])


def _notice(account: Account, check: KeyCheck, changes: tuple[KeyNews, ...]) -> NewNotice:
    facts = Facts(
        label=account.label,
        exchange=account.exchange,
        mode="",
        reason=Reason.UNCHANGED,
        at=check.checked_at,
        grade=None,
        key_news=changes,
        key_expires_at=check.known.expires_at,
    )
    return NewNotice(
        account_id=account.id,
        subject=SUBJECT,
        episode=int(check.checked_at.timestamp()),
        number=1,
        user_id=account.user_id,
        chat_id=account.chat_id,
        sound=bool(LOUD & {*changes}),
        facts=facts,
    )
