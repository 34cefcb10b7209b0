"""Accounts that a venue keeps apart, of which a customer may have opened only some."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from marginbot.domain.errors import BadPayload, OurFault, Unsupported, VenueDown

# The venue has answered, and not with data. What merely failed (network, limits, key) is not among these.
_REFUSED = (BadPayload, Unsupported, OurFault)


async def if_there(request: Coroutine[Any, Any, Any]) -> Any:
    """The answer, or None where the venue says no to this account; a request that failed raises.

    The caller tells which account was not read, and raises where none was.
    """
    try:
        return await request
    except _REFUSED:
        return None
    except VenueDown as error:
        # Where the venue's answer has no code that ccxt knows, an address that does not exist looks like an outage.
        if "HTTP 404" in str(error):
            return None
        raise
