"""The rescue sheet of a pool: exact amounts to deposit, to close, or to move, each proven by the model that grades.

Nothing is on the sheet that does not reach the target when it is applied to the pool as it was read. What is assumed is
said: the fee of closing, and how long a transfer takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.margin import Collateral, Pool, Position
from marginbot.domain.rescue import modelled, reduced, rounded_up, topped_up
from marginbot.domain.room import STABLE, revaluation
from marginbot.domain.shortfall import Demand, Shortfall, Target, least_share, tolerance
from marginbot.domain.transfers import Source, Transfer, transfers
from marginbot.domain.volatility import Volatility

CLOSING_FEE = Decimal("0.0006")  # of the notional: no large venue's taker fee is above it
DIGITS = 5  # of an amount: closer than a ten-thousandth
CLOSING_DIGITS = 6  # what stays open may be a small part of it
MOST_COINS = 3
MOST_CANDIDATES = 3
NEARLY_ALL = Decimal("0.995")  # whoever has to close this much closes all
ALMOST = 0.95  # of what is missing: tiers and other moves may still make up the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Collateral to add. `amount` None: no quantity is known of this coin, only what it has to count for."""

    asset: str
    amount: Decimal | None  # of the coin
    counts: Decimal  # in the pool's currency, after haircut


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A position to close, or a part of it, at the mark."""

    symbol: str
    side: str
    contracts: Decimal
    share: Decimal  # of the position; 1: all of it
    notional: Decimal  # that is closed, in the pool's currency
    index: int  # of the position within its pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that would bring a pool to its target. `missing` is the equity it lacks; zero: it is there already."""

    target: Target
    missing: Decimal
    deposits: tuple[Deposit, ...] = ()
    closes: tuple[Close, ...] = ()  # each alone suffices, the least to close first
    together: tuple[Close, ...] = ()  # where no single one does: all of these
    every_share: Decimal | None = None  # of every position, where there are several
    transfers: tuple[Transfer, ...] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """A pool, and what it should become."""

    pool: Pool
    demand: Demand

    def after(self, shares: Mapping[int, Decimal]) -> Pool:
        return reduced(self.pool, shares, CLOSING_FEE)

    def lacks(self, pool: Pool) -> float:
        return self.demand.of(pool).amount

    def without(self, shares: Mapping[int, Decimal]) -> float:
        return self.lacks(self.after(shares))


def rescue_sheet(
    pool: Pool, target: Target, volatilities: Mapping[str, Volatility], *, sources: Iterable[Source], now: datetime
) -> Sheet:
    """What brings a pool (see `can_be_rescued`) to a target."""
    question = _Question(pool, Demand(target, volatilities, now))
    missing = question.demand.of(pool)
    if missing.amount <= 0:
        return Sheet(target=target, missing=Decimal(0))
    needed = _enough(question, rounded_up(Decimal(missing.amount), DIGITS))
    reliefs = _reliefs(question, missing)
    ranked = sorted(reliefs, key=lambda index: -reliefs[index] / float(pool.positions[index].notional or 1))
    closes = tuple(sorted(_single_closes(question, ranked, reliefs, missing.amount), key=lambda close: close.notional))
    return Sheet(
        target=target,
        missing=needed,
        deposits=tuple(_deposits(question, needed)),
        closes=closes,
        together=() if closes else _together(question, ranked),
        every_share=_every_share(question),
        transfers=transfers(needed, pool.currency, sources),
    )


def _enough(question: _Question, amount: Decimal) -> Decimal:
    """The amount, or one unit of its last digit more where it met the target only just not."""
    if question.lacks(topped_up(question.pool, amount)) < 0:
        return amount
    return amount + Decimal(1).scaleb(amount.adjusted() - DIGITS + 1)


# -- deposits


def _deposits(question: _Question, needed: Decimal) -> Iterator[Deposit]:
    pool = question.pool
    asset = deposit_asset(pool)
    held = next((coin for coin in pool.stables if coin.asset == asset), None)
    yield Deposit(asset=asset, amount=_coins(needed, held.per_coin if held else Decimal(1)), counts=needed)
    coins = sorted((coin for coin in pool.collateral if coin.value > 0), key=lambda coin: -coin.value)
    for coin in coins[:MOST_COINS]:
        counts = _coin_needed(question, coin, needed)
        if counts is not None:
            yield Deposit(asset=coin.asset, amount=_coins(counts, coin.per_coin), counts=counts)


def deposit_asset(pool: Pool) -> str:
    """What a deposit is made in: the pool's own currency, or the stablecoin its largest position settles in."""
    if pool.currency != "USD":
        return pool.currency
    settled = [(p.notional or Decimal(0), p.symbol.partition(":")[2].partition("-")[0]) for p in pool.positions]
    return max(((n, coin) for n, coin in settled if coin in STABLE), default=(Decimal(0), "USDT"))[1]


def _coins(counts: Decimal, per_coin: Decimal | None) -> Decimal | None:
    """So many coins count for so much; None: what one counts for is not told."""
    return rounded_up(counts / per_coin, DIGITS) if per_coin is not None and per_coin > 0 else None


