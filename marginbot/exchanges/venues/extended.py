"""Extended: one cross pool of an account, `marginRatio` of the balance, liquidated at 100 %.

The API key alone reads everything; orders and withdrawals also need the Stark key's signature, which is never asked
for. The docs leave open whether `marginRatio` is a fraction or a percentage: it is taken in the unit that fits the
initial margin, which is above the maintenance margin. A lone position's liquidation price checks the equity. Where
the balance has no ratio, each market's risk factor (its initial margin) counts as an upper bound. Source:
api.docs.extended.exchange, "Get balance", "Get spot balances", "Get positions".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused, NoPermission, RateLimited, VenueDown
from marginbot.domain.implied import proportional
from marginbot.domain.margin import Pool, Position, Side, Snapshot
from marginbot.domain.passport import Passport
from marginbot.exchanges.assembly import Row, check_profit, first, instrument_of, name_of, perpetual, smaller, weighed
from marginbot.exchanges.leaked import refuse_secrets
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Permissions,
    Reference,
    Venue,
    candles_of,
    dig,
    number,
    price,
    rows,
    total,
)
from marginbot.exchanges.venues.extended_coins import (
    CASH,
    bounds_of,
    pool_of,
    pool_of_coins,
    sum_of_bounds,
    with_collateral,
)
from marginbot.flow.ports import VenueInfo

HUNDRED = Decimal(100)
SLACK = Decimal("1.5")  # open orders and rounding may lift a ratio above what the initial margin allows


async def fetch(api: Api) -> Payloads:
    """Balance and positions; spot balances tell what backs the equity; risk factors from the shared list."""
    balance, positions, coins, markets = await together(
        api.call("v1PrivateGetUserBalance"),
        api.call("v1PrivateGetUserPositions"),
        api.optional("v1PrivateGetUserSpotBalances"),
        api.shared("v1PublicGetInfoMarkets"),
    )
    return {"balance": balance, "positions": positions, "coins": coins, "markets": markets}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    listed = [row for row in rows(payloads, "positions", "data") if number(row, "size") != 0]
    positions = tuple(_position(row, reference, warnings) for row in listed)
    bounds = bounds_of(payloads.get("markets"))
    told = dig(payloads, "balance", "data")
    coins = rows(payloads, "balance", "data") if isinstance(told, list) else _coins(payloads)
    if isinstance(told, dict):
        pool = _pool_of_balance(told, positions, warnings)
    else:
        pool = pool_of_coins(coins, positions, sum_of_bounds(listed, positions, bounds), warnings)
    if positions and payloads.get("coins") is None and isinstance(told, dict):
        warnings.append("cross: Extended did not list the coins behind the account; their prices are not in the room")
    pool = with_collateral(pool, coins)
    return Snapshot(
        exchange=INFO.id,
        mode="cross",
        taken_at=now,
        pools=(pool,),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _coins(payloads: Payloads) -> list[dict[str, Any]]:
    return rows(payloads, "coins", "data") if payloads.get("coins") is not None else []


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position:
    market = name_of(row, "market")
    instrument = instrument_of(reference, market, _guessed, warnings)
    size, told = number(row, "size"), str(row.get("side"))
    if size is None or told not in ("LONG", "SHORT"):
        raise BadPayload(f"side or size of {market} is missing")
    mark, value = price(row, "markPrice"), price(row, "value")
    again = None if mark is None else abs(size) * mark
    if value is None or again is None or apart(value, again):
        warnings.append(f"{instrument.symbol}: value, size and price do not fit; the larger value counts")
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=Side(told.lower()),
        contracts=abs(size),
        notional=max((known for known in (value, again) if known is not None), default=None),
        entry_price=price(row, "openPrice"),
        mark_price=first((mark, None if value is None else value / abs(size))),
        liquidation_price=price(row, "liquidationPrice"),
        unrealized_pnl=number(row, "unrealisedPnl"),
    )
    check_profit(position, warnings)
    return position


# -- the balance with a ratio


def _pool_of_balance(told: Row, positions: tuple[Position, ...], warnings: list[str]) -> Pool:
    equity = _equity(told, warnings)
    ratio = _ratio(told, equity, warnings) if positions else None
    needed = _needed(told, equity, ratio) if positions else Decimal(0)
    value = total(position.notional for position in positions)
    rate = None if needed is None or not value else needed / value
    return weighed(pool_of(equity, needed, positions, ratio), None if rate is None else proportional(rate), warnings)


def _equity(told: Row, warnings: list[str]) -> Decimal | None:
    """`equity`; cash with profit, or what is free with what is held back, must not be less."""
    sums = (
        total((number(told, "balance"), number(told, "unrealisedPnl"))),
        total((number(told, "availableForTrade"), number(told, "initialMargin"))),
    )
    own = max((value for value in sums if value is not None), default=None)
    equity = number(told, "equity")
    if equity is not None and own is not None and equity < own:
        return equity
    return smaller("cross: equity", equity, own, warnings)


def _ratio(told: Row, equity: Decimal | None, warnings: list[str]) -> Decimal | None:
    """The venue's ratio as a fraction; None where it is in no unit that the initial margin allows."""
    ratio, initial = number(told, "marginRatio"), number(told, "initialMargin")
    if ratio is None or ratio <= 0:
        warnings.append("cross: Extended gives no margin ratio, the initial margin counts instead")
        return None
    if initial is None or initial <= 0 or equity is None or equity <= 0:
        warnings.append("cross: the margin ratio could not be checked against the initial margin")
        return ratio
    limit = initial / equity * SLACK
    fitting = [value for value in (ratio, ratio / HUNDRED) if value <= limit]
    if not fitting:
        warnings.append("cross: the margin ratio does not fit the initial margin, which counts instead")
        return None
    return fitting[0]


