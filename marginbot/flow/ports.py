"""What the use-cases need from the world outside, as protocols. The edges implement them.

Conventions: every method that needs the time takes `now` (aware, UTC). Store methods are synchronous and short;
each is one transaction. Identifiers of people and chats are Telegram's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.errors import Cause
from marginbot.domain.margin import Snapshot
from marginbot.domain.notices import NewNotice, Notice, Shown
from marginbot.domain.outcomes import NotEditable, Outcome
from marginbot.domain.passport import KeyCheck, Passport
from marginbot.domain.report import AccountReport
from marginbot.domain.volatility import Volatility
from marginbot.flow.store_ports import Boards, Manner, Members, Outbox, Past, VenueTerms

# --- exchanges -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credential:
    """What opens an account at a venue. Never printed: `repr` shows nothing of it."""

    key: str = field(repr=False)  # API key, or the public address
    secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueInfo:
    """What people need to know of a supported venue."""

    id: str  # ccxt's id
    title: str  # "Binance USDⓈ-M Futures"
    fields: tuple[tuple[str, str], ...]  # (credential field, its title), in the order they are asked for
    instructions: str  # how to make a read-only key there, or which address to give; one or two sentences
    aliases: tuple[str, ...] = ()  # other names people type
    estimates_only: bool = False  # read in a general way: there is no adapter of its own
    refusal: str | None = None  # why it cannot be watched at all; such a venue is only known by name

    @property
    def needs_secret(self) -> bool:
        """False for venues read by a public address."""
        return any(name == "secret" for name, _ in self.fields)


class ExchangeReader(Protocol):
    """Reads accounts and public prices. Holds shared markets and connections, no account state."""

    def venues(self) -> Mapping[str, VenueInfo]:
        """The supported venues by id."""

    def check_form(self, exchange: str, credential: Credential) -> None:
        """Raise `BadCredentials` for what is plainly malformed, before anything is sent."""

    async def read(self, exchange: str, credential: Credential, now: datetime, *, calm: bool = False) -> Snapshot:
        """One reading, or a `ReadingError`. Bounded in time.

        `calm` says that the last one found nothing near: what seldom changes may then be carried over from it.
        """

    async def passport(self, exchange: str, credential: Credential, now: datetime) -> Passport:
        """What the key may do, as the venue says. Never raises: what could not be learned is None. Bounded in time."""

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        """Ordinary hourly moves, from cached candles shared by all; missing candles never raise."""

    async def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An account that could not be read, and why. The other half of a `Reading`."""

    cause: Cause
    detail: str  # for the log
    advice: str  # for the owner


Reading = Snapshot | Unreadable

# --- people and accounts -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks to the bot."""

    user_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Left:
    """A guided `/add` that was left: what was answered before any secret was asked for."""

    exchange: str
    label: str | None
    touched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A registered account, without its secret."""

    id: int
    user_id: int  # owner
    chat_id: int  # the owner's private chat, where alerts go
    exchange: str
    label: str
    created_at: datetime
    refused: Cause | None = None  # set: the venue refused the key, polling has stopped
    next_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An account with all that is known of it now."""

    account: Account
    report: AccountReport | None  # of the last good reading
    states: Mapping[str, AlertState]  # by subject; "" is the account itself
    shared_amounts: bool = True  # False: seen through a group share that hides amounts


@dataclass(frozen=True, slots=True)
class LastReading:
    """The last good reading of an account, with the ordinary moves it was judged by: what a what-if starts from."""

    snapshot: Snapshot
    volatilities: Mapping[str, Volatility]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """What one reading of one account leads to; written in one transaction, or not at all."""

    account_id: int
    at: datetime
    report: AccountReport | None  # None: unreadable
    states: Mapping[str, AlertState]
    notices: Sequence[NewNotice]
    next_due_at: datetime
    refused: Cause | None = None
    reading: LastReading | None = None  # what the report was made of; None: unreadable
    notes: Sequence[NewNotice] = ()  # on messages that were sent before
    calm: bool = False  # nothing was near: the next reading may be a brief one


@dataclass(frozen=True, slots=True)
class Waiting:
    """Accounts of a venue that wait to be read."""

    count: int
    longest: timedelta


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """One line of who uses the bot."""

    user_id: int
    name: str
    is_member: bool
    accounts: int
    refused: int  # accounts that are not polled because their key is refused
    is_unreachable: bool


