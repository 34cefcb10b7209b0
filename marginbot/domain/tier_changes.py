"""What a venue requires, what it has changed about that, and what a change does to an account.

The same snapshot is judged under the old and the new terms:

    requirement   the positions' tiers come to another sum, and the pool's own requirement changes in proportion
    equity        a coin that backs the pool counts `new rate / old rate` of what it counted

A venue may have applied new tiers already when the account is read. So the tiers that come nearer to the pool's own
requirement are taken for those in force, and the others are worked out from there. Collateral rates are in force once a
venue lists them: the equity that was read is the one under the new rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from marginbot.domain.margin import Collateral, Pool, Position, Snapshot
from marginbot.domain.room import Scenario, room_of
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.domain.volatility import Volatility

VISIBLE = 0.001  # a ratio or a room that moves by less looks the same with the one decimal people see

Tiers = tuple[LeverageTier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A venue's terms at one moment."""

    tiers: Mapping[str, Tiers] = field(default_factory=dict)  # by unified symbol
    collateral_rates: Mapping[str, Decimal] = field(default_factory=dict)  # fraction of a coin's value that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTerms:
    """Terms with the time when the venue gave them."""

    loaded_at: datetime
    terms: Terms


class Kind(StrEnum):
    """What became of a figure; the first three require more than before."""

    RATE_RAISED = "rate_raised"  # a tier's maintenance margin rate
    TIER_CUT = "tier_cut"  # a tier ends earlier
    COLLATERAL_CUT = "collateral_cut"  # less of a coin's value counts
    RATE_LOWERED = "rate_lowered"
    TIER_WIDENED = "tier_widened"
    COLLATERAL_RAISED = "collateral_raised"

    @property
    def worsens(self) -> bool:
        """Whether it asks for more margin."""
        return self in (Kind.RATE_RAISED, Kind.TIER_CUT, Kind.COLLATERAL_CUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure that changed. Rates are fractions; caps in the unit of the symbol's notional, None: no end."""

    kind: Kind
    name: str  # a unified symbol, or a coin
    old: Decimal | None
    new: Decimal | None
    rung: int = 0  # of the tiers, 1 is the lowest; 0 for coins


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A pool under the old and under the new terms."""

    label: str  # of the account
    pool: str
    ratio_before: Decimal | None
    ratio_after: Decimal | None  # None: the equity would be gone, or it is not known
    room_before: float | None
    room_after: float | None
    scenario: str | None  # of the room after, or else before

    @property
    def worsens(self) -> bool:
        """Whether people would see the difference."""
        if self.ratio_before is None or self.ratio_after is None:
            return self.ratio_before is not None
        if float(self.ratio_after - self.ratio_before) >= VISIBLE:
            return True
        if self.room_after is None:
            return False
        return self.room_before is None or abs(self.room_before) - abs(self.room_after) >= VISIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsNews:
    """What one person is told of one venue's change."""

    changes: tuple[Change, ...]
    effects: tuple[Effect, ...] = ()
    unread: tuple[str, ...] = ()  # labels of accounts that could not be read to tell


def changed(old: Terms, new: Terms) -> tuple[Change, ...]:
    """What differs between two tables, for what both of them list."""
    found: list[Change] = []
    for symbol in sorted(old.tiers.keys() & new.tiers.keys()):
        found += _ladder_changes(symbol, old.tiers[symbol], new.tiers[symbol])
    for coin in sorted(old.collateral_rates.keys() & new.collateral_rates.keys()):
        before, after = old.collateral_rates[coin], new.collateral_rates[coin]
        if before != after:
            kind = Kind.COLLATERAL_CUT if after < before else Kind.COLLATERAL_RAISED
            found.append(Change(kind=kind, name=coin, old=before, new=after))
    return tuple(found)


def _ladder_changes(symbol: str, old: Tiers, new: Tiers) -> list[Change]:
    """Rung by rung. A rung that was added or is gone shows in the cap of the one below it."""
    found = []
    for rung, (before, after) in enumerate(zip(old, new, strict=False), start=1):
        rates = before.maintenance_margin_rate, after.maintenance_margin_rate
        if rates[0] != rates[1]:
            kind = Kind.RATE_RAISED if rates[1] > rates[0] else Kind.RATE_LOWERED
            found.append(Change(kind=kind, name=symbol, old=rates[0], new=rates[1], rung=rung))
        if before.cap != after.cap:
            cut = after.cap is not None and (before.cap is None or after.cap < before.cap)
            kind = Kind.TIER_CUT if cut else Kind.TIER_WIDENED
            found.append(Change(kind=kind, name=symbol, old=before.cap, new=after.cap, rung=rung))
    return found


def merged(old: Terms, new: Terms) -> Terms:
    """The new table, with the old entries that it does not list: an answer may be made for one account only."""
    return Terms(tiers={**old.tiers, **new.tiers}, collateral_rates={**old.collateral_rates, **new.collateral_rates})


def effects(
    snapshot: Snapshot,
    volatilities: Mapping[str, Volatility],
    *,
    label: str,
    old: Terms,
    new: Terms,
    now: datetime,
) -> tuple[Effect, ...]:
    """What a change of terms does to each pool that it touches."""
    found = []
    for pool in snapshot.pools:
        before, after = under(pool, old, new)
        if before != after:
            found.append(_effect(label, before, after, volatilities=volatilities, now=now))
    return tuple(found)


def _effect(label: str, before: Pool, after: Pool, *, volatilities: Mapping[str, Volatility], now: datetime) -> Effect:
    rooms = [room_of(pool, volatilities, now).decisive for pool in (before, after)]
    shown = rooms[1] or rooms[0]
    return Effect(
        label=label,
        pool=before.name,
        ratio_before=before.margin_ratio,
        ratio_after=after.margin_ratio,
        room_before=_room(rooms[0]),
        room_after=_room(rooms[1]),
        scenario=shown.name if shown else None,
    )


def _room(scenario: Scenario | None) -> float | None:
    return scenario.room if scenario else None


def under(pool: Pool, old: Terms, new: Terms) -> tuple[Pool, Pool]:
    """A pool as it is under the old and under the new terms, wherever it stands now."""
    amounts = [_required(pool.positions, terms) for terms in (old, new)]
    in_force = _nearer(pool.maintenance_margin, amounts)
    pools = [
        _under(pool, terms, listed=new, share=_share(amounts[side], amounts[in_force]))
        for side, terms in enumerate((old, new))
    ]
    return pools[0], pools[1]


def _required(positions: Sequence[Position], terms: Terms) -> Decimal:
    """What all positions require by their tiers, or as the venue says where there are none."""
    return sum((_requirement(position, terms) for position in positions), Decimal(0))


def _requirement(position: Position, terms: Terms) -> Decimal:
    tiers = terms.tiers.get(position.symbol)
    if tiers and position.notional is not None and _fits(position):
        return maintenance_margin(position.notional, tiers)
    return position.maintenance_margin or Decimal(0)


def _fits(position: Position) -> bool:
    """Options have no tiers, and a position without tiers of its own may be counted in another unit than theirs."""
    return position.option is None and bool(position.tiers)


def _nearer(told: Decimal | None, amounts: Sequence[Decimal]) -> int:
    """0 where the old terms explain the pool's own requirement at least as well as the new ones, else 1."""
    if told is None:
        return 0
    return 0 if abs(told - amounts[0]) <= abs(told - amounts[1]) else 1


def _share(wanted: Decimal, in_force: Decimal) -> Decimal:
    return wanted / in_force if in_force > 0 else Decimal(1)


def _under(pool: Pool, terms: Terms, *, listed: Terms, share: Decimal) -> Pool:
    collateral = tuple(_counted(coin, terms, listed) for coin in pool.collateral)
    gained = sum((c.value for c in collateral), Decimal(0)) - sum((c.value for c in pool.collateral), Decimal(0))
    positions = tuple(
        replace(position, tiers=terms.tiers[position.symbol], maintenance_margin=_requirement(position, terms))
        if position.symbol in terms.tiers and _fits(position)
        else position
        for position in pool.positions
    )
    return replace(
        pool,
        positions=positions,
        collateral=collateral,
        equity=None if pool.equity is None else pool.equity + gained,
        maintenance_margin=None if pool.maintenance_margin is None else pool.maintenance_margin * share,
        reported_ratio=None,
    )


def _counted(coin: Collateral, terms: Terms, listed: Terms) -> Collateral:
    """A debt counts in full whatever the rate, and so does what the venue never cuts."""
    rate, now = terms.collateral_rates.get(coin.asset), listed.collateral_rates.get(coin.asset)
    if rate is None or not now or coin.value <= 0 or not coin.is_cut:
        return coin
    return replace(coin, value=coin.value * rate / now)
