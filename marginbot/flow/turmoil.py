"""Market stress: looks for it, tells those exposed once, and has the worst accounts read more often while it lasts."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from marginbot.domain.grading import Grade
from marginbot.domain.turmoil import (
    CROWD,
    PEGGED,
    WINDOW,
    Crowd,
    Quote,
    TurmoilDecision,
    TurmoilState,
    exposed_to,
    furthest,
    judge,
)
from marginbot.domain.volatility import Volatility
from marginbot.flow.ports import Account, Standing
from marginbot.flow.status import grade_of

log = logging.getLogger(__name__)

# Its price in USDT is asked for at every venue in use; of the other coins only what accounts hold is seen.
WATCHED_COIN = "USDC"


class QuoteSource(Protocol):
    """Public prices, as they are fetched for volatility anyway."""

    async def volatilities(
        self, exchange: str, underlyings: Iterable[str], now: datetime
    ) -> Mapping[str, Volatility]: ...
    def stable_quotes(self, exchange: str, assets: Iterable[str]) -> Sequence[Quote]:
        """The last known prices of stablecoins in others; what was not fetched is left out."""


class TurmoilStore(Protocol):
    """What is asked of the store."""

    def exchanges(self) -> Sequence[str]: ...
    def active_accounts(self) -> Sequence[Account]: ...
    def standing(self, account: Account) -> Standing: ...
    def worsened_since(self, at: datetime) -> frozenset[int]: ...
    def turmoil(self) -> TurmoilState: ...
    def set_turmoil(self, state: TurmoilState) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One person's accounts that a trouble concerns, worst first."""

    user_id: int
    labels: tuple[tuple[str, Grade | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One trouble as it is told; `quote` for a pair that has parted, `crowd` for accounts worsening together."""

    crowd: Crowd | None = None
    quote: Quote | None = None


class TurmoilTeller(Protocol):
    """Tells a person."""

    async def turmoil(self, exposed: Exposed, trouble: Trouble) -> None: ...


TellOperators = Callable[[Trouble, int], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class TurmoilWatch:
    """Looks now and then. What is told is written down before: a crash may cost it, and never repeats it."""

    store: TurmoilStore
    quotes: QuoteSource
    teller: TurmoilTeller
    operators: TellOperators
    clock: Callable[[], datetime]
    _state: TurmoilState | None = field(default=None)

    @property
    def strained(self) -> bool:
        """Whether there is turmoil, as of the last look."""
        return self._state is not None and self._state.since is not None

    async def look(self) -> TurmoilDecision:
        """Judge the market, and tell what is new about it."""
        now = self.clock()
        if self._state is None:
            self._state = self.store.turmoil()
        quotes = await self._quotes(self.store.exchanges(), now)
        worsened = self.store.worsened_since(now - WINDOW)
        accounts = self.store.active_accounts() if worsened else []
        worsened = worsened & {account.id for account in accounts}
        crowd = Crowd(len(worsened), self._with_positions(accounts) if Crowd(len(worsened), 0).is_turmoil else 0)
        decision = judge(self._state, crowd, quotes, now)
        if decision.state != self._state:
            self.store.set_turmoil(decision.state)
            self._state = decision.state
        for news in decision.news:
            log.warning("market stress: %s (%s)", news, decision.reason)
            trouble = Trouble(crowd=crowd) if news == CROWD else Trouble(quote=furthest(quotes, news))
            await self._tell(trouble, accounts or self.store.active_accounts())
        return decision

    async def _quotes(self, exchanges: Iterable[str], now: datetime) -> list[Quote]:
        found: list[Quote] = []
        for exchange in sorted(exchanges):
            await self.quotes.volatilities(exchange, {WATCHED_COIN}, now)
            found += self.quotes.stable_quotes(exchange, PEGGED)
        return found

    def _with_positions(self, accounts: Sequence[Account]) -> int:
        """Only counted when it may matter: it reads every account's report."""
        return sum(_holds(self.store.standing(account)) for account in accounts)

    async def _tell(self, trouble: Trouble, accounts: Sequence[Account]) -> None:
        concerned: dict[int, list[Standing]] = {}
        for account in accounts:
            standing = self.store.standing(account)
            if _holds(standing) and _concerns(trouble, standing):
                concerned.setdefault(account.user_id, []).append(standing)
        await self.operators(trouble, len(concerned))
        for user_id, standings in concerned.items():
            ranked = sorted(standings, key=lambda s: -(grade_of(s) or Grade.OK))
            labels = tuple((standing.account.label, grade_of(standing)) for standing in ranked)
            await self.teller.turmoil(Exposed(user_id=user_id, labels=labels), trouble)


def _holds(standing: Standing) -> bool:
    return standing.report is not None and bool(standing.report.positions)


def _concerns(trouble: Trouble, standing: Standing) -> bool:
    if trouble.quote is None:
        return True
    return standing.report is not None and exposed_to(trouble.quote.pair, standing.report.coins)
