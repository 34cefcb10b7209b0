"""Who may register accounts, and who runs the bot."""

from __future__ import annotations

import secrets
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.errors import NotAllowed
from marginbot.flow.ports import Store

INVITE_LIFETIME = timedelta(days=7)


class AccessMode(StrEnum):
    """Who may register accounts."""

    ADMINS = "admins"
    INVITE = "invite"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Access:
    """Answers who may do what; the operators come from the settings, members from the store."""

    mode: AccessMode
    operators: AbstractSet[int]
    store: Store

    def is_operator(self, user_id: int) -> bool:
        """Whether this person runs the bot."""
        return user_id in self.operators

    def may_register(self, user_id: int) -> bool:
        """Whether this person may register accounts."""
        if self.is_operator(user_id) or self.mode is AccessMode.OPEN:
            return True
        return self.mode is AccessMode.INVITE and self.store.is_member(user_id)

    def require_member(self, user_id: int) -> None:
        """`NotAllowed`, with the way in, unless the person may register accounts."""
        if self.may_register(user_id):
            return
        if self.mode is AccessMode.INVITE:
            advice = (
                "This bot is by invitation. Ask the person who runs it for an invite code, then send /start CODE. "
                "Nothing was stored."
            )
        else:
            advice = "Only the people who run this bot may register accounts. Nothing was stored."
        raise NotAllowed(f"user {user_id} is not a member", advice=advice)

    def require_operator(self, user_id: int) -> None:
        """`NotAllowed` unless the person runs the bot."""
        if not self.is_operator(user_id):
            raise NotAllowed(f"user {user_id} is not an operator", advice="This command is for the bot's operators.")

    def invite(self, user_id: int, now: datetime) -> tuple[str, datetime]:
        """A new single-use code and when it expires."""
        self.require_operator(user_id)
        code, expires_at = secrets.token_urlsafe(9), now + INVITE_LIFETIME
        self.store.create_invite(code, user_id, now, expires_at)
        return code, expires_at
