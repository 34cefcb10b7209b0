"""What if, where does it die, and what would save it: answered from the last readings, without asking the exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.liquidation_map import PoolMap, liquidation_map
from marginbot.domain.margin import Pool, Snapshot
from marginbot.domain.report import PoolReport, assess, judged
from marginbot.domain.rescue import can_be_rescued, target_of
from marginbot.domain.rescue_sheet import Sheet, rescue_sheet
from marginbot.domain.room import STABLE
from marginbot.domain.shocks import Shock
from marginbot.domain.shortfall import Target
from marginbot.domain.transfers import Source, coin_class, minutes_left
from marginbot.domain.whatif import Basis, Outcome, spare_of, spares_after, stressed, underlyings_of_pool
from marginbot.flow.ports import Account
from marginbot.flow.remembered import Memory

MOST_SHEETS = 3
_RATIO = re.compile(r"(\d{1,2}(?:\.\d{1,3})?)%?")
_CUSHION = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)[xX]")
TOPUP_USAGE = "/topup [LABEL] [TARGET]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An account with the reading that what-ifs start from; `snapshot` None: none yet."""

    account: Account
    snapshot: Snapshot | None
    basis: Basis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StressedAccount:
    """What a shock does to an account's pools, those that die first in front."""

    account: Account
    taken_at: datetime | None
    outcomes: tuple[Outcome, ...]

    @property
    def breaks_at(self) -> float | None:
        """Share of the shock at which its first pool dies."""
        return min((o.breaks_at for o in self.outcomes if o.breaks_at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """The answer to one shock over several accounts, the first to die in front."""

    shock: Shock
    accounts: tuple[StressedAccount, ...]
    # At the moment the first pool dies (or at the end, if none does): what other accounts can spare, by kind of money.
    spare: tuple[tuple[Account, str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMap:
    """Where an account is liquidated."""

    account: Account
    taken_at: datetime | None
    pools: tuple[PoolMap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSheet:
    """What would bring one pool back. `sheet` None: too little is known of it."""

    account: Account
    taken_at: datetime
    pool: PoolReport
    sheet: Sheet | None
    minutes_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """The sheets that are needed, and how much of the accounts that says: each with its last reading's time."""

    sheets: tuple[PoolSheet, ...]
    read: tuple[tuple[Account, datetime | None], ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Answers for a person's own accounts only."""

    store: Memory
    funding: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # announced, by venue and symbol

    # -- what was asked

    def split_label(self, user_id: int, words: Sequence[str]) -> tuple[str | None, list[str]]:
        """The label in front, if the first word is one of this person's, and the rest."""
        labels = {account.label.casefold(): account.label for account in self.store.accounts_of(user_id)}
        if words and words[0].casefold() in labels:
            return labels[words[0].casefold()], list(words[1:])
        return None, list(words)

    def known(self, user_id: int, label: str | None) -> list[Known]:
        """A person's own accounts with their last readings; `NoSuchAccount` for a label that is not theirs."""
        accounts = [self.store.account(user_id, label)] if label else self.store.accounts_of(user_id)
        return [self._known(account) for account in accounts]

    def _known(self, account: Account) -> Known:
        reading = self.store.last_reading(account.id)
        if reading is None:
            return Known(account=account, snapshot=None, basis=None)
        basis = Basis(
            volatilities=reading.volatilities,
            ladders=self.store.ladders(account.id),
            now=reading.snapshot.taken_at,
            funding=self.funding.get(account.exchange, {}),
        )
        return Known(account=account, snapshot=reading.snapshot, basis=basis)

    def stablecoins(self, user_id: int, label: str | None) -> list[str]:
        """The stablecoins that back these accounts, as far as the exchanges tell."""
        pools = [pool for one in self.known(user_id, label) if one.snapshot for pool in one.snapshot.pools]
        return sorted({coin for pool in pools for coin in _stables_of(pool)})

    # -- answers

    def stress(self, user_id: int, label: str | None, shock: Shock) -> Stress:
        """What a shock does; `RequestError` where it names a coin that moves none of these accounts."""
        known = self.known(user_id, label)
        _require_coins(shock, known)
        accounts = sorted((_stressed(one, shock) for one in known), key=_first_to_die)
        first = next((a for a in accounts if a.breaks_at is not None), None)
        reached = shock if first is None or first.breaks_at is None else shock.part(first.breaks_at)
        others = [one for one in known if first is None or one.account.id != first.account.id]
        return Stress(shock=shock, accounts=tuple(accounts), spare=tuple(_spares(others, reached)))

    def maps(self, user_id: int, label: str | None) -> list[AccountMap]:
        """The liquidation maps of an account, or of all."""
        return [
            AccountMap(
                account=one.account,
                taken_at=one.snapshot.taken_at if one.snapshot else None,
                pools=liquidation_map(one.snapshot, one.basis) if one.snapshot and one.basis else (),
            )
            for one in self.known(user_id, label)
        ]

    def sheets(
        self, user_id: int, label: str | None, target: Target | None, *, stale_before: datetime, pool: str | None = None
    ) -> Rescue:
        """Rescue sheets of the pools that need one, worst first; for a pool by name, of that one.

        Readings older than `stale_before` are no source of collateral to move.
        """
        asked = self.known(user_id, label)
        everything = self.known(user_id, None)
        wanted = [found for one in asked for found in self._wanted(one, target, pool)]
        wanted.sort(key=lambda found: _urgency(found[1]), reverse=True)
        fresh = [one for one in everything if one.snapshot and one.snapshot.taken_at >= stale_before]
        return Rescue(
            sheets=tuple(_sheet(one, report, target, fresh) for one, report in wanted[:MOST_SHEETS]),
            read=tuple((one.account, one.snapshot.taken_at if one.snapshot else None) for one in asked),
        )

    def _wanted(self, one: Known, target: Target | None, pool: str | None) -> Iterator[tuple[Known, PoolReport]]:
        if one.snapshot is None or one.basis is None:
            return
        states = self.store.states(one.account.id)
        previous = {name: state.grade for name, state in states.items() if state.grade is not None}
        report = assess(
            one.snapshot, one.basis.volatilities, ladders=one.basis.ladders, previous=previous, now=one.basis.now
        )
        for found in report.pools:
            endangered = found.grade is None or found.grade > Grade.OK
            held = any(p.name == found.name and p.positions for p in one.snapshot.pools)
            if held and (found.name == pool if pool is not None else endangered or target is not None):
                yield one, found


def parse_target(words: Sequence[str]) -> Target | None:
    """`40` or `40%`: a ratio; `3x`: a cushion; nothing: None, the grade's own target."""
    if not words:
        return None
    if len(words) == 1 and (found := _CUSHION.fullmatch(words[0])) and float(found[1]) > 0:
        return Target(cushion=float(found[1]))
    if len(words) == 1 and (found := _RATIO.fullmatch(words[0])) and float(found[1]) >= 1:
        return Target(ratio=float(found[1]) / 100)
    raise RequestError(
        "not a target",
        advice=f"“{' '.join(words)[:40]}” is neither an account of yours nor a target. "
        f"Send it like this: {TOPUP_USAGE}, for instance /topup main 40 for a ratio, or /topup main 4x for a cushion.",
    )


# -- shocks


def _first_to_die(found: StressedAccount) -> tuple[float, float]:
    ratios = [float(o.after.margin_ratio) for o in found.outcomes if o.after and o.after.margin_ratio is not None]
    return 2.0 if found.breaks_at is None else found.breaks_at, -max(ratios, default=0.0)


def _stressed(one: Known, shock: Shock) -> StressedAccount:
    if one.snapshot is None or one.basis is None:
        return StressedAccount(account=one.account, taken_at=None, outcomes=())
    outcomes = stressed(one.snapshot, shock, one.basis)
    return StressedAccount(account=one.account, taken_at=one.snapshot.taken_at, outcomes=outcomes)


def _spares(known: Sequence[Known], shock: Shock) -> Iterator[tuple[Account, str, float]]:
    for one in known:
        if one.snapshot is None or one.basis is None:
            continue
        currencies = {pool.name: pool.currency for pool in one.snapshot.pools}
        for name, spare in spares_after(one.snapshot, shock, one.basis).items():
            if spare > 0:
                yield one.account, currencies[name], spare


def _require_coins(shock: Shock, known: Sequence[Known]) -> None:
    pools = [pool for one in known if one.snapshot for pool in one.snapshot.pools]
    moving = {name for pool in pools for name in underlyings_of_pool(pool)}
    unknown = sorted(coin for coin in shock.moves if coin not in moving)
    unknown += sorted(coin for coin in shock.pegs if not any(_feels(pool, coin) for pool in pools))
    if pools and unknown:
        raise RequestError(
            "no such coin",
            advice=f"None of these accounts moves with {', '.join(unknown)[:60]}, and no account of yours is called "
            "so. /positions shows what you hold.",
        )


def _stables_of(pool: Pool) -> set[str]:
    """The stablecoins a pool is kept in, holds, or settles in."""
    settled = {position.symbol.partition(":")[2].partition("-")[0] for position in pool.positions}
    held = {coin.asset for coin in pool.stables} | {pool.currency} | settled
    return (held & STABLE) - {"USD"}


def _feels(pool: Pool, coin: str) -> bool:
    """Whether a stablecoin backs this pool, or may."""
    return coin in _stables_of(pool) or (pool.currency == "USD" and not pool.stables)


# -- rescue


def _urgency(pool: PoolReport) -> tuple[int, float]:
    return int(Grade.NOTICE) if pool.grade is None else int(pool.grade), float(pool.margin_ratio or 0)


def _sheet(one: Known, report: PoolReport, target: Target | None, fresh: Sequence[Known]) -> PoolSheet:
    assert one.snapshot is not None
    assert one.basis is not None
    pool = judged(next(pool for pool in one.snapshot.pools if pool.name == report.name))
    sheet = None
    if can_be_rescued(pool):
        aim = target or _own_target(report.danger, one.basis.ladders)
        sources = list(_sources(one, pool, fresh))
        sheet = rescue_sheet(pool, aim, one.basis.volatilities, sources=sources, now=one.basis.now)
    return PoolSheet(
        account=one.account,
        taken_at=one.snapshot.taken_at,
        pool=report,
        sheet=sheet,
        minutes_left=minutes_left(report.cushion),
    )


def _own_target(graded: Grade | None, ladders: Ladders) -> Target:
    return target_of(max(graded or Grade.NOTICE, Grade.NOTICE), ladders)[1]


def _sources(one: Known, needy: Pool, fresh: Sequence[Known]) -> Iterator[Source]:
    for other in fresh:
        assert other.snapshot is not None
        assert other.basis is not None
        for pool in map(judged, other.snapshot.pools):
            itself = other.account.id == one.account.id and pool.name == needy.name
            if itself or coin_class(pool.currency) != coin_class(needy.currency):
                continue
            yield Source(
                label=other.account.label,
                pool=pool.name,
                currency=pool.currency,
                spare=Decimal(f"{spare_of(pool, other.basis):.8g}"),
                same_account=other.account.id == one.account.id,
                same_venue=other.account.exchange == one.account.exchange,
            )
