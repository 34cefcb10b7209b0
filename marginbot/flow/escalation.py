"""Escalation: rings a person's further channels about what was announced and not acknowledged in time.

What is due and what still stands is decided by `domain.escalation`, inside the store's transactions; here it is
carried out. Nothing in it waits for Telegram, and one hanging service never holds up another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from marginbot.domain.errors import RequestError, VaultError
from marginbot.domain.escalation import Channel, Rang, Ring, RingAgain, RingRefused
from marginbot.flow.tasks import Tasks

log = logging.getLogger(__name__)

RECEIPTS_EVERY = timedelta(seconds=5)
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class OpenReceipt:
    """What a service still rings about, and whether it still should."""

    channel_id: int
    receipt: str
    stands: bool


class ReceiptState(StrEnum):
    """What a service says of a receipt."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    OVER = "over"  # expired, cancelled, or not known there
    UNKNOWN = "unknown"  # it could not be asked


class Ringer(Protocol):
    """Rings at other services. Outcomes are values; nothing is raised for what the other side does."""

    async def ring(self, url: str, ring: Ring) -> Rang:
        """Tell alarms, as loudly as their grade deserves. Bounded in time."""

    async def say(self, url: str, title: str, body: str) -> Rang:
        """Send a plain line, such as an exercise."""

    async def receipt(self, url: str, receipt: str) -> ReceiptState:
        """Whether somebody has acknowledged there."""

    async def cancel(self, url: str, receipt: str) -> bool:
        """Stop it ringing there; whether that is done."""


class Teller(Protocol):
    """Tells people about their channels, in Telegram."""

    async def channel_off(self, channel: Channel, error: str) -> None:
        """A service refuses for good."""

    async def remind(self, user_id: int, *, has_channels: bool) -> None:
        """Quietly: nothing proves that anything but Telegram can reach you."""


class EscalationStore(Protocol):
    """What escalation needs to survive a kill."""

    def plan_steps(self, now: datetime) -> int: ...
    def due_channels(self, now: datetime) -> Sequence[int]: ...
    def begin_ring(self, channel_id: int, now: datetime) -> Ring | None: ...
    def finish_ring(self, ring: Ring, rang: Rang, now: datetime) -> None: ...
    def resume_rings(self, now: datetime) -> None: ...
    def open_receipts(self, now: datetime) -> Sequence[OpenReceipt]: ...
    def acknowledge_receipt(self, channel_id: int, receipt: str, now: datetime) -> int: ...
    def close_receipt(self, channel_id: int, receipt: str, now: datetime) -> None: ...
    def channel_url(self, channel_id: int) -> str: ...


class Escalation:
    """Works the steps off: channels side by side, each with one attempt at a time."""

    def __init__(
        self,
        store: EscalationStore,
        ringer: Ringer,
        *,
        clock: Callable[[], datetime],
        teller: Teller | None = None,
    ) -> None:
        self._store = store
        self._ringer = ringer
        self._clock = clock
        self._teller = teller
        self._resumed = False
        self._busy: set[int] = set()
        self._asking: set[str] = set()
        self._asked_at: datetime | None = None
        self._unwritten: list[tuple[Ring, Rang]] = []
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self.tasks = Tasks()

    def dispatch(self) -> None:
        """Plan what is called for, start ringing what is due, and look after what is still ringing elsewhere."""
        now = self._clock()
        if not self._resumed:
            self._store.resume_rings(now)
            self._resumed = True
        self._write_down()
        self._store.plan_steps(now)
        for channel_id in self._store.due_channels(now):
            if channel_id not in self._busy:
                self._busy.add(channel_id)
                self.tasks.spawn(self._work(channel_id))
        self._ask_receipts(now)

    async def run(self) -> None:
        """Do everything that is due now, and wait until the outcome is written down."""
        self.dispatch()
        await self.tasks.settle()

    async def _work(self, channel_id: int) -> None:
        try:
            async with self._slots:
                await self._ring(channel_id)
        finally:
            self._busy.discard(channel_id)

    async def _ring(self, channel_id: int) -> None:
        ring = self._store.begin_ring(channel_id, self._clock())
        if ring is None:
            return
        rang = await self._rung(ring)
        self._unwritten.append((ring, rang))
        self._write_down()
        if isinstance(rang, RingRefused):
            log.warning("channel %s refuses and is switched off: %s", channel_id, rang.error)
            if self._teller is not None:
                await self._teller.channel_off(ring.channel, rang.error)
        elif isinstance(rang, RingAgain):
            log.warning("channel %s did not accept: %s", channel_id, rang.error)

    async def _rung(self, ring: Ring) -> Rang:
        try:
            return await self._ringer.ring(self._store.channel_url(ring.channel.id), ring)
        except (VaultError, RequestError) as error:
            return RingRefused(str(error))
        except Exception as error:  # noqa: BLE001 - one channel's trouble is not the others'
            # The error itself may hold the address: its kind says enough.
            log.error("channel %s could not be rung: %s", ring.channel.id, type(error).__name__)
            return RingAgain(type(error).__name__)

    def _write_down(self) -> None:
        """Outcomes that the database would not take are kept until it does; the step rings for nobody else."""
        while self._unwritten:
            ring, rang = self._unwritten[0]
            self._store.finish_ring(ring, rang, self._clock())
            self._unwritten.pop(0)

    def _ask_receipts(self, now: datetime) -> None:
        if self._asked_at is not None and now - self._asked_at < RECEIPTS_EVERY:
            return
        self._asked_at = now
        for receipt in self._store.open_receipts(now):
            if receipt.receipt not in self._asking:
                self._asking.add(receipt.receipt)
                self.tasks.spawn(self._follow(receipt))

    async def _follow(self, open_receipt: OpenReceipt) -> None:
        channel_id, receipt = open_receipt.channel_id, open_receipt.receipt
        try:
            url = self._store.channel_url(channel_id)
            if not open_receipt.stands:
                if await self._ringer.cancel(url, receipt):
                    self._store.close_receipt(channel_id, receipt, self._clock())
                return
            state = await self._ringer.receipt(url, receipt)
            if state is ReceiptState.ACKNOWLEDGED:
                quieted = self._store.acknowledge_receipt(channel_id, receipt, self._clock())
                log.info("channel %s: acknowledged there, %d subjects quieted", channel_id, quieted)
            elif state is ReceiptState.OVER:
                self._store.close_receipt(channel_id, receipt, self._clock())
        finally:
            self._asking.discard(receipt)
