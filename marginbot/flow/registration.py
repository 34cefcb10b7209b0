"""Registering an account: check the request, read the account for real, only then store anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marginbot.domain.errors import (
    BadCredentials,
    BadLabel,
    KeyCanWithdraw,
    LabelTaken,
    LimitReached,
    ReadingError,
    UnknownExchange,
)
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.passport import Passport, Verdict, checked, verdict
from marginbot.domain.report import AccountReport, assess
from marginbot.flow.access import Access
from marginbot.flow.cycle import underlyings_of
from marginbot.flow.ports import Account, Credential, ExchangeReader, Person, Store, VenueInfo
from marginbot.flow.preferences import DURATION

MAX_ACCOUNTS = 20  # per person
RESERVED = frozenset({"ratio", "cushion", "amounts"})
MOST_FOUND = 6  # venues shown for what somebody typed
_LABEL = re.compile(r"[\w][\w.+-]{0,23}", re.UNICODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A complete, well-formed wish to have an account watched."""

    venue: VenueInfo
    label: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class Registration:
    """The steps of `/add`; nothing is stored before the last."""

    reader: ExchangeReader
    store: Store
    access: Access

    def venue(self, text: str) -> VenueInfo:
        """The venue a person means; `UnknownExchange` with the nearest names otherwise."""
        return find_venue(self.reader.venues(), text)

    def search(self, text: str) -> Sequence[VenueInfo]:
        """Venues that a person may mean who typed part of a name, or a name with a slip; the likeliest first."""
        return search_venues(self.reader.venues(), text)

    def free_label(self, user_id: int, label: str) -> str:
        """The label if it may be used; `BadLabel` or `LabelTaken` otherwise."""
        label = label.strip()
        if not _LABEL.fullmatch(label):
            raise BadLabel(
                "malformed label",
                advice="A label is one word of up to 24 letters, digits, dots, dashes or underscores, such as "
                "main or desk-2. Nothing was stored.",
            )
        if label.casefold() in RESERVED or DURATION.fullmatch(label):
            raise BadLabel(
                "a label that commands would misread",
                advice=f"{label} means something else in commands. Choose another label. Nothing was stored.",
            )
        taken = [account for account in self.store.accounts_of(user_id) if account.label.casefold() == label.casefold()]
        if taken and taken[0].refused is None:
            raise LabelTaken(
                "label is taken",
                advice=f"You already have an account called {taken[0].label}. Choose another label, or "
                f"/remove {taken[0].label} first. Nothing was stored.",
            )
        return label

    def request(self, user_id: int, exchange: str, label: str, parts: Sequence[str]) -> Request:
        """Check everything that can be checked before the venue is asked."""
        self.access.require_member(user_id)
        venue = self.venue(exchange)
        label = self.label_with_room(user_id, label)
        credential = _credential(venue, parts)
        self.reader.check_form(venue.id, credential)
        return Request(venue=venue, label=label, credential=credential)

    def label_with_room(self, user_id: int, label: str) -> str:
        """The label if an account of it may be added now; `BadLabel`, `LabelTaken` or `LimitReached` otherwise."""
        label = self.free_label(user_id, label)
        if len(self.store.accounts_of(user_id)) >= MAX_ACCOUNTS and not self._refused(user_id, label):
            raise LimitReached(
                "too many accounts",
                advice=f"You already have {MAX_ACCOUNTS} accounts, which is the limit. /remove one first.",
            )
        return label

    async def probe(self, request: Request, now: datetime) -> AccountReport:
        """A real reading with the credentials, judged with the default ladders; stores nothing."""
        try:
            snapshot = await self.reader.read(request.venue.id, request.credential, now)
        except ReadingError as error:
            error.advice = f"{error.advice} Nothing was stored."
            raise
        volatilities = await self.reader.volatilities(request.venue.id, underlyings_of(snapshot), now)
        return assess(snapshot, volatilities, ladders=DEFAULT_LADDERS, previous={}, now=now)

    async def passport(self, request: Request, now: datetime) -> Passport:
        """What the key may do; `KeyCanWithdraw` for one that is too dangerous to hold. Stores nothing."""
        passport = await self.reader.passport(request.venue.id, request.credential, now)
        if verdict(passport) is Verdict.REFUSED:
            raise KeyCanWithdraw(f"{request.venue.id}: the key can withdraw")
        return passport

    def store_account(
        self, person: Person, chat_id: int, request: Request, now: datetime, passport: Passport | None = None
    ) -> Account:
        """Seal and store; from now on the account is watched. A refused account of that label gets the new key."""
        account = self._stored(person, chat_id, request, now)
        if passport is not None:
            # Dying in between costs nothing: a key without a passport is the first to be looked at.
            self.store.record_key_check(account.id, checked(passport, None, now))
        return account

    def _stored(self, person: Person, chat_id: int, request: Request, now: datetime) -> Account:
        refused = self._refused(person.user_id, request.label)
        if refused is not None and refused.exchange == request.venue.id:
            return self.store.replace_credential(refused.id, request.credential, now)
        if refused is not None:
            self.store.remove_account(person.user_id, refused.label)
        return self.store.add_account(person, chat_id, request.venue.id, request.label, request.credential, now)

    def retry(self, user_id: int, label: str, now: datetime) -> Account:
        """Poll an account again whose key was refused (an IP list was mended, say)."""
        return self.store.resume(self.store.account(user_id, label).id, now)

    def _refused(self, user_id: int, label: str) -> Account | None:
        for account in self.store.accounts_of(user_id):
            if account.label.casefold() == label.casefold() and account.refused is not None:
                return account
        return None


