"""Exchanges without an adapter of their own, read through ccxt's unified calls. Every figure is an estimate.

ccxt shows positions and balances of all exchanges in one form, but fills gaps by algebra of its own, so that a number
in that form need not be the exchange's. What is read here, and how a margin follows from it: `generic_parse`.
Not read at all: exchanges that ask for a private key which can move funds, and those that list positions only one
market at a time, where one could be missed, or of whose positions ccxt hands on nothing but the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache, partial
from typing import Any

import ccxt.async_support as ccxt

from marginbot.domain.errors import BadPayload, NoPermission, OurFault, Unsupported, VenueDown
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Instrument, Payloads, Venue, candles_of, number, price, rows
from marginbot.exchanges.venues.generic_parse import parse
from marginbot.flow.ports import VenueInfo

Described = Mapping[str, Any]

_FIELDS = {"apiKey": ("key", "API key"), "secret": ("secret", "secret key"), "password": ("passphrase", "passphrase")}
_OTHERS = {"accountId": "account id", "uid": "user id", "login": "login name"}
_ONE_BY_ONE = "{title} lists positions only one market at a time, so that one could be missed."
_SAYS_NOTHING = (
    "{title} tells neither where a position is liquidated nor what it requires, so that nothing could be judged."
)
_REFUSED = {
    "apex": _SAYS_NOTHING,
    "bitflyer": _ONE_BY_ONE,
    "bullish": _SAYS_NOTHING,
    "hashkey": _ONE_BY_ONE,
    "polymarket": "{title} trades shares without margin, so there is nothing to watch.",
}
# What has to be asked for by name beside the usual call; the others go by the option `defaultType`.
_MORE_POSITIONS: Mapping[str, tuple[dict[str, str], ...]] = {"xt": ({"subType": "inverse"},)}
_MARGIN_WALLET = {"bitfinex": "margin", "bequant": "swap", "fmfwio": "swap", "hitbtc": "swap"}
_MARKS_AT_ONCE = 20  # positions whose mark price is asked for
_MAY_BE_MISSING = (VenueDown, BadPayload, Unsupported, NoPermission, OurFault)


@cache
def described(name: str) -> Described:
    """What ccxt says of an exchange, without opening it."""
    kind = getattr(ccxt, name)
    found: Described = kind.describe(kind.__new__(kind))  # making 100 clients in earnest takes more than a second
    return found


@cache
def candidates() -> tuple[str, ...]:
    """The exchanges of the pinned ccxt whose positions it can list."""
    able = [name for name in ccxt.exchanges if getattr(ccxt, name).fetch_positions is not ccxt.Exchange.fetch_positions]
    return tuple(name for name in able if described(name)["has"].get("fetchPositions"))


def refusal(name: str) -> str | None:
    """Why an exchange cannot be read this way; None where it can."""
    title = described(name)["name"]
    wanted = _wanted(name)
    if name in _REFUSED:
        return _REFUSED[name].format(title=title)
    if "privateKey" in wanted or "walletAddress" in wanted:
        return f"{title} can only be read with a private key that can move funds, and I refuse to hold one."
    if _signs_with(wanted) is None or "secret" not in wanted:
        return f"{title} asks for credentials of a kind that I cannot hold."
    return None


def _wanted(name: str) -> list[str]:
    told: Mapping[str, bool] = described(name)["requiredCredentials"]
    return [attribute for attribute, needed in told.items() if needed]


def _signs_with(wanted: list[str]) -> dict[str, str] | None:
    """ccxt's attributes by our fields; what has no field of its own takes one that is free."""
    found = {attribute: _FIELDS[attribute][0] for attribute in wanted if attribute in _FIELDS}
    for attribute in wanted:
        free = [name for name in ("passphrase", "key") if name not in found.values()]
        if attribute in found:
            continue
        if attribute not in _OTHERS or not free:
            return None
        found[attribute] = free[0]
    return found


def refused_info(name: str) -> VenueInfo:
    """How an exchange that cannot be read is told of."""
    return VenueInfo(id=name, title=described(name)["name"], fields=(), instructions="", refusal=refusal(name))