def _needed(told: Row, equity: Decimal | None, ratio: Decimal | None) -> Decimal | None:
    if ratio is not None and equity is not None and equity > 0:
        return equity * ratio
    return price(told, "initialMargin")


def _guessed(market: str) -> Instrument:
    return perpetual(market.split("-")[0], CASH)


# -- the key


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` for a Stark or wallet key in place of the API key."""
    key = fields.get("key", "").strip()
    refuse_secrets(key, wanted="the API key")
    if key.startswith("0x"):
        raise BadCredentials("a Stark key or an address", advice=_MALFORMED)


async def ask_nothing(api: Api) -> Any:
    """Extended tells nothing of a key."""
    return None


def api_key_alone(answer: Any) -> Passport:
    """What holds for every API key without its Stark key."""
    return Passport(can_read=True, can_withdraw=False, notes=(_NOTE,))


_NOTE = "without the Stark key it cannot trade or withdraw, but it may cancel orders"
_MALFORMED = (
    "This starts with 0x, so it is not the API key: Extended shows the API key beside the Stark keys, which I never "
    "need. Nothing was stored."
)


INFO = VenueInfo(
    id="extended",
    title="Extended",
    fields=(("key", "API key"),),
    instructions=(
        "At app.extended.exchange open API management and create an API key for the sub-account. Send me the API key "
        "alone, never the Stark private key: without it the key can read (and cancel orders), but not trade or "
        "withdraw. Each sub-account has a key of its own."
    ),
    aliases=("x10",),
)
_REFUSED = (
    "Extended refuses the API key. Check that it was copied whole and still exists, and that it is the API key, not "
    "one of the Stark keys beside it."
)
# The exchange's own numbers; general failures are numbered as HTTP does.
FAULTS = {
    "401": Fault(KeyRefused, _REFUSED),
    "403": Fault(NoPermission, _REFUSED),
    "429": Fault(RateLimited),
    "1004": Fault(KeyRefused, _REFUSED),
    "1008": Fault(KeyRefused, _REFUSED),
    "1010": Fault(VenueDown),
}
FACTS = Facts(
    modes="cross; one sub-account a key",
    ratio_from="`marginRatio`, checked by the initial margin and the liquidation price",
    evidence=(Evidence.UNVERIFIED,),
    weight="3 requests",
    estimates="unit of the margin ratio; requirement where no ratio is told",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDC:USDC"),
    signs_with={"apiKey": "key"},
    check_form=check_form,
    permissions=Permissions(ask_nothing, api_key_alone),
    faults=FAULTS,
)
