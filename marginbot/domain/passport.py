"""What an API key may do, as its venue says; what that means for us; and which changes are news.

None is "the venue did not say". It is never taken for "no": a key counts as read-only only where the venue itself
said that it can neither trade nor withdraw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """The rights of one key at one moment."""

    can_read: bool | None = None
    can_trade: bool | None = None
    can_withdraw: bool | None = None  # or move funds to another account
    ip_restricted: bool | None = None
    expires_at: datetime | None = None  # None: never, or not said
    notes: tuple[str, ...] = ()  # what else is worth a word, or why it could not be verified

    @property
    def verified(self) -> bool:
        """Whether the venue has said both whether the key can trade and whether it can withdraw."""
        return self.can_trade is not None and self.can_withdraw is not None


class Verdict(StrEnum):
    """What a passport means for a registration. What is known to be bad counts before what is not known."""

    REFUSED = "refused"  # it can withdraw
    NEEDS_CONSENT = "needs_consent"  # it can trade
    NOT_VERIFIED = "not_verified"
    READ_ONLY = "read_only"


def verdict(passport: Passport) -> Verdict:
    """The worst that is known of a key."""
    if passport.can_withdraw:
        return Verdict.REFUSED
    if passport.can_trade:
        return Verdict.NEEDS_CONSENT
    return Verdict.READ_ONLY if passport.verified else Verdict.NOT_VERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """One look at a key: what was answered, and what is known from this and earlier looks together."""

    checked_at: datetime
    latest: Passport
    known: Passport


class KeyNews(StrEnum):
    """A change that the owner is told."""

    CAN_WITHDRAW = "can_withdraw"
    CAN_TRADE = "can_trade"
    OPEN_TO_ALL_ADDRESSES = "open_to_all_addresses"
    EXPIRES_SOON = "expires_soon"


def checked(latest: Passport, previous: KeyCheck | None, now: datetime) -> KeyCheck:
    """A new look. What it left open stays as it was last known, so that a silent venue makes no change."""
    return KeyCheck(checked_at=now, latest=latest, known=_merged(latest, previous.known if previous else None))


def _merged(latest: Passport, before: Passport | None) -> Passport:
    if before is None:
        return latest
    return replace(
        latest,
        can_read=before.can_read if latest.can_read is None else latest.can_read,
        can_trade=before.can_trade if latest.can_trade is None else latest.can_trade,
        can_withdraw=before.can_withdraw if latest.can_withdraw is None else latest.can_withdraw,
        ip_restricted=before.ip_restricted if latest.ip_restricted is None else latest.ip_restricted,
        expires_at=latest.expires_at if latest.verified else latest.expires_at or before.expires_at,
    )


def news(previous: KeyCheck | None, current: KeyCheck) -> tuple[KeyNews, ...]:
    """What the owner has not been told yet. Each look is compared with the one before, so a change is told once."""
    before, now = (previous.known if previous else Passport()), current.known
    found = []
    if now.can_withdraw and not before.can_withdraw:
        found.append(KeyNews.CAN_WITHDRAW)
    if now.can_trade and not before.can_trade:
        found.append(KeyNews.CAN_TRADE)
    if now.ip_restricted is False and before.ip_restricted:
        found.append(KeyNews.OPEN_TO_ALL_ADDRESSES)
    told = previous is not None and before.expires_at == now.expires_at and expires_soon(before, previous.checked_at)
    if expires_soon(now, current.checked_at) and not told:
        found.append(KeyNews.EXPIRES_SOON)
    return tuple(found)


def expires_soon(passport: Passport, at: datetime) -> bool:
    """Whether the key ends within two weeks."""
    return passport.expires_at is not None and passport.expires_at - at <= EXPIRES_SOON
