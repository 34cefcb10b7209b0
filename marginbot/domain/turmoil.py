"""Whether the market as a whole is in trouble: many accounts worsening together, or a stablecoin off its peg. Pure.

    before    observed                                                reason          told
    calm      neither                                                 CALM            no
    calm      one of them                                             BEGAN           those exposed, operators
    trouble   another one besides                                     SPREADS         of the new one only
    trouble   nothing new                                             GOES_ON         no
    trouble   nothing at all, for QUIET_FOR                           ENDED           no

Each trouble is told once in an episode, however often it comes and goes. Prices of stablecoins are seen in each
other: which of the two has left is not known, only that they have parted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.room import STABLE

WINDOW = timedelta(minutes=10)  # worsening within it counts as together
FEWEST, LEAST_SHARE = 3, 0.2
PEG_LEAVES, PEG_IS_BACK = 0.005, 0.003  # deviations; between them a peg that had left has not come back
OLDEST_QUOTE = timedelta(minutes=15)
QUIET_FOR = timedelta(minutes=30)
CROWD = "crowd"
PEGGED = STABLE - {"USD", "EUR", "BNFCR"}


class TurmoilReason(StrEnum):
    """Why it was decided so."""

    CALM = "calm"
    BEGAN = "began"
    SPREADS = "spreads"
    GOES_ON = "goes_on"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one stablecoin in another at a venue."""

    exchange: str
    asset: str
    quote: str
    price: float
    at: datetime

    @property
    def deviation(self) -> float:
        """How far from one, signed."""
        return self.price - 1.0

    @property
    def pair(self) -> str:
        """`USDC/USDT`, the same at every venue."""
        return f"{self.asset}/{self.quote}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many of the watched accounts with positions have worsened within the window."""

    worsened: int
    watched: int

    @property
    def is_turmoil(self) -> bool:
        """Enough of them, and a large enough part."""
        return self.worsened >= FEWEST and self.worsened >= LEAST_SHARE * self.watched


@dataclass(frozen=True, slots=True, kw_only=True)
class TurmoilState:
    """What is remembered between two looks."""

    since: datetime | None = None  # None: calm
    troubles: tuple[str, ...] = ()  # what was told in this episode: CROWD, or a pair
    standing: tuple[str, ...] = ()  # what of it holds now
    seen_at: datetime | None = None  # when any of it last held


@dataclass(frozen=True, slots=True, kw_only=True)
class TurmoilDecision:
    """What follows: the new state, why, and what is news."""

    state: TurmoilState
    reason: TurmoilReason
    news: tuple[str, ...] = ()


def judge(state: TurmoilState, crowd: Crowd, quotes: Sequence[Quote], now: datetime) -> TurmoilDecision:
    """The next state and what to tell; see the table above."""
    holds = ({CROWD} if crowd.is_turmoil else set()) | _parted(quotes, state.standing, now)
    standing = tuple(sorted(holds))
    if state.since is None and not holds:
        return TurmoilDecision(state=TurmoilState(), reason=TurmoilReason.CALM)
    if not holds:
        if state.seen_at is not None and now - state.seen_at < QUIET_FOR:
            return TurmoilDecision(state=replace(state, standing=()), reason=TurmoilReason.GOES_ON)
        return TurmoilDecision(state=TurmoilState(), reason=TurmoilReason.ENDED)
    news = tuple(trouble for trouble in standing if trouble not in state.troubles)
    after = TurmoilState(since=state.since or now, troubles=(*state.troubles, *news), standing=standing, seen_at=now)
    if state.since is None:
        return TurmoilDecision(state=after, reason=TurmoilReason.BEGAN, news=news)
    return TurmoilDecision(state=after, reason=TurmoilReason.SPREADS if news else TurmoilReason.GOES_ON, news=news)


def _parted(quotes: Sequence[Quote], standing: Collection[str], now: datetime) -> set[str]:
    """Pairs that are off by more than the limit at any venue; one that is, until it is clearly back."""
    return {
        quote.pair
        for quote in quotes
        if now - quote.at <= OLDEST_QUOTE
        and abs(quote.deviation) > (PEG_IS_BACK if quote.pair in standing else PEG_LEAVES)
    }


def furthest(quotes: Sequence[Quote], pair: str) -> Quote | None:
    """The quote of a pair that is furthest from one."""
    return max((q for q in quotes if q.pair == pair), key=lambda q: abs(q.deviation), default=None)


def exposed_to(pair: str, coins: Collection[str]) -> bool:
    """Whether an account that keeps these coins may lose by it: either of the two may be the one that left."""
    return not set(pair.split("/")).isdisjoint(coins)
