"""Binance spot margin: the cross account and each isolated pair, as pools.

The venue's figure is a margin level `ML = assets / debts`, falling towards a trigger T. Liquidation starts where the
equity `A - D` has shrunk to `(T - 1) D`, so that is the requirement, and the ratio is `(T - 1) / (ML - 1)`.

    account            T                                           amounts
    cross, classic     `forceLiquidationBar`, usually 1.1          totals in BTC, or all assets at spot prices
    cross, Pro         the same; the level is a ratio of margins   ratio `T / ML`
    isolated pair      `liquidationRiskRatio` of its tier          both assets at the index price

A debt is shown as a short position "BNB loan": its value and its part of the requirement grow with the price. Sources:
Binance FAQ on the margin level and on liquidation; the formula reproduces the vendor's example (11.644056) to 5e-9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.venue import Payloads, number, price, record, rows
from marginbot.exchanges.venues.binanceusdm_rows import name_of

USUAL_TRIGGER = Decimal("1.1")
NO_DEBT = Decimal(999)  # what the level says where nothing is owed
PRICES_APART = Decimal("0.05")  # spot prices against the venue's index

Row = Mapping[str, Any]


def parse(payloads: Payloads, now: datetime) -> Snapshot:
    """The cross pool and one for each isolated pair in use; pure."""
    warnings: list[str] = []
    pools: list[Pool] = []
    kinds = ["spot margin"]
    if payloads.get("is_certain") is False:
        warnings.append("Binance does not say what kind of account it is; it is read as spot margin")
    if payloads.get("cross") is None:
        warnings.append("the cross margin account is not answered, it is not part of this reading")
    else:
        account = record(payloads, "cross")
        kinds.append("pro" if _is_pro(account) else "classic")
        pools.append(_cross(account, payloads, warnings))
    if payloads.get("isolated") is None:
        warnings.append("isolated margin accounts are not answered, they are not part of this reading")
    else:
        pairs = [row for row in rows(payloads, "isolated", "assets") if _in_use(row)]
        pools += [_isolated(row, payloads, warnings) for row in pairs]
    told = tuple(dict.fromkeys([*warnings, *_elsewhere(payloads)]))
    return Snapshot(exchange="binance", mode="/".join(kinds), taken_at=now, pools=tuple(pools), warnings=told)


def _elsewhere(payloads: Payloads) -> list[str]:
    """The key opens futures wallets too; whoever holds something there must not think that it is watched."""
    found = []
    for name, title, exchange in (("um", "USDⓈ-M", "binanceusdm"), ("cm", "COIN-M", "binancecoinm")):
        listed = payloads.get(name)
        if isinstance(listed, list) and any(number(row, "positionAmt") for row in rows(listed)):
            found.append(f"this key also has {title} positions, which are not watched here: add it as {exchange} too")
    return found


# -- what the assets come to


def _owed(row: Row) -> Decimal:
    return (number(row, "borrowed") or Decimal(0)) + (number(row, "interest") or Decimal(0))


def _held(row: Row) -> Decimal:
    return (number(row, "free") or Decimal(0)) + (number(row, "locked") or Decimal(0))


def priced_assets(cross: Any) -> list[str]:
    """The assets of a cross account that are held or owed."""
    return [name_of(row, "asset") for row in rows(cross, "userAssets") if _held(row) or _owed(row)]


def indebted_pairs(isolated: Any) -> list[str]:
    """The isolated pairs in which something is owed."""
    return [name_of(row, "symbol") for row in rows(isolated, "assets") if any(_owed(side) for side in _sides(row))]


def _sides(row: Row) -> tuple[Row, Row]:
    return record(row, "baseAsset"), record(row, "quoteAsset")


def _in_use(row: Row) -> bool:
    return any(_held(side) or _owed(side) for side in _sides(row))


def _loan(row: Row, rate: Decimal | None, *, trigger: Decimal, own_currency: bool = False) -> Position:
    asset, owed = name_of(row, "asset"), _owed(row)
    value = None if rate is None else owed * rate
    return Position(
        symbol=f"{asset} loan",
        underlying="USD" if own_currency else asset,  # what is owed in the pool's own currency does not move
        side=Side.SHORT,
        contracts=owed,
        notional=value,
        mark_price=rate,
        maintenance_margin=None if value is None else (trigger - 1) * value,
    )


# -- cross


def _is_pro(account: Row) -> bool:
    return str(account.get("accountType") or "").upper() == "MARGIN_2"


def _cross(account: Row, payloads: Payloads, warnings: list[str]) -> Pool:
    assets = [row for row in rows(account, "userAssets") if _held(row) or _owed(row)]
    debts = any(_owed(row) for row in assets) or bool(number(account, "totalLiabilityOfBtc"))
    trigger = _cross_trigger(payloads, warnings) if debts else USUAL_TRIGGER
    prices = _prices(payloads.get("prices"))
    bitcoin = prices.get("BTC")
    level = number(account, "marginLevel")
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USDT" if bitcoin else "BTC",
        equity=_in_currency(number(account, "totalNetAssetOfBtc"), bitcoin),
        maintenance_margin=Decimal(0),
        positions=tuple(_loan(row, _rate(row, prices), trigger=trigger) for row in assets if _owed(row)),
        collateral=tuple(_coins(assets, prices, warnings if debts else [])),
        has_debt=debts,
        reported_ratio=_reported(level, trigger, pro=_is_pro(account)) if debts else None,
    )
    if not debts:
        return _without_debt(pool, level, warnings)
    return _cross_judged(pool, account, assets, prices=prices, trigger=trigger, warnings=warnings)


def _without_debt(pool: Pool, level: Decimal | None, warnings: list[str]) -> Pool:
    """Flat, unless the venue's level says that something is owed after all."""
    if level is None or level <= 0 or level >= NO_DEBT:
        return pool
    warnings.append(f"{pool.name}: Binance gives a margin level of {level:.2f}, but lists no debt")
    return replace(pool, has_debt=True, maintenance_margin=None)


