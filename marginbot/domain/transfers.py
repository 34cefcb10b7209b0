"""Moving spare collateral from one pool to another: how much, and how long that usually takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from marginbot.domain.room import STABLE

# Minutes a transfer usually takes from one venue to another, by coin; within a venue it is done at once.
TRANSFER_MINUTES: Mapping[str, tuple[int, int]] = {"BTC": (15, 60), "ETH": (5, 20), "SOL": (2, 10), "dollar": (5, 30)}
OTHER_MINUTES = (10, 60)
WITHIN_VENUE_MINUTES = (0, 1)
ONE_IN_TEN = 1.645  # deviations that a random walk leaves behind at some time with a chance of one in ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Collateral that lies idle in another pool of the same person."""

    label: str
    pool: str
    currency: str
    spare: Decimal
    same_account: bool
    same_venue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What to move from a source, and how long that usually takes."""

    source: Source
    amount: Decimal
    suffices: bool
    minutes: tuple[int, int]


def coin_class(currency: str) -> str:
    """Currencies that stand in for each other: all stablecoins, or a coin itself."""
    return "dollar" if currency in STABLE else currency


def transfers(needed: Decimal, currency: str, sources: Iterable[Source]) -> tuple[Transfer, ...]:
    """What each other pool can spare of the same kind of money, the fastest and fullest first."""
    found = []
    for source in sources:
        if coin_class(source.currency) != coin_class(currency) or source.spare <= 0:
            continue
        amount = min(needed, source.spare)
        minutes = TRANSFER_MINUTES.get(coin_class(currency), OTHER_MINUTES)
        minutes = WITHIN_VENUE_MINUTES if source.same_account or source.same_venue else minutes
        found.append(Transfer(source=source, amount=amount, suffices=amount >= needed, minutes=minutes))
    return tuple(sorted(found, key=lambda transfer: (not transfer.suffices, transfer.minutes, -transfer.amount)))


def minutes_left(cushion: float | None) -> float | None:
    """Minutes within which the trigger is reached with a chance of about one in ten, at the market's present pace."""
    return None if cushion is None else 60.0 * (cushion / ONE_IN_TEN) ** 2
