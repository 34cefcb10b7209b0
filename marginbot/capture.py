"""`marginbot capture` and `explain`: a reading in a file without identities, and what marginbot makes of it.

The file is JSON: format, versions, exchange, time, the raw answers, the markets and tiers they mention and the hourly
moves of the moment. So it gives the same report on any machine, offline, with the code that judges live accounts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import ccxt
from pydantic import TypeAdapter, ValidationError

from marginbot import __version__
from marginbot.app import reading, utc_now
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError, MarginbotError, ReadingError, UnknownExchange
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.report import AccountReport, assess
from marginbot.domain.volatility import Volatility
from marginbot.exchanges.faults import PARSE_ERRORS
from marginbot.exchanges.origins import Name, Origin, origins
from marginbot.exchanges.recording import Recording, redacted
from marginbot.exchanges.venue import Reference, Venue
from marginbot.exchanges.venues import VENUES
from marginbot.flow.registration import find_venue
from marginbot.snapshot import CannotRead, credential_for

FORMAT = 1
_REFERENCE = TypeAdapter(Reference)
_VOLATILITIES = TypeAdapter(dict[str, Volatility])
_TIME = TypeAdapter(datetime)


class NotUnderstood(MarginbotError):
    """The recorded answers are not of a form that the adapter knows."""

    advice = "The recorded answers could not be understood. That is a fault of mine: please report it with the file."


async def record(settings: Settings, exchange: str, key: str | None, *, ask: Callable[[str], str] | None) -> Recording:
    """Read an account once and take its identities out; `CannotRead` when the venue does not let us."""
    async with reading(settings) as reader:
        venue = find_venue(reader.venues(), exchange)
        credential = credential_for(venue, key, os.environ, ask)
        reader.check_form(venue.id, credential)
        try:
            found = await reader.record(venue.id, credential, utc_now())
        except ReadingError as error:
            raise CannotRead(f"{venue.id}: {error.cause}: {error}", advice=error.advice) from None
        return redacted(found, credential)


def to_text(recording: Recording) -> str:
    """The file."""
    document = {
        "format": FORMAT,
        "marginbot": __version__,
        "ccxt": ccxt.__version__,
        "exchange": recording.exchange,
        "taken_at": _TIME.dump_python(recording.taken_at, mode="json"),
        "payloads": recording.payloads,
        "reference": _REFERENCE.dump_python(recording.reference, mode="json"),
        "volatilities": _VOLATILITIES.dump_python(dict(recording.volatilities), mode="json"),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"


def from_file(path: Path) -> Recording:
    """The recording again; `ConfigError` for what is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"{path}: not JSON; `marginbot capture EXCHANGE FILE` writes such a file") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"{path}: not a file of `marginbot capture`, or of another version (format {FORMAT} is read)")
    try:
        return _recording(document)
    except (ValidationError, *PARSE_ERRORS) as error:
        raise ConfigError(f"{path}: damaged ({type(error).__name__}); capture it again") from None


def _recording(document: Mapping[str, Any]) -> Recording:
    if not isinstance(document["payloads"], dict):
        raise TypeError("payloads")
    return Recording(
        exchange=str(document["exchange"]),
        taken_at=_TIME.validate_python(document["taken_at"]),
        payloads=document["payloads"],
        reference=_REFERENCE.validate_python(document["reference"]),
        volatilities=_VOLATILITIES.validate_python(document["volatilities"]),
    )


def explained(recording: Recording) -> tuple[AccountReport, dict[Name, Origin]]:
    """The report as `snapshot` would have given it, and where each of its numbers came from."""
    venue = _venue(recording.exchange)
    try:
        snapshot = recording.snapshot(venue)
        found = origins(recording, venue)
    except (ReadingError, *PARSE_ERRORS) as error:
        raise NotUnderstood(f"{recording.exchange}: {error or type(error).__name__}") from None
    report = assess(snapshot, recording.volatilities, ladders=DEFAULT_LADDERS, previous={}, now=recording.taken_at)
    return report, found


def _venue(exchange: str) -> Venue:
    venue = VENUES.get(exchange)
    if venue is None:
        raise UnknownExchange(f"no venue {exchange!r}", advice=f"I do not know the exchange {exchange!r} of this file.")
    return venue


def origins_as_json(found: Mapping[Name, Origin]) -> list[dict[str, Any]]:
    """A row for each number of the report."""
    return [
        {"number": list(name), "as_told": origin.as_told, "from": list(origin.paths)} for name, origin in found.items()
    ]


def origins_as_text(found: Mapping[Name, Origin]) -> str:
    """The same for people: where a number stands in the answers, or what it was computed from."""
    return "\n".join(f"{' · '.join(name)}: {_words(origin)}" for name, origin in found.items())


_SHOWN = 6


def _words(origin: Origin) -> str:
    if not origin.paths:
        return "from no single number of the answers"
    more = len(origin.paths) - _SHOWN
    paths = ", ".join(origin.paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"as told, {paths}" if origin.as_told else f"computed from {paths}"
