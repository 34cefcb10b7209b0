"""What may be sent as a Hyperliquid address, and what must never have been sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from marginbot.domain.errors import BadCredentials

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_SEED_WORDS = (12, 15, 18, 21, 24)


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless the key is a public address; shout where it looks like a secret."""
    address = fields.get("key", "").strip()
    if _PRIVATE_KEY.fullmatch(address):
        raise BadCredentials("looks like a private key", advice=_LEAKED.format(what="a PRIVATE KEY"))
    words = address.split()
    if len(words) in _SEED_WORDS and all(word.isalpha() for word in words):
        raise BadCredentials("looks like a seed phrase", advice=_LEAKED.format(what="a SEED PHRASE"))
    if not _ADDRESS.fullmatch(address):
        raise BadCredentials("not an address", advice=_MALFORMED)


_LEAKED = (
    "⚠️ STOP: this looks like {what}. Whoever has seen it can take everything in that wallet. Never send it to "
    "anyone, and not to me: I only need the public address. I stored nothing, but the message has passed through "
    "Telegram: delete it, move your funds to a new wallet, and stop using the old one."
)
_MALFORMED = (
    "This is not a wallet address: it must be 0x followed by 40 hexadecimal digits, for example "
    "0x00000000000000000000000000000000000000a1. Copy it from the top right of app.hyperliquid.xyz. "
    "Nothing was stored."
)
