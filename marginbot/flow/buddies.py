"""A buddy: somebody who agreed to be told, without any figure, that a person does not answer. A step of their ladder.

The person who wants one passes on a link; whoever opens it is asked, and becomes the buddy only by saying yes.
From then on the buddy is a channel like any other: rung after its delay, stopped by an acknowledgement anywhere,
removed by its owner, or given up by the buddy.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.errors import RequestError
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.flow.channels import LONGEST_DELAY
from marginbot.flow.ports import Person

DEFAULT_FROM = Grade.CRITICAL
DEFAULT_DELAY = timedelta(minutes=15)
QUESTION_LASTS = timedelta(days=7)
_URL = re.compile(r"buddy://([0-9]{1,18})/([0-9]{1,18})")


def buddy_url(buddy_id: int, owner_id: int) -> str:
    """The address of a buddy as a channel."""
    return f"buddy://{buddy_id}/{owner_id}"


def parse_buddy(url: str) -> tuple[int, int] | None:
    """Buddy and owner of such an address; None for any other."""
    found = _URL.fullmatch(url)
    return None if found is None else (int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question: who wants a buddy, from which grade on, after how long."""

    owner: Person
    from_grade: Grade
    delay: timedelta


class BuddyStore(Protocol):
    """What is remembered of buddies."""

    def ask_for_buddy(
        self, person: Person, code: str, *, from_grade: Grade, delay: timedelta, now: datetime, until: datetime
    ) -> None: ...
    def asked(self, code: str, now: datetime) -> Asked | None: ...
    def close_question(self, code: str) -> None: ...
    def add_buddy(self, asked: Asked, code: str, buddy: Person, now: datetime) -> Channel: ...
    def buddy_of(self, buddy_id: int) -> Sequence[tuple[int, Person]]: ...
    def quit_buddy(self, buddy_id: int, channel_id: int) -> Person | None: ...


@dataclass(frozen=True, slots=True)
class BuddyDesk:
    """What people may ask about buddies."""

    store: BuddyStore

    def invite(self, person: Person, from_grade: Grade, delay: timedelta, now: datetime) -> str:
        """The code of a new question."""
        if from_grade < Grade.WARNING:
            raise RequestError(
                "too calm", advice="From WARNING on, at least: a buddy is for danger. Nothing was changed."
            )
        if delay > LONGEST_DELAY:
            raise RequestError("too late", advice="After two hours at most. Nothing was changed.")
        code = secrets.token_urlsafe(12)
        self.store.ask_for_buddy(person, code, from_grade=from_grade, delay=delay, now=now, until=now + QUESTION_LASTS)
        return code

    def question(self, code: str, person: Person, now: datetime) -> Asked:
        """What somebody is asked who opened the link."""
        asked = self.store.asked(code, now)
        if asked is None:
            raise RequestError(
                "unknown question",
                advice="This link is not valid: it was used already, or it has expired. Nothing was changed. "
                "Ask for a new one.",
            )
        if asked.owner.user_id == person.user_id:
            raise RequestError(
                "their own buddy",
                advice="This link is for somebody else: pass it on to the person who should call you. "
                "Nothing was changed.",
            )
        return asked

    def agree(self, code: str, person: Person, now: datetime) -> Channel:
        """Yes."""
        return self.store.add_buddy(self.question(code, person, now), code, person, now)

    def decline(self, code: str, person: Person, now: datetime) -> Asked:
        """No: the question is closed."""
        asked = self.question(code, person, now)
        self.store.close_question(code)
        return asked

    def whose(self, user_id: int) -> Sequence[tuple[int, Person]]:
        """Whose buddy a person is, in the order they agreed."""
        return self.store.buddy_of(user_id)

    def quit(self, user_id: int, channel_id: int) -> Person:
        """Stop being somebody's buddy."""
        owner = self.store.quit_buddy(user_id, channel_id)
        if owner is None:
            raise RequestError("not a buddy", advice="You are not that person's buddy (any more).")
        return owner
