"""Bitget: the classic futures account (USDT-M, COIN-M, USDC-M) and the unified account.

Either kind of account refuses the other's endpoints, so the mode is asked for; where that fails the unified account is
tried, and then the classic one, whose refusal is an error and never an empty account. Sources: www.bitget.com/api-doc
"Get Account List", "Get All Position" (classic), "Get Account Assets", "Get Position" (unified). How the ratios follow:
`bitget_classic`, `bitget_unified`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import ClockSkew, KeyRefused, NoPermission, VenueDown
from marginbot.domain.margin import Snapshot
from marginbot.domain.passport import Passport
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges.permissions import unreadable
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
    candles_of,
    dig,
    number,
    price,
    record,
    rows,
)
from marginbot.exchanges.venues.bitget_classic import classic_pools
from marginbot.exchanges.venues.bitget_rows import PRODUCTS, Held, distinct, held_of
from marginbot.exchanges.venues.bitget_unified import unified_pools
from marginbot.flow.ports import VenueInfo

_TIERS_AT_ONCE = 10  # symbols whose tiers are asked for in one reading


async def fetch(api: Api) -> Payloads:
    """The account of whichever kind, all products."""
    settings = await api.recent("privateUtaGetV3AccountSettings")
    if settings is not None:
        return await _fetch_unified(api, settings, await api.call("privateUtaGetV3AccountAssets"))
    assets = await api.optional("privateUtaGetV3AccountAssets")
    if isinstance(dig(assets, "data"), dict):
        return await _fetch_unified(api, None, assets)
    return await _fetch_classic(api)


async def _fetch_unified(api: Api, settings: Any, assets: Any) -> Payloads:
    asked = (api.call("privateUtaGetV3PositionCurrentPosition", {"category": product}) for product in PRODUCTS)
    positions = await together(*asked)
    return {"settings": settings, "assets": assets, "positions": dict(zip(PRODUCTS, positions, strict=True))}


async def _fetch_classic(api: Api) -> Payloads:
    methods = ("privateMixGetV2MixAccountAccounts", "privateMixGetV2MixPositionAllPosition")
    answers = await together(*(api.call(name, {"productType": at}) for name in methods for at in PRODUCTS))
    accounts = dict(zip(PRODUCTS, answers[: len(PRODUCTS)], strict=True))
    positions = dict(zip(PRODUCTS, answers[len(PRODUCTS) :], strict=True))
    wanted = [(at, str(row.get("symbol"))) for at in PRODUCTS for row in rows(positions, at, "data")]
    asked = list(dict.fromkeys(wanted))[:_TIERS_AT_ONCE]
    method = "publicMixGetV2MixMarketQueryPositionLever"
    told = await together(*(api.shared(method, {"productType": at, "symbol": name}) for at, name in asked))
    tiers = {name: answer for (_, name), answer in zip(asked, told, strict=True)}
    return {"accounts": accounts, "positions": positions, "tiers": tiers}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    unified = "assets" in payloads
    held = _held(payloads, reference, warnings, unified=unified)
    if unified:
        pools = unified_pools(record(payloads, "assets", "data"), held, warnings)
    else:
        listed = [(at, row) for at in PRODUCTS for row in rows(payloads, "accounts", at, "data")]
        pools = classic_pools(distinct(listed), held, warnings)
    return Snapshot(
        exchange=INFO.id,
        mode=_mode(payloads, warnings) if unified else "classic",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _held(payloads: Payloads, reference: Reference, warnings: list[str], *, unified: bool) -> list[Held]:
    path = ("data", "list") if unified else ("data",)
    listed = [(at, row) for at in PRODUCTS for row in _listed(payloads["positions"][at], path)]
    found = []
    for product, row in distinct(listed):
        tiers = _tiers(dig(payloads, "tiers", str(row.get("symbol"))), row)
        held = held_of(product, row, reference, tiers=tiers, warnings=warnings)
        if held is not None:
            found.append(held)
    return found


def _listed(answer: Any, path: tuple[str, ...]) -> list[dict[str, Any]]:
    """The positions of a product; Bitget leaves the list of an empty one out."""
    if isinstance(dig(answer, "data"), dict) and dig(answer, *path) is None:
        return []
    return rows(answer, *path)


def _tiers(answer: Any, row: Mapping[str, Any]) -> tuple[LeverageTier, ...]:
    """The leverage tiers of a position's symbol; no deduction is documented, so the rate counts for all of it."""
    listed = dig(answer, "data")
    if not isinstance(listed, list):
        return ()
    own = [tier for tier in rows(answer, "data") if tier.get("symbol") == row.get("symbol")]
    found = (
        LeverageTier(number(tier, "startUnit") or Decimal(0), price(tier, "endUnit"), rate)
        for tier in own
        if (rate := price(tier, "keepMarginRate")) is not None and rate < 1
    )
    return tuple(sorted(found, key=lambda tier: tier.floor))


