"""What would bring a pool back: collateral to add, or share of the positions to close.

Every amount follows from one figure, the *shortfall*: the equity that is missing until the pool meets a target. Adding
collateral lowers it by as much; closing a part of a position lowers the requirement by the position's own tiers, costs
a fee, and takes the part out of every move the pool must withstand. Closing a part of an isolated position gives that
part of its margin back, as venues do it, so that it helps only where it reaches a lower tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_UP, Decimal

from marginbot.domain.grading import RATIO_RELEASE, RUNGS, Grade, Ladders
from marginbot.domain.margin import MarginMode, Pool, PoolState, Position
from marginbot.domain.shortfall import Demand, Target, least_share, tolerance
from marginbot.domain.tiers import maintenance_margin
from marginbot.domain.volatility import Volatility

_WHOLE, _ZERO = Decimal(1), Decimal(0)

CLEAR = 1.1  # of a cushion's rung: advice that lands on it would be overtaken by the next tick


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Either of the two suffices, by the same model that grades; None: that way alone does not."""

    target: Grade
    top_up: Decimal | None  # pool currency
    close_share: Decimal | None  # fraction of every position in the pool


def way_back(
    pool: Pool, volatilities: Mapping[str, Volatility], *, ladders: Ladders, graded: Grade, now: datetime
) -> WayBack | None:
    """Least top-up, and least share to close, after which the pool is clear of the grade that `target_of` leaves."""
    if graded <= Grade.OK or not can_be_rescued(pool):
        return None
    grade, target = target_of(graded, ladders)
    demand = Demand(target, volatilities, now)
    return WayBack(target=grade, top_up=_top_up(pool, demand), close_share=_close_share(pool, demand))


def can_be_rescued(pool: Pool) -> bool:
    """Whether enough is known of a pool with positions to say what would help."""
    known = pool.state in (PoolState.OK, PoolState.DEFICIT) and bool(pool.positions)
    return known and all(position.notional is not None for position in pool.positions)


def target_of(graded: Grade, ladders: Ladders) -> tuple[Grade, Target]:
    """The grade to come back to, and a place clear of the rung above it.

    From CRITICAL on that is WARNING: what can be done in time. Whoever adds or closes is graded afresh
    (`domain.actions`), so the release band, which is there for the market's pauses, need not be paid for.
    """
    back = {Grade.NOTICE: Grade.OK, Grade.WARNING: Grade.NOTICE}.get(graded, Grade.WARNING)
    rung = RUNGS.index(Grade(back + 1))
    return back, Target(ratio=ladders.ratio[rung] - RATIO_RELEASE, cushion=ladders.cushion[rung] * CLEAR)


def topped_up(pool: Pool, amount: Decimal) -> Pool:
    """The pool after a deposit that counts for `amount` in its currency."""
    assert pool.equity is not None
    return replace(pool, equity=pool.equity + amount)


def reduced(pool: Pool, shares: Mapping[int, Decimal], fee: Decimal = _ZERO) -> Pool:
    """The pool after closing shares of its positions (by index) at their marks; `fee` is a fraction of the notional."""
    assert pool.equity is not None
    assert pool.maintenance_margin is not None
    positions = tuple(
        _part_of(position, _WHOLE - shares.get(number, _ZERO)) for number, position in enumerate(pool.positions)
    )
    before = sum(map(modelled, pool.positions), _ZERO)
    after = sum((modelled(position) for position in positions if position.contracts), _ZERO)
    requirement = pool.maintenance_margin
    if pool.has_debt or not before:
        requirement -= min(requirement, before - after)  # what loans need stays
    else:
        requirement *= after / before
    left = tuple(position for position in positions if position.contracts)
    return replace(
        pool,
        positions=left,
        maintenance_margin=requirement,
        equity=_equity_after(pool, shares, fee),
        reported_ratio=None,
    )


def _equity_after(pool: Pool, shares: Mapping[int, Decimal], fee: Decimal) -> Decimal:
    assert pool.equity is not None
    if pool.margin_mode is MarginMode.ISOLATED:  # the released margin pays the fee
        return pool.equity * (_WHOLE - max(shares.values(), default=_ZERO))
    equity = pool.equity
    for number, share in shares.items():
        position = pool.positions[number]
        equity -= fee * share * (position.notional or _ZERO)
        if position.option is not None and not pool.option_equity_counts and position.option.underlying_price:
            paid = (position.notional or _ZERO) / position.option.underlying_price * position.option.mark_usd
            equity += position.side.sign * share * paid
    return equity


def _part_of(position: Position, left: Decimal) -> Position:
    """What is left of a position; nothing of it: no contracts."""
    notional = (position.notional or _ZERO) * left
    margin = None if position.maintenance_margin is None else position.maintenance_margin * left
    return replace(position, contracts=position.contracts * left, notional=notional, maintenance_margin=margin)


def modelled(position: Position) -> Decimal:
    """What a position needs by its tiers, or else as the venue says: the proportions within a pool."""
    if position.tiers and position.option is None and position.notional is not None:
        return maintenance_margin(position.notional, position.tiers)
    return position.maintenance_margin or _ZERO


def _top_up(pool: Pool, demand: Demand) -> Decimal | None:
    amount = rounded_up(Decimal(max(0.0, demand.of(pool).amount)), 3)
    for _ in range(2):
        if demand.of(topped_up(pool, amount)).amount < 0:
            return amount
        amount = rounded_up(amount * Decimal("1.001"), 3)  # it was met to the last digit, which is not enough
    return None


def _close_share(pool: Pool, demand: Demand) -> Decimal | None:
    if pool.margin_mode is MarginMode.ISOLATED:
        return None  # closing a part releases its share of the margin too, which leaves the ratio where it was

    def after(share: Decimal) -> Pool:
        return reduced(pool, dict.fromkeys(range(len(pool.positions)), share))

    share = least_share(after, demand, enough=tolerance(pool))
    return None if share is None else share.quantize(Decimal("0.01"), rounding=ROUND_UP)


def rounded_up(amount: Decimal, digits: int) -> Decimal:
    """So many significant digits, upwards: advice that is followed must suffice."""
    if amount <= 0:
        return _ZERO
    return amount.quantize(_WHOLE.scaleb(amount.adjusted() - digits + 1), rounding=ROUND_UP)
