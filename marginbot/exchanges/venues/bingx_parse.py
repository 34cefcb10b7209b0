"""Margin pools of BingX perpetual futures.

    account                  pool              equity                              maintenance margin
    USDT-margined, cross     one per asset     `equity` without isolated margin    riskRate x equity, or tiers + fee
    multi-assets mode        one, in USD       assets x index x collateral ratio   the same
    coin-margined, cross     one per coin      `equity` without isolated margin    riskRate x equity
    isolated                 one per position  `margin`, which holds the profit    riskRate x margin, or tiers + fee

`riskRate` is requirement over equity, 1 is liquidation: with a rate of 0.7 % it reproduces the liquidation price of
the documented coin-margined row to 2e-6. On cross rows it is taken as the account's where all rows agree, else the
rows are added up. Sources: see `bingx`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.priced import least_equity, priced_equity
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import Payloads, Reference, dig, number, price, rows, total
from marginbot.exchanges.venues.bingx_rows import Holding, Row, holdings_of, tiers_of

USD = "USD"
_MODES = {"singleAssetMode": "single-asset", "multiAssetsMode": "multi-assets"}


def is_multi_assets(answer: Any) -> bool:
    """Whether all assets back one pool."""
    return mode_of(answer) == "multi-assets"


def mode_of(answer: Any) -> str | None:
    """The asset mode in our words; None when BingX does not say it in a form we know."""
    return _MODES.get(str(dig(answer, "data", "assetMode")))


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    linear, inverse = payloads.get("linear"), payloads.get("inverse")
    if linear is None and inverse is None:
        raise BadPayload("no account was read")
    tiers = tiers_of(payloads.get("tiers"))
    pools: list[Pool] = []
    hedged = False
    for account, what in ((linear, "USDT-margined"), (inverse, "coin-margined")):
        if account is None:
            warnings.append(f"BingX did not answer for the {what} account, so it is not watched")
            continue
        held = holdings_of(rows(account, "positions", "data"), reference, tiers, warnings)
        hedged = hedged or any(holding.hedged for holding in held)
        if what == "USDT-margined" and is_multi_assets(payloads.get("mode")):
            pools.append(_dollar_pool(account, held, payloads.get("rules"), warnings))
        else:
            pools += _asset_pools(account, held, warnings)
        pools += [_isolated_pool(holding, warnings) for holding in held if holding.isolated]
    mode = mode_of(payloads.get("mode"))
    if mode is None and linear is not None:
        warnings.append("BingX does not say whether multi-assets mode is on; each asset is judged by itself")
    return Snapshot(
        exchange="bingx",
        mode=f"{mode or 'single-asset'}/{'hedge' if hedged else 'one-way'}",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


# -- one pool for each asset


def _asset_pools(account: Any, held: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    balances = _balances(account)
    names = dict.fromkeys([*balances, *(holding.currency for holding in held)])
    made = [_cross_pool(name, balances.get(name, {}), held, warnings) for name in names]
    return [pool for pool in made if pool.positions or pool.equity not in (None, 0)]


def _balances(account: Any) -> dict[str, Row]:
    """By asset; an older answer holds one object instead of the list."""
    old = dig(account, "balance", "data", "balance")
    listed = [old] if isinstance(old, dict) else rows(account, "balance", "data")
    return {str(row["asset"]): row for row in listed if row.get("asset")}


def _cross_pool(asset: str, balance: Row, held: Sequence[Holding], warnings: list[str]) -> Pool:
    settled = [holding for holding in held if holding.currency == asset]
    cross = [holding for holding in settled if not holding.isolated]
    equity = _equity(balance, asset, warnings) if balance else None
    isolated = total(holding.margin for holding in settled if holding.isolated)
    told = None if equity is None or isolated is None else equity - isolated
    return _judged_cross(f"cross:{asset}", asset, told, cross, warnings=warnings)


def _equity(balance: Row, asset: str, warnings: list[str]) -> Decimal | None:
    """`equity`; balance and unrealised profit are the same sum, the smaller counts."""
    told = number(balance, "equity")
    parts = total((number(balance, "balance"), number(balance, "unrealizedProfit")))
    known = [value for value in (told, parts) if value is not None]
    if len(known) == 1:
        warnings.append(f"{asset}: a part of BingX's balance is missing, so it is not checked")
    elif known and apart(*known):
        warnings.append(f"{asset}: BingX's figures for the balance differ; the smaller counts")
        return min(known)
    return told if told is not None else parts


# -- multi-assets mode


def _dollar_pool(account: Any, held: Sequence[Holding], rules: Any, warnings: list[str]) -> Pool:
    terms = dig(rules, "data")
    known = (
        {str(row.get("marginAssets")): row for row in terms if isinstance(row, dict)} if isinstance(terms, list) else {}
    )
    worth: dict[str, Decimal | None] = {}
    for asset, row in _balances(account).items():
        equity = _equity(row, asset, warnings)
        if equity:
            worth[asset] = _worth(asset, equity, known.get(asset), warnings)
    isolated = total(holding.margin for holding in held if holding.isolated)
    equity, cross = total(worth.values()), [holding for holding in held if not holding.isolated]
    told = None if equity is None or isolated is None else equity - isolated
    warnings.append("cross: multi-assets mode, the value of the assets after haircut is an estimate")
    pool = _judged_cross("cross", USD, told, cross, warnings=warnings)
    coins = [(asset, value) for asset, value in worth.items() if asset not in STABLE]
    return replace(pool, collateral=tuple(Collateral(asset=asset, value=value) for asset, value in coins if value))


def _worth(asset: str, equity: Decimal, terms: Row | None, warnings: list[str]) -> Decimal | None:
    """Dollars that count for the risk rate. A debt counts in full, a stablecoin without terms as a dollar."""
    index, ratio = (price(terms, name) for name in ("indexPrice", "collateralValueRatio")) if terms else (None, None)
    if index is None and asset in STABLE:
        index, ratio = Decimal(1), ratio or Decimal(1)
    if index is None or ratio is None or ratio > 1:
        warnings.append(f"cross: BingX does not tell what {asset} counts, so the equity is not known")
        return None
    return equity * index * (ratio if equity > 0 else Decimal(1))


# -- judging


def _judged_cross(
    name: str, currency: str, equity: Decimal | None, cross: Sequence[Holding], *, warnings: list[str]
) -> Pool:
    positions = tuple(holding.position for holding in cross)
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=positions,
        reported_ratio=_account_ratio(name, cross, warnings),
    )
    return _judged(pool, warnings) if positions else pool


def _account_ratio(name: str, cross: Sequence[Holding], warnings: list[str]) -> Decimal | None:
    """The account's ratio where the rows agree on it, else their sum."""
    ratios = [holding.ratio for holding in cross]
    known = [ratio for ratio in ratios if ratio]
    if len(known) < len(ratios):
        warnings.append(f"{name}: BingX gives no risk rate for a position")
    if not known:
        return None
    if max(known) - min(known) <= Decimal("0.0001"):
        return max(known)
    warnings.append(f"{name}: BingX's risk rates differ by position, their sum counts")
    return sum(known, Decimal(0))


