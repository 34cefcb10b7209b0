"""What the use-cases need from the world outside, as protocols. The edges implement them.

Conventions: every method that needs the time takes `now` (aware, UTC). Store methods are synchronous and short;
each is one transaction. Identifiers of people and chats are Telegram's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol

from marginbot.domain.alerting import AlertState, Mute, Reminders
from marginbot.domain.board import Board
from marginbot.domain.chart import Theme
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.history import Series
from marginbot.domain.hours import QuietHours
from marginbot.domain.margin import Snapshot
from marginbot.domain.notices import DropReason, Line, NewNotice, Notice, Shown
from marginbot.domain.outcomes import NotEditable, Outcome
from marginbot.domain.passport import KeyCheck, Passport
from marginbot.domain.record import Acknowledged, Telling
from marginbot.domain.report import AccountReport
from marginbot.domain.tier_changes import KeptTerms, Terms
from marginbot.domain.volatility import Volatility

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

    async def read(self, exchange: str, credential: Credential, now: datetime) -> Snapshot:
        """One complete reading, or a `ReadingError`. Bounded in time."""

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


class Store(Protocol):
    """Everything that must survive a kill. Raises nothing but errors of the domain."""

    def together(self) -> AbstractContextManager[object]:
        """Everything written within is on disk afterwards, or nothing is and it raises. Nothing may wait inside."""

    # people
    def remember_person(self, person: Person, chat_id: int, now: datetime) -> None: ...
    def lost_contact(self, user_id: int, why: str, now: datetime) -> bool:
        """A person's private chat is closed to the bot: drop what waits for it. False where that was known."""

    def regained_contact(self, user_id: int) -> tuple[datetime, int] | None:
        """It is open again: since when it was not, and how many notices were dropped; None if nothing was amiss."""

    def is_member(self, user_id: int) -> bool: ...
    def create_invite(self, code: str, by: int, now: datetime, expires_at: datetime) -> None: ...
    def redeem_invite(self, code: str, user_id: int, now: datetime) -> None:
        """Make the user a member; `BadInvite` when the code is unknown, used or expired."""

    def forget_person(self, user_id: int) -> None:
        """Delete a person with all that is theirs."""

    def personal_data(self, user_id: int) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Every row about a person by table, without secrets."""

    def people(self) -> Sequence[KnownPerson]:
        """Everybody the bot knows, those with accounts first."""

    def language_of(self, chat_id: int) -> str | None:
        """The code of what is spoken in a chat: as chosen, else as the person's Telegram says; None: not known."""

    def chosen_language(self, user_id: int) -> str | None:
        """What a person chose; None: their Telegram decides."""

    def set_language(self, chat_id: int, language: str | None) -> None: ...
    def chart_theme(self, user_id: int) -> Theme:
        """The colours of a person's pictures; dark where none were chosen."""

    def set_chart_theme(self, user_id: int, theme: Theme) -> None: ...
    def heard_language(self, user_id: int, language: str) -> None:
        """Note what the Telegram of somebody known says."""

    def end_membership(self, user_id: int) -> bool:
        """A person may register nothing more; False where they were no member."""

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

    def overdue(self, before: datetime, after_id: int, limit: int) -> Sequence[int]:
        """Accounts whose time came before that, by id from `after_id` on."""

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

    def ladders(self, account_id: int) -> Ladders:
        """The account's own ladders, else its owner's, else the defaults."""

    def set_ladders(self, user_id: int, label: str | None, ladders: Ladders) -> None:
        """For one account, or (label None) as the owner's default and on all their accounts."""

    def user_ladders(self, user_id: int) -> Ladders: ...
    def reminders(self, user_id: int) -> Reminders:
        """How often a person's alerts are repeated."""

    def set_reminders(self, user_id: int, reminders: Reminders) -> None: ...

    # what keys may do
    def key_check(self, account_id: int) -> KeyCheck | None:
        """The latest look at the account's key; None: none yet."""

    def record_key_check(self, account_id: int, check: KeyCheck, notices: Sequence[NewNotice] = ()) -> None:
        """A look at the key and what is to be told of it, in one transaction; `NoSuchAccount` if it was removed."""

    def next_key_check(self, before: datetime, exchanges: Sequence[str]) -> Account | None:
        """The polled account at these venues whose key was not looked at since, the one waiting longest first."""

    # what venues require
    def terms_dates(self) -> Mapping[str, datetime]:
        """When each venue's terms were loaded."""

    def terms(self, exchange: str) -> KeptTerms | None:
        """The latest terms of a venue; None: none are kept."""

    def record_terms(self, exchange: str, terms: Terms, now: datetime, notices: Sequence[NewNotice] = ()) -> None:
        """A venue's terms and what is to be told of them, in one transaction. Removed accounts are left out."""

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

    # outbox
    def pending_notices(self) -> Sequence[Notice]:
        """All notices that are neither sent nor dropped and are due or not, oldest first. Slow when there are many."""

    def count_pending(self) -> int:
        """How many those are."""

    def pending_lines(self, after: int) -> Sequence[Line]:
        """What decides the turn of each pending notice with an id above `after`, oldest first."""

    def begin_attempts(self, notice_ids: Sequence[int], now: datetime, until: datetime) -> Sequence[Notice]:
        """Take those that are pending and due for sending, in one transaction, until `until`; the others are left out.

        Written before the request leaves: a repeat after a crash can be marked as one, and nobody else sends them
        meanwhile. The answer is as they were before, in the order asked for.
        """

    def account_notices(self, account_ids: Sequence[int], since: datetime) -> Sequence[Notice]:
        """Notices about accounts as a whole (not a pool) written since, without those given up."""

    def begin_attempt(self, notice_id: int, now: datetime) -> None:
        """Count an attempt of one notice."""

    def finish_attempts(
        self, notice_ids: Sequence[int], outcome: Outcome, next_attempt_at: datetime | None, now: datetime
    ) -> None:
        """Record what became of one message, for all the notices it carried, in one transaction.

        `Sent` closes them, `Unreachable` drops them.
        """

    def finish_attempt(self, notice_id: int, outcome: Outcome, next_attempt_at: datetime | None, now: datetime) -> None:
        """The same for one notice."""

    def hasten(self, notice_ids: Sequence[int], now: datetime) -> None:
        """Pending notices that were to wait longer are due now."""

    def notices_with(self, notice_id: int) -> Sequence[Notice]:
        """What the message that carried this one tells now: of each story the last word."""

    def episode_message(self, notice_id: int) -> int | None:
        """The message that last told of a pending notice's episode, in its chat; None: there is none."""

    def carried(self, chat_id: int, message_id: int) -> Sequence[Notice]:
        """Every notice and note that a message carries, oldest first."""

    def drop_notice(self, notice_id: int, reason: DropReason, now: datetime) -> None: ...
    def notice_of_message(self, chat_id: int, message_id: int) -> Notice | None:
        """The notice that a message in a chat carried, the worst of several, for replies and buttons."""

    def notice(self, notice_id: int) -> Notice | None: ...
    def move_chat(self, old: int, new: int) -> Sequence[int]:
        """A group became a supergroup: rewrite its id everywhere in one transaction; ids of the accounts it sees."""

    # boards
    def boards(self) -> Sequence[Board]:
        """The live boards of all groups."""

    def board(self, chat_id: int) -> Board | None: ...
    def start_board(self, board: Board, now: datetime) -> None: ...
    def post_board(self, chat_id: int, message_id: int, shown: str, now: datetime) -> None:
        """The other side has taken the board, or a change of it."""

    def tell_board(self, chat_id: int, told: Mapping[int, Grade]) -> None:
        """The group knows of these grades, by account."""

    def hurry_board(self, chat_id: int) -> None: ...
    def close_board(self, chat_id: int) -> bool:
        """Ask for its end; False where there is none."""

    def drop_board(self, chat_id: int) -> None: ...
    def is_alert_due(self, now: datetime) -> bool:
        """Whether an alert waits to be sent at this moment."""

    # history
    def pools(self, account_id: int) -> Sequence[str]:
        """The pools of an account that there is a history of, those that are gone too."""

    def history(
        self, account_id: int, since: datetime, until: datetime, pools: Collection[str] | None = None
    ) -> Sequence[Series]:
        """What is kept of an account's pools (or some) in a time; pools without any are left out."""

    # record
    def tellings(self, account_ids: Sequence[int], limit: int) -> Sequence[Telling]:
        """The last messages about accounts, oldest first."""

    def acknowledgements(self, account_ids: Sequence[int]) -> Sequence[Acknowledged]:
        """Every time somebody asked for quiet about them, oldest first."""

    # hours
    def zone_of(self, user_id: int) -> tzinfo:
        """A person's time zone; UTC where none was set."""

    def set_zone(self, user_id: int, name: str, now: datetime) -> None: ...
    def quiet_hours(self, user_id: int) -> QuietHours | None: ...
    def set_quiet_hours(self, user_id: int, hours: QuietHours | None, now: datetime) -> None:
        """Hold what is not grave in these hours, or (None) never."""

    def quiet_until(self, user_id: int, now: datetime) -> datetime | None:
        """When the quiet hours that a person is in now end; None: they are in none."""

    def hold_notice(self, notice_id: int, until: datetime) -> None:
        """Note that a pending notice is held back until then; it stays pending."""

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
