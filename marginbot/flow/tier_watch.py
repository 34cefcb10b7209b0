"""The daily look at each venue's terms: whoever is worse off after a change is told of it, in figures.

A venue's tiers and collateral rates are compared with the ones kept from the day before. Where they ask for more, the
accounts that they touch are read and judged under both. The new terms and what is told of them are written in one
transaction: a crash before it changes nothing, and the next look finds the same change again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import NoSuchAccount, ReadingError, VaultError
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Facts, NewNotice
from marginbot.domain.report import AccountReport
from marginbot.domain.tier_changes import Change, Effect, KeptTerms, Kind, Terms, TermsNews, changed, effects, merged
from marginbot.flow.cycle import take_reading
from marginbot.flow.ports import Account, Credential, ExchangeReader, Store, Unreadable

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
RETRY_AFTER = timedelta(minutes=30)
SUBJECT = "terms"  # what notices about a venue's terms are about
ACCOUNTS_ASKED = 3  # whose keys may ask for the terms, one after the other
READINGS_AT_ONCE = 4
READ_TIMEOUT = 25.0


class TermsReader(ExchangeReader, Protocol):
    """Also tells what venues require."""

    async def terms(self, exchange: str, credential: Credential, now: datetime) -> Terms | None:
        """Tiers and collateral rates as the venue gives them now; None where it gives none. Raises `ReadingError`."""

    def prime(self, exchange: str, kept: KeptTerms) -> None:
        """What to go by until the venue gives something newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One account under a change: the effects on it, None when it could not be read."""

    account: Account
    effects: tuple[Effect, ...] | None
    names: frozenset[str] = frozenset()  # symbols and coins that it holds

    @property
    def is_news(self) -> bool:
        """Whether its owner has to hear of the change."""
        return self.effects is None or any(effect.worsens for effect in self.effects)


@dataclass(frozen=True, slots=True)
class TierWatch:
    """Looks at one venue a call; a venue that does not answer is asked again half an hour later."""

    reader: TermsReader
    store: Store
    clock: Callable[[], datetime]
    _not_before: dict[str, datetime] = field(default_factory=dict)

    def prime(self) -> None:
        """Give the reader what was kept, so that a restart does not need the venues."""
        for exchange in self.store.terms_dates():
            kept = self.store.terms(exchange)
            if kept is not None:
                self.reader.prime(exchange, kept)

    async def check_next(self) -> str | None:
        """Look at the terms of the venue that has waited longest, if any has waited a day; which venue that was."""
        now = self.clock()
        exchange = self._next(now)
        if exchange is not None:
            self._not_before[exchange] = now + RETRY_AFTER
            await self._check(exchange)
        return exchange

    def _next(self, now: datetime) -> str | None:
        dates = self.store.terms_dates()
        exchanges = self.store.exchanges()
        waits = {
            name: max(dates[name] + EVERY if name in dates else now, self._not_before.get(name, now))
            for name in exchanges
        }
        return min((name for name in exchanges if waits[name] <= now), key=lambda name: waits[name], default=None)

    async def _check(self, exchange: str) -> None:
        accounts = [account for account in self.store.active_accounts() if account.exchange == exchange]
        fresh = await self._fresh(exchange, accounts)
        if fresh is None:
            return
        kept = self.store.terms(exchange)
        if kept is None:
            self.store.record_terms(exchange, fresh, self.clock())
            return
        new = merged(kept.terms, fresh)
        worse = tuple(change for change in changed(kept.terms, new) if change.kind.worsens)
        looks = await self._looks(accounts, worse, old=kept.terms, new=new) if worse else []
        now = self.clock()
        self.store.record_terms(exchange, new, now, _notices(looks, worse, now))

    async def _fresh(self, exchange: str, accounts: Sequence[Account]) -> Terms | None:
        """The venue's terms; None where it has none for us or does not answer."""
        for account in accounts[:ACCOUNTS_ASKED]:
            try:
                terms = await self.reader.terms(exchange, self.store.credential(account.id), self.clock())
            except (ReadingError, VaultError, NoSuchAccount) as error:
                log.info("%s: its terms could not be asked for: %s", exchange, error)
                continue
            if terms is not None and (terms.tiers or terms.collateral_rates):
                return terms
            self._not_before[exchange] = self.clock() + EVERY  # it tells none, and will hardly start to
        return None

    async def _looks(
        self, accounts: Sequence[Account], changes: Sequence[Change], *, old: Terms, new: Terms
    ) -> list[_Look]:
        slots = asyncio.Semaphore(READINGS_AT_ONCE)

        async def look(account: Account) -> _Look | None:
            async with slots:
                try:
                    return await self._look(account, old, new)
                except NoSuchAccount:
                    return None

        touched = [account for account in accounts if self._is_touched(account, changes)]
        found = await asyncio.gather(*(look(account) for account in touched))
        return [one for one in found if one is not None]

    def _is_touched(self, account: Account, changes: Sequence[Change]) -> bool:
        """By the last reading; an account that was never read may be."""
        report = self.store.standing(account).report
        if report is None:
            return True
        coins = any(change.kind is Kind.COLLATERAL_CUT for change in changes)
        return any(change.name in _held(report) for change in changes) or (coins and report.state is not PoolState.FLAT)

    async def _look(self, account: Account, old: Terms, new: Terms) -> _Look:
        report = self.store.standing(account).report
        unread = _Look(account=account, effects=None, names=_held(report) if report else frozenset())
        try:
            credential = self.store.credential(account.id)
            async with asyncio.timeout(READ_TIMEOUT):
                reading, moves = await take_reading(self.reader, account.exchange, credential, self.clock())
        except (TimeoutError, VaultError) as error:
            log.info("account %s could not be read for a change of terms: %s", account.id, type(error).__name__)
            return unread
        if isinstance(reading, Unreadable):
            return unread
        names = {position.symbol for pool in reading.pools for position in pool.positions}
        names |= {coin.asset for pool in reading.pools for coin in pool.collateral}
        found = effects(reading, moves, label=account.label, old=old, new=new, now=self.clock())
        return _Look(account=account, effects=found, names=frozenset(names))


