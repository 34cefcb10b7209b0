"""The table in the docstring of `transition` is the policy: its rows are the data of this test.

Every row is read as a predicate on what was before and what is observed; a decision must be what the last row that
applies says. All orders of worsening, easing, acknowledging, snoozing, going blind, seeing again and restarting are
lived through, at several paces, and every row must have decided something on the way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import permutations, product

import pytest

from marginbot.domain import transition
from marginbot.domain.alerting import (
    ACKNOWLEDGED_FOR,
    AlertState,
    Decision,
    Mute,
    MuteKind,
    Observation,
    Policy,
    Reason,
    Seen,
    Unseen,
)
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.domain.transition import BLIND_REMINDER_AFTER, BLIND_REMINDER_IN_DANGER, blind_deadline, step, watch
from marginbot.store.codec import STATE
from tests.builders import T0

OK, NOTICE, WARNING, CRITICAL, EMERGENCY, DEFICIT = Grade
POLICY = Policy(stale_after=timedelta(seconds=180))
ROW = re.compile(r"    (\S.*?)  +(\S.*?)  +([A-Z_]+|as above)  +(\S.*?)  +(\S.*)")


@dataclass(frozen=True)
class Line:
    """A row of the documented table."""

    before: str
    observed: str
    reason: str
    speak: str
    sound: str


@dataclass(frozen=True)
class Turn:
    """A moment to be decided."""

    state: AlertState
    observed: Observation
    now: datetime

    @property
    def seen(self) -> Seen | None:
        return self.observed if isinstance(self.observed, Seen) else None

    @property
    def last(self) -> Grade:
        return self.state.grade or OK

    @property
    def blind(self) -> bool:
        return self.state.blind_since is not None

    def muted(self, grade: Grade) -> bool:
        return self.state.mute is not None and self.state.mute.covers(grade, self.now)


@cache
def documented() -> list[Line]:
    lines = (transition.__doc__ or "").split("\n")
    found = [ROW.fullmatch(line) for line in lines]
    rows = [Line(*(part.strip() for part in match.groups())) for match in found if match]
    return [row for row in rows if row.before != "before"]


def reminder_due(turn: Turn) -> bool:
    pace = turn.last if turn.seen is None or turn.seen.afresh is None else turn.seen.afresh
    every = POLICY.reminders.after(pace)
    spoke = turn.state.spoke_at
    return every is not None and spoke is not None and turn.now - spoke >= every


def past_deadline(turn: Turn) -> bool:
    seen_at = turn.state.seen_at
    return seen_at is not None and turn.now - seen_at >= blind_deadline(POLICY.stale_after, turn.state.cushion)


def blind_reminder_due(turn: Turn) -> bool:
    every = BLIND_REMINDER_IN_DANGER if turn.last >= WARNING else BLIND_REMINDER_AFTER
    spoke = turn.state.blind_spoke_at
    return spoke is not None and turn.now - spoke >= every


def sighted(turn: Turn) -> bool:
    return turn.seen is not None and not turn.blind


def known(turn: Turn) -> bool:
    return sighted(turn) and turn.state.grade is not None


def refused(turn: Turn) -> bool:
    return isinstance(turn.observed, Unseen) and turn.observed.cause.owner_must_act


def unseen(turn: Turn) -> bool:
    return turn.seen is None and not refused(turn)


def grade(turn: Turn) -> Grade:
    assert turn.seen is not None
    return turn.seen.grade


# What each row means. A row that is not in here, or here and not in the table, fails the test.
MEANING: dict[tuple[str, str], Callable[[Turn], bool]] = {
    ("nothing", "OK or NOTICE"): lambda t: sighted(t) and t.state.grade is None and grade(t) <= NOTICE,
    ("nothing", "WARNING or worse"): lambda t: sighted(t) and t.state.grade is None and grade(t) >= WARNING,
    ("grade g", "higher"): lambda t: known(t) and grade(t) > t.last,
    ("grade g", "same, reminder interval passed, announced"): lambda t: (
        known(t) and grade(t) == t.last and reminder_due(t)
    ),
    ("grade g", "same"): lambda t: known(t) and grade(t) == t.last and not reminder_due(t),
    ("grade g", "lower, not OK"): lambda t: known(t) and OK < grade(t) < t.last,
    ("grade g", "OK"): lambda t: known(t) and grade(t) is OK and t.last > OK,
    ("worst >= WARNING", "OK, because no position is left"): lambda t: (
        known(t)
        and t.seen is not None
        and t.seen.is_gone
        and grade(t) is OK
        and t.last > OK
        and t.state.worst >= WARNING
    ),
    ("any", "OK, because the positions went with their margin"): lambda t: (
        sighted(t) and t.seen is not None and t.seen.is_lost and grade(t) is OK
    ),
    ("sighted", "unreadable, deadline not reached"): lambda t: unseen(t) and not t.blind and not past_deadline(t),
    ("sighted", "unreadable past the deadline"): lambda t: unseen(t) and not t.blind and past_deadline(t),
    ("any", "key refused (polling stops until the owner acts)"): refused,
    ("blind", "unreadable, reminder interval passed"): lambda t: unseen(t) and t.blind and blind_reminder_due(t),
    ("blind", "unreadable"): lambda t: unseen(t) and t.blind and not blind_reminder_due(t),
    ("blind", "readable"): lambda t: t.seen is not None and t.blind,
    ("muted at g", "REMINDER_DUE or EASED at g or calmer"): lambda t: (
        known(t) and t.muted(grade(t)) and ((grade(t) == t.last and reminder_due(t)) or OK < grade(t) < t.last)
    ),
    ("muted at g", "WORSENED to g or calmer, within the episode"): lambda t: (
        known(t) and t.muted(grade(t)) and grade(t) > t.last > OK and t.state.announced is not None
    ),
    ("muted at g", "STILL_BLIND, last grade g or calmer"): lambda t: (
        unseen(t) and t.blind and blind_reminder_due(t) and t.muted(t.last)
    ),
}
# Rows about the account alone, or that repeat others in words.
ELSEWHERE = {
    ("away too long", "readable (account only: the bot was not running)"),
    ("muted at g", "worse than g, or the mute has ended"),
}


def expected(word: str, turn: Turn) -> bool:
    """What a cell for speaking or sound means."""
    observed = turn.seen.grade if turn.seen is not None else OK
    answers = {
        "no": False,
        "yes": True,
        "if announced": turn.state.announced is not None,
        ">= WARNING": observed >= WARNING,
        ">= CRITICAL": observed >= CRITICAL,
        "last >= WARNING": turn.last >= WARNING,
        "last >= CRITICAL": turn.last >= CRITICAL,
    }
    return answers[word]


@cache
def meant() -> list[tuple[Line, Callable[[Turn], bool]]]:
    """The rows of the table with what they mean, in the table's order."""
    rows = [(row, MEANING.get((row.before, row.observed))) for row in documented()]
    return [(row, applies) for row, applies in rows if applies is not None]


