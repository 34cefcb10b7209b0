"""One reading of one account, for `marginbot snapshot`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from marginbot.app import reading, utc_now
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError, MarginbotError
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.margin import Snapshot
from marginbot.domain.report import AccountReport, assess
from marginbot.flow.cycle import take_reading, underlyings_of
from marginbot.flow.ports import Credential, ExchangeReader, Unreadable, VenueInfo
from marginbot.flow.registration import find_venue
from marginbot.progress import bar

VARIABLES = {"key": "MARGINBOT_KEY", "secret": "MARGINBOT_SECRET", "passphrase": "MARGINBOT_PASSPHRASE"}


class CannotRead(MarginbotError):
    """The account could not be read; the advice says why and what to do."""


async def take(
    settings: Settings, exchange: str, key: str | None, *, ask: Callable[[str], str] | None
) -> AccountReport:
    """Read and judge an account; `CannotRead` when the venue does not let us."""
    async with reading(settings) as reader:
        venue, found = await find_account(reader, exchange, lambda v: credential_for(v, key, os.environ, ask))
        volatilities = await reader.volatilities(venue.id, underlyings_of(found), utc_now())
        return assess(found, volatilities, ladders=DEFAULT_LADDERS, previous={}, now=utc_now())


async def find_account(
    reader: ExchangeReader, exchange: str, credential: Callable[[VenueInfo], Credential]
) -> tuple[VenueInfo, Snapshot]:
    """The venue of that name and one reading of the account there; `CannotRead` when it does not let us."""
    venue = find_venue(reader.venues(), exchange)
    given = credential(venue)
    reader.check_form(venue.id, given)
    with bar("reading markets, tiers and the account"):
        found, _ = await take_reading(reader, venue.id, given, utc_now())
    if isinstance(found, Unreadable):
        raise CannotRead(f"{venue.id}: {found.cause}: {found.detail}", advice=found.advice)
    return venue, found


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
