"""Kraken spot margin: one pool in US dollars.

Kraken's margin level is `ml = equity / used margin` in percent. Positions are liquidated at about 40 %; from about 80 %
down Kraken may do so at its discretion, and both move with the market. So the requirement is 40 % of the used margin,
which is fixed when a position is opened. Source: support.kraken.com "Margin level" and "Liquidation level";
docs.kraken.com "Get trade balance", "Get open positions".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission
from marginbot.domain.margin import Collateral, MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.passport import Passport
from marginbot.domain.room import STABLE
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Payloads,
    Permissions,
    Reference,
    Venue,
    amount,
    candles_of,
    dig,
    number,
    price,
    record,
    total,
)
from marginbot.flow.ports import VenueInfo

Row = Mapping[str, Any]

LIQUIDATION_LEVEL = Decimal(40)  # percent
CALL_LEVEL = Decimal(80)
_COINS = {"XBT": "BTC", "XDG": "DOGE"}
_QUOTES = ("USDT", "USDC", "ZUSD", "USD", "ZEUR", "EUR", "XXBT", "XBT", "XETH", "ETH", "ZGBP", "GBP")


async def fetch(api: Api) -> Payloads:
    """The account in dollars, its positions with their present value, and what it holds."""
    balance, positions, holdings = await together(
        api.call("privatePostTradeBalance", {"asset": "ZUSD"}),
        api.call("privatePostOpenPositions", {"docalcs": "true"}),
        api.optional("privatePostBalance"),
    )
    return {"balance": balance, "positions": positions, "holdings": holdings}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    balance = record(payloads, "balance", "result")
    listed = _listed(dig(payloads, "positions", "result"))
    positions = [position for row in listed if (position := _position(row, reference, warnings)) is not None]
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=_equity(balance, warnings),
        maintenance_margin=Decimal(0),
        positions=tuple(positions),
    )
    return Snapshot(
        exchange=INFO.id,
        mode="spot margin",
        taken_at=now,
        pools=(_judged(pool, balance, listed, holdings=payloads.get("holdings"), warnings=warnings),),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _listed(result: Any) -> list[Row]:
    """Positions by transaction, or a list where Kraken merges those of a market."""
    found = list(result.values()) if isinstance(result, dict) else result
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadPayload("the open positions are missing")
    return found


def _equity(balance: Row, warnings: list[str]) -> Decimal | None:
    """Trade balance and profit; Kraken's sum and its parts check each other."""
    told, parts = number(balance, "e"), total((number(balance, "tb"), number(balance, "n")))
    if told is None or parts is None:
        warnings.append("cross: a part of the equity is missing, so it counts unchecked or is unknown")
        return parts if told is None else told
    if apart(told, parts):
        warnings.append(f"cross: equity is {told:.2f}, its parts come to {parts:.2f}; the smaller counts")
    return min(told, parts) if apart(told, parts) else told


def _judged(pool: Pool, balance: Row, listed: Sequence[Row], *, holdings: Any, warnings: list[str]) -> Pool:
    level, used = number(balance, "ml"), number(balance, "m")
    if not pool.positions and not used and not level:
        return pool
    if level is not None and level < CALL_LEVEL:
        warnings.append("cross: the margin level is below 80 %, Kraken may close positions at its discretion")
    reported = LIQUIDATION_LEVEL / level if level else None
    own = _own_requirement(used, pool.positions, listed, warnings)
    needed = own if level is not None and level <= 0 else None
    if needed is None:
        needed = requirement(pool.name, pool.equity, own=own, reported=reported, warnings=warnings)
    if not pool.positions:
        warnings.append("cross: margin is in use, but no position is listed; room is unknown")
    return Pool(
        name=pool.name,
        margin_mode=pool.margin_mode,
        currency=pool.currency,
        equity=pool.equity,
        maintenance_margin=needed,
        positions=pool.positions,
        collateral=_collateral(balance, holdings, warnings),
        has_debt=not pool.positions,
        reported_ratio=reported if reported is not None and reported > 0 else None,
    )


def _own_requirement(
    used: Decimal | None, positions: Sequence[Position], listed: Sequence[Row], warnings: list[str]
) -> Decimal | None:
    """40 % of the used margin; what the positions say of it, where all are in dollars, checks the total."""
    in_dollars = all(position.notional is not None for position in positions) and bool(positions)
    summed = total(number(row, "margin") for row in listed) if in_dollars else None
    if used is None or used <= 0:
        warnings.append("cross: the used margin is missing" + ("" if summed is None else ", the positions' own counts"))
        used = summed
    elif summed is not None and apart(used, summed):
        warnings.append(f"cross: the used margin is {used:.2f}, of the positions {summed:.2f}; the larger counts")
        used = max(used, summed)
    return None if used is None else used * LIQUIDATION_LEVEL / 100