def _credential(venue: VenueInfo, parts: Sequence[str]) -> Credential:
    wanted = [title for _, title in venue.fields]
    given = [part.strip() for part in parts if part.strip()]
    if len(given) != len(wanted):
        raise BadCredentials(
            "wrong number of credential parts",
            advice=f"{venue.title} needs {_listing(wanted)}; parts received: "
            f"{len(given)}. Send: /add {venue.id} LABEL "
            f"{' '.join(name.upper() for name, _ in venue.fields)}. Nothing was stored.",
        )
    values = {name: part for (name, _), part in zip(venue.fields, given, strict=True)}
    return Credential(values.get("key", ""), values.get("secret", ""), values.get("passphrase", ""))


def _listing(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _names(venue: VenueInfo) -> tuple[str, ...]:
    return (venue.id, venue.title.lower(), *venue.aliases)


def find_venue(venues: Mapping[str, VenueInfo], text: str) -> VenueInfo:
    """The venue of that id, title or alias; `UnknownExchange` with the reason or the nearest names otherwise."""
    wanted = text.strip().lower()
    found = venues.get(wanted) or next((venue for venue in venues.values() if wanted in _names(venue)), None)
    if found is None:
        raise UnknownExchange(
            "no such venue",
            advice=f"I do not know that exchange.{_meant(venues, wanted)} {supported(venues)} Nothing was stored.",
        )
    if found.refusal is not None:
        raise UnknownExchange(f"{found.id} cannot be watched", advice=f"{found.refusal} Nothing was stored.")
    return found


def search_venues(venues: Mapping[str, VenueInfo], text: str) -> Sequence[VenueInfo]:
    """What can be watched and has the text in a name, or has a name nearly the same; at most `MOST_FOUND`.

    None where the text names a venue as it is: there is nothing to search for then.
    """
    wanted = text.strip().lower()
    if not wanted or any(wanted in _names(venue) for venue in venues.values()):
        return ()
    readable = [venue for venue in venues.values() if venue.refusal is None]
    by_name = {name: venue for venue in reversed(readable) for name in _names(venue)}
    within = [venue for venue in readable if any(wanted in name for name in _names(venue))]
    near = [by_name[name] for name in difflib.get_close_matches(wanted, list(by_name), n=MOST_FOUND, cutoff=0.6)]
    found = {venue.id: venue for venue in [*sorted(within, key=lambda venue: venue.estimates_only), *near]}
    return tuple(found.values())[:MOST_FOUND]


def _meant(venues: Mapping[str, VenueInfo], wanted: str) -> str:
    by_name = {name: venue.id for venue in venues.values() for name in _names(venue)}
    near = difflib.get_close_matches(wanted, list(by_name), n=3, cutoff=0.5)
    meant = sorted({by_name[name] for name in near})
    return f" Did you mean {' or '.join(meant)}?" if meant else ""


def supported(venues: Mapping[str, VenueInfo]) -> str:
    """What can be watched, in a sentence or two."""
    readable = [venue for venue in venues.values() if venue.refusal is None]
    others = ", ".join(venue.id for venue in readable if venue.estimates_only)
    well = ", ".join(venue.id for venue in readable if not venue.estimates_only)
    return f"I can watch: {well}." + (f" Also, as estimates: {others}." if others else "")
