"""KuCoin futures: what is asked of the classic futures account or of the unified account, and what errors mean.

A classic account has one wallet for each settlement coin, asked for one by one; the unified account is one for all.
Which of the two a key opens is asked first. Sources: www.kucoin.com/docs-new, "Get Account - Futures", "Get Position
List", "Get Account Mode", "Get Account Overview (UTA)", "Get API Key Info", "Futures error codes".
"""

from __future__ import annotations

from typing import Any

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission
from marginbot.domain.passport import Passport
from marginbot.domain.room import STABLE
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
from marginbot.exchanges.venues.kucoinfutures_parse import UNIFIED, mode_of, parse
from marginbot.flow.ports import VenueInfo

_PAGES = 10
_PAGE = 200
_LEAST_PAGE = 50  # what the venue gives if it does not heed the size asked for
_OF_ALL = {"accountMode": "unified"}


async def fetch(api: Api) -> Payloads:
    """The account of the kind that the key opens; where KuCoin does not tell the kind, whichever answers."""
    mode = await api.recent("utaPrivateGetAccountMode")
    overview = None
    if mode_of(mode) == UNIFIED:
        overview = await api.call("utaPrivateGetAccountModeAccountOverview", _OF_ALL)
    elif mode_of(mode) is None:
        overview = await api.optional("utaPrivateGetAccountModeAccountOverview", _OF_ALL)
    told = await _classic(api) if overview is None else {"overview": overview, **await _unified(api)}
    return {"mode": mode, **told}


async def _classic(api: Api) -> Payloads:
    positions, main = await together(api.call("futuresPrivateGetPositions"), _wallet(api, "USDT"))
    held = {str(row["settleCurrency"]) for row in rows(positions, "data") if row.get("settleCurrency")}
    others = sorted(held - {"USDT"})
    wallets = await together(*(_wallet(api, currency) for currency in others))
    return {"positions": positions, "wallets": dict(zip(["USDT", *others], [main, *wallets], strict=True))}


async def _wallet(api: Api, currency: str) -> Any:
    return await api.call("futuresPrivateGetAccountOverview", {"currency": currency})


async def _unified(api: Api) -> Payloads:
    positions, balances = await together(
        _all_positions(api), api.optional("utaPrivateGetAccountModeAccountBalance", _OF_ALL)
    )
    prices = await api.shared("futuresPublicGetContractsActive") if _holds_coins(balances) else None
    return {"positions": positions, "balances": balances, "contracts": prices}


async def _all_positions(api: Api) -> Any:
    """All pages as one answer."""
    found: dict[str, Any] = {}
    for page in range(1, _PAGES + 1):
        asked = {**_OF_ALL, "pageSize": _PAGE, "pageNumber": page}
        got = rows(await api.call("utaPrivateGetAccountModePositionOpenList", asked), "data")
        new = {str(row.get("id") or f"{page}.{index}"): row for index, row in enumerate(got)}
        if len(got) < _LEAST_PAGE or new.keys() <= found.keys():
            return {"data": list((found | new).values())}
        found |= new
    raise BadPayload("the list of positions does not end")


def _holds_coins(balances: Any) -> bool:
    held = dig(balances, "data", "accounts", 0, "currencies")
    return isinstance(held, list) and any(
        row.get("currency") not in STABLE and number(row, "equity") for row in held if isinstance(row, dict)
    )


# -- what the key may do

_TRADES = frozenset({"Spot", "Margin", "Futures", "Earn", "Unified", "LeadtradeFutures"})
_SENDS = frozenset({"Transfer", "InnerTransfer", "FlexTransfers"})
_WITHDRAWS = frozenset({"Withdrawal", "Withdraw"})


async def fetch_rights(api: Api) -> Any:
    """What KuCoin tells a key of itself."""
    return await api.call("privateGetUserApiKey")


def parse_rights(answer: Any) -> Passport:
    """`permission` is a list of words with commas; `ipWhitelist` is left out or empty where there is none."""
    told = dig(answer, "data", "permission")
    if not isinstance(told, str) or not told.strip():
        return unreadable("KuCoin")
    return passport_of(
        told.split(","),
        reads={"General"},
        trades=_TRADES,
        sends=_SENDS,
        withdraws=_WITHDRAWS,
        ip_restricted=listed(dig(answer, "data", "ipWhitelist")),
    )


# -- words

INFO = VenueInfo(
    id="kucoinfutures",
    title="KuCoin Futures",
    fields=(("key", "API key"), ("secret", "API secret"), ("passphrase", "API passphrase")),
    instructions=(
        "At kucoin.com open your profile → API Management → Create API. Leave only General (reading) ticked and, "
        "if you can, restrict the key to this server's IP address. You choose the passphrase there; I need it too. "
        "A sub-account needs a key of its own."
    ),
    aliases=("kucoin", "kucoin futures", "kc"),
)
_UNKNOWN_KEY = "KuCoin does not know this key. Check that it was copied whole and was not deleted."
FAULTS = {
    "400002": Fault(ClockSkew),
    "400003": Fault(KeyRefused, _UNKNOWN_KEY),
    "400004": Fault(
        KeyRefused,
        "KuCoin says the passphrase is wrong. It is the one you chose when you made this key, not your password.",
    ),
    "400005": Fault(
        KeyRefused,
        "KuCoin knows the key, but the signature is wrong: the API secret is probably mistyped or belongs to another "
        "key. KuCoin shows it only once, so you may need a new key.",
    ),
    "400006": Fault(
        NoPermission,
        "KuCoin refuses this server's address: it is not on the key's IP list. Add it at KuCoin under API Management.",
    ),
    "400007": Fault(NoPermission, "The key may not read futures. Give it the permission General at KuCoin, no more."),
}
FACTS = Facts(
    modes="classic futures account per settlement coin, cross and isolated; unified account",
    ratio_from="`riskRatio`, recomputed from requirements and closing fees; isolated: position margin",
    evidence=(Evidence.DOCUMENTED,),
    weight="2, and 5 for each settlement coin, of the futures pool",
    estimates="closing fee taken as 0.06 %; isolated positions of a unified account; haircut of its coins",
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
