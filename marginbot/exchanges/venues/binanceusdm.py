"""Binance USDⓈ-M futures: what is asked of it, and what its error codes mean.

Sources: developers.binance.com, "Account Information V3", "Position Information V3", "Futures Account
Configuration", "Notional and Leverage Brackets" and "Error Codes" of the USDⓈ-M futures REST API. How the
ratio follows from the answers: `binanceusdm_parse`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import KeyRefused, NoPermission, Unsupported
from marginbot.domain.room import STABLE
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Venue,
    amount,
    dig,
    number,
    rows,
)
from marginbot.exchanges.venues.binanceusdm_brief import BRIEF
from marginbot.exchanges.venues.binanceusdm_parse import differing, parse
from marginbot.exchanges.venues.binanceusdm_push import PUSHES
from marginbot.flow.ports import VenueInfo

_INFO = VenueInfo(
    id="binanceusdm",
    title="Binance USDⓈ-M Futures",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At Binance open Account → API Management → Create API → System generated. Leave only “Enable Reading” "
        "ticked and, if you can, restrict the key to this server's IP address."
    ),
    aliases=("binance futures", "binance usdm", "binance usd-m"),
)

FAULTS = {
    "-2015": Fault(
        KeyRefused,
        "Binance refuses this key: it does not exist (any more), its IP list does not admit this server, or it was "
        "made before the futures account was opened. Check these three, or make a new key, and send it again.",
    ),
    "-2014": Fault(KeyRefused, "Binance says this is not an API key at all. Copy the whole key again, without blanks."),
    "-2008": Fault(KeyRefused, "Binance does not know this API key. Check that it was not deleted and copy it again."),
    "-1022": Fault(
        KeyRefused,
        "Binance knows the key, but the signature is wrong: the secret key is probably mistyped or belongs to another "
        "key. Copy the secret again; Binance shows it only once, so you may need a new key.",
    ),
    "-1002": Fault(NoPermission),
    "-4109": Fault(
        Unsupported, "The futures account behind this key is not active. Open it at Binance, then try again."
    ),
}


async def fetch(api: Api) -> Payloads:
    """The account, its positions and its mode, asked for at once so that they show the same moment."""
    account, positions, config = await together(
        api.call("fapiPrivateV3GetAccount"),
        api.call("fapiPrivateV3GetPositionRisk"),
        api.recent("fapiPrivateGetAccountConfig"),
    )
    if differing(account, positions):
        # Something was traded between the two answers. Once more; what then still differs is told.
        account, positions = await together(
            api.call("fapiPrivateV3GetAccount"), api.call("fapiPrivateV3GetPositionRisk")
        )
    if dig(config, "multiAssetsMargin") is None:
        mode = await api.optional("fapiPrivateGetMultiAssetsMargin")
        config = {**(config if isinstance(config, dict) else {}), **(mode if isinstance(mode, dict) else {})}
    needs_index = dig(config, "multiAssetsMargin") is not False and _holds_coins(account)
    index = await api.optional("fapiPublicGetAssetIndex") if needs_index else None
    return {"account": account, "positions": positions, "config": config, "index": index}


def _holds_coins(account: Any) -> bool:
    assets = rows(account, "assets")
    return any(row.get("asset") not in STABLE and number(row, "walletBalance", "crossWalletBalance") for row in assets)


async def fetch_tiers(api: Api) -> Any:
    """The leverage brackets of all symbols."""
    return await api.call("fapiPrivateGetLeverageBracket")


def parse_tiers(raw: Any, instruments: Mapping[str, Instrument]) -> dict[str, tuple[LeverageTier, ...]]:
    """Tiers by unified symbol. Brackets that Binance adjusted for the asking account are left out."""
    found = {}
    for row in rows(raw):
        instrument = instruments.get(str(row.get("symbol")))
        adjusted = (number(row, "notionalCoef") or Decimal(1)) != 1
        if instrument is not None and not adjusted:
            found[instrument.symbol] = bracket_tiers(row)
    return {symbol: tiers for symbol, tiers in found.items() if tiers}


def bracket_tiers(row: Mapping[str, Any]) -> tuple[LeverageTier, ...]:
    """The brackets of one symbol."""
    return tuple(sorted((_tier(bracket) for bracket in rows(row, "brackets")), key=lambda tier: tier.floor))


def _tier(bracket: Mapping[str, Any]) -> LeverageTier:
    return LeverageTier(
        floor=amount(bracket, "notionalFloor"),
        cap=amount(bracket, "notionalCap"),
        maintenance_margin_rate=amount(bracket, "maintMarginRatio"),
        deduction=amount(bracket, "cum"),
    )


async def fetch_rates(api: Api) -> Any:
    """What is cut off coins in multi-assets mode."""
    return await api.optional("fapiPublicGetAssetIndex")


def parse_rates(raw: Any) -> dict[str, Decimal]:
    """By coin: `bidBuffer` is the fraction that does not count of what is owned."""
    found = {}
    for row in rows(raw):
        cut = number(row, "bidBuffer")
        if cut is not None and 0 <= cut < 1:
            found[str(row.get("symbol")).removesuffix("USD")] = 1 - cut
    return found


def candle_symbols(underlying: str) -> Iterable[str]:
    """The perpetuals that stand for an underlying."""
    return (f"{underlying}/USDT:USDT", f"{underlying}/USDC:USDC")


FACTS = Facts(
    modes="single-asset, multi-assets; cross, isolated; one-way, hedge",
    ratio_from="account and position amounts, recomputed from tiers",
    evidence=(Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.SIMULATED),
    weight="10 of 2,400 a minute and address, 5 while a calm account changes in nothing but prices",
)
VENUE = Venue(
    info=_INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candle_symbols,
    options={"fetchMarkets": {"types": ["linear"]}},
    brief=BRIEF,
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
    fetch_rates=fetch_rates,
    parse_rates=parse_rates,
    permissions=permissions.BINANCE,
    pushes=PUSHES,
    requests_at_once=128,  # two or three for each of the accounts that are read at once; only weight is limited
    faults=FAULTS,
)
