"""MEXC futures: what is asked of it, what a key may do, and what its errors mean.

Sources: www.mexc.com/api-docs/futures, "Get Currency Asset", "Get Open Positions", "Get Contract Info", "Get Ticker",
"Error Code"; www.mexc.com/api-docs/spot-v3, "Query API Key Info". How the ratio follows: `mexc_parse`.
"""

from __future__ import annotations

from typing import Any

from marginbot.domain.errors import KeyRefused, NoPermission
from marginbot.domain.passport import Passport
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.rights import listed, passport_of
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Fault, Payloads, Permissions, Venue, candles_of, dig, rows
from marginbot.exchanges.venues.mexc_parse import parse
from marginbot.flow.ports import VenueInfo

_SINGLY = 3  # up to so many symbols are asked for one by one; the list of all is some 300 kB


async def fetch(api: Api) -> Payloads:
    """Balances, positions and contract terms, then the present marks of what is held."""
    assets, positions, contracts = await together(
        api.call("contractPrivateGetAccountAssets"),
        api.call("contractPrivateGetPositionOpenPositions"),
        api.shared("contractPublicGetDetail"),
    )
    held = sorted({str(row["symbol"]) for row in rows(positions, "data") if row.get("symbol")})
    asked: list[dict[str, str]] = [{"symbol": name} for name in held] if len(held) <= _SINGLY else [{}]
    tickers = await together(*(api.optional("contractPublicGetTicker", what) for what in asked))
    told = [answer for answer in tickers if answer is not None]
    return {"assets": assets, "positions": positions, "contracts": contracts, "tickers": told}


# -- what the key may do

_READ, _WRITE = "_READ", "_WRITE"
_MOVES = ("WITHDRAW", "TRANSFER")


async def fetch_rights(api: Api) -> Any:
    """What MEXC tells of the key; it has to be named although it asks."""
    answer = await api.call("spotPrivateGetApiKeyInfo", {"accessKey": api.key})
    return {name: dig(answer, name) for name in ("permissions", "ipWhiteList", "status")}


def parse_rights(answer: Any) -> Passport:
    """Words such as CONTRACT_ACCOUNT_READ or SPOT_DEAL_WRITE, with commas."""
    told = dig(answer, "permissions")
    if not isinstance(told, str) or not told.strip():
        return unreadable("MEXC")
    words = {word.strip() for word in told.split(",")} - {""}
    writes = {word for word in words if word.endswith(_WRITE)}
    moves = {word for word in writes if any(name in word for name in _MOVES)}
    return passport_of(
        words,
        reads={word for word in words if word.endswith(_READ)},
        trades=writes - moves,
        sends={word for word in moves if "WITHDRAW" not in word},
        withdraws={word for word in moves if "WITHDRAW" in word},
        ip_restricted=listed(dig(answer, "ipWhiteList")),
    )


# -- words

INFO = VenueInfo(
    id="mexc",
    title="MEXC Futures",
    fields=(("key", "access key"), ("secret", "secret key")),
    instructions=(
        "At mexc.com open your profile → API Management. Tick only “View account details” and “View order details” "
        "under Futures, and link this server's IP address: a key without one lapses after 90 days."
    ),
    aliases=("mexc futures", "mxc"),
)
_UNKNOWN_KEY = "MEXC does not know this key. Check that it was copied whole, still exists and has not lapsed (90 days)."
_NO_READING = "The key may not read futures. Give it “View account details” and “View order details” at MEXC, no more."
_NOT_LISTED = "MEXC refuses this server's address: it is not on the key's IP list. Add it at MEXC under API Management."
FAULTS = {
    "401": Fault(KeyRefused, _UNKNOWN_KEY),
    "402": Fault(
        KeyRefused, "The key has lapsed: MEXC keys without a linked IP address end after 90 days. Make a new one."
    ),
    "406": Fault(NoPermission, _NOT_LISTED),
    "602": Fault(
        KeyRefused,
        "MEXC knows the key, but the signature is wrong: the secret key is probably mistyped or belongs to another "
        "key. MEXC shows it only once, so you may need a new key.",
    ),
    "701": Fault(NoPermission, _NO_READING),
    "703": Fault(NoPermission, _NO_READING),
    "10072": Fault(KeyRefused, _UNKNOWN_KEY),
}
FACTS = Facts(
    modes="cross, isolated; one-way, hedge; linear and coin-margined",
    ratio_from="position margin and marks, requirement by risk limits and closing fee, against the liquidation price",
    evidence=(Evidence.DOCUMENTED,),
    weight="2 requests of 20 in 2 s and user, and the marks",
    estimates="MEXC prints no ratio and no requirement; both are worked out",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:{0}"),
    options={
        "defaultType": "swap",
        "fetchMarkets": {"types": {"spot": False, "swap": {"linear": True, "inverse": False}}},
    },
    permissions=Permissions(fetch_rights, parse_rights),
    faults=FAULTS,
)
