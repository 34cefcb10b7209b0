"""One reading's raw answers with what is needed to read them again without the venue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from marginbot.domain.margin import Snapshot
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.redaction import Redactor
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.flow.ports import Credential


class Reads(Protocol):
    """The part of a venue that understands answers."""

    @property
    def parse(self) -> Callable[[Payloads, Reference, datetime], Snapshot]:
        """Payloads to snapshot, without the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A reading before it was understood. `volatilities` by underlying, as they were used to judge it."""

    exchange: str
    taken_at: datetime
    payloads: Payloads
    reference: Reference
    volatilities: Mapping[str, Volatility]

    def snapshot(self, venue: Reads) -> Snapshot:
        """The reading again; `BadPayload` when it cannot be understood."""
        return venue.parse(self.payloads, self.reference, self.taken_at)


def redacted(recording: Recording, credential: Credential) -> Recording:
    """The same without identities: amounts, prices and symbols stay."""
    secrets = (credential.key, credential.secret, credential.passphrase)
    redactor = Redactor(secrets, known=_names(recording.reference))
    payloads = {name: redactor.redacted(payload) for name, payload in recording.payloads.items()}
    return replace(recording, payloads=payloads)


def narrowed(reference: Reference, payloads: Payloads) -> Reference:
    """Only the markets that the payloads mention: a venue lists hundreds."""
    mentioned = set(_texts(payloads))
    instruments = {
        name: found for name, found in reference.instruments.items() if _is_mentioned(name, found, mentioned)
    }
    symbols = {instrument.symbol for instrument in instruments.values()}
    tiers = {name: tiers for name, tiers in reference.tiers.items() if name in symbols or name in mentioned}
    return Reference(instruments=instruments, tiers=tiers)


def _is_mentioned(name: str, instrument: Instrument, mentioned: set[str]) -> bool:
    return bool({name, instrument.symbol, instrument.underlying} & mentioned)


def _names(reference: Reference) -> Iterator[str]:
    for name, instrument in reference.instruments.items():
        yield from (name, instrument.symbol, instrument.underlying, instrument.settle)


def _texts(payload: Any) -> Iterator[str]:
    if isinstance(payload, dict):
        for name, value in payload.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(payload, list | tuple):
        for value in payload:
            yield from _texts(value)
    elif payload is not None:
        yield str(payload)
