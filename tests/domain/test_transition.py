"""The alert state machine: its table, row by row, with the times just before, at and after each limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from marginbot.domain import transition
from marginbot.domain.alerting import (
    ACKNOWLEDGED_FOR,
    REMINDER_AFTER,
    AlertState,
    Mute,
    MuteKind,
    Observation,
    Policy,
    Reason,
    Reminders,
    Seen,
    Unseen,
)
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.domain.transition import blind_deadline, step, watch
from tests.builders import T0

OK, NOTICE, WARNING, CRITICAL, EMERGENCY, DEFICIT = Grade
POLICY = Policy(stale_after=timedelta(seconds=180))
TICK = timedelta(microseconds=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DOWN, REFUSED = Unseen(Cause.VENUE_DOWN), Unseen(Cause.KEY_REFUSED)


def told(grade: Grade, ago: timedelta = MINUTE, mute: Mute | None = None) -> AlertState:
    """A pool at `grade`, last spoken of at that grade."""
    announced = None if grade is OK else grade
    return AlertState(
        grade=grade, announced=announced, spoke_at=T0 - ago, episode=3, number=4, seen_at=T0 - MINUTE, mute=mute
    )


def untold(grade: Grade) -> AlertState:
    return AlertState(grade=grade, episode=1, seen_at=T0 - MINUTE)


def unread(since: timedelta, cushion: float | None = None, grade: Grade | None = OK) -> AlertState:
    return AlertState(grade=grade, seen_at=T0 - since, cushion=cushion)


def blind(grade: Grade | None, spoke: timedelta = MINUTE, mute: Mute | None = None) -> AlertState:
    return AlertState(
        grade=grade,
        announced=grade or None,
        episode=1,
        number=2,
        seen_at=T0 - HOUR,
        blind_since=T0 - HOUR,
        blind_cause=Cause.VENUE_DOWN,
        blind_spoke_at=T0 - spoke,
        mute=mute,
    )


def muted(grade: Grade, left: timedelta = MINUTE) -> Mute:
    return Mute(MuteKind.ACKNOWLEDGED, grade, T0 + left)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    before: AlertState
    observed: Observation
    reason: Reason
    speak: bool = field(default=True, kw_only=True)
    sound: bool = field(default=False, kw_only=True)


STEPS = [
    Row("first sight ok", AlertState(), Seen(OK), Reason.FIRST_SIGHT, speak=False),
    Row("first sight notice", AlertState(), Seen(NOTICE), Reason.FIRST_SIGHT, speak=False),
    Row("first sight warning", AlertState(), Seen(WARNING), Reason.FIRST_SIGHT),
    Row("first sight critical", AlertState(), Seen(CRITICAL), Reason.FIRST_SIGHT, sound=True),
    Row("first sight deficit", AlertState(), Seen(DEFICIT), Reason.FIRST_SIGHT, sound=True),
    Row("ok to notice", told(OK), Seen(NOTICE), Reason.WORSENED),
    Row("ok to warning", told(OK), Seen(WARNING), Reason.WORSENED, sound=True),
    Row("a jump skips rungs", told(OK), Seen(EMERGENCY), Reason.WORSENED, sound=True),
    Row("untold notice to warning", untold(NOTICE), Seen(WARNING), Reason.WORSENED, sound=True),
    Row("emergency to deficit", told(EMERGENCY), Seen(DEFICIT), Reason.WORSENED, sound=True),
    Row("same ok", told(OK, HOUR * 1000), Seen(OK), Reason.UNCHANGED, speak=False),
    Row("a notice is never repeated", told(NOTICE, HOUR * 1000), Seen(NOTICE), Reason.UNCHANGED, speak=False),
    Row("warning just before an hour", told(WARNING, HOUR - TICK), Seen(WARNING), Reason.UNCHANGED, speak=False),
    Row("warning after an hour", told(WARNING, HOUR), Seen(WARNING), Reason.REMINDER_DUE),
    Row(
        "critical before ten minutes", told(CRITICAL, 10 * MINUTE - TICK), Seen(CRITICAL), Reason.UNCHANGED, speak=False
    ),
    Row("critical after ten minutes", told(CRITICAL, 10 * MINUTE), Seen(CRITICAL), Reason.REMINDER_DUE, sound=True),
    Row("emergency before three", told(EMERGENCY, 3 * MINUTE - TICK), Seen(EMERGENCY), Reason.UNCHANGED, speak=False),
    Row("emergency after three", told(EMERGENCY, 3 * MINUTE), Seen(EMERGENCY), Reason.REMINDER_DUE, sound=True),
    Row("deficit after three", told(DEFICIT, 3 * MINUTE), Seen(DEFICIT), Reason.REMINDER_DUE, sound=True),
    Row("critical to warning", told(CRITICAL), Seen(WARNING), Reason.EASED),
    Row("deficit to notice", told(DEFICIT), Seen(NOTICE), Reason.EASED),
    Row("eased, never told", untold(WARNING), Seen(NOTICE), Reason.EASED, speak=False),
    Row("recovered", told(EMERGENCY), Seen(OK), Reason.RECOVERED),
    Row("gone from warning", told(WARNING), Seen(OK, is_gone=True), Reason.RECOVERED, sound=True),
    Row("gone from notice", told(NOTICE), Seen(OK, is_gone=True), Reason.RECOVERED),
    Row("gone, never told", untold(WARNING), Seen(OK, is_gone=True), Reason.RECOVERED, speak=False),
    Row("gone while blind", blind(CRITICAL), Seen(OK, is_gone=True), Reason.SIGHT_BACK, sound=True),
    Row("gone, muted", told(DEFICIT, HOUR, muted(DEFICIT)), Seen(OK, is_gone=True), Reason.RECOVERED, sound=True),
    Row("lost from ok", told(OK), Seen(OK, is_gone=True, is_lost=True), Reason.LIQUIDATED, sound=True),
    Row("lost, never told", untold(NOTICE), Seen(OK, is_gone=True, is_lost=True), Reason.LIQUIDATED, sound=True),
    Row("lost in danger", told(CRITICAL), Seen(OK, is_gone=True, is_lost=True), Reason.LIQUIDATED, sound=True),
    Row(
        "lost, muted",
        told(CRITICAL, HOUR, muted(CRITICAL)),
        Seen(OK, is_gone=True, is_lost=True),
        Reason.LIQUIDATED,
        sound=True,
    ),
    Row("lost while blind", blind(OK), Seen(OK, is_gone=True, is_lost=True), Reason.SIGHT_BACK, sound=True),
    Row("recovered, never told", untold(NOTICE), Seen(OK), Reason.RECOVERED, speak=False),
    Row("first failure ever", AlertState(), DOWN, Reason.NOT_YET_BLIND, speak=False),
    Row("unread, just before", unread(timedelta(seconds=180) - TICK), DOWN, Reason.NOT_YET_BLIND, speak=False),
    Row("unread, deadline", unread(timedelta(seconds=180)), DOWN, Reason.WENT_BLIND),
    Row("half the cushion, before", unread(timedelta(seconds=90) - TICK, 3.0), DOWN, Reason.NOT_YET_BLIND, speak=False),
    Row("half the cushion, deadline", unread(timedelta(seconds=90), 3.0), DOWN, Reason.WENT_BLIND),
    Row("no cushion, before", unread(timedelta(seconds=45) - TICK, 0.0), DOWN, Reason.NOT_YET_BLIND, speak=False),
    Row("no cushion, deadline", unread(timedelta(seconds=45), 0.0), DOWN, Reason.WENT_BLIND),
    Row("blind at notice", unread(HOUR, None, NOTICE), DOWN, Reason.WENT_BLIND),
    Row("blind at warning", unread(HOUR, None, WARNING), DOWN, Reason.WENT_BLIND, sound=True),
    Row("key refused at once", told(OK), REFUSED, Reason.KEY_REFUSED),
    Row("key refused, never judged", AlertState(), REFUSED, Reason.KEY_REFUSED),
    Row("key refused in danger", told(WARNING), REFUSED, Reason.KEY_REFUSED, sound=True),
    Row("no permission", told(OK), Unseen(Cause.NO_PERMISSION), Reason.KEY_REFUSED),
    Row("key refused while blind", blind(OK), REFUSED, Reason.KEY_REFUSED),
    Row("still blind, before an hour", blind(NOTICE, HOUR - TICK), DOWN, Reason.UNCHANGED, speak=False),
    Row("still blind, an hour", blind(NOTICE, HOUR), DOWN, Reason.STILL_BLIND),
    Row("never judged, still blind", blind(None, HOUR), DOWN, Reason.STILL_BLIND),
    Row("blind in danger, before", blind(WARNING, 10 * MINUTE - TICK), DOWN, Reason.UNCHANGED, speak=False),
    Row("blind in danger, ten minutes", blind(WARNING, 10 * MINUTE), DOWN, Reason.STILL_BLIND),
    Row("blind in great danger", blind(CRITICAL, 10 * MINUTE), DOWN, Reason.STILL_BLIND, sound=True),
    Row("blind, muted", blind(CRITICAL, HOUR, muted(CRITICAL)), DOWN, Reason.UNCHANGED, speak=False),
    Row("blind, muted for less", blind(CRITICAL, HOUR, muted(WARNING)), DOWN, Reason.STILL_BLIND, sound=True),
    Row("sight back, calm", blind(OK), Seen(OK), Reason.SIGHT_BACK),
    Row("sight back, as before", blind(WARNING), Seen(WARNING), Reason.SIGHT_BACK),
    Row("sight back, worse", blind(OK), Seen(WARNING), Reason.SIGHT_BACK, sound=True),
    Row("sight back, critical", blind(CRITICAL), Seen(CRITICAL), Reason.SIGHT_BACK, sound=True),
    Row("sight back, recovered", blind(CRITICAL), Seen(OK), Reason.SIGHT_BACK),
    Row("muted reminder", told(CRITICAL, HOUR, muted(CRITICAL)), Seen(CRITICAL), Reason.MUTED, speak=False),
    Row(
        "mute ends now",
        told(CRITICAL, HOUR, muted(CRITICAL, 0 * HOUR)),
        Seen(CRITICAL),
        Reason.REMINDER_DUE,
        sound=True,
    ),
    Row("mute's last moment", told(CRITICAL, HOUR, muted(CRITICAL, TICK)), Seen(CRITICAL), Reason.MUTED, speak=False),
    Row("muted ease", told(CRITICAL, HOUR, muted(CRITICAL)), Seen(NOTICE), Reason.MUTED, speak=False),
    Row("muted relapse", told(NOTICE, HOUR, muted(CRITICAL)), Seen(CRITICAL), Reason.MUTED, speak=False),
    Row("worse than the mute", told(WARNING, HOUR, muted(WARNING)), Seen(CRITICAL), Reason.WORSENED, sound=True),
    Row("recovery is never muted", told(CRITICAL, HOUR, muted(CRITICAL)), Seen(OK), Reason.RECOVERED),
    Row("an old mute", told(OK, HOUR, muted(DEFICIT, HOUR)), Seen(NOTICE), Reason.WORSENED),
]

WATCHES = [
    Row("first reading", AlertState(), Seen(CRITICAL), Reason.UNCHANGED, speak=False),
    Row("grades are the pools' news", told(OK), Seen(DEFICIT), Reason.UNCHANGED, speak=False),
    Row("away as long as allowed", unread(timedelta(seconds=180)), Seen(OK), Reason.UNCHANGED, speak=False),
    Row("away too long", unread(timedelta(seconds=180) + TICK), Seen(WARNING), Reason.SIGHT_BACK),
    Row("away too long, critical now", unread(HOUR), Seen(CRITICAL), Reason.SIGHT_BACK, sound=True),
    Row("readable again", blind(OK), Seen(OK), Reason.SIGHT_BACK),
    Row("unread, just before", unread(timedelta(seconds=180) - TICK), DOWN, Reason.NOT_YET_BLIND, speak=False),
    Row("unread, deadline", unread(timedelta(seconds=180)), DOWN, Reason.WENT_BLIND),
    Row("key refused", told(OK), REFUSED, Reason.KEY_REFUSED),
]


@pytest.mark.parametrize("row", STEPS, ids=lambda row: row.name)
def test_pool(row: Row) -> None:
    decision = step(row.before, row.observed, policy=POLICY, now=T0)
    assert (decision.reason, decision.speak, decision.sound) == (row.reason, row.speak, row.sound)


@pytest.mark.parametrize("row", WATCHES, ids=lambda row: row.name)
def test_account(row: Row) -> None:
    decision = watch(row.before, row.observed, policy=POLICY, now=T0)
    assert (decision.reason, decision.speak, decision.sound) == (row.reason, row.speak, row.sound)


def test_every_reason_has_a_row_and_a_place_in_the_documented_table() -> None:
    table = transition.__doc__ or ""
    assert {row.reason for row in STEPS} == set(Reason)
    assert [reason for reason in Reason if reason.name not in table] == []


@pytest.mark.parametrize(("grade", "episode"), [(OK, 0), (NOTICE, 1), (DEFICIT, 1)])
def test_a_first_sight_above_ok_opens_an_episode(grade: Grade, episode: int) -> None:
    assert step(AlertState(), Seen(grade), policy=POLICY, now=T0).state.episode == episode


def test_every_grade_above_notice_is_repeated_sooner_the_worse_it_is() -> None:
    assert list(REMINDER_AFTER) == [WARNING, CRITICAL, EMERGENCY, DEFICIT]
    assert list(REMINDER_AFTER.values()) == sorted(REMINDER_AFTER.values(), reverse=True)


def test_a_person_s_own_reminders_hold_and_a_deficit_counts_as_an_emergency() -> None:
    own = Policy(stale_after=POLICY.stale_after, reminders=Reminders(2 * HOUR, 5 * MINUTE, MINUTE))
    for grade, every in ((WARNING, 2 * HOUR), (CRITICAL, 5 * MINUTE), (EMERGENCY, MINUTE), (DEFICIT, MINUTE)):
        assert step(told(grade, every - TICK), Seen(grade), policy=own, now=T0).reason is Reason.UNCHANGED
        assert step(told(grade, every), Seen(grade), policy=own, now=T0).reason is Reason.REMINDER_DUE


@pytest.mark.parametrize(
    "spans",
    [
        (4 * MINUTE, 3 * MINUTE, MINUTE),
        (25 * HOUR, MINUTE, MINUTE),
        (2 * HOUR, 61 * MINUTE, MINUTE),
        (HOUR, 10 * MINUTE, 16 * MINUTE),
        (HOUR, 2 * MINUTE, 3 * MINUTE),
        (HOUR, MINUTE, 0 * MINUTE),
    ],
)
def test_reminders_that_would_let_danger_go_quiet_cannot_be_made(spans: tuple[timedelta, ...]) -> None:
    with pytest.raises(ValueError, match=r"reminders|repeated"):
        Reminders(*spans)


def test_the_defaults_are_those_of_the_table() -> None:
    assert {grade: Reminders().after(grade) for grade in REMINDER_AFTER} == REMINDER_AFTER
    assert Reminders().after(NOTICE) is None


def test_every_grade_can_be_acknowledged_but_not_for_long_where_it_matters() -> None:
    assert set(ACKNOWLEDGED_FOR) == set(Grade)
    assert max(ACKNOWLEDGED_FOR[grade] for grade in (CRITICAL, EMERGENCY, DEFICIT)) <= timedelta(minutes=15)


@pytest.mark.parametrize(
    ("cushion", "seconds"),
    [(None, 180), (100.0, 180), (6.0, 180), (5.99, 179.7), (3.0, 90), (1.5, 45), (1.49, 45), (0.0, 45)],
)
def test_patience_shrinks_with_the_last_cushion(cushion: float | None, seconds: float) -> None:
    assert blind_deadline(timedelta(seconds=180), cushion) == timedelta(seconds=seconds)


def test_a_hiccup_right_after_registration_stays_quiet_until_the_deadline() -> None:
    state = step(AlertState(), DOWN, policy=POLICY, now=T0).state
    assert step(state, DOWN, policy=POLICY, now=T0 + timedelta(seconds=179)).reason is Reason.NOT_YET_BLIND
    assert step(state, DOWN, policy=POLICY, now=T0 + timedelta(seconds=180)).reason is Reason.WENT_BLIND


def test_a_key_refused_again_after_a_retry_is_told_again() -> None:
    state = watch(told(OK), REFUSED, policy=POLICY, now=T0).state
    again = watch(state, REFUSED, policy=POLICY, now=T0 + HOUR)
    assert (again.reason, again.speak) == (Reason.KEY_REFUSED, True)
    assert again.state.blind_since == state.blind_since


def test_blindness_counts_from_the_last_good_reading() -> None:
    assert watch(unread(HOUR), DOWN, policy=POLICY, now=T0).state.blind_since == T0 - HOUR


def test_a_mute_ends_with_a_worse_grade_and_does_not_return_when_it_eases() -> None:
    state = told(WARNING, HOUR, muted(WARNING, HOUR * 24))
    state = step(state, Seen(CRITICAL), policy=POLICY, now=T0).state
    assert state.mute is None
    assert step(state, Seen(WARNING), policy=POLICY, now=T0 + MINUTE).reason is Reason.EASED


def test_failure_11_a_relapse_after_recovery_is_told_even_under_the_old_mute() -> None:
    state = told(CRITICAL, MINUTE, muted(CRITICAL, HOUR * 24))
    recovered = step(state, Seen(OK), policy=POLICY, now=T0)
    relapsed = step(recovered.state, Seen(CRITICAL), policy=POLICY, now=T0 + MINUTE)
    assert recovered.state.mute is None
    assert (relapsed.reason, relapsed.speak, relapsed.sound) == (Reason.WORSENED, True, True)
    assert relapsed.state.episode == recovered.state.episode + 1


def test_failure_12_a_single_reading_is_enough_to_be_told() -> None:
    assert step(told(OK), Seen(CRITICAL), policy=POLICY, now=T0).speak


def test_an_episode_remembers_its_worst_grade_until_it_ends() -> None:
    state, found = AlertState(), []
    for grade in (OK, NOTICE, CRITICAL, NOTICE, WARNING, OK, NOTICE):
        state = step(state, Seen(grade), policy=POLICY, now=T0).state
        found.append(state.episode_worst)
    assert found == [None, NOTICE, CRITICAL, CRITICAL, CRITICAL, None, NOTICE]


@pytest.mark.parametrize(("worst", "sound"), [(None, False), (NOTICE, False), (WARNING, True), (DEFICIT, True)])
def test_what_was_serious_and_is_gone_is_told_with_sound_though_it_had_eased(worst: Grade | None, sound: bool) -> None:
    eased = AlertState(grade=NOTICE, announced=NOTICE, episode=1, number=3, episode_worst=worst, seen_at=T0)
    decision = step(eased, Seen(OK, is_gone=True), policy=POLICY, now=T0)
    assert (decision.reason, decision.speak, decision.sound) == (Reason.RECOVERED, True, sound)


def test_a_loss_from_calm_is_an_episode_of_one_message_and_is_told_once() -> None:
    lost = step(told(OK), Seen(OK, is_gone=True, is_lost=True), policy=POLICY, now=T0).state
    assert (lost.episode, lost.number, lost.announced, lost.is_settled) == (4, 1, None, True)
    assert step(lost, Seen(OK, is_gone=True), policy=POLICY, now=T0).reason is Reason.UNCHANGED
    in_danger = step(told(CRITICAL), Seen(OK, is_gone=True, is_lost=True), policy=POLICY, now=T0).state
    assert (in_danger.episode, in_danger.number) == (3, 5), "the end of the episode it belongs to"


def test_an_account_s_mute_ends_with_its_blindness() -> None:
    quieted = blind(OK, mute=muted(OK))
    assert watch(quieted, DOWN, policy=POLICY, now=T0).state.mute == quieted.mute
    assert watch(quieted, Seen(OK), policy=POLICY, now=T0).state.mute is None