def _mode(payloads: Payloads, warnings: list[str]) -> str:
    settings = dig(payloads, "settings", "data")
    told = dig(settings, "accountLevel") or dig(settings, "assetMode")
    if told is None:
        warnings.append("Bitget did not say the account's level")
    return f"unified/{str(told).replace('_', '-')}" if told else "unified"


# -- what the key may do


async def fetch_permissions(api: Api) -> Any:
    """What either kind of account tells a key of itself."""
    unified = await api.optional("privateUtaGetV3AccountInfo")
    if dig(unified, "data", "permType") is not None:
        return {"unified": unified}
    return {"classic": await api.call("privateSpotGetV2SpotAccountInfo")}


def parse_permissions(answer: Any) -> Passport:
    """`permType` of a unified account, the list `authorities` of a classic one."""
    told = dig(answer, "unified", "data") or dig(answer, "classic", "data")
    kind, rights = dig(told, "permType"), dig(told, "authorities")
    if isinstance(kind, str) and kind:
        reads_only = kind.lower().replace("_", "-") in ("read-only", "readonly")
        withdraws = False if reads_only else None
    elif isinstance(rights, list) and rights and all(isinstance(right, str) for right in rights):
        reads_only = {right.lower() for right in rights} == {"readonly"}
        risky = any("withdraw" in right.lower() or "transfer" in right.lower() for right in rights)
        withdraws = True if risky else False if reads_only else None
    else:
        return unreadable("Bitget")
    ips = dig(told, "ips")
    return Passport(
        can_read=True,
        can_trade=not reads_only,
        can_withdraw=withdraws,
        ip_restricted=bool(ips) if isinstance(ips, str | list) else None,
    )


INFO = VenueInfo(
    id="bitget",
    title="Bitget",
    fields=(("key", "API key"), ("secret", "secret key"), ("passphrase", "passphrase of the key")),
    instructions=(
        "At bitget.com open your profile, API keys, Create API key, system-generated. Choose Read-only and, if you "
        "can, bind this server's IP address. The passphrase is the one you choose on that page; I need it too."
    ),
)
_UNKNOWN_KEY = Fault(
    KeyRefused, "Bitget does not know this key. Check that it was copied whole, still exists, and is no demo key."
)
FAULTS = {
    "40006": _UNKNOWN_KEY,
    "40037": _UNKNOWN_KEY,
    "40009": Fault(
        KeyRefused,
        "Bitget knows the key, but the signature is wrong: the secret key is probably mistyped or belongs to another "
        "key. Bitget shows it only once, so you may need a new key.",
    ),
    "40011": Fault(KeyRefused, "The passphrase is missing. It is the one you chose when you made this key."),
    "40012": Fault(
        KeyRefused,
        "Bitget says the passphrase is wrong. It is the one you chose when you made this key, not your password. It "
        "cannot be looked up again: if it is lost, make a new key.",
    ),
    "40014": Fault(NoPermission),
    "40018": Fault(
        NoPermission,
        "Bitget refuses this server's address: it is not on the key's IP list. Add it at Bitget under API keys.",
    ),
    "40005": Fault(ClockSkew),
    "40008": Fault(ClockSkew),
    "40085": Fault(VenueDown, "Bitget did not say in time what kind of account this is."),
}
FACTS = Facts(
    modes="classic USDT-M, COIN-M, USDC-M, union mode; unified account; cross, isolated",
    ratio_from="`crossedRiskRate` and `marginRatio`, unified: `mmr` over `effEquity`; recomputed from rates and fee",
    evidence=(Evidence.DOCUMENTED,),
    weight="8 requests (unified 5), 5 to 20 of each in a second",
    estimates="unified: the fee in `mmr`, the discount of coins; COIN-M sizes; union mode",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:{0}"),
    options={"fetchMarkets": {"types": ["swap"]}, "uta": False},
    permissions=Permissions(fetch_permissions, parse_permissions),
    faults=FAULTS,
)