def _collateral(balance: Row, holdings: Any, warnings: list[str]) -> tuple[Collateral, ...]:
    """What the account holds in coins, after haircut: the trade balance less the cash."""
    worth, held = number(balance, "tb"), dig(holdings, "result")
    if worth is None or not isinstance(held, dict):
        warnings.append("cross: what the account holds is not known, so room leaves its price moves out")
        return ()
    amounts = {name: number(held, name) for name in held}
    coins = list(dict.fromkeys(coin(name) for name, size in amounts.items() if size != 0 and coin(name) not in STABLE))
    cash = sum((size or Decimal(0) for name, size in amounts.items() if coin(name) in STABLE), Decimal(0))
    if not coins:
        if apart(worth, cash):
            warnings.append(
                f"cross: the account is worth {worth:.2f}, its cash {cash:.2f}; what the rest is, is not told"
            )
        return ()
    if len(coins) > 1 or worth <= cash:
        warnings.append("cross: what backs the account in coins is taken to move like BTC")
    asset = coins[0] if len(coins) == 1 else "BTC"
    return (Collateral(asset=asset, value=worth - cash if worth > cash else worth),)


def coin(name: str) -> str:
    """Kraken's name of an asset (XXBT, ZUSD, XBT.F) in everybody's."""
    plain = name.split(".")[0].upper()
    if len(plain) == 4 and plain[0] in "XZ":
        plain = plain[1:]
    return _COINS.get(plain, plain)


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position | None:
    size = amount(row, "vol") - (number(row, "vol_closed") or Decimal(0))
    if size <= 0:
        return None
    side = {"buy": Side.LONG, "sell": Side.SHORT}.get(str(row.get("type")))
    if side is None:
        raise BadPayload("the direction of a position is missing")
    base, quote = _pair(str(row.get("pair") or ""), reference)
    symbol = f"{base}/{quote}"
    value = price(row, "value")
    if value is None or quote not in STABLE or quote == "EUR":
        warnings.append(f"{symbol}: its value in dollars is not told, so room is unknown")
        value = None
    return Position(
        symbol=symbol,
        underlying=base,
        side=side,
        contracts=size,
        notional=value,
        entry_price=amount(row, "cost") / amount(row, "vol") if number(row, "cost") else None,
        mark_price=None if value is None else value / size,
        unrealized_pnl=number(row, "net"),
    )


def _pair(name: str, reference: Reference) -> tuple[str, str]:
    known = reference.instruments.get(name)
    if known is not None:
        return known.underlying, known.settle
    for quote in _QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return coin(name.removesuffix(quote)), coin(quote)
    raise BadPayload("a pair with a name of a form we do not know")


async def fetch_permissions(api: Api) -> Any:
    """What Kraken tells a key of itself."""
    return await api.call("privatePostGetApiKeyInfo")


def parse_permissions(answer: Any) -> Passport:
    """Rights by name. The names are not documented well enough to take the absence of one for a promise."""
    rights = dig(answer, "result", "permissions")
    if not isinstance(rights, list) or not rights or not all(isinstance(right, str) for right in rights):
        return unreadable("Kraken")
    words = [right.lower() for right in rights]
    acts = [word for word in words if not word.startswith("query")]
    return Passport(
        can_read=True if any(word.startswith("query") for word in words) else None,
        can_trade=True
        if any(verb in word for word in acts for verb in ("modify", "create", "cancel", "close"))
        else None,
        can_withdraw=True if any("withdraw" in word for word in acts) else None,
        notes=("Kraken's list of rights is not documented well enough to be sure of it",),
    )


INFO = VenueInfo(
    id="kraken",
    title="Kraken (spot margin)",
    fields=(("key", "API key"), ("secret", "private key of the API key")),
    instructions=(
        "At kraken.com open Settings, API, Create API key, and tick only “Query” under Funds and “Query open orders "
        "and trades”. Kraken Futures needs a key of its own."
    ),
    aliases=("kraken spot", "kraken margin"),
)
FAULTS = {
    "eapi:invalid key": Fault(
        KeyRefused, "Kraken does not know this key. Check that it was copied whole and was not deleted."
    ),
    "eapi:invalid signature": Fault(
        KeyRefused,
        "Kraken knows the key, but the signature is wrong: the private key is probably mistyped or belongs to another "
        "key. Kraken shows it only once, so you may need a new key.",
    ),
    "eapi:invalid nonce": Fault(ClockSkew),
    "egeneral:permission denied": Fault(
        NoPermission,
        "Kraken says the key may not do this. It needs “Query” under Funds and “Query open orders and trades”, and its "
        "IP list, if there is one, has to admit this server.",
    ),
}
FACTS = Facts(
    modes="spot margin",
    ratio_from="`ml` against 40 %, recomputed from equity and used margin",
    evidence=(Evidence.DOCUMENTED,),
    weight="3 requests, 1 each of a counter that refills by 0.33 to 1 a second",
    estimates="the liquidation level, which Kraken lets move; coins that back the account move like BTC",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD", "{0}/USDT", "{0}/EUR"),
    permissions=Permissions(fetch_permissions, parse_permissions),
    faults=FAULTS,
)
