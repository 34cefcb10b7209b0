"""Taking identities out of a venue's answers, so that a recording can be shown to strangers.

Amounts, prices, rates, times and the words a payload is understood by stay. Names of people, ids, addresses, keys and
whatever else is not plainly one of those is replaced by a stand-in, the same one wherever the same text stands, so
that what belonged together still does. When in doubt it is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

# A field is an identity by its last word: `mainUid`, `order_id`, but not `accountEquity`.
_PEOPLE = {"user", "username", "userid", "owner", "member", "memberid", "trader", "inviter", "referrer", "affiliate"}
_NAMES = {"name", "nickname", "label", "alias", "remark", "remarks", "note", "tag", "tags", "login"}
_REACHED = {"address", "email", "mail", "phone", "mobile", "ip", "ips", "agent", "broker", "vault"}
_SECRETS = {"key", "apikey", "secret", "passphrase", "password", "token", "signature", "sig", "hash"}
_ACCOUNTS = {"account", "accountid", "subaccount", "subaccountid", "id", "ids", "uid", "uuid"}
_DEEDS = {"order", "orderid", "tradeid", "oid", "tid", "cloid", "tx", "txid"}
_IDENTITIES = frozenset(_PEOPLE | _NAMES | _REACHED | _SECRETS | _ACCOUNTS | _DEEDS)
# Fields that look like one of those and are not.
_MARKETS = {"instid", "marketid", "market_id", "instrument_name", "asset_name", "index_name", "symbolalias"}
_COINS = {"isolatedmargintoken", "asset_id", "assetid", "product_id"}
_HARMLESS = frozenset(_MARKETS | _COINS | {"riskid", "risk_universe_id", "is_password"})
_PLACES = frozenset({"account_index", "accountindex", "l1_address"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SYMBOL = re.compile(r"[A-Za-z0-9@]{1,15}(?:[-_/:.][A-Za-z0-9]{1,12}){0,5}")
_PHRASE = re.compile(r"[A-Za-z][A-Za-z'-]*(?:[ _,:-]+[A-Za-z'-]+){0,11}[.!]?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_LONGEST_WORD = 24
_SHORT = 6
_KEY_DIGITS = 5  # a row keyed by a longer number is keyed by an id
_ID_DIGITS = 9  # as many digits in a row inside a word are an id, not a size in a contract's name


class Redactor:
    """Stand-ins for one recording. `secrets` are the credential's own texts, taken out wherever they stand."""

    def __init__(self, secrets: Iterable[str] = (), known: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = frozenset(known)  # names of markets and coins
        self._stand_ins: dict[str, int] = {}

    def redacted(self, payload: Any, field: str = "") -> Any:
        """A copy of a payload without identities."""
        if isinstance(payload, dict):
            return {self._key(str(name)): self.redacted(value, str(name)) for name, value in payload.items()}
        if isinstance(payload, list | tuple):
            return [self.redacted(value, field) for value in payload]
        if payload is None or isinstance(payload, bool) or payload == "":
            return payload
        return self._leaf(payload, field)

    def _key(self, name: str) -> str:
        """Some venues key their rows by an address or an id."""
        is_id = len(name) >= _KEY_DIGITS and name.isdigit()
        return name if name == "" or (self._is_word(name) and not is_id) else f"redacted-{self._number(name)}"

    def _leaf(self, value: Any, field: str) -> Any:
        text = str(value)
        if self._holds_secret(text):
            return f"redacted-{self._number(text)}" if isinstance(value, str) else self._number(text)
        if not isinstance(value, str):
            is_id = isinstance(value, int) and (_is_identity(field) or field == "index")
            return self._number(text) if is_id else value
        if _is_identity(field) and text not in self._known:
            return str(self._number(text)) if text.isdigit() else f"redacted-{self._number(text)}"
        if _is_number(text) or _TIME.fullmatch(text) or self._is_word(text):
            return value
        return f"redacted-{self._number(text)}"

    def _is_word(self, text: str) -> bool:
        if self._holds_secret(text):
            return False
        if text in self._known:
            return True
        if re.search(rf"\d{{{_ID_DIGITS},}}|^0x[0-9a-fA-F]{{6,}}", text):
            return False
        parts = re.split(r"[ _,:./-]+", text)
        return max(map(len, parts)) <= _LONGEST_WORD and bool(_SYMBOL.fullmatch(text) or _PHRASE.fullmatch(text))

    def _holds_secret(self, text: str) -> bool:
        """A short one (an account's number) only as a whole: it could be part of any amount."""
        return any(text == secret or (len(secret) >= _SHORT and secret in text) for secret in self._secrets)

    def _number(self, text: str) -> int:
        return self._stand_ins.setdefault(text, len(self._stand_ins) + 1)


def _is_identity(field: str) -> bool:
    lowered = field.lower()
    if lowered in _HARMLESS:
        return False
    words = [word.lower() for word in _WORD.findall(field)]
    return lowered in _IDENTITIES or lowered in _PLACES or (bool(words) and words[-1] in _IDENTITIES)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
