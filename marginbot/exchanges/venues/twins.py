"""Regional branches of an exchange: another address and other customers, the same interface."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.venue import Evidence, Payloads, Reference, Venue
from marginbot.exchanges.venues.generic import described


def twin(original: Venue, name: str) -> Venue:
    """The row of a branch; `name` is its id in ccxt, which knows its address."""

    def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
        return replace(original.parse(payloads, reference, now), exchange=name)

    return replace(
        original,
        info=replace(original.info, id=name, title=described(name)["name"], aliases=()),
        facts=replace(
            original.facts, evidence=(Evidence.UNVERIFIED,), estimates=f"taken to be like {original.info.title}"
        ),
        parse=parse,
        pushes=None,  # the original's stream knows nobody of this branch
    )
