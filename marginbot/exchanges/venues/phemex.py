"""Phemex perpetuals: what is asked of it, and what its errors mean.

Every settlement coin has an account of its own: the newer ones (USDT, USDC) behind `g-accounts`, the older
coin-margined ones behind `accounts`. Which there are is told by the public product list. Sources:
phemex-docs.github.io, "Query Account Positions", "Query trading account and positions", "Query product information".
"""

from __future__ import annotations

from typing import Any

from marginbot.domain.errors import BadPayload, KeyRefused
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Fault, Payloads, Venue, candles_of, dig
from marginbot.exchanges.venues.phemex_parse import parse
from marginbot.exchanges.wallets import if_there
from marginbot.flow.ports import VenueInfo

_NEWER, _OLDER = ("USDT", "USDC"), ("BTC", "ETH")


async def fetch(api: Api) -> Payloads:
    """The account of each settlement coin; one that Phemex does not have is left out and told."""
    products = await api.shared("v2GetPublicProducts")
    newer = _settled(products, "perpProductsV2", "perpetualv2") or list(_NEWER)
    older = _settled(products, "products", "perpetual") or list(_OLDER)
    answers = await together(
        *(if_there(_newer(api, coin)) for coin in newer),
        *(if_there(api.call("privateGetAccountsAccountPositions", {"currency": coin})) for coin in older),
    )
    if not any(answers):
        raise BadPayload("no account was answered")
    return {"accounts": dict(zip([*newer, *older], answers, strict=True))}


def _settled(products: Any, group: str, kind: str) -> list[str]:
    """Settlement coins of the listed perpetuals of one generation."""
    listed = dig(products, "data", group)
    found = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    coins = {row.get("settleCurrency") for row in found if str(row.get("type")).lower() == kind}
    return sorted(
        coin for coin in {*coins, *(_NEWER if group == "perpProductsV2" else _OLDER)} if isinstance(coin, str)
    )


async def _newer(api: Api, coin: str) -> Any:
    """The light endpoint; the one with profits, which weighs 25 times as much, where the light one is refused."""
    light = await if_there(api.call("privateGetGAccountsAccountPositions", {"currency": coin}))
    return light or await api.call("privateGetGAccountsPositions", {"currency": coin})


INFO = VenueInfo(
    id="phemex",
    title="Phemex Perpetuals",
    fields=(("key", "API key ID"), ("secret", "API secret")),
    instructions=(
        "At phemex.com open your profile → API Management → Create New API Key. Choose Read-Only for every account "
        "(never Withdrawal) and enter this server's IP address: a key without one lapses after a while."
    ),
    aliases=("phemex contracts",),
)
FAULTS = {
    "401": Fault(
        KeyRefused,
        "Phemex refuses the key. Check that key ID and secret were copied whole, that the key still exists and has not "
        "lapsed, and that its IP list admits this server.",
    ),
}
FACTS = Facts(
    modes="an account per settlement coin (USDT, USDC, coin-margined); cross, isolated; one-way, hedge",
    ratio_from="balance, marks and `maintMarginReq`, against the liquidation price",
    evidence=(Evidence.DOCUMENTED,),
    weight="1 for each settlement coin",
    estimates="Phemex prints no ratio; unified accounts are not read",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:{0}"),
    faults=FAULTS,
)
