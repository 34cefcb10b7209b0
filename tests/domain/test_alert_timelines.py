"""Whatever happens in whatever order: what must always hold of the alert state machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.alerting import (
    REMINDER_AFTER,
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
from marginbot.domain.transition import step, watch
from tests.builders import T0

POLICY = Policy(stale_after=timedelta(seconds=180))
Judge = Callable[..., Decision]


@dataclass(frozen=True)
class Quiet:
    """A person asks for quiet at the present grade (or, through an old message, at another)."""

    lasting: timedelta
    grade: Grade | None = None


Event = Observation | Quiet

waits = st.sampled_from([1, 30, 60, 180, 600, 3600, 5 * 3600]).map(lambda seconds: timedelta(seconds=seconds))
events = st.one_of(
    st.builds(Seen, st.sampled_from(Grade), st.sampled_from([None, 0.5, 3.0, 9.0])),
    st.builds(Unseen, st.sampled_from(Cause)),
    st.builds(Quiet, waits, st.none() | st.sampled_from(Grade)),
)
timelines = st.lists(st.tuples(waits, events), max_size=40)


@dataclass(frozen=True)
class Turn:
    """One observation of a timeline, and what it led to."""

    now: datetime
    before: AlertState
    observed: Observation
    decision: Decision


def live(timeline: Sequence[tuple[timedelta, Event]], judge: Judge = step) -> list[Turn]:
    now, state, turns = T0, AlertState(), []
    for wait, event in timeline:
        now += wait
        if isinstance(event, Quiet):
            grade = event.grade or state.grade
            if grade is not None:
                state = replace(state, mute=Mute(MuteKind.SNOOZED, grade, now + event.lasting))
            continue
        decision = judge(state, event, policy=POLICY, now=now)
        turns.append(Turn(now, state, event, decision))
        state = decision.state
    return turns


def is_muted(state: AlertState, grade: Grade, now: datetime) -> bool:
    return state.mute is not None and now < state.mute.until and grade <= state.mute.grade


@pytest.mark.parametrize("judge", [step, watch])
@settings(max_examples=400)
@given(timeline=timelines)
def test_no_two_messages_share_episode_and_number(judge: Judge, timeline: list[tuple[timedelta, Event]]) -> None:
    """The pair is the outbox's key: a second message with it would never be written."""
    spoken = [t.decision.state for t in live(timeline, judge) if t.decision.speak]
    keys = [(state.episode, state.number) for state in spoken]
    assert keys == sorted(set(keys))


@settings(max_examples=400)
@given(timelines)
def test_a_rise_to_a_grade_not_yet_told_of_speaks_unless_muted_there(timeline: list[tuple[timedelta, Event]]) -> None:
    worst_told: dict[int, Grade] = {}
    for turn in live(timeline):
        before, after, state = turn.before, turn.observed, turn.decision.state
        if isinstance(after, Seen) and before.grade is not None and after.grade > before.grade:
            new = after.grade > worst_told.get(before.episode, Grade.OK) or before.grade is Grade.OK
            quiet = is_muted(before, after.grade, turn.now) and before.grade is not Grade.OK
            assert turn.decision.speak or (quiet or not new)
            assert turn.decision.speak or is_muted(before, after.grade, turn.now)
        if turn.decision.speak and isinstance(after, Seen):
            worst_told[state.episode] = max(after.grade, worst_told.get(state.episode, Grade.OK))


@settings(max_examples=300)
@given(timelines)
def test_absence_of_data_changes_no_grade_and_closes_no_episode(timeline: list[tuple[timedelta, Event]]) -> None:
    for turn in live(timeline):
        if isinstance(turn.observed, Unseen):
            before, after = turn.before, turn.decision.state
            assert (after.grade, after.announced, after.episode) == (before.grade, before.announced, before.episode)
            assert after.mute == before.mute
            assert turn.decision.reason is not Reason.RECOVERED


@settings(max_examples=300)
@given(timelines)
def test_recovery_is_told_only_of_what_was_told_and_then_always(timeline: list[tuple[timedelta, Event]]) -> None:
    told: set[int] = set()
    for turn in live(timeline):
        decision = turn.decision
        if decision.reason is Reason.RECOVERED:
            assert decision.speak == (turn.before.episode in told)
        if decision.speak and isinstance(turn.observed, Seen) and turn.observed.grade > Grade.OK:
            told.add(decision.state.episode)


