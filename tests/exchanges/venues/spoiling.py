"""Every number of a payload gone or wrong, one at a time: what makes the account look calmer without a word."""

from __future__ import annotations

from collections.abc import Iterator

from marginbot.exchanges.venue import Payloads, Reference, Venue
from tests.exchanges.venues.kit import NOW, judged, looks_calmer, number_paths, spoiled


def silent_faults(venue: Venue, told: Payloads, reference: Reference) -> Iterator[str]:
    """Where, how and in what way; nothing at a sound adapter."""
    before = judged(venue.parse(told, reference, NOW))
    for path in number_paths(told):
        for how, changed in spoiled(told, path):
            reason = looks_calmer(before, venue, changed, reference)
            if reason:
                yield f"{'.'.join(map(str, path))} {how}: {reason}"