def _cross_trigger(payloads: Payloads, warnings: list[str]) -> Decimal:
    told = payloads.get("coefficients")
    bar = number(told, "forceLiquidationBar") if isinstance(told, dict) else None
    if bar is None or bar <= 1:
        warnings.append(f"cross: Binance does not say at which level it liquidates; {USUAL_TRIGGER} is usual")
        return USUAL_TRIGGER
    return bar


def _reported(level: Decimal | None, trigger: Decimal, *, pro: bool = False) -> Decimal | None:
    if level is None or level <= 0 or level >= NO_DEBT:
        return None
    if pro:
        return trigger / level
    return (trigger - 1) / (level - 1) if level > 1 else Decimal(1000)  # at 1 nothing is left


def _cross_judged(
    pool: Pool,
    account: Row,
    assets: Sequence[Row],
    *,
    prices: Mapping[str, Decimal],
    trigger: Decimal,
    warnings: list[str],
) -> Pool:
    owed = _in_currency(number(account, "totalLiabilityOfBtc"), prices.get("BTC"))
    owned, summed = _summed(assets, prices)
    if summed is not None and (owed is None or apart(owed, summed, PRICES_APART)):
        warnings.append("cross: Binance's total of the debts is not what they come to; the larger figure counts")
        owed = max(summed, owed or Decimal(0))
    net = None if owned is None or summed is None else owned - summed
    if net is not None and (pool.equity is None or apart(pool.equity, net, PRICES_APART)):
        warnings.append("cross: Binance's total of the net assets is not what they come to; the smaller figure counts")
        pool = replace(pool, equity=net if pool.equity is None else min(pool.equity, net))
    if _is_pro(account):
        warnings.append(
            "cross: Cross Margin Pro's level counts unchecked: haircuts are not read, the trigger is assumed"
        )
    own = None if owed is None or _is_pro(account) else (trigger - 1) * owed
    needed = requirement(pool.name, pool.equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, maintenance_margin=needed)


def _summed(assets: Sequence[Row], prices: Mapping[str, Decimal]) -> tuple[Decimal | None, Decimal | None]:
    """What is owned and what is owed at spot prices; None where a price is missing."""
    owned, owed = Decimal(0), Decimal(0)
    for row in assets:
        rate = _rate(row, prices)
        if rate is None:
            return None, None
        owned, owed = owned + _held(row) * rate, owed + _owed(row) * rate
    return owned, owed


def _coins(assets: Sequence[Row], prices: Mapping[str, Decimal], warnings: list[str]) -> list[Collateral]:
    found = []
    for row in assets:
        asset, rate = name_of(row, "asset"), _rate(row, prices)
        if asset in STABLE or not _held(row):
            continue
        if rate is None:
            warnings.append(f"cross: no price of {asset}; what its fall would cost is not in the room")
        else:
            found.append(Collateral(asset=asset, value=_held(row) * rate))
    return found


