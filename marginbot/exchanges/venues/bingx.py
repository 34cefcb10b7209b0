"""BingX perpetual futures: what is asked of it, what a key may do, and what its errors mean.

USDT-margined and coin-margined contracts have accounts of their own. Sources: bingx-api.github.io/docs-v3, "Query
position data", "Query account data", "Query warehouse", "Query Account Assets", "Position and Maintenance Margin
Ratio", "Query Multi-Assets Mode", "Query Multi-Assets Rules", "Query API KEY Permissions".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission, RateLimited
from marginbot.domain.passport import Passport
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.rights import listed, passport_of
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Payloads,
    Permissions,
    Venue,
    candles_of,
    dig,
    number,
    rows,
)
from marginbot.exchanges.venues.bingx_parse import is_multi_assets, parse
from marginbot.exchanges.wallets import if_there
from marginbot.flow.ports import VenueInfo

_MOST_TIERS = 8  # symbols whose tiers are asked for; the largest positions come first


async def fetch(api: Api) -> Payloads:
    """Both accounts, and for the USDT-margined one its mode and the tiers of what it holds."""
    linear, inverse, mode = await together(
        if_there(_account(api, "swapV2PrivateGetUserPositions", "swapV3PrivateGetUserBalance")),
        if_there(_account(api, "cswapV1PrivateGetUserPositions", "cswapV1PrivateGetUserBalance")),
        api.recent("swapV1PrivateGetTradeAssetMode"),
    )
    if linear is None and inverse is None:
        raise BadPayload("neither the USDT-margined nor the coin-margined account was answered")
    held = _largest(linear["positions"]) if linear else []
    tiers = await together(*(api.recent("swapV1PrivateGetMaintMarginRatio", {"symbol": name}) for name in held))
    rules = await api.shared("swapV1PublicGetTradeMultiAssetsRules") if is_multi_assets(mode) else None
    return {
        "linear": linear,
        "inverse": inverse,
        "mode": mode,
        "tiers": dict(zip(held, tiers, strict=True)),
        "rules": rules,
    }


async def _account(api: Api, positions: str, balance: str) -> dict[str, Any]:
    held, owned = await together(api.call(positions), api.call(balance))
    return {"positions": held, "balance": owned}


def _largest(positions: Any) -> list[str]:
    """Symbols of the largest open positions."""
    sizes: dict[str, Decimal] = {}
    for row in rows(positions, "data"):
        name = str(row.get("symbol"))
        sizes[name] = sizes.get(name, Decimal(0)) + abs(number(row, "positionValue", "positionAmt") or Decimal(0))
    return sorted(sizes, key=lambda name: sizes[name], reverse=True)[:_MOST_TIERS]


# -- what the key may do: 1 spot, 2 reading, 3 futures, 4 universal transfer, 5 withdrawal, 7 sub-account transfers


async def fetch_rights(api: Api) -> Any:
    """What BingX tells a key of itself."""
    answer = await api.call("accountV1PrivateGetAccountApiPermissions")
    told = answer if dig(answer, "permissions") is not None else dig(answer, "data")
    return {name: dig(told, name) for name in ("permissions", "ipAddresses")}


def parse_rights(answer: Any) -> Passport:
    """`permissions` is a list of numbers."""
    told = dig(answer, "permissions")
    if not isinstance(told, list) or not told or not all(type(right) in (int, str) for right in told):
        return unreadable("BingX")
    return passport_of(
        map(str, told),
        reads={"2"},
        trades={"1", "3"},
        sends={"4", "7"},
        withdraws={"5"},
        ip_restricted=listed(dig(answer, "ipAddresses")),
    )


# -- words

INFO = VenueInfo(
    id="bingx",
    title="BingX Perpetual Futures",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At bingx.com open your profile → API Management → Create API. Leave only Read ticked (never Perpetual Futures "
        "Trading, Transfer or Withdraw) and enter this server's IP address if you can."
    ),
    aliases=("bing x", "bingx futures"),
)
_UNKNOWN_KEY = "BingX does not know this key. Check that it was copied whole and was not deleted."
_SIGNATURE = (
    "BingX says the signature is wrong: the secret key is probably mistyped or belongs to another key. BingX shows it "
    "only once, so you may need a new key."
)
FAULTS = {
    "100001": Fault(KeyRefused, _SIGNATURE),
    "100004": Fault(NoPermission, "The key may not read futures. Give it the permission Read at BingX, no more."),
    "100410": Fault(RateLimited),
    "100412": Fault(KeyRefused, _SIGNATURE),
    "100413": Fault(KeyRefused, _UNKNOWN_KEY),
    "100419": Fault(
        NoPermission,
        "BingX refuses this server's address: it is not on the key's IP list. Add it at BingX under API Management.",
    ),
    "100421": Fault(ClockSkew),
}
FACTS = Facts(
    modes="USDT-margined (single-asset, multi-assets) and coin-margined; cross, isolated; one-way, hedge",
    ratio_from="`riskRate`, recomputed from leverage tiers and closing fee",
    evidence=(Evidence.DOCUMENTED,),
    weight="4 requests, 5 of each in a second and user",
    estimates="multi-assets mode; coin-margined `riskRate` counts unchecked; closing fee taken as 0.05 %",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:{0}"),
    permissions=Permissions(fetch_rights, parse_rights),
    faults=FAULTS,
)
