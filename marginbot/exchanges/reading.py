"""One reading: in full, or the brief one that is enough while nothing has changed but prices.

What is held, how, and with what behind it changes seldom; what it is worth changes always. A venue may say in one
answer all that changes always, so where the last full reading found an account calm and far from every rung, the rest
is carried over from it: half the requests, half the weight, and twice as many accounts in the same budget.

A brief reading counts only where it is as sure as a full one. Whatever it does not say, whatever is not as it was in
the last full reading, any figure that does not agree with another, any warning at all, and any position without
leverage tiers to check it by: then everything is asked for. So it is once in `FULL_EVERY`, too. Who asks decides
whether the account was calm (`domain.calm`), and asks again in full where it no longer is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime, timedelta

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.client import AccountApi, VenueClient
from marginbot.exchanges.venue import Brief, Payloads, Reference
from marginbot.flow.ports import Credential

FULL_EVERY = timedelta(minutes=5)


class CarriedOver:
    """What full readings told that holds for the next brief ones, by account. The oldest stand first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[datetime, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, account: Hashable, told: bytes | None, now: datetime) -> None:
        """In place of what was kept; None: nothing holds."""
        self._known.pop(account, None)
        while self._known and now - next(iter(self._known.values()))[0] >= FULL_EVERY:
            self._known.popitem(last=False)
        if told is not None:
            self._known[account] = now, told

    def get(self, account: Hashable, now: datetime) -> tuple[datetime, bytes] | None:
        """What is kept, and since when; None where that is too long ago (or the clock was set back)."""
        known = self._known.get(account)
        return known if known is not None and timedelta(0) <= now - known[0] < FULL_EVERY else None


async def reading(
    client: VenueClient, credential: Credential, now: datetime, carried: CarriedOver, *, calm: bool
) -> Snapshot:
    """A snapshot; a brief reading is enough for it where the account was `calm`."""
    api = client.account(credential, now)
    reference = await client.reference(api, now)
    brief = client.venue.brief
    if brief is None:
        return _parsed(client, await client.venue.fetch(api), reference, now)
    account = client.venue.info.id, api.identity
    known = carried.get(account, now) if calm else None
    if known is not None and (found := await _brief(brief, api, reference, known)) is not None:
        return found
    payloads = await client.venue.fetch(api)
    snapshot = _parsed(client, payloads, reference, now)
    carried.keep(account, None if snapshot.warnings else brief.carried(payloads), now)
    return snapshot


async def _brief(brief: Brief, api: AccountApi, reference: Reference, known: tuple[datetime, bytes]) -> Snapshot | None:
    """None where it is not as sure as a full one."""
    if reference.tiers_of is not None:
        return None  # what the leverage tiers are to check is too old for that
    snapshot = brief.parse(await brief.fetch(api, known[1]), reference, api.now)
    if snapshot is None or snapshot.warnings or not all(p.tiers for pool in snapshot.pools for p in pool.positions):
        return None
    return replace(snapshot, carried_from=known[0])


def _parsed(client: VenueClient, payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    snapshot = client.venue.parse(payloads, reference, now)
    if reference.tiers_of is None or not any(position.tiers for pool in snapshot.pools for position in pool.positions):
        return snapshot
    note = f"leverage tiers are those of {reference.tiers_of:%d %b %Y}: the exchange does not give newer ones"
    return replace(snapshot, warnings=(*snapshot.warnings, note))