def _isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    position = holding.position
    pool = Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=holding.currency,
        equity=holding.margin,
        maintenance_margin=Decimal(0),
        positions=(position,),
        reported_ratio=holding.ratio or None,
    )
    return _judged(pool, warnings)


def _judged(pool: Pool, warnings: list[str]) -> Pool:
    """The pool with its requirement, shared out to positions that have none of their own."""
    own = total(position.maintenance_margin for position in pool.positions)
    equity = pool.equity
    if equity is None and own and pool.reported_ratio:
        equity = own / pool.reported_ratio
        warnings.append(f"{pool.name}: equity is not known, it is worked out from BingX's risk rate")
    if own is None and equity is not None and pool.reported_ratio:
        shared = _shared_out(pool.positions, equity * pool.reported_ratio)
        if _confirmed(equity, shared):
            return replace(pool, maintenance_margin=equity * pool.reported_ratio, positions=shared)
    needed = requirement(pool.name, equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    positions = pool.positions if own is not None else _shared_out(pool.positions, needed)
    if len(positions) == 1:
        equity = least_equity(pool.name, equity, positions, warnings)
    return replace(pool, equity=equity, maintenance_margin=needed, positions=positions)


def _confirmed(equity: Decimal, positions: Sequence[Position]) -> bool:
    """Whether the liquidation price of a lone position agrees with the equity, given the venue's own requirement."""
    priced = priced_equity(positions) if len(positions) == 1 else None
    return priced is not None and not apart(priced, equity)


def _shared_out(positions: Sequence[Position], needed: Decimal | None) -> tuple[Position, ...]:
    size = total(position.notional for position in positions)
    if not needed or not size:
        return tuple(positions)
    return tuple(
        replace(position, maintenance_margin=needed * (position.notional or Decimal(0)) / size)
        for position in positions
    )
