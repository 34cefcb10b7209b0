"""A brief reading of Binance USDⓈ-M: `account` alone, beside what the last full reading said of the same positions.

`account` gives each position's size, value, profit and requirement and each asset's balance; only entry and
liquidation price are in `positionRisk` alone. They are carried over while sizes, isolated wallets and balances are, to
the letter, as they were then: a fill, a transfer, a funding payment or a fee ends it. What `positionRisk` checks is
checked otherwise: value and profit by the carried entry price, requirements by the leverage tiers. Only the plain case
is understood here; in every other one a full reading has its say.

Single-asset mode only: in the other one, equity depends on prices of assets which neither answer has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side, Snapshot
from marginbot.domain.tiers import Schedule, schedule_of
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Api, Brief, Payloads, Reference, dig, price, rows
from marginbot.exchanges.venues.binanceusdm_parse import flag, mode_of, pools_of
from marginbot.exchanges.venues.binanceusdm_rows import Held, name_of

Row = Mapping[str, Any]
Told = Sequence[Any]  # of a position: size, isolated wallet, entry price, liquidation price, margin asset
_OF_A_POSITION = ("positionAmt", "notional", "maintMargin", "unrealizedProfit", "isolatedWallet", "isolatedMargin")
_OF_AN_ASSET = ("walletBalance", "crossWalletBalance", "crossUnPnl", "marginBalance", "maintMargin")
_ROUNDING = 0.001  # of the value: what it and the profit may differ by from what the rounded entry price makes of them
_APART = 0.019  # of the requirement; a little less than where a full reading says that it differs from the tiers
_LONG, _SHORT = Side.LONG, Side.SHORT
_SIDES = {"BOTH": None, "LONG": _LONG, "SHORT": _SHORT}


def carried(payloads: Payloads) -> bytes | None:
    """What holds until a size, a wallet or a balance changes."""
    account = payloads["account"]
    held, assets = _open(account, "positions"), _open(account, "assets")
    complete = _is_told(held.values(), _OF_A_POSITION) and _is_told(assets.values(), _OF_AN_ASSET)
    if not complete or dig(payloads, "config", "multiAssetsMargin") is not False:
        return None
    risk = {_key(row): row for row in rows(payloads, "positions")}
    if not held.keys() <= risk.keys():
        return None
    told = ("entryPrice", "liquidationPrice", "marginAsset")
    kept = {
        key: [row["positionAmt"], row["isolatedWallet"], *(risk[key].get(name) for name in told)]
        for key, row in held.items()
    }
    return orjson.dumps([kept, {key: [row[name] for name in _OF_AN_ASSET[:2]] for key, row in assets.items()}])


async def fetch(api: Api, known: bytes) -> Payloads:
    """The account now, beside what was told then."""
    account = await api.call("fapiPrivateV3GetAccount")
    config = await api.recent("fapiPrivateGetAccountConfig")
    return {"account": account, "config": config, "carried": orjson.loads(known)}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot | None:
    """The snapshot; None where it takes a full reading to be sure."""
    account, config, (kept, balances) = payloads["account"], payloads["config"], payloads["carried"]
    if dig(config, "multiAssetsMargin") is not False:
        return None
    held, assets = _open(account, "positions"), _open(account, "assets")
    if held.keys() != kept.keys() or assets.keys() != balances.keys() or not _is_told(assets.values(), _OF_AN_ASSET):
        return None
    if any([assets[key]["walletBalance"], assets[key]["crossWalletBalance"]] != told for key, told in balances.items()):
        return None
    found, warnings = list[Held](), list[str]()
    for key in sorted(held):
        try:
            position = _held(held[key], kept[key], reference)
        except (BadPayload, LookupError, TypeError, ValueError, ArithmeticError):
            position = None  # missing or odd
        if position is None:
            return None
        found.append(position)
    pools = pools_of(account, found, None, multi_assets=False, warnings=warnings)
    mode = mode_of(found, multi_assets=False, hedge=flag(config, account, "dualSidePosition"))
    taken = Snapshot(exchange="binanceusdm", mode=mode, taken_at=now, pools=tuple(pools), warnings=tuple(warnings))
    return None if warnings else taken


def _held(row: Row, told: Told, reference: Reference) -> Held | None:
    """A position that is as it was, all of whose figures agree."""
    instrument = reference.instruments[row["symbol"]]
    tiers = reference.tiers[instrument.symbol]
    text, wallet, entry, liquidation, asset = told
    mark, hedged = _mark(row, told, schedule_of(tiers)), row.get("positionSide")
    if mark is None or instrument.is_inverse or hedged not in _SIDES:
        return None
    equity = _isolated(wallet, row["isolatedMargin"], Decimal(row["unrealizedProfit"]))
    side = _SHORT if float(text) < 0 else _LONG
    if _SIDES[hedged] not in (None, side):
        return None
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(Decimal(text)),
        notional=abs(Decimal(row["notional"])),
        entry_price=Decimal(entry),
        mark_price=Decimal(f"{mark:.10g}"),
        liquidation_price=price({"": liquidation}, ""),
        maintenance_margin=Decimal(row["maintMargin"]),
        unrealized_pnl=Decimal(row["unrealizedProfit"]),
        tiers=tiers,
    )
    return Held(
        position=position,
        asset=asset or instrument.settle,
        is_isolated=equity is not None,
        isolated_equity=equity,
        is_hedged=_SIDES[hedged] is not None,
    )


def _mark(row: Row, told: Told, schedule: Schedule) -> float | None:
    """Its mark price: value over size; None unless it is as it was and its figures agree.

    Written so that what is not a number agrees with nothing.
    """
    if row["positionAmt"] != told[0] or row["isolatedWallet"] != told[1] or not _is_told((row,), _OF_A_POSITION):
        return None
    size, value, profit = float(row["positionAmt"]), float(row["notional"]), float(row["unrealizedProfit"])
    needed, own, mark = float(row["maintMargin"]), schedule.requirement(abs(value)), value / size
    agree = abs(value - size * float(told[2]) - profit) <= _ROUNDING * abs(value)
    fits = 0 < needed < math.inf and own > 0 and abs(needed - own) <= _APART * max(needed, own)
    return mark if agree and fits and 0 < mark < math.inf else None


def _isolated(wallet: str, margin: str, profit: Decimal) -> Decimal | None:
    """What backs an isolated position, None of a cross one; ValueError where the two figures for it differ."""
    if _is_zero(wallet) and _is_zero(margin):
        return None
    sums = (Decimal(margin), Decimal(wallet) + profit)
    if not all(one.is_finite() for one in sums) or apart(*sums):
        raise ValueError("two figures for an isolated margin")
    return min(sums)


def _open(account: Any, part: str) -> dict[str, dict[str, Any]]:
    """Positions or assets by name, but for those that are nothing."""
    if part == "positions":
        return {_key(row): row for row in rows(account, part) if not _is_zero(row.get("positionAmt"))}
    of_both = ("walletBalance", "crossWalletBalance")
    return {name_of(row, "asset"): row for row in rows(account, part) if not all(_is_zero(row.get(n)) for n in of_both)}


def _is_zero(text: Any) -> bool:
    return text.__class__ is str and text != "" and not text.strip("0.")


def _key(row: Row) -> str:
    return f"{name_of(row, 'symbol')} {row.get('positionSide') or 'BOTH'}"


def _is_told(told: Iterable[Row], names: Iterable[str]) -> bool:
    return all(row.get(name).__class__ is str and row[name] for row in told for name in names)


BRIEF = Brief(carried=carried, fetch=fetch, parse=parse)
