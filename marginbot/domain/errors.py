"""What can go wrong, and what the person concerned can do about it.

    MarginbotError
    ├── ConfigError            a setting is missing or wrong: start-up ends with exit code 2
    ├── RequestError           a person asked for something that cannot be done as asked
    │   ├── UnknownExchange, BadLabel, LabelTaken, NoSuchAccount, BadCredentials, KeyCanWithdraw
    │   ├── BadThresholds, BadReminders, BadDuration, BadInvite
    │   ├── NotAllowed, GroupOnly, LimitReached
    │   └── NothingShared, NotTheirBoard, BoardEnding
    ├── ReadingError           an account could not be read; `cause` names why
    │   ├── KeyRefused, NoPermission          the owner must act: polling stops
    │   └── ClockSkew, RateLimited, Banned, VenueDown, BadPayload, Unsupported, OurFault
    └── VaultError             a stored secret cannot be opened
        ├── WrongMasterKey
        └── SealBroken

`str(error)` is for the log; `advice` is for the person: what happened, what we did, what to do next.
Neither ever holds a secret.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class MarginbotError(Exception):
    """Something marginbot understands. The advice of a class is its default; an instance may say more."""

    advice: str = "Something went wrong. Nothing was changed. Please try again."

    def __init__(self, message: str = "", *, advice: str | None = None) -> None:
        super().__init__(message or type(self).__name__)
        if advice is not None:
            self.advice = advice


class ConfigError(MarginbotError):
    """A setting is missing or unusable; the message names it and shows a right value."""


# --- what people ask for -------------------------------------------------------------------------


class RequestError(MarginbotError):
    """The request as made cannot be fulfilled; the same request would fail again."""


class UnknownExchange(RequestError):
    """No venue of that name is supported."""


class BadLabel(RequestError):
    """The label of an account has a form we do not accept."""


class LabelTaken(RequestError):
    """The owner has another account of that label."""


class NoSuchAccount(RequestError):
    """The person has (or may see) no account of that label."""


class BadCredentials(RequestError):
    """Credentials are incomplete or malformed; seen before anything was sent to the venue."""


class KeyCanWithdraw(RequestError):
    """The venue says that this key may move funds, so we refuse to hold it."""

    advice = (
        "This key can withdraw or move funds out of the account, so I have not stored it. Make a read-only key and "
        "send /add again; delete the one you sent at the exchange."
    )


class BadThresholds(RequestError):
    """A ladder is not ordered or out of range."""


class BadReminders(RequestError):
    """Reminders out of range, or less frequent at a worse grade."""


class BadDuration(RequestError):
    """A duration could not be understood."""


class BadInvite(RequestError):
    """The invite code is unknown, used or expired."""


class NotAllowed(RequestError):
    """This person may not do this."""

    advice = "You may not do this. Nothing was changed."


class GroupOnly(RequestError):
    """The command only makes sense in a group."""


class LimitReached(RequestError):
    """A person has reached one of the limits that protect the service."""


class NothingShared(RequestError):
    """No account is shared with the group."""

    advice = (
        "No account is shared with this group, so there is nothing to put on a board. Its owner can share one here: "
        "/share LABEL"
    )


class NotTheirBoard(NotAllowed):
    """Neither an owner of what the board shows nor an operator."""

    advice = (
        "Only somebody who shares an account with this group, or who runs the bot, may start or end its board. /status "
        "works for everybody here."
    )


class BoardEnding(RequestError):
    """The group's last board was asked to end and is not gone yet."""

    advice = "The last board is just ending. Send /board again in a few seconds."


# --- what venues answer --------------------------------------------------------------------------


class Cause(StrEnum):
    """Why an account could not be read. The value is stored, and shown in words by the renderer."""

    KEY_REFUSED = "key_refused"
    NO_PERMISSION = "no_permission"
    CLOCK_SKEW = "clock_skew"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    VENUE_DOWN = "venue_down"
    BAD_PAYLOAD = "bad_payload"
    UNSUPPORTED = "unsupported"
    POOL_UNKNOWN = "pool_unknown"
    OUR_FAULT = "our_fault"

    @property
    def owner_must_act(self) -> bool:
        """True when asking again cannot help: the venue refused the key itself."""
        return self in (Cause.KEY_REFUSED, Cause.NO_PERMISSION)


class ReadingError(MarginbotError):
    """An account could not be read. Never stands for a number."""

    cause: ClassVar[Cause] = Cause.OUR_FAULT


class KeyRefused(ReadingError):
    """The venue does not accept the key, the passphrase or the signature made with the secret."""

    cause = Cause.KEY_REFUSED
    advice = (
        "The exchange refused the key. Check that the API key, the secret and (where the exchange has one) the "
        "passphrase are complete, that the key still exists, and that its IP list admits this server."
    )


class NoPermission(ReadingError):
    """The key is valid, but may not read what margin needs."""

    cause = Cause.NO_PERMISSION
    advice = (
        "The key is valid but may not read positions and balances, or its IP list does not admit this server. "
        "Give it read permission for derivatives at the exchange (never withdrawal)."
    )


class ClockSkew(ReadingError):
    """The venue finds our time stamp outside its window."""

    cause = Cause.CLOCK_SKEW
    advice = (
        "The exchange rejects the request because this server's clock is off. "
        "The operator should switch on time synchronisation (NTP); then try again. "
        "Until then check your position at the exchange itself."
    )


class RateLimited(ReadingError):
    """The venue asks us to slow down."""

    cause = Cause.RATE_LIMITED
    advice = "The exchange is limiting requests from this server."


class Banned(ReadingError):
    """The venue has banned this address for a while."""

    cause = Cause.BANNED
    advice = "The exchange has banned this server's address for a while."


class VenueDown(ReadingError):
    """The venue does not answer, or says it is not available."""

    cause = Cause.VENUE_DOWN
    advice = "The exchange does not answer."


class BadPayload(ReadingError):
    """The venue answered something the adapter cannot read."""

    cause = Cause.BAD_PAYLOAD
    advice = (
        "The exchange answered in a way I do not understand, so I cannot judge the account. "
        "Check it at the exchange itself and tell the operator."
    )


class Unsupported(ReadingError):
    """The account is of a kind that marginbot cannot judge."""

    cause = Cause.UNSUPPORTED
    advice = "This kind of account is not supported, so I cannot watch it. Check it at the exchange itself."


class OurFault(ReadingError):
    """A bug of ours; the log has the details."""

    cause = Cause.OUR_FAULT
    advice = (
        "This is a fault of mine, not yours. The operator finds the details in the log. "
        "Check your position at the exchange itself."
    )


# --- the vault -----------------------------------------------------------------------------------


class VaultError(MarginbotError):
    """A stored secret cannot be opened."""


class WrongMasterKey(VaultError):
    """The master key is not the one the database was written with."""


class SealBroken(VaultError):
    """A sealed secret was altered or moved to another row."""

    advice = (
        "The stored key of this account cannot be opened: its record was altered or damaged. "
        "The account is not being watched. /remove it and /add it again."
    )