def ruling(turn: Turn) -> Line:
    """The last row that applies."""
    applying = [row for row, applies in meant() if applies(turn)]
    assert applying, turn
    return applying[-1]


def check(turn: Turn, decision: Decision) -> Line:
    """The decision is what its row says."""
    row = ruling(turn)
    assert decision.reason.name == row.reason, (row, turn)
    assert decision.speak == expected(row.speak, turn), (row, turn)
    if row.sound not in ("–", "by grade"):
        assert decision.sound == (decision.speak and expected(row.sound, turn)), (row, turn)
    return row


def test_every_row_of_the_table_has_a_meaning_and_every_meaning_a_row() -> None:
    keys = [(row.before, row.observed) for row in documented()]
    assert len(keys) == len(set(keys)) > 15
    assert set(keys) == set(MEANING) | ELSEWHERE


Happening = Observation | MuteKind | str
WORSE, EASE, BLIND, BACK = Seen(CRITICAL, 1.5), Seen(NOTICE, 5.0), Unseen(Cause.VENUE_DOWN), Seen(WARNING, 3.0)
HAPPENINGS: tuple[Happening, ...] = (WORSE, EASE, MuteKind.ACKNOWLEDGED, MuteKind.SNOOZED, BLIND, BACK, "restart")
MINUTE = timedelta(minutes=1)
PACES = {
    "fast": (timedelta(seconds=20), 1),
    "slow, each twice": (11 * MINUTE, 2),
}


class Life:
    """A pool through time; each observation is checked against the table."""

    def __init__(self) -> None:
        self.now, self.state, self.rows = T0, AlertState(), Counter[tuple[str, str]]()

    def happen(self, what: Happening, pace: timedelta) -> None:
        self.now += pace
        if isinstance(what, MuteKind):
            grade = self.state.grade or OK
            until = self.now + (ACKNOWLEDGED_FOR[grade] if what is MuteKind.ACKNOWLEDGED else timedelta(hours=1))
            self.state = replace(self.state, mute=Mute(what, grade, until, self.now))
        elif isinstance(what, str):
            # The process is gone and comes again: what is stored is all there is.
            self.state = replace(STATE.decode(STATE.encode(replace(self.state, mute=None))), mute=self.state.mute)
        else:
            turn = Turn(self.state, what, self.now)
            decision = step(self.state, what, policy=POLICY, now=self.now)
            row = check(turn, decision)
            self.rows[row.before, row.observed] += 1
            self.state = decision.state


ENDS: tuple[Happening, ...] = (Seen(OK), Seen(EMERGENCY, 0.5), Seen(EMERGENCY, 0.5), Seen(OK, is_gone=True))


@pytest.mark.parametrize("pace", PACES)
def test_all_orders_of_everything_are_decided_as_the_table_says(pace: str) -> None:
    wait, times = PACES[pace]
    for order in permutations(HAPPENINGS):
        life = Life()
        for what in (*order, *ENDS):
            for _ in range(times):
                life.happen(what, wait)


def test_every_row_decides_something_on_the_way() -> None:
    rows: Counter[tuple[str, str]] = Counter()
    lost, deficit, still = Seen(OK, is_gone=True, is_lost=True), Seen(DEFICIT, 0.0), Seen(CRITICAL, 4.0, afresh=WARNING)
    key = Unseen(Cause.KEY_REFUSED)
    first: tuple[Happening, ...] = (Seen(OK), BACK, WORSE, BLIND, key)
    then: tuple[Happening, ...] = (*HAPPENINGS, deficit, lost, still, key, Seen(OK), Seen(OK, is_gone=True), WORSE)
    for begin, one, two, wait in product(first, then, then, (MINUTE, timedelta(minutes=11), timedelta(hours=2))):
        life = Life()
        for what in (begin, one, two, begin, two, two, one, one):
            life.happen(what, wait)
        rows += life.rows
    assert set(MEANING) - set(rows) == set()


def test_an_account_that_was_not_read_for_long_is_seen_again() -> None:
    state = watch(AlertState(), Seen(OK), policy=POLICY, now=T0).state
    decision = watch(state, Seen(OK), policy=POLICY, now=T0 + timedelta(hours=1))
    assert (decision.reason, decision.speak) == (Reason.SIGHT_BACK, True)
