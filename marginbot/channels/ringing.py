"""Which service takes what: Pushover's emergency for the grades that must wake somebody, Apprise for the rest."""

from __future__ import annotations

from marginbot.channels.addresses import Address, parse_address
from marginbot.channels.apprise_channel import SEND_SECONDS, AppriseSender
from marginbot.channels.pushover import OFFICIAL, PushoverEmergency
from marginbot.channels.words import LookUp, body_of, in_english, title_of
from marginbot.domain.escalation import Accepted, Rang, Ring
from marginbot.domain.grading import Grade
from marginbot.flow.escalation import ReceiptState

EMERGENCY_FROM = Grade.CRITICAL


class Channels:
    """A `Ringer`."""

    def __init__(
        self, *, look_up: LookUp = in_english, pushover_url: str = OFFICIAL, timeout: float = SEND_SECONDS
    ) -> None:
        self._look_up = look_up
        self._apprise = AppriseSender(timeout=timeout)
        self._pushover = PushoverEmergency(pushover_url)

    def parse(self, url: str) -> Address:
        """The address behind a URL; `BadAddress` (a `RequestError`) says what is wrong with it."""
        return parse_address(url)

    async def ring(self, url: str, ring: Ring) -> Rang:
        """Tell alarms, as loudly as their grade deserves."""
        address = parse_address(url)
        title, body = title_of(ring, self._look_up), body_of(ring, self._look_up)
        if address.pushover is not None and ring.grade >= EMERGENCY_FROM:
            return await self._pushover.ring(address.pushover, title, body)
        return await self._apprise.send(address.url, title, body, urgent=ring.grade >= EMERGENCY_FROM)

    async def say(self, url: str, title: str, body: str) -> Rang:
        """Send a plain line, in the reader's language. To Pushover it is an emergency that is called off at once."""
        address, title, body = parse_address(url), self._look_up(title), self._look_up(body)
        if address.pushover is None:
            return await self._apprise.send(address.url, title, body, urgent=False)
        rang = await self._pushover.ring(address.pushover, title, body)
        if isinstance(rang, Accepted) and rang.receipt:
            await self._pushover.cancel(address.pushover, rang.receipt)
        return Accepted() if isinstance(rang, Accepted) else rang

    async def receipt(self, url: str, receipt: str) -> ReceiptState:
        """Whether somebody has acknowledged there; only Pushover can say."""
        address = parse_address(url)
        if address.pushover is None:
            return ReceiptState.OVER
        return await self._pushover.receipt(address.pushover, receipt)

    async def cancel(self, url: str, receipt: str) -> bool:
        """Stop it ringing there."""
        address = parse_address(url)
        return address.pushover is None or await self._pushover.cancel(address.pushover, receipt)

    def close(self) -> None:
        """Release threads."""
        self._apprise.close()