def _held(report: AccountReport) -> frozenset[str]:
    return frozenset(position.symbol for position in report.positions)


def _notices(looks: Sequence[_Look], changes: tuple[Change, ...], now: datetime) -> list[NewNotice]:
    """One for each person, under the account that suffers most."""
    by_owner: dict[int, list[_Look]] = {}
    for look in looks:
        if look.is_news:
            by_owner.setdefault(look.account.user_id, []).append(look)
    return [_notice(sorted(owned, key=_badness, reverse=True), changes, now) for owned in by_owner.values()]


def _badness(look: _Look) -> Decimal:
    """The highest ratio after the change; an equity that would be gone counts above all."""
    if look.effects is None:
        return Decimal(-1)
    return max((effect.ratio_after or Decimal("Infinity") for effect in look.effects), default=Decimal(0))


def _notice(looks: Sequence[_Look], changes: tuple[Change, ...], now: datetime) -> NewNotice:
    account = looks[0].account
    shown = [effect for look in looks for effect in look.effects or () if effect.worsens]
    unread = tuple(look.account.label for look in looks if look.effects is None)
    names = frozenset[str]().union(*(look.names for look in looks))
    theirs = tuple(change for change in changes if change.name in names)
    facts = Facts(
        label=account.label,
        exchange=account.exchange,
        mode="",
        reason=Reason.UNCHANGED,
        at=now,
        grade=None,
        terms=TermsNews(changes=theirs or changes, effects=tuple(shown), unread=unread),
    )
    return NewNotice(
        account_id=account.id,
        subject=SUBJECT,
        episode=int(now.timestamp()),
        number=1,
        user_id=account.user_id,
        chat_id=account.chat_id,
        sound=False,  # margin is as it was; should the change bite, the grade itself is loud
        facts=facts,
    )
