"""Crypto.com Exchange: what is asked of it, and what its errors mean.

Sources: exchange-docs.crypto.com/exchange/v1, "private/user-balance", "private/get-positions", "public/get-tickers",
"Response and Reason Codes". How the ratio follows: `cryptocom_parse`.
"""

from __future__ import annotations

from marginbot.domain.errors import ClockSkew, KeyRefused, NoPermission
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Fault, Payloads, Venue, candles_of, rows
from marginbot.exchanges.venues.cryptocom_parse import parse
from marginbot.flow.ports import VenueInfo

_SINGLY = 3  # up to so many instruments are asked for one by one


async def fetch(api: Api) -> Payloads:
    """The account and its positions, then the present prices of what is held."""
    balance, positions = await together(
        api.call("v1PrivatePostPrivateUserBalance"), api.call("v1PrivatePostPrivateGetPositions")
    )
    listed = rows(positions, "result", "data")
    held = sorted({str(row["instrument_name"]) for row in listed if row.get("instrument_name")})
    asked: list[dict[str, str]] = [{"instrument_name": name} for name in held] if len(held) <= _SINGLY else [{}]
    tickers = await together(*(api.optional("v1PublicGetPublicGetTickers", what) for what in asked))
    told = [answer for answer in tickers if answer is not None]
    return {"balance": balance, "positions": positions, "tickers": told}


INFO = VenueInfo(
    id="cryptocom",
    title="Crypto.com Exchange",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At crypto.com/exchange open your profile → API Keys → Create. Leave it at Can Read (no Enable Trading, no "
        "Enable Withdrawal) and enter this server's IP address. Keys of the Crypto.com app do not work here."
    ),
    aliases=("crypto.com", "crypto com", "cro"),
)
_UNKNOWN_KEY = (
    "Crypto.com refuses the key or the signature made with its secret. Check that both were copied whole, that they "
    "belong together, and that the key still exists at the Exchange (not the app)."
)
_NOT_LISTED = "Crypto.com refuses this server's address: it is not on the key's IP list. Add it at the Exchange."
FAULTS = {
    "10002": Fault(KeyRefused, _UNKNOWN_KEY),
    "10003": Fault(NoPermission, _NOT_LISTED),
    "10007": Fault(ClockSkew),
    "40101": Fault(KeyRefused, _UNKNOWN_KEY),
    "40102": Fault(ClockSkew),
    "40103": Fault(NoPermission, _NOT_LISTED),
    "40104": Fault(NoPermission, "Crypto.com does not admit this account to the Exchange API. Ask Crypto.com why."),
}
FACTS = Facts(
    modes="smart cross margin; perpetuals, futures, spot margin",
    ratio_from="`total_maintenance_margin` over `total_margin_balance`, each checked against its parts",
    evidence=(Evidence.DOCUMENTED, Evidence.UNVERIFIED),
    weight="2 requests, and the prices",
    estimates="the trigger at 100 %; position values from cost and profit; isolated positions count with the rest",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:USD", "{0}/USDT:USDT", "{0}/USD", "{0}/USDT"),
    faults=FAULTS,
)
