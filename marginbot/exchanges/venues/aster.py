"""Aster: a Binance dialect whose requests are signed by a wallet's key instead of an API secret.

Aster knows agents ("API wallets"): wallets of their own that sign for an account and have rights of their own. The
account is named by `user`, the agent by `signer`. Only an agent's key is accepted here: the key of the account's own
wallet could move its funds. Pools and ratios: `binanceusdm_parse`. Sources: the futures-v3 pages of
asterdex.github.io/aster-api-website, "Account information with join margin", "Position information", "Query agents".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ccxt.base.exchange import Exchange

from marginbot.domain.errors import BadCredentials, KeyRefused, NoPermission
from marginbot.domain.margin import Snapshot
from marginbot.domain.passport import Passport
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Fault, Payloads, Permissions, Reference, Venue, dig, number
from marginbot.exchanges.venues import binanceusdm_parse
from marginbot.exchanges.venues.binanceusdm import candle_symbols, parse_tiers
from marginbot.exchanges.venues.hyperliquid_address import check_form as check_address
from marginbot.flow.ports import VenueInfo

_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")

INFO = VenueInfo(
    id="aster",
    title="Aster",
    fields=(("key", "address of your account"), ("secret", "private key of an API wallet")),
    instructions=(
        "On asterdex.com open API Management and authorise a new API wallet (agent) without the right to withdraw; "
        "reading needs no other right either. Send your account's address and the API wallet's private key. Never "
        "send the private key of your own wallet: I refuse it, it could move your funds."
    ),
    aliases=("asterdex", "aster dex"),
)
_WRONG_SIGNER = (
    "Aster does not accept this API wallet's signature for your account. Check that the address is your account's, "
    "that the API wallet is authorised there and has not run out, and send both again."
)
FAULTS = {
    "-1022": Fault(KeyRefused, _WRONG_SIGNER),
    "-1002": Fault(KeyRefused, _WRONG_SIGNER),
    "-2014": Fault(KeyRefused, _WRONG_SIGNER),
    "-2015": Fault(KeyRefused, _WRONG_SIGNER),
    "-1011": Fault(
        NoPermission,
        "Aster refuses this server's address: it is not on the API wallet's IP list. Add it there, and try again.",
    ),
}


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless there is an address and the private key of another wallet."""
    address, key = fields.get("key", "").strip(), fields.get("secret", "").strip()
    check_address({"key": address})
    if not _KEY.fullmatch(key):
        advice = "The API wallet's private key must be 64 hexadecimal digits, with or without 0x. Nothing was stored."
        raise BadCredentials("not a private key", advice=advice)
    if signer_of(key).lower() == address.lower():
        raise BadCredentials("the private key of the account's own wallet", advice=_OWN_WALLET)


_OWN_WALLET = (
    "⚠️ STOP: this is the private key of your own wallet. Whoever has seen it can take everything in it. I stored "
    "nothing, but the message has passed through Telegram: move your funds to a new wallet. I only need the key of an "
    "API wallet that Aster lets you authorise without the right to withdraw."
)


def signer_of(key: str) -> str:
    """The address of the wallet that a private key belongs to."""
    return str(Exchange.eth_get_address_from_private_key(key))


async def fetch(api: Api) -> Payloads:
    """The account, its positions and its mode."""
    whose = {"user": api.key}
    account, positions, config = await together(
        api.call("fapiPrivateGetV3AccountWithJoinMargin", whose),
        api.call("fapiPrivateGetV3PositionRisk", whose),
        api.recent("fapiPrivateGetV3MultiAssetsMargin", whose),
    )
    if binanceusdm_parse.differing(account, positions):
        # Something was traded between the two answers. Once more; what then still differs is told.
        account, positions = await together(
            api.call("fapiPrivateGetV3AccountWithJoinMargin", whose), api.call("fapiPrivateGetV3PositionRisk", whose)
        )
    return {"account": account, "positions": positions, "config": config, "index": None}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure. The warnings of the dialect name its other speaker."""
    snapshot = binanceusdm_parse.parse(payloads, reference, now)
    warnings = tuple(warning.replace("Binance", INFO.title) for warning in snapshot.warnings)
    return replace(snapshot, exchange=INFO.id, warnings=warnings)


async def fetch_tiers(api: Api) -> Any:
    """The leverage brackets of all symbols."""
    return await api.call("fapiPrivateGetV3LeverageBracket", {"user": api.key})


async def fetch_rights(api: Api) -> Any:
    """The agents of the account, and which of them asks."""
    return {"agents": await api.call("fapiPrivateGetV3Agent", {"user": api.key}), "signer": signer_of(api.secret)}


def parse_rights(answer: Any) -> Passport:
    """The row of the asking agent; a flag that is missing or no flag stays unknown."""
    agents, signer = dig(answer, "agents"), str(dig(answer, "signer")).lower()
    listed = agents if isinstance(agents, list) else []
    row = next((r for r in listed if str(dig(r, "agentAddress")).lower() == signer and isinstance(r, dict)), None)
    if row is None:
        return unreadable(INFO.title)
    trades = [row.get("canSpotTrade"), row.get("canPerpTrade")]
    addresses = row.get("ipWhitelist")
    return Passport(
        can_read=_flag(row.get("canRead")),
        can_trade=True if True in trades else (False if trades == [False, False] else None),
        can_withdraw=_flag(row.get("canWithdraw")),
        ip_restricted=bool(addresses.strip()) if isinstance(addresses, str) else None,
        expires_at=_expiry(row),
    )


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _expiry(row: Mapping[str, Any]) -> datetime | None:
    milliseconds = number(row, "expired")
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None


FACTS = Facts(
    modes="single-asset, multi-assets; cross, isolated; one-way, hedge",
    ratio_from="account and position amounts, recomputed from tiers",
    evidence=(Evidence.DOCUMENTED,),
    weight="2 requests and the mode each ten minutes; the venue's own unit is not verified",
    estimates="coins that back a multi-assets account move without being in the room",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candle_symbols,
    signs_with={"privateKey": "secret"},
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
    check_form=check_form,
    permissions=Permissions(fetch_rights, parse_rights),
    faults=FAULTS,
)
