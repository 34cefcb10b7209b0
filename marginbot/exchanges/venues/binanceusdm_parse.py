"""Margin pools of a Binance USDⓈ-M account.

    mode                  pool            equity                                    maintenance margin
    single-asset, cross   one per asset   crossWalletBalance + crossUnPnl           sum over its cross positions
    multi-assets          one, in USD     totalCrossWalletBalance + totalCrossUnPnl totalMaintMargin
    isolated              one per side    isolatedWallet + unRealizedProfit         of the position

Liquidation starts where the requirement reaches the equity. Both legs of a hedge count. Sources: Binance FAQ
"Liquidation Protocols" and "Multi-Assets Mode". The third version of the account has no mode flag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Payloads, Reference, dig, number, price, record, rows, total
from marginbot.exchanges.venues.binanceusdm_rows import Held, differing, held_positions, name_of

__all__ = ["differing", "flag", "mode_of", "parse", "pools_of"]

Row = Mapping[str, Any]
# In multi-assets mode requirements are converted at the dollar's asking side of each asset.
_CONVERSION = Decimal("0.05")
_ZEROS = ("0.00000000", "0.0", "0")


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    account, risk = record(payloads, "account"), rows(payloads, "positions")
    held = held_positions(account, risk, reference, warnings)
    multi_assets = flag(payloads.get("config"), account, "multiAssetsMargin")
    hedge = flag(payloads.get("config"), account, "dualSidePosition")
    if multi_assets is None:
        multi_assets = _more_dangerous(account, held, payloads.get("index"))
        warnings.append("Binance does not say whether multi-assets mode is on; the more dangerous reading counts")
    pools = pools_of(account, held, payloads.get("index"), multi_assets=multi_assets, warnings=warnings)
    mode = mode_of(held, multi_assets=multi_assets, hedge=hedge)
    return Snapshot(exchange="binanceusdm", mode=mode, taken_at=now, pools=tuple(pools), warnings=tuple(warnings))


def mode_of(held: Sequence[Held], *, multi_assets: bool, hedge: bool | None) -> str:
    """In words; `hedge` None: not told, so the positions say."""
    if hedge is None:
        hedge = any(position.is_hedged for position in held)
    return f"{'multi-assets' if multi_assets else 'single-asset'}/{'hedge' if hedge else 'one-way'}"


def flag(config: Any, account: Row, name: str) -> bool | None:
    """A mode flag from the configuration, or from an older account answer."""
    for value in (dig(config, name), account.get(name)):
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return None


def _more_dangerous(account: Row, held: Sequence[Held], index: Any) -> bool:
    """Whether the account looks worse as a multi-assets one. Only single-asset mode knows isolated positions."""
    if any(position.is_isolated for position in held):
        return False
    single, multi = (_badness(pools_of(account, held, index, multi_assets=mode, warnings=[])) for mode in (False, True))
    return multi > single


def _badness(pools: Sequence[Pool]) -> tuple[int, Decimal]:
    return max(((pool.state.severity, pool.margin_ratio or Decimal(0)) for pool in pools), default=(0, Decimal(0)))


def pools_of(account: Row, held: Sequence[Held], index: Any, *, multi_assets: bool, warnings: list[str]) -> list[Pool]:
    cross = [position for position in held if position.is_isolated is False]
    pools = [_isolated_pool(position, warnings) for position in held if position.is_isolated is not False]
    if multi_assets:
        return [_dollar_pool(account, cross, index, warnings), *pools]
    assets = {name_of(row, "asset"): row for row in rows(account, "assets")}
    settled = {position.asset for position in held}
    used = [name for name, row in assets.items() if name in settled or not _is_unused(row)]
    names = dict.fromkeys([*used, *(position.asset for position in cross)])
    made = [_cross_pool(name, assets.get(name), held, warnings) for name in names]
    return [pool for pool in made if pool.positions or pool.maintenance_margin or pool.equity != 0] + pools


def _is_unused(row: Row) -> bool:
    """Whether an asset without positions has nothing but zeros, as most have: there is no pool of it."""
    return all(row.get(name) in _ZEROS for name in ("crossWalletBalance", "crossUnPnl", "marginBalance", "maintMargin"))


# -- isolated


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    position = held.position
    if held.is_isolated is None:
        warnings.append(f"{position.symbol}: Binance does not say whether it is cross or isolated")
    return Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=held.asset,
        equity=held.isolated_equity,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


# -- cross, single-asset mode


def _cross_pool(asset: str, row: Row | None, held: Sequence[Held], warnings: list[str]) -> Pool:
    name = f"cross:{asset}"
    settled = [position for position in held if position.asset == asset]
    cross = [position for position in settled if position.is_isolated is False]
    if row is None:
        warnings.append(f"{name}: Binance lists positions in {asset}, but no balance of it")
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=asset,
        equity=None if row is None else _cross_equity(name, row, settled, warnings),
        maintenance_margin=_cross_requirement(name, row or {}, settled, warnings),
        positions=tuple(position.position for position in cross),
    )


def _cross_equity(name: str, row: Row, settled: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """Wallet plus profit. What the positions and the asset's margin balance imply are cross-checks."""
    wallet, pnl = number(row, "crossWalletBalance"), number(row, "crossUnPnl")
    profit = total(held.position.unrealized_pnl for held in settled if held.is_isolated is False)
    isolated = total(held.isolated_equity for held in settled if held.is_isolated is not False)
    told = total((wallet, pnl))
    implied = [total((wallet, profit)), _less(number(row, "marginBalance"), isolated)]
    known = [value for value in implied if value is not None]
    if told is None:
        how = "it is unknown" if not known else "it is taken from other figures"
        warnings.append(f"{name}: a part of the cross balance is missing, {how}")
        return min(known, default=None)
    least = min([told, *known])
    if least < told and apart(least, told):
        warnings.append(f"{name}: Binance's figures for the cross balance differ; the smallest counts")
        return least
    return told