def _coin_needed(question: _Question, coin: Collateral, needed: Decimal) -> Decimal | None:
    """What has to be added of a coin whose own price moves: more than of cash where a fall of it is the danger."""
    amount = needed
    for _ in range(12):
        lacks = question.demand.of(with_coin(question.pool, coin.asset, amount))
        if lacks.amount < 0:
            return amount
        left = 1 + (lacks.at.moves.get(coin.asset, 0.0) if lacks.at else 0.0)
        if left <= 0:
            return None
        amount = rounded_up(amount + Decimal(lacks.amount / left), DIGITS)
    return None


def with_coin(pool: Pool, asset: str, counts: Decimal) -> Pool:
    """The pool after a deposit of a coin that counts for so much after its haircut."""
    held = tuple(replace(c, value=c.value + counts) if c.asset == asset else c for c in pool.collateral)
    if all(coin.asset != asset for coin in held):
        held += (Collateral(asset=asset, value=counts),)
    return replace(topped_up(pool, counts), collateral=held)


# -- closing


def _reliefs(question: _Question, missing: Shortfall) -> dict[int, float]:
    """Equity that would no longer be missing at the point that decides, by the position that would be closed."""
    pool = question.pool
    own = sum(map(modelled, pool.positions), Decimal(0))
    scale = (pool.maintenance_margin or Decimal(0)) / own if own else Decimal(1)
    return {
        index: _relief(question, position, missing, scale=scale)
        for index, position in enumerate(pool.positions)
        if position.notional
    }


def _relief(question: _Question, position: Position, missing: Shortfall, *, scale: Decimal) -> float:
    fee = float(CLOSING_FEE * (position.notional or 0))
    needs_now = modelled(position) * scale
    if missing.at is None:
        return float(needs_now) / (question.demand.target.ratio or 1.0) - fee
    alone = replace(
        question.pool, positions=(position,), collateral=(), equity=Decimal(0), maintenance_margin=needs_now
    )
    profit, needs = revaluation(alone, question.demand.now)(missing.at.moves, missing.at.shock)
    return needs - profit - fee


def _single_closes(
    question: _Question, ranked: Iterable[int], reliefs: Mapping[int, float], missing: float
) -> Iterator[Close]:
    """Positions that may be enough alone: closing all of one has to relieve about all that is missing."""
    alone = len(question.pool.positions) == 1
    candidates = [index for index in ranked if alone or reliefs[index] >= missing * ALMOST]
    for index in candidates[:MOST_CANDIDATES]:
        found = _closed(question, index, {})
        if found is not None:
            yield found


def _closed(question: _Question, index: int, others: Mapping[int, Decimal]) -> Close | None:
    """The least of a position that has to be closed, beside others that are."""
    rest = reduced(question.pool, others) if others else question.pool
    share = least_share(lambda share: question.after({**others, index: share}), question.demand, enough=tolerance(rest))
    if share is None:
        return None
    position = question.pool.positions[index]
    contracts = rounded_up(position.contracts * share, CLOSING_DIGITS)
    if contracts > position.contracts * NEARLY_ALL:
        contracts = position.contracts
    exact = contracts / position.contracts
    if question.without({**others, index: exact}) >= 0:
        return None
    return _close(position, index, exact)


def _close(position: Position, index: int, share: Decimal) -> Close:
    return Close(
        symbol=position.symbol,
        side=position.side,
        contracts=position.contracts * share,
        share=share,
        notional=(position.notional or Decimal(0)) * share,
        index=index,
    )


def _together(question: _Question, ranked: Sequence[int]) -> tuple[Close, ...]:
    """The first so many positions of the ranking, the last of them in part."""
    for lacks in (question.demand.foreseen, question.lacks):  # the second where the first was deceived
        count = _fewest(question, ranked, lacks)
        if count is None:
            return ()
        whole = dict.fromkeys(ranked[: count - 1], Decimal(1))
        last = _closed(question, ranked[count - 1], whole)
        if last is not None and last.share > 0:
            positions = question.pool.positions
            return (*(_close(positions[index], index, Decimal(1)) for index in whole), last)
    return ()


def _fewest(question: _Question, ranked: Sequence[int], lacks: Callable[[Pool], float]) -> int | None:
    """How many of the ranking have to be closed; None: not even all of it is enough."""

    def short(count: int) -> bool:
        return lacks(question.after(dict.fromkeys(ranked[:count], Decimal(1)))) >= 0

    low, high = 0, len(ranked)
    if short(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if short(middle) else (low, middle)
    return high


def _every_share(question: _Question) -> Decimal | None:
    count = len(question.pool.positions)
    if count < 2:
        return None

    def after(share: Decimal) -> Pool:
        return question.after(dict.fromkeys(range(count), share))

    share = least_share(after, question.demand, enough=tolerance(question.pool))
    if share is None:
        return None
    rounded = Decimal(1) if share > NEARLY_ALL else rounded_up(share, CLOSING_DIGITS)
    return rounded if question.lacks(after(rounded)) < 0 else None