class Store(Outbox, Boards, Past, VenueTerms, Members, Manner, Protocol):
    """Everything that must survive a kill. Raises nothing but errors of the domain.

    What speaks of people and accounts is here; what speaks of the domain alone is in `store_ports`, by subject.
    """

    def together(self) -> AbstractContextManager[object]:
        """Everything written within is on disk afterwards, or nothing is and it raises. Nothing may wait inside."""

    # people
    def remember_person(self, person: Person, chat_id: int, now: datetime) -> None: ...
    def lost_contact(self, user_id: int, why: str, now: datetime) -> bool:
        """A person's private chat is closed to the bot: drop what waits for it. False where that was known."""

    def regained_contact(self, user_id: int) -> tuple[datetime, int] | None:
        """It is open again: since when it was not, and how many notices were dropped; None if nothing was amiss."""

    def forget_person(self, user_id: int) -> None:
        """Delete a person with all that is theirs."""

    def personal_data(self, user_id: int) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Every row about a person by table, without secrets."""

    def people(self) -> Sequence[KnownPerson]:
        """Everybody the bot knows, those with accounts first."""

    # accounts
    def add_account(
        self, person: Person, chat_id: int, exchange: str, label: str, credential: Credential, now: datetime
    ) -> Account:
        """Store an account with its sealed credential; `LabelTaken` on a label of theirs, in any case."""

    def accounts_of(self, user_id: int) -> Sequence[Account]: ...
    def account(self, user_id: int, label: str) -> Account:
        """`NoSuchAccount` unless the user owns that label (case-insensitive)."""

    def account_by_id(self, account_id: int) -> Account:
        """For the bot's own use, whoever owns it; `NoSuchAccount` when it was removed."""

    def active_accounts(self) -> Sequence[Account]:
        """All accounts that are polled: not refused. Slow when there are many; whose turn it is, `DueStore` says."""

    def exchanges(self) -> Sequence[str]:
        """Where there are accounts that are polled."""

    def due_accounts(self, exchange: str, urgency: int, now: datetime, limit: int) -> Sequence[Account]:
        """Those of a venue and urgency whose time has come, the one waiting longest first."""

    def polled_after(self, exchange: str, after_id: int, limit: int) -> Sequence[Account]:
        """Those of a venue that are polled, by id from `after_id` on."""

    def overdue(self, before: datetime, after_id: int, limit: int) -> Sequence[int]: ...

    def waiting(self, now: datetime, longer_than: timedelta) -> Mapping[str, Waiting]:
        """By venue, how many accounts wait for longer than that, and the longest of them."""

    def credential(self, account_id: int) -> Credential:
        """Open the sealed credential; `VaultError` when that fails."""

    def remove_account(self, user_id: int, label: str) -> None:
        """Delete the account, its secret, history, shares and pending notices."""

    def replace_credential(self, account_id: int, credential: Credential, now: datetime) -> Account:
        """Seal a new credential for a refused account and poll it again at once."""

    def resume(self, account_id: int, now: datetime) -> Account:
        """Poll a refused account again at once, with the credential it has."""

    def rename_account(self, user_id: int, old: str, new: str) -> None:
        """`NoSuchAccount` or `LabelTaken`; history, shares and alerts stay with the account."""

    # what keys may do
    def key_check(self, account_id: int) -> KeyCheck | None:
        """The latest look at the account's key; None: none yet."""

    def record_key_check(self, account_id: int, check: KeyCheck, notices: Sequence[NewNotice] = ()) -> None:
        """A look at the key and what is to be told of it, in one transaction; `NoSuchAccount` if it was removed."""

    def next_key_check(self, before: datetime, exchanges: Sequence[str]) -> Account | None:
        """The polled account at these venues whose key was not looked at since, the one waiting longest first."""

    # alerts
    def states(self, account_id: int) -> Mapping[str, AlertState]: ...
    def record(self, record: CycleRecord) -> None:
        """Reading, alert states, notices and next due time, in one transaction.

        A mute set by a person since `states` was read is kept: states' `mute` is merged, see `set_mute`.
        A notice that exists already (same key) is not written twice.
        """

    def set_mute(self, account_id: int, subject: str, mute: Mute | None, by: str = "") -> None:
        """Quiet a subject, or lift its quiet; noted on the episode's message with who asked for it."""

    def standing(self, account: Account) -> Standing: ...
    def last_reading(self, account_id: int) -> LastReading | None:
        """The last good reading in full; None: none yet, or written by a version that differs."""

    # shares
    def share(self, chat_id: int, account_id: int, *, amounts: bool, now: datetime) -> None: ...
    def unshare(self, chat_id: int, account_id: int) -> bool: ...
    def end_shares(self, chat_id: int, user_id: int | None = None) -> Sequence[Account]:
        """End all shares with a group, or one owner's; the accounts it no longer sees."""

    def shared_with(self, chat_id: int) -> Sequence[tuple[Account, bool]]:
        """Accounts shared with a group, each with whether amounts may be shown."""

    # meta
    def get_meta(self, name: str) -> str | None: ...
    def set_meta(self, name: str, value: str) -> None: ...


class Messenger(Protocol):
    """Tells people things."""

    async def send(self, notice: Notice, now: datetime) -> Outcome:
        """Send a notice. Never raises for what the other side does; says whether it was accepted."""

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        """Send several notices for one chat, worst first, as one message."""

    async def amend(self, message_id: int, told: Sequence[Shown], now: datetime) -> Outcome | NotEditable:
        """Change a message that was sent, so that it shows this. Doing it twice is doing it once."""
