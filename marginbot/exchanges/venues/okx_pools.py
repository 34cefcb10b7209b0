"""OKX's pools: the account's in USD (modes 1, 3, 4), each currency's (mode 2), each isolated position's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from marginbot.domain.margin import Collateral, MarginMode, Pool, Position
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import inverted, requirement
from marginbot.exchanges.venue import number, total
from marginbot.exchanges.venues.okx_positions import CONTRACT_FEE, USD, Holding, Row

OVER = Decimal("1.05")  # a discount takes away; more than this above the full value is an error


# -- one pool for the account, in USD


def account_pool(
    account: Row, details: Sequence[Row], cross: Sequence[Holding], *, portfolio: bool, warnings: list[str]
) -> Pool:
    """Everything that is not isolated, by discounted equity."""
    reported = inverted(number(account, "mgnRatio") or _repeated_ratio(cross))
    own = _account_requirement(account, cross)
    debt = owes(details) or any(holding.is_loan for holding in cross)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.PORTFOLIO if portfolio else MarginMode.CROSS,
        currency=USD,
        equity=number(account, "adjEq"),
        maintenance_margin=Decimal(0),
        positions=tuple(holding.position for holding in cross),
        collateral=_collateral(details, cross, warnings),
        stables=_stables(details),
        has_debt=debt,
        reported_ratio=reported,
    )
    return _judged(pool, own, warnings)


def _account_requirement(account: Row, cross: Sequence[Holding]) -> Decimal | None:
    margin, notional = number(account, "mmr"), number(account, "notionalUsd")
    if margin is None:
        return _summed(cross)
    if notional is None:
        notional = total(holding.position.notional for holding in cross)
    return None if notional is None else margin + abs(notional) * CONTRACT_FEE


def _collateral(details: Sequence[Row], cross: Sequence[Holding], warnings: list[str]) -> tuple[Collateral, ...]:
    """Discounted dollars of each coin that moves; a spot margin position is shown as a position instead."""
    entries = []
    for row in details:
        asset = str(row.get("ccy"))
        if asset in STABLE or row.get("collateralEnabled") is False:
            continue
        value = _discounted(row, asset, warnings)
        value -= sum((_loan_exposure(h) for h in cross if h.is_loan and h.listing.base == asset), Decimal(0))
        if value:
            entries.append(Collateral(asset=asset, value=value))
    return tuple(entries)


def _stables(details: Sequence[Row]) -> tuple[Collateral, ...]:
    """Discounted dollars of each stablecoin; nothing where one is not told."""
    entries = []
    for row in details:
        asset, value, held = str(row.get("ccy")), number(row, "disEq"), number(row, "eq")
        if asset not in STABLE or row.get("collateralEnabled") is False or held == 0:
            continue
        if value is None or held is None:
            return ()
        entries.append(Collateral(asset=asset, value=value, per_coin=value / held))
    return tuple(entries)


def _discounted(row: Row, asset: str, warnings: list[str]) -> Decimal:
    """`disEq`, unless the full value shows that it cannot be right."""
    value, full = number(row, "disEq"), number(row, "eqUsd")
    if value is None:
        value = full
        told = "its value in USD is missing, room leaves it out" if full is None else "room counts its full value"
        if number(row, "eq") != 0:
            warnings.append(f"{asset}: discounted value missing, {told}")
    elif full is not None and (value * full < 0 or abs(value) > abs(full) * OVER):
        warnings.append(f"{asset}: discounted value {value:.2f} USD does not fit its full value {full:.2f} USD")
        value = full
    return value or Decimal(0)


def _loan_exposure(holding: Holding) -> Decimal:
    return holding.position.side.sign * (holding.position.notional or Decimal(0))


def idle_pool(account: Row) -> Pool:
    """A spot account: nothing can be liquidated."""
    return Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=USD,
        equity=number(account, "totalEq"),
        maintenance_margin=Decimal(0),
    )


# -- a pool for each currency (futures mode)


def currency_pools(details: Sequence[Row], cross: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    """One for each currency with something at stake; where there is none, the balances as flat pools."""
    known = {str(row.get("ccy")): row for row in details}
    used = [holding.currency for holding in cross]
    names = list(dict.fromkeys([*known, *used]))
    staked = [ccy for ccy in names if ccy in used or _at_stake(known[ccy])]
    shown = staked or [ccy for ccy in names if number(known[ccy], "eq")]
    return [_currency_pool(ccy, known.get(ccy, {}), [h for h in cross if h.currency == ccy], warnings) for ccy in shown]


def _at_stake(row: Row) -> bool:
    return bool(number(row, "mmr") or number(row, "mgnRatio")) or owes([row])


def _currency_pool(ccy: str, row: Row, cross: Sequence[Holding], warnings: list[str]) -> Pool:
    name = f"cross:{ccy}"
    if not row:
        warnings.append(f"{name}: positions are held, but OKX gives no balance in {ccy}")
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=ccy,
        equity=_cross_equity(row),
        maintenance_margin=Decimal(0),
        positions=tuple(holding.position for holding in cross),
        has_debt=owes([row]),
        reported_ratio=inverted(number(row, "mgnRatio") or _repeated_ratio(cross)),
    )
    return _judged(pool, _currency_requirement(row, cross), warnings)


def _cross_equity(row: Row) -> Decimal | None:
    """Equity without what isolated positions and trading bots hold apart."""
    equity = number(row, "eq")
    if equity is None:
        return None
    return equity - (number(row, "isoEq") or Decimal(0)) - (number(row, "stgyEq") or Decimal(0))


def _currency_requirement(row: Row, cross: Sequence[Holding]) -> Decimal | None:
    margin, summed = number(row, "mmr"), _summed(cross)
    if margin is None or any(holding.is_loan for holding in cross):
        return summed
    notional = total(holding.position.notional for holding in cross)
    return None if notional is None else margin + notional * CONTRACT_FEE


def _summed(cross: Sequence[Holding]) -> Decimal | None:
    return total(holding.position.maintenance_margin for holding in cross) if cross else None


# -- isolated positions


def isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    """What backs an isolated position is its margin and its profit."""
    row, position = holding.row, holding.position
    margin, profit = number(row, "margin"), number(row, "upl")
    reported = inverted(number(row, "mgnRatio"))
    if _wrong_side(position, reported):
        warnings.append(f"{position.symbol}: a {position.side} position whose liquidation price lies on the wrong side")
    pool = Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=holding.currency,
        equity=None if margin is None or profit is None else margin + profit,
        maintenance_margin=Decimal(0),
        positions=(position,),
        has_debt=holding.is_loan,
        reported_ratio=reported,
    )
    return _judged(pool, position.maintenance_margin, warnings)


def _wrong_side(position: Position, reported: Decimal | None) -> bool:
    mark, liquidation = position.mark_price, position.liquidation_price
    if mark is None or liquidation is None or reported is None or not 0 < reported < 1:
        return False
    return position.side.sign * (mark - liquidation) < 0


# -- shared


def _judged(pool: Pool, own: Decimal | None, warnings: list[str]) -> Pool:
    """The pool with its requirement; flat only where nothing is held, owed or required."""
    idle = not pool.positions and not pool.has_debt and not own and pool.reported_ratio is None
    if idle:
        return pool
    equity = pool.equity
    if equity is None and own is not None and pool.reported_ratio is not None:
        equity = own / pool.reported_ratio
        warnings.append(f"{pool.name}: equity is missing, it is worked out from OKX's margin ratio")
    needed = requirement(pool.name, equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    if needed and not pool.positions and not pool.has_debt:
        warnings.append(f"{pool.name}: margin is required, but OKX lists no position; room is unknown")
    unclear = needed is None and not pool.positions
    return replace(pool, equity=equity, maintenance_margin=needed, has_debt=pool.has_debt or unclear)


def _repeated_ratio(cross: Sequence[Holding]) -> Decimal | None:
    """Cross position rows repeat the ratio of their pool."""
    found = (number(holding.row, "mgnRatio") for holding in cross)
    return min((ratio for ratio in found if ratio is not None), default=None)


def owes(details: Iterable[Row]) -> bool:
    """Whether anything is borrowed."""
    return any(number(row, "liab") or number(row, "crossLiab") for row in details)
