"""All requests to a venue pass here: from which address they leave, what they cost, and when none may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from marginbot.domain.errors import Banned, RateLimited
from marginbot.exchanges.budget import LIMITS, Budget, Limit, Request, Spent

PATIENCE = 5.0  # seconds a request waits for its turn; longer, and the account had better be read later
SLOW_DOWN, BANNED = 429, 418
USUAL_STOP = {SLOW_DOWN: 10.0, BANNED: 120.0}  # seconds, where the venue names none
LONGEST_STOP = 3600.0
MOST_ACCOUNTS = 50_000
FIRST_GUESS = 10.0  # weight of a reading before one was made
_LEARNS = 0.1  # share of a new reading's weight in what is expected of the next

_UNLIMITED = Limit(name="", paths=("",), weight=float("inf"), seconds=60, cost=lambda _: 1)
_SPENT: ContextVar[list[float] | None] = ContextVar("spent", default=None)


@dataclass(frozen=True, slots=True)
class Leave:
    """A request that may go: by which proxy, and on whose account it goes."""

    proxy: str | None
    budget: Budget | None  # None: nothing that is limited
    header: str
    stops: Budget
    waited: bool = False
    spent: Spent | None = None  # once it has left


class Budgets:
    """Every budget there is, by limit and address (or account). Shared by all venues: some share a limit."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Budget] = {}

    def of(self, limit: Limit, whom: str) -> Budget:
        """The budget of an address or account under a limit."""
        key = (limit.name, whom)
        if key not in self._known:
            if len(self._known) >= MOST_ACCOUNTS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = Budget(limit.weight, limit.seconds)
        return self._known[key]


