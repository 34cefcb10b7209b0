"""Pushover's emergency priority: it rings until somebody taps, and the tap can be asked about.

https://pushover.net/api: a message of priority 2 names `retry` and `expire` and is answered with a receipt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp

from marginbot.channels.addresses import Pushover
from marginbot.domain.escalation import Accepted, Rang, RingAgain, RingRefused
from marginbot.flow.escalation import ReceiptState

OFFICIAL = "https://api.pushover.net"
TIMEOUT = aiohttp.ClientTimeout(total=15)
RETRY_SECONDS = 60  # between two ringings; Pushover takes 30 at least
EXPIRE_SECONDS = 900  # as long as an acknowledgement lasts; a step that follows rings anew
PAUSE_WHEN_LIMITED = timedelta(seconds=60)
LONGEST_ANSWER = 64 * 1024
_RECEIPT = re.compile(r"[A-Za-z0-9]{1,60}")


class PushoverEmergency:
    """A client of Pushover's API with a bound on every wait."""

    def __init__(self, base_url: str = OFFICIAL) -> None:
        self._base = base_url.rstrip("/")

    async def ring(self, to: Pushover, title: str, body: str) -> Rang:
        """Ring until tapped, or for a quarter of an hour."""
        form = {
            "token": to.token,
            "user": to.user,
            "title": title[:250],
            "message": body[:1024],
            "priority": "2",
            "retry": str(RETRY_SECONDS),
            "expire": str(EXPIRE_SECONDS),
        }
        if to.devices:
            form["device"] = ",".join(to.devices)
        status, answer = await self._call("POST", "/1/messages.json", form)
        if status == 200 and answer.get("status") == 1:
            receipt = str(answer.get("receipt", ""))
            return Accepted(receipt if _RECEIPT.fullmatch(receipt) else "")
        if status == 429:
            return RingAgain("Pushover's limit is reached", PAUSE_WHEN_LIMITED)
        if 400 <= status < 500:
            return RingRefused(f"Pushover answered {status}")
        return RingAgain(f"Pushover answered {status}" if status else "Pushover does not answer")

    async def receipt(self, to: Pushover, receipt: str) -> ReceiptState:
        """Whether somebody has tapped."""
        status, answer = await self._call("GET", f"/1/receipts/{receipt}.json?token={to.token}")
        if 400 <= status < 500 and status != 429:
            return ReceiptState.OVER
        if status != 200:
            return ReceiptState.UNKNOWN
        if answer.get("acknowledged") == 1:
            return ReceiptState.ACKNOWLEDGED
        return ReceiptState.OVER if answer.get("expired") == 1 else ReceiptState.WAITING

    async def cancel(self, to: Pushover, receipt: str) -> bool:
        """Stop it ringing; True also when it had ended already."""
        status, _ = await self._call("POST", f"/1/receipts/{receipt}/cancel.json", {"token": to.token})
        return status == 200 or (400 <= status < 500 and status != 429)

    async def _call(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and body; (0, {}) when there is no answer. Errors are dropped: they may name the token."""
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.request(method, self._base + path, data=form, allow_redirects=False) as answer,
            ):
                raw = await answer.content.read(LONGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, {}
        try:
            parsed = json.loads(raw)
        except ValueError:
            return answer.status, {}
        return answer.status, parsed if isinstance(parsed, dict) else {}
