"""One reading of one account, for `marginbot snapshot`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from marginbot.app import reading, utc_now
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError, MarginbotError
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.report import AccountReport, assess
from marginbot.flow.cycle import take_reading
from marginbot.flow.ports import Credential, Unreadable, VenueInfo
from marginbot.flow.registration import find_venue

VARIABLES = {"key": "MARGINBOT_KEY", "secret": "MARGINBOT_SECRET", "passphrase": "MARGINBOT_PASSPHRASE"}


class CannotRead(MarginbotError):
    """The account could not be read; the advice says why and what to do."""


async def take(
    settings: Settings, exchange: str, key: str | None, *, ask: Callable[[str], str] | None
) -> AccountReport:
    """Read and judge an account; `CannotRead` when the venue does not let us."""
    async with reading(settings) as reader:
        venue = find_venue(reader.venues(), exchange)
        credential = credential_for(venue, key, os.environ, ask)
        reader.check_form(venue.id, credential)
        found, volatilities = await take_reading(reader, venue.id, credential, utc_now())
        if isinstance(found, Unreadable):
            raise CannotRead(f"{venue.id}: {found.cause}: {found.detail}", advice=found.advice)
        return assess(found, volatilities, ladders=DEFAULT_LADDERS, previous={}, now=utc_now())


def credential_for(
    venue: VenueInfo, key: str | None, environment: Mapping[str, str], ask: Callable[[str], str] | None
) -> Credential:
    """The credential from `--key` (public addresses only), the environment, or the prompt."""
    if key is not None and venue.needs_secret:
        raise ConfigError(
            "--key is for public addresses only: other processes can see arguments. "
            f"Set {VARIABLES['key']} and {VARIABLES['secret']}, or leave them out to be asked"
        )
    values: dict[str, str] = {"key": key} if key else {}
    for name, title in venue.fields:
        if name in values:
            continue
        value = environment.get(VARIABLES[name], "").strip()
        if not value and ask is not None:
            value = ask(f"{venue.title} {title}").strip()
        if not value:
            raise ConfigError(f"{VARIABLES[name]} is not set: it should hold the {title} for {venue.title}")
        values[name] = value
    return Credential(values.get("key", ""), values.get("secret", ""), values.get("passphrase", ""))
