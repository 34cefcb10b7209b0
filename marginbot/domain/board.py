"""A group's live board: one message that is kept up to date. Pure: what to do next, and why.

| the board | what is seen | step |
|---|---|---|
| is to end, or nothing is shared any more | anything | END |
| has no message yet | anything | POST |
| is posted | an account graded WARNING or worse, and worse than the group was told | WORSE |
| is posted | other figures, at least 15 s after the last change | EDIT |
| is posted | the same figures, a minute after the last change: only its time moves on | EDIT |
| is posted | anything else | WAIT |

What is calmer than the group was told is noted at once, without a word: a relapse is news again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from marginbot.domain.grading import Grade

BETWEEN_CHANGES = timedelta(seconds=15)  # Telegram takes about 20 messages and changes a minute in a group
BETWEEN_LOOKS = timedelta(seconds=60)  # so that an unchanged board shows that somebody still looks
LOUD_FROM = Grade.WARNING


class Step(StrEnum):
    """What to do about a board."""

    END = "end"
    POST = "post"
    WORSE = "worse"
    EDIT = "edit"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A live board as it is stored."""

    chat_id: int
    thread_id: int | None  # the topic it was started in
    user_id: int | None  # who started it; None: they are forgotten
    message_id: int | None = None  # None: still to be posted
    shown: str = ""  # a digest of the figures it shows
    shown_at: datetime | None = None
    told: Mapping[int, Grade]  # by account: the grade that the group was last told of
    ending: bool = False  # somebody asked for its end


@dataclass(frozen=True, slots=True)
class Seen:
    """What a board would show now."""

    digest: str
    grades: Mapping[int, Grade]  # by account, those ever judged; empty and no digest: nothing is shared


def step(board: Board, seen: Seen | None, now: datetime) -> Step:
    """The next step; `seen` is None when nothing is shared with the group any more."""
    if board.ending or seen is None:
        return Step.END
    if board.message_id is None:
        return Step.POST
    if worsened(board, seen):
        return Step.WORSE
    since = None if board.shown_at is None else now - board.shown_at
    if since is None or since >= BETWEEN_LOOKS or since < timedelta(0):
        return Step.EDIT
    if seen.digest != board.shown and since >= BETWEEN_CHANGES:
        return Step.EDIT
    return Step.WAIT


def worsened(board: Board, seen: Seen) -> list[int]:
    """The accounts that have become worse since the group was told, the worst first; one never told of is no news."""
    found = [
        account_id
        for account_id, grade in seen.grades.items()
        if grade >= LOUD_FROM and grade > board.told.get(account_id, grade)
    ]
    return sorted(found, key=lambda account_id: (-seen.grades[account_id], account_id))


def told_after(board: Board, seen: Seen) -> dict[int, Grade]:
    """What counts as told once what is not worse is noted; what is worse, the group must hear first."""
    news = set(worsened(board, seen))
    calm = {account_id: grade for account_id, grade in seen.grades.items() if account_id not in news}
    return dict(board.told) | calm