@settings(max_examples=300)
@given(timelines)
def test_a_new_episode_starts_fresh(timeline: list[tuple[timedelta, Event]]) -> None:
    for turn in live(timeline):
        if turn.before.grade is Grade.OK and turn.decision.state.episode > turn.before.episode:
            assert turn.decision.state.mute is None
            assert turn.decision.speak
            assert turn.decision.state.announced == turn.decision.state.grade


@settings(max_examples=300)
@given(timelines)
def test_danger_is_never_left_untold(timeline: list[tuple[timedelta, Event]]) -> None:
    """At WARNING or worse something was said, and is said again in time unless a person asked for quiet."""
    for turn in live(timeline):
        state = turn.decision.state
        if not isinstance(turn.observed, Seen) or turn.observed.grade < Grade.WARNING:
            continue
        assert state.announced is not None
        assert state.spoke_at is not None
        if not turn.decision.speak and not is_muted(turn.before, turn.observed.grade, turn.now):
            assert turn.now - state.spoke_at < REMINDER_AFTER[turn.observed.grade]


@settings(max_examples=300)
@given(timelines)
def test_quiet_asked_for_is_quiet_kept(timeline: list[tuple[timedelta, Event]]) -> None:
    for turn in live(timeline):
        if isinstance(turn.observed, Seen) and is_muted(turn.before, turn.observed.grade, turn.now):
            assert turn.decision.reason not in (Reason.REMINDER_DUE, Reason.EASED)


@settings(max_examples=300)
@given(timelines)
def test_sight_and_silence_are_consistent(timeline: list[tuple[timedelta, Event]]) -> None:
    for judge in (step, watch):
        for turn in live(timeline, judge):
            assert turn.decision.speak or not turn.decision.sound
            if isinstance(turn.observed, Seen):
                assert turn.decision.state.blind_since is None
                assert turn.decision.state.grade is turn.observed.grade
                if turn.before.blind_since is not None:
                    assert (turn.decision.reason, turn.decision.speak) == (Reason.SIGHT_BACK, True)
            elif turn.before.blind_since is not None:
                assert turn.decision.state.blind_since == turn.before.blind_since


WORSE, EASE, ACK = Seen(Grade.CRITICAL), Seen(Grade.NOTICE), Quiet(timedelta(minutes=15))
SNOOZE, BLIND, BACK = Quiet(timedelta(hours=2)), Unseen(Cause.VENUE_DOWN), Seen(Grade.WARNING)


def test_any_order_of_worsening_easing_quiet_and_blindness_ends_well() -> None:
    """Whatever came before: recovery is told, and a fresh fall is told loudly whatever was muted."""
    happenings: list[Event] = [WORSE, EASE, ACK, SNOOZE, BLIND, BACK]
    for order in permutations(happenings):
        turns = live([(timedelta(minutes=5), event) for event in (*order, Seen(Grade.OK), Seen(Grade.CRITICAL))])
        recovered, relapsed = turns[-2], turns[-1]
        assert recovered.decision.speak, order
        assert recovered.decision.state.mute is None, order
        assert (relapsed.decision.reason, relapsed.decision.sound) == (Reason.WORSENED, True), order
        keys = [(t.decision.state.episode, t.decision.state.number) for t in turns if t.decision.speak]
        assert len(keys) == len(set(keys)), order


def test_reminders_stop_under_a_mute_and_come_back_after_it() -> None:
    minute, critical = timedelta(minutes=1), Seen(Grade.CRITICAL)
    timeline: list[tuple[timedelta, Event]] = [(minute, critical)]
    timeline += [(minute, critical)] * 10  # the reminder falls due in the tenth minute
    timeline += [(timedelta(0), ACK)] + [(minute, critical)] * 16
    turns = live(timeline)
    reminded = [int((t.now - T0).total_seconds() / 60) for t in turns if t.decision.reason is Reason.REMINDER_DUE]
    assert reminded == [11, 26]
    assert [t.decision.reason for t in turns[-6:-1]].count(Reason.MUTED) >= 4


def test_restarting_from_the_stored_state_changes_nothing() -> None:
    """The state is all there is: the same observation from the same state gives the same decision."""
    turns = live([(timedelta(minutes=1), event) for event in (BACK, WORSE, BLIND, BLIND, BACK)])
    for turn in turns:
        assert step(turn.before, turn.observed, policy=POLICY, now=turn.now) == turn.decision