def _less(value: Decimal | None, part: Decimal | None) -> Decimal | None:
    return None if value is None or part is None else value - part


def _cross_requirement(name: str, row: Row, settled: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """Sum over the cross positions; the asset's own total, which may include isolated ones, is the cross-check."""
    cross = total(p.position.maintenance_margin for p in settled if p.is_isolated is False)
    everything = total(p.position.maintenance_margin for p in settled)
    told = number(row, "maintMargin")
    if told is None or told <= 0:
        return cross
    if cross is None:
        warnings.append(f"{name}: maintenance margin is taken from Binance's total for {row.get('asset')}")
        return told
    if everything is not None and told > everything and apart(told, everything):
        warnings.append(f"{name}: Binance requires more than the listed positions do; the larger figure counts")
        return cross + told - everything
    return cross


# -- multi-assets mode


def _dollar_pool(account: Row, cross: Sequence[Held], index: Any, warnings: list[str]) -> Pool:
    return Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=_dollar_equity(account, warnings),
        maintenance_margin=_dollar_requirement(account, cross, warnings),
        positions=tuple(position.position for position in cross),
        collateral=tuple(_collateral(account, index, warnings)),
        stables=_stables(account, index),
    )


def _dollar_equity(account: Row, warnings: list[str]) -> Decimal | None:
    told = total((number(account, "totalCrossWalletBalance"), number(account, "totalCrossUnPnl")))
    balance = number(account, "totalMarginBalance")
    if told is None:
        what = "it is unknown" if balance is None else "the margin balance is used"
        warnings.append(f"cross: a part of the total equity is missing, {what}")
        return balance
    if balance is not None and balance < told and apart(balance, told):
        warnings.append("cross: Binance's margin balance is less than its parts; the smaller figure counts")
        return balance
    return told


def _dollar_requirement(account: Row, cross: Sequence[Held], warnings: list[str]) -> Decimal | None:
    told = number(account, "totalMaintMargin")
    own = total(position.position.maintenance_margin for position in cross)
    if told is None or (told <= 0 and cross):
        how = "it is unknown" if own is None else "it is added up from the positions"
        warnings.append(f"cross: the total maintenance margin is missing, {how}")
        return own
    if own is not None and own > told and apart(own, told, _CONVERSION):
        warnings.append("cross: the positions require more than Binance's total says; the larger figure counts")
        return own
    return told


def _collateral(account: Row, index: Any, warnings: list[str]) -> list[Collateral]:
    """Coins that back the pool and move with their own price."""
    rates = _rates(index)
    found = []
    for row in rows(account, "assets"):
        asset, balance = name_of(row, "asset"), number(row, "crossWalletBalance", "walletBalance")
        if asset in STABLE or not balance:
            continue
        if balance != number(row, "walletBalance", "crossWalletBalance"):
            warnings.append(f"cross: Binance's figures for the balance of {asset} differ")
        rate = price(rates.get(f"{asset}USD", {}), "bidRate" if balance > 0 else "askRate")
        if rate is None:
            warnings.append(f"cross: no price of {asset}; what its fall would cost is not in the room")
        else:
            per_coin = price(rates.get(f"{asset}USD", {}), "bidRate")
            found.append(Collateral(asset=asset, value=balance * rate, per_coin=per_coin))
    return found


def _stables(account: Row, index: Any) -> tuple[Collateral, ...]:
    """Stablecoins and the profit of what settles in them, in dollars; nothing where a part of that is not told."""
    rates, found = _rates(index), []
    for row in rows(account, "assets"):
        asset = name_of(row, "asset")
        if asset not in STABLE:
            continue
        held, rate = total((number(row, "crossWalletBalance"), number(row, "crossUnPnl"))), rates.get(f"{asset}USD", {})
        if held is None:
            return ()
        bid = price(rate, "bidRate") or Decimal(1)
        value = held * (bid if held > 0 else price(rate, "askRate") or Decimal(1))
        found += [Collateral(asset=asset, value=value, per_coin=bid)] if held else []
    return tuple(found)


def _rates(index: Any) -> dict[str, Row]:
    """Dollar prices of assets by symbol."""
    return {str(row.get("symbol")): row for row in index if isinstance(row, dict)} if isinstance(index, list) else {}
