"""What every venue adapter is made of, and the careful reading of numbers they share.

An adapter is two functions. `fetch` asks the venue's own endpoints through ccxt (which signs and maps errors)
and returns the raw payloads by name; `parse` is pure and turns them into a `Snapshot`. A payload that is an
extra (mode flags, tiers) may be missing, with a warning; one that carries risk may not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Protocol

from marginbot.domain.errors import BadPayload, ReadingError
from marginbot.domain.forced import ForcedClose
from marginbot.domain.margin import Snapshot
from marginbot.domain.passport import Passport
from marginbot.domain.pushed import RiskPush
from marginbot.domain.tiers import LeverageTier
from marginbot.flow.ports import VenueInfo

Payloads = dict[str, Any]


class Api(Protocol):
    """One account's access to a venue: ccxt's implicit methods by name, decoded JSON back."""

    @property
    def key(self) -> str:
        """The credential's key: an API key, or the public address at venues that are read by one."""

    @property
    def secret(self) -> str:
        """The credential's secret, for the one venue that tells a key's rights only to who shows it."""

    @property
    def passphrase(self) -> str:
        """What some venues want beside the secret."""

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a ccxt implicit method such as `fapiPrivateV3GetAccount`; raises `ReadingError`."""

    async def optional(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Like `call` for an extra: None when the venue does not answer it. A refused key still raises."""

    async def shared(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Like `optional` for a public list that is the same for all accounts: an answer may be an hour old."""

    async def recent(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Like `optional` for what an account seldom changes (its mode): an answer may be ten minutes old.

        Only answers are remembered. A request that failed gives None and is made again at the next reading.
        """

    async def unified(self, method: str, *arguments: Any) -> Any:
        """Call one of ccxt's unified methods such as `fetch_positions`, numbers as text; raises `ReadingError`.

        Only for exchanges without an adapter: ccxt works out what an exchange does not tell, and does not say so.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What an adapter needs to know of a market."""

    symbol: str  # unified: BTC/USDT:USDT
    underlying: str  # BTC
    settle: str  # USDT; the underlying itself for inverse contracts
    contract_size: Decimal  # linear: units of the underlying; inverse: US dollars
    is_inverse: bool = False
    is_option: bool = False
    strike: Decimal | None = None
    is_call: bool | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Public facts of a venue, shared by all accounts: markets by the venue's id, tiers by unified symbol."""

    instruments: Mapping[str, Instrument]
    tiers: Mapping[str, tuple[LeverageTier, ...]] = field(default_factory=dict)
    tiers_of: datetime | None = None  # set where the tiers are old: when the venue gave them


class Evidence(StrEnum):
    """How a venue's numbers were checked. None of it is a live account."""

    RECORDED = "recorded payload"
    DOCUMENTED = "documented example"
    SIMULATED = "simulated exchange"
    UNVERIFIED = "not verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the venue table of the README says of an adapter; one short phrase each."""

    modes: str  # "single-asset, multi-assets; cross, isolated; one-way, hedge"
    ratio_from: str  # "account and position amounts, recomputed from tiers"
    evidence: tuple[Evidence, ...]
    weight: str  # of one reading, in the venue's own unit: "10 of 2,400 a minute and address"
    estimates: str = ""  # what stays an estimate, and where


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error code of a venue means where ccxt's own class says too little, with advice for the owner."""

    error: type[ReadingError]
    advice: str | None = None  # None: the error's own


@dataclass(frozen=True, slots=True)
class Permissions:
    """How a venue tells what the asking key may do: `fetch` asks, `parse` is pure."""

    fetch: Callable[[Api], Awaitable[Any]]
    parse: Callable[[Any], Passport]


SIGNS_WITH: Mapping[str, str] = {"apiKey": "key", "secret": "secret", "password": "passphrase"}
PUBLIC_ADDRESS: Mapping[str, str] = {"apiKey": "key", "walletAddress": "key"}


Missed = Callable[["Api", datetime, datetime], Awaitable[tuple[ForcedClose, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushDialect:
    """How a venue's private stream speaks. Everything but `address` and `renew` is pure; messages come decoded."""

    address: Callable[[Api], Awaitable[str]]
    greetings: Callable[[Api, datetime], Sequence[Mapping[str, Any]]]  # each waits for an answer
    accepts: Callable[[Mapping[str, Any]], bool | None]  # whether that is one: yes, no, or something else
    ends: Callable[[Mapping[str, Any]], bool]  # the stream is to be opened anew
    parse: Callable[[Mapping[str, Any]], RiskPush | None]  # None: no warning
    ping: str | None  # what keeps it open; None: a ping of the protocol
    renew: Callable[[Api], Awaitable[object]] | None  # twice an hour
    missed: Missed | None = None  # what the venue closed in a time; None: it does not tell afterwards


@dataclass(frozen=True, slots=True)
class Brief:
    """How little is enough while nothing has changed but prices; see `reading`.

    `carried`, pure, is what of a full reading's payloads holds until something changes, None: nothing does. `fetch`
    asks for the rest. `parse`, pure, is None where the account is not as it was, or anything is missing or odd.
    """

    carried: Callable[[Payloads], bytes | None]
    fetch: Callable[[Api, bytes], Awaitable[Payloads]]
    parse: Callable[[Payloads, Reference, datetime], Snapshot | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """One row of the VENUES table."""

    info: VenueInfo
    facts: Facts
    fetch: Callable[[Api], Awaitable[Payloads]]
    parse: Callable[[Payloads, Reference, datetime], Snapshot]
    candle_symbols: Callable[[str], Iterable[str]]  # underlying -> unified symbols whose candles may stand for it
    options: Mapping[str, Any] = field(default_factory=dict)  # ccxt options of every client of this venue
    signs_with: Mapping[str, str] = field(
        default_factory=lambda: SIGNS_WITH
    )  # ccxt's attribute, or options.x -> our field
    brief: Brief | None = None  # None: every reading is a full one
    fetch_tiers: Callable[[Api], Awaitable[Any]] | None = None
    parse_tiers: Callable[[Any, Mapping[str, Instrument]], Mapping[str, tuple[LeverageTier, ...]]] | None = None
    fetch_rates: Callable[[Api], Awaitable[Any]] | None = None  # how much of a coin's value counts as collateral
    parse_rates: Callable[[Any], Mapping[str, Decimal]] | None = None  # by coin, as a fraction
    check_form: Callable[[Mapping[str, str]], None] | None = None  # credential fields -> raises BadCredentials
    permissions: Permissions | None = None  # None: the venue does not tell
    pushes: PushDialect | None = None  # None: it sends no warnings, or we do not know how
    requests_at_once: int = 64  # connections, too
    faults: Mapping[str, Fault] = field(default_factory=dict)  # by error code, or by words where there is none


def candles_of(*forms: str) -> Callable[[str], Iterable[str]]:
    """Markets whose candles may stand for an underlying, by the form of their symbols: `{0}` is the underlying."""
    return lambda underlying: [form.format(underlying) for form in forms]


def number(row: Mapping[str, Any], *names: str) -> Decimal | None:
    """The first of the named fields that holds a finite number; None when all are absent, null or ''.

    Text that is no number is a payload we do not understand: `BadPayload`, never a silent None.
    """
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return _of_text(value, name) if value.__class__ is str else _decimal(value, name)
    return None


def amount(row: Mapping[str, Any], *names: str) -> Decimal:
    """A number that must be there: `BadPayload` when it is not."""
    value = number(row, *names)
    if value is None:
        raise BadPayload(f"field {' / '.join(names)} is missing")
    return value


def price(row: Mapping[str, Any], *names: str) -> Decimal | None:
    """A price; venues print '0', a negative number or '' where there is none."""
    value = number(row, *names)
    return value if value is not None and value > 0 else None


def rows(container: Any, *path: str | int) -> list[dict[str, Any]]:
    """The list of objects at a path of a payload; `BadPayload` when it is not there or not a list of objects."""
    found = dig(container, *path)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadPayload(f"expected a list of objects at {'.'.join(map(str, path)) or 'the top'}")
    return found


def record(container: Any, *path: str | int) -> dict[str, Any]:
    """The object at a path of a payload; `BadPayload` when it is not there."""
    found = dig(container, *path)
    if not isinstance(found, dict):
        raise BadPayload(f"expected an object at {'.'.join(map(str, path)) or 'the top'}")
    return found


def dig(container: Any, *path: str | int) -> Any:
    """The value at a path, or None."""
    for step in path:
        if isinstance(step, int):
            container = container[step] if isinstance(container, list) and len(container) > step else None
        else:
            container = container.get(step) if isinstance(container, dict) else None
    return container


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    """Sum of amounts; None as soon as one of them is unknown."""
    result = Decimal(0)
    for value in values:
        if value is None:
            return None
        result += value
    return result


def _decimal(value: Any, name: str) -> Decimal:
    if isinstance(value, bool):
        raise BadPayload(f"field {name} is not a number")
    # Numbers the venue sends unquoted are floats by now; their shortest text is what was sent.
    return _of_text(value if isinstance(value, Decimal) else str(value), name)


def _of_text(text: str | Decimal, name: str) -> Decimal:
    try:
        result = Decimal(text)
    except InvalidOperation:
        raise BadPayload(f"field {name} is not a number") from None
    if not result.is_finite():
        raise BadPayload(f"field {name} is not finite")
    return result