def _rate(row: Row, prices: Mapping[str, Decimal]) -> Decimal | None:
    """The price in USDT; None for all where the pool is kept in BTC, because no prices are told."""
    asset = name_of(row, "asset")
    if not prices:
        return None
    return prices.get(asset) or (Decimal(1) if asset in STABLE else None)


def _prices(listed: Any) -> dict[str, Decimal]:
    """By coin, in USDT; empty unless Bitcoin's is there."""
    told = ((str(row.get("symbol")), price(row, "price")) for row in (listed if isinstance(listed, list) else []))
    found = {symbol.removesuffix("USDT"): at for symbol, at in told if symbol.endswith("USDT") and at is not None}
    return found if "BTC" in found else {}


def _in_currency(bitcoins: Decimal | None, rate: Decimal | None) -> Decimal | None:
    return None if bitcoins is None else bitcoins * (rate or Decimal(1))


# -- isolated


def _isolated(row: Row, payloads: Payloads, warnings: list[str]) -> Pool:
    base, quote = _sides(row)
    currency, symbol = name_of(quote, "asset"), f"{name_of(base, 'asset')}/{name_of(quote, 'asset')}"
    index, debts = price(row, "indexPrice"), any(_owed(side) for side in (base, quote))
    trigger = _pair_trigger(row, payloads, warnings) if debts else USUAL_TRIGGER
    owned = None if index is None else _held(base) * index + _held(quote)
    owed = None if index is None else _owed(base) * index + _owed(quote)
    loans = [_loan(base, index, trigger=trigger)] if _owed(base) else []
    if _owed(quote):
        loans.append(_loan(quote, Decimal(1), trigger=trigger, own_currency=True))
    held = _held(base) * index if index is not None else Decimal(0)
    pool = Pool(
        name=f"isolated:{symbol}",
        margin_mode=MarginMode.ISOLATED,
        currency=currency,
        equity=None if owned is None or owed is None else owned - owed,
        maintenance_margin=Decimal(0),
        positions=tuple(loans),
        collateral=(Collateral(asset=name_of(base, "asset"), value=held),) if held else (),
        has_debt=debts,
        reported_ratio=_reported(number(row, "marginLevel"), trigger) if debts else None,
    )
    if not debts:
        return _without_debt(pool, number(row, "marginLevel"), warnings)
    if currency not in STABLE:
        warnings.append(f"{pool.name}: room is measured in {currency}, not in dollars")
    own = None if owed is None else (trigger - 1) * owed
    needed = requirement(pool.name, pool.equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, maintenance_margin=needed)


def _pair_trigger(row: Row, payloads: Payloads, warnings: list[str]) -> Decimal:
    """The tier's, checked against the level at the venue's own liquidation price; the earlier one counts."""
    symbol = name_of(row, "symbol")
    listed = (payloads.get("tiers") or {}).get(symbol)
    bars = [number(tier, "liquidationRiskRatio") for tier in rows(listed)] if isinstance(listed, list) else []
    told = max((bar for bar in bars if bar is not None and bar > 1), default=None)
    implied = _level_at_liquidation(row)
    if told is None and implied is None:
        warnings.append(f"{symbol}: Binance does not say at which level it liquidates; {USUAL_TRIGGER} is usual")
        return USUAL_TRIGGER
    if told is None:
        warnings.append(f"{symbol}: the level of liquidation is worked out from the liquidation price")
        return implied or USUAL_TRIGGER
    if implied is None:
        return told
    if apart(told, implied, Decimal("0.01")):
        figures = f"{told:.3f} by its tier, {implied:.3f} by its price"
        warnings.append(f"{symbol}: it liquidates at a level of {figures}; the higher counts")
    return max(told, implied)


def _level_at_liquidation(row: Row) -> Decimal | None:
    """Assets over debts at the venue's liquidation price; None unless it looks like a level."""
    base, quote = _sides(row)
    at = price(row, "liquidatePrice")
    owed = None if at is None else _owed(base) * at + _owed(quote)
    if at is None or not owed:
        return None
    level = (_held(base) * at + _held(quote)) / owed
    return level if 1 < level < 2 else None
