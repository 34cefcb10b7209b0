"""What may be sent as a Paradex credential: a long-lived token, never a private key.

A token is a JSON Web Token (RFC 7519): its middle part tells in plain text when it was made and when it ends. Placing
an order also takes a signature made with a private key, so a token alone cannot trade or withdraw (docs.paradex.trade,
"API Authentication"); whether it may cancel orders it does not tell.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marginbot.domain.errors import BadCredentials
from marginbot.domain.passport import Passport
from marginbot.exchanges.leaked import refuse_secrets
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.venue import Api, Permissions

SHORTEST = 24 * 3600  # seconds; the tokens of a session live for minutes
_MOST = 4_000_000_000
_NOTE = "without a private key it cannot trade or withdraw; whether it may cancel orders Paradex does not tell"


def claims_of(token: str) -> dict[str, Any] | None:
    """What a token says of itself; None where it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless the key is a token that lives for a while."""
    token = fields.get("key", "").strip()
    refuse_secrets(token, wanted="a read-only token")
    claims = claims_of(token)
    if claims is None:
        raise BadCredentials("not a token", advice=_MALFORMED)
    made, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    if made is not None and ends is not None and ends - made < SHORTEST:
        raise BadCredentials("a token of a session", advice=_SHORT)


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST
    return int(value) if known and value is not None else None


async def fetch(api: Api) -> Any:
    """Nothing is asked: the token itself tells. What signs it is left out."""
    return claims_of(api.key)


def parse(answer: Any) -> Passport:
    """The token's end, and what no token can do."""
    if not isinstance(answer, dict):
        return unreadable("Paradex")
    ends = _seconds(answer, "exp")
    expires = None if ends is None else datetime.fromtimestamp(ends, UTC)
    return Passport(can_read=True, can_withdraw=False, expires_at=expires, notes=(_NOTE,))


_MALFORMED = (
    "This is not a token: it has three long parts with dots between them, as Paradex shows it once when you create it. "
    "Nothing was stored."
)
_SHORT = (
    "This token lives for less than a day, so it belongs to a session. Create a read-only token with a long expiry "
    "under API management at Paradex. Nothing was stored."
)
PERMISSIONS = Permissions(fetch, parse)
