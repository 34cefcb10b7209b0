"""The alert state machine: one total, pure function, `step`.

A *subject* is a pool, or the account itself (subject ""). Pools are observed as graded or as unknown; the
account is observed as seen or unreadable. Grade and sight are separate axes: what cannot be read keeps its
last grade and is also blind. `TABLE` is the whole policy; the tests iterate over it.

    before            observed                                            reason         speak            sound
    nothing           OK or NOTICE                                        FIRST_SIGHT    no               no
    nothing           WARNING or worse                                    FIRST_SIGHT    yes              >= CRITICAL
    grade g           higher                                              WORSENED       yes              >= WARNING
    grade g           same, reminder interval passed, announced           REMINDER_DUE   >= WARNING       >= CRITICAL
    grade g           same                                                UNCHANGED      no               no
    grade g           lower, not OK                                       EASED          if announced     no
    grade g           OK                                                  RECOVERED      if announced     no
    worst >= WARNING  OK, because no position is left                     RECOVERED      if announced     yes
    any               OK, because the positions went with their margin  LIQUIDATED     yes              yes
    sighted           unreadable, deadline not reached                   NOT_YET_BLIND  no               no
    sighted           unreadable past the deadline                        WENT_BLIND     yes             last >= WARNING
    any               key refused (polling stops until the owner acts)    KEY_REFUSED    yes             last >= WARNING
    blind             unreadable, reminder interval passed               STILL_BLIND    yes             last >= CRITICAL
    blind             unreadable                                          UNCHANGED      no               no
    blind             readable                                            SIGHT_BACK     yes              by grade
    away too long     readable (account only: the bot was not running)    SIGHT_BACK     yes              by grade
    muted at g        REMINDER_DUE or EASED at g or calmer                MUTED          no               no
    muted at g        WORSENED to g or calmer, within the episode         MUTED          no               no
    muted at g        STILL_BLIND, last grade g or calmer                 UNCHANGED      no               no
    muted at g        worse than g, or the mute has ended                 as above       as above         as above

RECOVERED and LIQUIDATED are never muted: they close the episode. A rise is told at its worst grade (rungs are skipped).
Absence of data never closes an episode. The interval of reminders is that of the grade as it would be without
hysteresis: what only the release band still holds is not repeated at the pace of the danger that has passed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from marginbot.domain.alerting import AlertState, Decision, Observation, Policy, Reason, Seen, Unseen
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade

BLIND_REMINDER_AFTER = timedelta(hours=1)
BLIND_REMINDER_IN_DANGER = timedelta(minutes=10)

# The deadline for going blind shrinks with the last known cushion, from all of `stale_after` at this cushion
# and above down to the smallest share of it.
FULL_PATIENCE_CUSHION = 6.0
LEAST_PATIENCE = 0.25


def blind_deadline(stale_after: timedelta, cushion: float | None) -> timedelta:
    """How long an account may stay unread before its owner is told; shorter the smaller the last cushion."""
    if cushion is None:
        return stale_after
    share = max(LEAST_PATIENCE, min(1.0, cushion / FULL_PATIENCE_CUSHION))
    return stale_after * share


def blindness_due_at(state: AlertState, stale_after: timedelta) -> datetime | None:
    """When it is told that an account is not readable; None: it was told, or the account was never read."""
    if state.blind_since is not None or state.seen_at is None:
        return None
    return state.seen_at + blind_deadline(stale_after, state.cushion)


def step(state: AlertState, observation: Observation, *, policy: Policy, now: datetime) -> Decision:
    """The next state of a subject and what to say about it; see the table above."""
    if isinstance(observation, Unseen):
        return _unseen(state, observation.cause, policy, now)
    if state.blind_since is not None:
        return _sight_back(state, observation, policy, now)
    return _graded(state, observation, policy, now)


def watch(state: AlertState, observation: Observation, *, policy: Policy, now: datetime) -> Decision:
    """Like `step` for the account itself, which only has sight: its grades are told by its pools."""
    if isinstance(observation, Unseen):
        return _unseen(state, observation.cause, policy, now)
    unwatched_since = state.blind_since
    if unwatched_since is None and state.seen_at is not None and now - state.seen_at > policy.stale_after:
        unwatched_since = state.seen_at  # the bot itself was away
    was_blind = unwatched_since is not None
    current = replace(
        state,
        grade=observation.grade,
        cushion=observation.cushion,
        seen_at=now,
        blind_since=None,
        blind_cause=None,
        blind_spoke_at=None,
        number=state.number + was_blind,
        mute=None,  # an account is quieted only for not being readable
    )
    if was_blind:
        return Decision(current, Reason.SIGHT_BACK, speak=True, sound=observation.grade >= Grade.CRITICAL)
    return Decision(current, Reason.UNCHANGED, speak=False, sound=False)


def _unseen(state: AlertState, cause: Cause, policy: Policy, now: datetime) -> Decision:
    last = state.grade or Grade.OK
    if cause.owner_must_act:
        # Polling stops with it, so it is seen once; seen again, somebody asked to try again and waits to hear.
        return _blinded(state, cause, Reason.KEY_REFUSED, now)
    if state.blind_since is not None:
        every = BLIND_REMINDER_IN_DANGER if last >= Grade.WARNING else BLIND_REMINDER_AFTER
        due = state.blind_spoke_at is not None and now - state.blind_spoke_at >= every
        quiet = state.mute is not None and state.mute.covers(last, now)
        if due and not quiet:
            spoken = replace(state, blind_spoke_at=now, blind_cause=cause, number=state.number + 1)
            return Decision(spoken, Reason.STILL_BLIND, speak=True, sound=last >= Grade.CRITICAL)
        return Decision(replace(state, blind_cause=cause), Reason.UNCHANGED, speak=False, sound=False)
    blind_at = blindness_due_at(state, policy.stale_after)
    if blind_at is None:
        # Never judged: the clock starts now, so that a single hiccup right after registration stays quiet.
        return Decision(replace(state, seen_at=now), Reason.NOT_YET_BLIND, speak=False, sound=False)
    if now < blind_at:
        return Decision(state, Reason.NOT_YET_BLIND, speak=False, sound=False)
    return _blinded(state, cause, Reason.WENT_BLIND, now)


def _blinded(state: AlertState, cause: Cause, reason: Reason, now: datetime) -> Decision:
    blind = replace(
        state,
        blind_since=state.blind_since or state.seen_at or now,
        blind_cause=cause,
        blind_spoke_at=now,
        number=state.number + 1,
    )
    return Decision(blind, reason, speak=True, sound=(state.grade or Grade.OK) >= Grade.WARNING)


def _sight_back(state: AlertState, seen: Seen, policy: Policy, now: datetime) -> Decision:
    clear = replace(state, blind_since=None, blind_cause=None, blind_spoke_at=None)
    behind = _graded(clear, seen, policy, now)
    # One message: that sight is back, with what is seen; louder if the rows below would be.
    spoken = _spoken(behind.state, seen.grade, now)
    return Decision(spoken, Reason.SIGHT_BACK, speak=True, sound=behind.sound or seen.grade >= Grade.CRITICAL)


def _graded(state: AlertState, seen: Seen, policy: Policy, now: datetime) -> Decision:
    before, after = state.grade, seen.grade
    worst = None if after is Grade.OK else max(state.worst, after)
    current = replace(state, grade=after, seen_at=now, cushion=seen.cushion, episode_worst=worst, afresh=seen.afresh)
    if seen.is_lost and after is Grade.OK:
        return _liquidated(current, now, opens=before in (None, Grade.OK))
    if before is None:
        current = replace(current, episode=state.episode + (after > Grade.OK))
        return _say(current, Reason.FIRST_SIGHT, now, speak=after >= Grade.WARNING, sound=after >= Grade.CRITICAL)
    if after > before:
        opened = (
            replace(current, episode=state.episode + 1, number=0, announced=None) if before is Grade.OK else current
        )
        relapse = state.mute is not None and state.mute.covers(after, now)
        if relapse and state.announced is not None and before is not Grade.OK:
            return Decision(opened, Reason.MUTED, speak=False, sound=False)
        return _say(replace(opened, mute=None), Reason.WORSENED, now, speak=True, sound=after >= Grade.WARNING)
    lost = seen.is_gone and state.worst >= Grade.WARNING
    return _same(current, policy, now) if after == before else _calmer(current, now, lost=lost)


def _same(state: AlertState, policy: Policy, now: datetime) -> Decision:
    assert state.grade is not None
    # Held by the release band alone, it is repeated no more often than what it would be without it.
    interval = policy.reminders.after(state.grade if state.afresh is None else state.afresh)
    if interval is None or state.spoke_at is None or now - state.spoke_at < interval:
        return Decision(state, Reason.UNCHANGED, speak=False, sound=False)
    if state.mute is not None and state.mute.covers(state.grade, now):
        return Decision(state, Reason.MUTED, speak=False, sound=False)
    return _say(replace(state, mute=None), Reason.REMINDER_DUE, now, speak=True, sound=state.grade >= Grade.CRITICAL)


def _calmer(state: AlertState, now: datetime, *, lost: bool) -> Decision:
    told = state.announced is not None
    if state.grade is Grade.OK:
        closed = replace(state, mute=None)
        decision = _say(closed, Reason.RECOVERED, now, speak=told, sound=lost)
        return replace(decision, state=replace(decision.state, announced=None))
    assert state.grade is not None
    if state.mute is not None and state.mute.covers(state.grade, now):
        return Decision(state, Reason.MUTED, speak=False, sound=False)
    return _say(state, Reason.EASED, now, speak=told, sound=False)


def _liquidated(state: AlertState, now: datetime, *, opens: bool) -> Decision:
    """Told even when nothing was in danger at the last reading: then it is an episode of one message."""
    closed = replace(state, mute=None)
    if opens:
        closed = replace(closed, episode=state.episode + 1, number=0)
    return _say(closed, Reason.LIQUIDATED, now, speak=True, sound=True)


def _say(state: AlertState, reason: Reason, now: datetime, *, speak: bool, sound: bool) -> Decision:
    if not speak:
        return Decision(state, reason, speak=False, sound=False)
    assert state.grade is not None
    return Decision(_spoken(state, state.grade, now), reason, speak=True, sound=sound)


def _spoken(state: AlertState, grade: Grade, now: datetime) -> AlertState:
    announced = None if grade is Grade.OK else grade
    return replace(state, announced=announced, spoke_at=now, number=state.number + 1)
