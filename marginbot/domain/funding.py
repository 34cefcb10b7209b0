"""What perpetuals pay: at the rates that venues announce beside their mark prices, or at the usual one.

A rate is for one payment. How far apart payments are some venues tell; else it is seen when the time of the next one
moves on, and it is eight hours, the longest in use, where the next one is still more than four away. A rate whose
interval is not known is not used: it could be eight times as dear as it looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from marginbot.domain.margin import Position
from marginbot.domain.shocks import Funding

LONGEST = timedelta(hours=8)
SECOND_LONGEST = timedelta(hours=4)
SHORTEST = timedelta(hours=1)
STALE = timedelta(hours=1)
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """The rate of a perpetual's next payment: a fraction of the notional, above zero longs pay shorts."""

    rate: float
    next_at: datetime | None = None
    interval: timedelta | None = None  # between payments; None: not told


@dataclass(frozen=True, slots=True)
class _Told:
    last: Announcement
    at: datetime


@dataclass(slots=True)
class FundingRates:
    """The last announcement of each perpetual of a venue, by unified symbol."""

    _told: dict[str, _Told] = field(default_factory=dict)

    def note(self, symbol: str, announced: Announcement, now: datetime) -> None:
        """Take in what was announced; an interval that was learned before is kept."""
        before = self._told[symbol].last if symbol in self._told else None
        interval = announced.interval or _seen(before, announced, now)
        self._told[symbol] = _Told(replace(announced, interval=interval), now)

    def each_eight_hours(self, now: datetime) -> Mapping[str, float]:
        """Rates for eight hours, of what is known and not older than an hour."""
        return {
            symbol: told.last.rate * (LONGEST / told.last.interval)
            for symbol, told in self._told.items()
            if told.last.interval is not None and now - told.at <= STALE
        }


def _seen(before: Announcement | None, announced: Announcement, now: datetime) -> timedelta | None:
    if announced.next_at is None:
        return None
    if before is not None and before.next_at is not None and announced.next_at != before.next_at:
        moved = announced.next_at - before.next_at
        return moved if SHORTEST <= moved <= LONGEST else None
    if SECOND_LONGEST < announced.next_at - now <= LONGEST:
        return LONGEST
    return None if before is None else before.interval


def is_perpetual(symbol: str) -> bool:
    """Whether a unified symbol is a contract without expiry: those alone pay funding."""
    return ":" in symbol and "-" not in symbol.partition(":")[2]


def _pays_funding(position: Position) -> bool:
    return is_perpetual(position.symbol) and position.option is None


def paid(position: Position, funding: Funding, rates: Mapping[str, float]) -> float:
    """What a position pays, in its pool's currency; below zero: it is paid. `rates`: announced for eight hours.

    Where no rate is stated or announced the usual one is taken, and that it is paid whichever the side.
    """
    if not _pays_funding(position):
        return 0.0
    announced = None if funding.known else rates.get(position.symbol)
    rate = funding.rate if announced is None else announced
    amount = rate * funding.payments * float(position.notional or 0)
    return amount * position.side.sign if funding.known or announced is not None else abs(amount)


def told(positions: Sequence[Position], funding: Funding, rates: Mapping[str, float]) -> list[str]:
    """Which perpetuals pay what the exchange has announced; of the others no rate is known."""
    paying = sorted({position.symbol for position in positions if _pays_funding(position)})
    if funding.known or not paying:
        return []
    found = [f"{symbol.partition('/')[0]} {rates[symbol]:+.4%}" for symbol in paying if symbol in rates]
    unknown = [symbol.partition("/")[0] for symbol in paying if symbol not in rates]
    notes = [f"funding announced, each 8 h: {_few(found)}"] if found else []
    return notes + ([f"funding not announced, the usual taken: {_few(unknown)}"] if unknown else [])


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" (+{more})" if more > 0 else "")