def generic_venue(name: str) -> Venue:
    """The row of an exchange that is read this way."""
    signs_with = _signs_with(_wanted(name))
    assert signs_with is not None, "refused exchanges have no row"
    titles = {**{attribute: title for attribute, (_, title) in _FIELDS.items()}, **_OTHERS}
    order = {field: titles[attribute] for attribute, field in signs_with.items()}
    title = described(name)["name"]
    return Venue(
        info=VenueInfo(
            id=name,
            title=title,
            fields=tuple((field, order[field]) for field in ("key", "secret", "passphrase") if field in order),
            instructions=(
                f"At {title} make an API key that can only read, without any right to trade or withdraw. I read this "
                "exchange in a general way: what I show of it are estimates, so compare the first reading with what "
                "the exchange shows you."
            ),
            estimates_only=True,
        ),
        facts=FACTS,
        fetch=partial(fetch, name),
        parse=partial(parse, name),
        candle_symbols=candles_of(
            "{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:USD", "{0}/USD:{0}", "{0}/USDT", "{0}/USD"
        ),
        options={"defaultType": "swap"},
        signs_with=signs_with,
        fetch_tiers=fetch_tiers if described(name)["has"].get("fetchLeverageTiers") is True else None,
        parse_tiers=parse_tiers,
    )


async def fetch(name: str, api: Api) -> Payloads:
    """Positions and balance as ccxt shows them; a mark price for positions that come without one."""
    wallet = {"type": _MARGIN_WALLET[name]} if name in _MARGIN_WALLET else {}
    asked = [{}, *_MORE_POSITIONS.get(name, ())]
    balance, *listed = await together(
        _optional(api, "fetch_balance", wallet), *(api.unified("fetch_positions", None, params) for params in asked)
    )
    positions = [row for part in listed for row in rows(part)]
    bare = [str(row.get("symbol")) for row in positions if not price(row, "markPrice") and number(row, "contracts")]
    names = list(dict.fromkeys(bare))[:_MARKS_AT_ONCE]
    return {"positions": positions, "balance": balance, "tickers": await _tickers(name, api, names)}


async def _tickers(name: str, api: Api, symbols: list[str]) -> dict[str, Any]:
    if symbols and not described(name)["has"].get("fetchTicker"):
        return await _optional(api, "fetch_tickers", symbols) or {}
    told = await together(*(_optional(api, "fetch_ticker", symbol) for symbol in symbols))
    return dict(zip(symbols, told, strict=True))


async def _optional(api: Api, method: str, *args: Any) -> Any:
    try:
        return await api.unified(method, *args)
    except _MAY_BE_MISSING:
        return None


async def fetch_tiers(api: Api) -> Any:
    """The leverage tiers of all markets as ccxt shows them."""
    return await api.unified("fetch_leverage_tiers")


def parse_tiers(raw: Any, instruments: Mapping[str, Instrument]) -> dict[str, tuple[LeverageTier, ...]]:
    """Tiers by unified symbol: the rate of the tier, without a deduction, because ccxt hands none on."""
    listed = raw if isinstance(raw, dict) else {}
    found = {symbol: _tiers(rows(listed, symbol)) for symbol in listed}
    return {symbol: tiers for symbol, tiers in found.items() if tiers}


def _tiers(listed: list[dict[str, Any]]) -> tuple[LeverageTier, ...]:
    tiers = []
    for row in listed:
        rate = number(row, "maintenanceMarginRate")
        if rate is None or not 0 < rate < 1:
            return ()
        tiers.append(LeverageTier(number(row, "minNotional") or Decimal(0), price(row, "maxNotional"), rate))
    return tuple(sorted(tiers, key=lambda tier: tier.floor))


FACTS = Facts(
    modes="cross and isolated as far as the exchange tells",
    ratio_from="liquidation prices, or leverage tiers and balances",
    evidence=(Evidence.UNVERIFIED,),
    weight="2 requests, and 1 for each position without a mark price",
    estimates="everything",
)
