"""What became of one attempt to send, and when the next is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(seconds=60)
FIRST_LINE_RETRY = timedelta(milliseconds=250)
LONGEST_LINE_RETRY = timedelta(seconds=2)
URGENT_RETRY = timedelta(milliseconds=200)
CHANCE = 2  # failures in a row that say nothing yet about the line


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side accepted the message."""

    message_id: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not accepted, or not known to be; `after` is the wait the other side asked for, None: back off."""

    error: str
    after: timedelta | None = None
    line: bool = False  # the way to the other side is in trouble, not this message
    untaken: bool = False  # it did certainly not arrive: trying again cannot repeat it


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The chat cannot be reached until a person does something (blocked, kicked, deleted)."""

    error: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The group has a new id."""

    chat_id: int


Outcome = Sent | TryAgain | Unreachable | Moved


@dataclass(frozen=True, slots=True)
class NotEditable:
    """The message is not there any more, or cannot be changed."""

    error: str


def retry_at(outcome: TryAgain, attempts: int, now: datetime, *, failures: int = 1, urgent: bool = False) -> datetime:
    """When to try again: what was asked for, else exponentially later, never more than a minute.

    Trouble on the line is not the message's fault: it is soon tried again, unless nothing at all gets through
    (`failures` in a row, of any message). Soonest is what is urgent and cannot arrive twice by that; what may have
    arrived waits longer each time, so that a line which only loses answers is not turned into a flood of repeats.
    """
    if outcome.after is not None:
        return now + max(outcome.after, FIRST_RETRY)
    if not outcome.line:
        return now + min(LONGEST_RETRY, doubled(FIRST_RETRY, attempts))
    first = URGENT_RETRY if urgent else FIRST_LINE_RETRY
    own = URGENT_RETRY if urgent and outcome.untaken else min(LONGEST_LINE_RETRY, doubled(first, attempts))
    in_a_row = failures - CHANCE if urgent else failures
    return now + max(own, min(LONGEST_RETRY, doubled(first, in_a_row)))


def doubled(first: timedelta, times: int) -> timedelta:
    """The first wait, twice as long each further time."""
    return first * (1 << min(max(0, times - 1), 10))