class Traffic:
    """One venue's requests."""

    def __init__(
        self,
        venue: str,
        budgets: Budgets,
        *,
        proxies: Sequence[str] = (),
        limits: Mapping[str, tuple[Limit, ...]] = LIMITS,
        patience: float = PATIENCE,
    ) -> None:
        self.venue = venue
        self._patience = patience
        self.expected = FIRST_GUESS  # weight of a reading
        self._budgets = budgets
        self._egress: tuple[str | None, ...] = tuple(proxies) or (None,)
        self._limits = limits.get(venue, ())
        self._turn = asyncio.Lock()

    async def leave(self, url: str, body: str | None, account: str) -> Leave:
        """Wait for a turn, first come first served; `RateLimited` or `Banned` where that takes too long."""
        parts = urlsplit(url)
        limit = next((one for one in self._limits if any(parts.path.startswith(path) for path in one.paths)), None)
        weight = limit.cost(Request(parts.path, parts.query, body or "")) if limit else 1.0
        leave, wait = self._best(limit, weight, account)
        if wait > 0 or self._turn.locked():
            leave = await self._in_turn(limit, weight, account)
        if leave.budget is not None:
            leave = replace(leave, spent=leave.budget.spend(weight, _now()))
        if (spent := _SPENT.get()) is not None:
            spent[0] += weight
        return leave

    async def _in_turn(self, limit: Limit | None, weight: float, account: str) -> Leave:
        """An account that waits for its own limit keeps nobody else."""
        try:
            async with asyncio.timeout(self._patience):
                if limit is not None and limit.per_account:
                    return await self._waited(limit, weight, account)
                async with self._turn:
                    return await self._waited(limit, weight, account)
        except TimeoutError:
            raise self._refusal(self._best(limit, weight, account)[0]) from None

    async def _waited(self, limit: Limit | None, weight: float, account: str) -> Leave:
        leave, wait = self._best(limit, weight, account)
        while wait > 0:
            if wait > self._patience:
                raise self._refusal(leave)
            await asyncio.sleep(wait)
            leave, wait = self._best(limit, weight, account)
        return replace(leave, waited=True)

    def told(self, leave: Leave, status: int, headers: Mapping[str, str]) -> None:
        """What the venue says of it: the weight it has counted, and that it wants to be left alone."""
        named = {name.lower(): value for name, value in headers.items()} if leave.header or status >= 400 else {}
        counted = named.get(leave.header, "")
        if leave.budget is not None and leave.spent is not None:
            leave.budget.answered(leave.spent, float(counted) if counted.isdigit() else None, _now())
        if status in USUAL_STOP:
            leave.stops.stop(_now() + _seconds(named.get("retry-after", ""), USUAL_STOP[status]))

    def unanswered(self, leave: Leave) -> None:
        """It failed on the way, or nobody waits for it any more."""
        if leave.budget is not None and leave.spent is not None:
            leave.budget.answered(leave.spent, None, _now())

    @contextmanager
    def weighed(self) -> Iterator[None]:
        """Within this one reading is made: what it weighs is expected of the next."""
        spent = [0.0]
        token = _SPENT.set(spent)
        try:
            yield
        finally:
            _SPENT.reset(token)
            if spent[0]:
                self.expected += _LEARNS * (spent[0] - self.expected)

    def ready_in(self, under_way: int) -> float:
        """Seconds until one more reading fits beside those under way; 0 where only accounts are limited."""
        now = _now()
        limit = next((one for one in self._limits if not one.per_account), None)
        needed = self.expected * (under_way / len(self._egress) + 1)
        return min(
            max(self._stops(proxy).wait(0, now), self._budgets.of(limit, str(proxy)).wait(needed, now) if limit else 0)
            for proxy in self._egress
        )

    def pace(self, under_way: int) -> float:
        """Seconds until one more reading leaves enough for those that come later; 0 where only accounts are limited."""
        limit = next((one for one in self._limits if not one.per_account), None)
        if limit is None:
            return 0.0
        now, needed = _now(), self.expected * (under_way / len(self._egress) + 1)
        return min(self._budgets.of(limit, str(proxy)).pace(needed, now) for proxy in self._egress)

    def used(self) -> float | None:
        """Share of this venue's limits that is used, of the address with the most left; None where none is known."""
        now = _now()
        limits = [limit for limit in self._limits if not limit.per_account]
        shares = []
        for proxy in self._egress:
            budgets = [self._budgets.of(limit, str(proxy)) for limit in limits]
            for budget in budgets:
                budget.wait(0, now)
            shares += [max(budget.used / budget.limit for budget in budgets)] if budgets else []
        return min(shares, default=None)

    def _best(self, limit: Limit | None, weight: float, account: str) -> tuple[Leave, float]:
        """The address from which it can leave first; among equals each account keeps its own."""
        count, now = len(self._egress), _now()
        own = hash(account) % count
        choices = [self._by(self._egress[(own + step) % count], limit, account) for step in range(count)]
        waits = [
            max(leave.stops.wait(0, now), leave.budget.wait(weight, now) if leave.budget else 0.0) for leave in choices
        ]
        best = min(range(count), key=waits.__getitem__)
        return choices[best], waits[best]

    def _by(self, proxy: str | None, limit: Limit | None, account: str) -> Leave:
        if limit is None:
            return Leave(proxy, None, "", self._stops(proxy))
        budget = self._budgets.of(limit, account if limit.per_account else str(proxy))
        return Leave(proxy, budget, limit.used_header, self._stops(proxy))

    def _stops(self, proxy: str | None) -> Budget:
        return self._budgets.of(_UNLIMITED, f"{self.venue} {proxy}")

    def _refusal(self, leave: Leave) -> RateLimited | Banned:
        left = leave.stops.stopped_until - _now()
        if left > LONGEST_STOP / 60:
            return Banned(f"{self.venue}: it wants no requests for another {left:.0f} s")
        why = f"it wants no requests for another {left:.0f} s" if left > 0 else "our share of its limit is used up"
        return RateLimited(f"{self.venue}: {why}")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _seconds(text: str, usual: float) -> float:
    return min(float(text), LONGEST_STOP) if text.isdigit() and int(text) else usual
