"""What may be sent as a Derive credential: the session key that can only read, never the wallet's own key.

A session key is a key pair that the wallet's owner registered with scopes; "A session key with no protocol scopes is
read-only" (docs.derive.xyz, "Access Scopes"). Which one it is shows in its address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ccxt.async_support import Exchange

from marginbot.domain.errors import BadCredentials
from marginbot.domain.passport import Passport
from marginbot.exchanges.leaked import is_seed_phrase, leaked, refuse_secrets
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.venue import Api, Permissions, dig, number

# What moves funds, or could make a key that does. The rest of what a scope may say lets it trade, or is not known.
_SENDS = ("admin", "all", "withdraw", "transfer", "set_session_key", "vault")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_WANTED = "the address, and the private key of a read-only session key, which can do nothing but look"
_NOT_LISTED = "it is not among the wallet's session keys, so it may be the wallet's own key"


def address_of(private_key: str) -> str:
    """The address that belongs to a private key, in small letters; '' where it is no key."""
    try:
        return str(Exchange.eth_get_address_from_private_key(private_key)).lower()
    except ValueError:
        return ""


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless it is an address and another address's private key."""
    wallet, secret = fields.get("key", "").strip(), fields.get("secret", "").strip()
    refuse_secrets(wallet, wanted=_WANTED)
    if is_seed_phrase(secret):
        raise leaked("a SEED PHRASE", wanted=_WANTED)
    if not _ADDRESS.fullmatch(wallet):
        raise BadCredentials("not an address", advice=_MALFORMED_WALLET)
    if not _KEY.fullmatch(secret) or not address_of(secret):
        raise BadCredentials("not a private key of a session key", advice=_MALFORMED_KEY)
    if address_of(secret) == wallet.lower():
        raise leaked("the wallet's OWN PRIVATE KEY", wanted=_WANTED)


async def fetch(api: Api) -> Any:
    """The wallet's session keys, and which of them asks."""
    return {
        "keys": await api.call("privatePostSessionKeys", {"wallet": api.key}),
        "asking": address_of(api.secret),
    }


def parse(answer: Any) -> Passport:
    """Read-only is a listed key with an empty list of protocol scopes; anything else is not believed to be."""
    listed = dig(answer, "keys", "result", "public_session_keys")
    if not isinstance(listed, list):
        return unreadable("Derive")
    asking = dig(answer, "asking")
    row = next((row for row in listed if str(dig(row, "public_session_key")).lower() == asking), None)
    if row is None:
        return Passport(can_read=True, can_trade=True, can_withdraw=True, notes=(_NOT_LISTED,))
    scopes = _words(row.get("protocol_scopes"))
    if scopes is None:
        return unreadable("Derive")
    addresses = _words(row.get("ip_whitelist"))
    return Passport(
        can_read=True,
        can_trade=bool(scopes),
        can_withdraw=any(scope.split(":")[0] in _SENDS for scope in scopes),
        ip_restricted=None if addresses is None else bool(addresses),
        expires_at=_time(row),
    )


def _words(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


def _time(row: Mapping[str, Any]) -> datetime | None:
    told = number(row, "expiry_sec")
    return None if told is None or not 0 < told < 4_000_000_000 else datetime.fromtimestamp(int(told), UTC)


_MALFORMED_WALLET = (
    "This is not a wallet address: it must be 0x followed by 40 hexadecimal digits, as Derive shows it in your "
    "profile. Nothing was stored."
)
_MALFORMED_KEY = (
    "This is not the private key of a session key: it has 64 hexadecimal digits, with or without 0x in front. "
    "Nothing was stored."
)
PERMISSIONS = Permissions(fetch, parse)
