"""HTX futures: what is asked of it, what a key may do, and what its errors mean.

USDT-margined contracts have one account (fifth version of the interface), coin-margined swaps and futures one for each
coin. Sources: www.htx.com/en-us/opend/newApiPages, "Account balance", "Current position"; huobiapi.github.io/docs
coin_margined_swap/v1 and dm/v1, "Query User's Account Information", "Query User's Position Information", spot/v1 "API
key query".
"""

from __future__ import annotations

from typing import Any

from marginbot.domain.errors import BadPayload, KeyRefused, Unsupported
from marginbot.domain.passport import Passport
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.rights import listed, passport_of
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Fault, Payloads, Permissions, Venue, candles_of, dig
from marginbot.exchanges.venues.htx_parse import parse
from marginbot.exchanges.wallets import if_there
from marginbot.flow.ports import VenueInfo

_SWAPS = ("contractPrivatePostSwapApiV1SwapAccountInfo", "contractPrivatePostSwapApiV1SwapPositionInfo")
_FUTURES = ("contractPrivatePostApiV1ContractAccountInfo", "contractPrivatePostApiV1ContractPositionInfo")


async def fetch(api: Api) -> Payloads:
    """The USDT-margined account and, where they are opened, the coin-margined ones."""
    balance, positions, swaps, futures = await together(
        api.call("contractPrivateGetV5AccountBalance"),
        api.call("contractPrivateGetV5TradePositionOpens"),
        if_there(_coins(api, *_SWAPS)),
        if_there(_coins(api, *_FUTURES)),
    )
    return {"balance": balance, "positions": positions, "swaps": swaps, "futures": futures}


async def _coins(api: Api, accounts: str, positions: str) -> Any:
    """Accounts and positions of one kind; nothing where it was never opened, None where HTX has no answer."""
    try:
        owned, held = await together(api.call(accounts), api.call(positions))
    except Unsupported:
        return {"accounts": {"data": []}, "positions": {"data": []}}
    return {"accounts": owned, "positions": held}


# -- what the key may do


async def fetch_rights(api: Api) -> Any:
    """What HTX tells of the key; the user's number and the key itself have to be named."""
    uid = dig(await api.call("spotPrivateGetV2UserUid"), "data")
    if uid is None:
        raise BadPayload("HTX did not tell the user's number")
    answer = await api.call("spotPrivateGetV2UserApiKey", {"uid": uid, "accessKey": api.key})
    return {name: dig(answer, "data", 0, name) for name in ("permission", "ipAddresses")}


def parse_rights(answer: Any) -> Passport:
    """`permission` is a list of words with commas."""
    told = dig(answer, "permission")
    if not isinstance(told, str) or not told.strip():
        return unreadable("HTX")
    return passport_of(
        told.split(","),
        reads={"readOnly"},
        trades={"trade"},
        sends=(),
        withdraws={"withdraw"},
        ip_restricted=listed(dig(answer, "ipAddresses")),
    )


# -- words

INFO = VenueInfo(
    id="htx",
    title="HTX Futures",
    fields=(("key", "access key"), ("secret", "secret key")),
    instructions=(
        "At htx.com open your profile → API Management → Create. Leave only Read-Only ticked and link this server's IP "
        "address: a key without one lapses after 90 days. A sub-account needs a key of its own."
    ),
    aliases=("huobi", "htx futures"),
)
_UNKNOWN_KEY = (
    "HTX refuses the key. Check that it was copied whole, still exists and has not lapsed (90 days without a linked IP "
    "address), and that its IP list admits this server."
)
_SIGNATURE = (
    "HTX says the signature is wrong: the secret key is probably mistyped or belongs to another key. HTX shows it only "
    "once, so you may need a new key."
)
FAULTS = {
    "403": Fault(KeyRefused, _UNKNOWN_KEY),
    "1003": Fault(KeyRefused, _SIGNATURE),
    "1010": Fault(Unsupported, "This HTX user has no futures account. Open one at HTX, then try again."),
    "1220": Fault(Unsupported, "Futures are not opened for this HTX user. Open them at HTX, then try again."),
    "4007": Fault(Unsupported, "This kind of HTX account cannot be read. Check it at HTX itself."),
    "api-signature-check-failed": Fault(KeyRefused, _SIGNATURE),
    "api-signature-not-valid": Fault(KeyRefused, _UNKNOWN_KEY),
}
FACTS = Facts(
    modes="USDT-margined account, cross and isolated; coin-margined swaps and futures",
    ratio_from="`maintenance_margin` over `equity`, against `margin_rate`; coin-margined: `adjust_factor`",
    evidence=(Evidence.DOCUMENTED, Evidence.UNVERIFIED),
    weight="6 requests, 72 of each in 3 s and user",
    estimates="margin behind isolated positions; room leaves out the fall of coins that back the account",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT"),
    # Coin-margined positions tell their value themselves; loading their markets would only add to what can fail.
    options={"defaultType": "swap", "fetchMarkets": {"types": {"spot": False, "linear": True, "inverse": False}}},
    permissions=Permissions(fetch_rights, parse_rights),
    faults=FAULTS,
)
