"""When a further channel rings: the tables of the module, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.alerting import AlertState, Mute, MuteKind
from marginbot.domain.errors import Cause
from marginbot.domain.escalation import (
    MOST_RINGS,
    Alarm,
    Channel,
    Step,
    StepStatus,
    StopReason,
    acknowledgement,
    alarm_of,
    due_at,
    retry_at,
    stop_reason,
)
from marginbot.domain.grading import Grade
from tests.builders import T0

MINUTE = timedelta(minutes=1)
DELAY = 5 * MINUTE
CHANNEL = Channel(
    id=1, user_id=7, title="json://…", from_grade=Grade.CRITICAL, delay=DELAY, created_at=T0 - timedelta(days=9)
)
ALARM = Alarm(grade=Grade.CRITICAL, episode=3, since=T0, is_blind=False, is_muted=False)
STATE = AlertState(
    grade=Grade.CRITICAL, announced=Grade.CRITICAL, spoke_at=T0, episode=3, number=1, seen_at=T0, cushion=1.5
)
BLIND = replace(
    STATE, blind_since=T0 + MINUTE, blind_cause=Cause.VENUE_DOWN, blind_spoke_at=T0 + 2 * MINUTE, announced=None
)


def step(status: StepStatus = StepStatus.ACCEPTED, *, closed: float | None = 6, number: int = 1) -> Step:
    return Step(
        id=1,
        channel_id=1,
        account_id=1,
        subject="cross:USDT",
        episode=3,
        number=number,
        grade=Grade.CRITICAL,
        due_at=T0 + DELAY,
        status=status,
        closed_at=None if closed is None else T0 + closed * MINUTE,
    )


def mute(grade: Grade = Grade.CRITICAL, minutes: float = 15) -> Mute:
    return Mute(MuteKind.ACKNOWLEDGED, grade, T0 + minutes * MINUTE)


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        pytest.param(STATE, 1, ALARM, id="announced"),
        pytest.param(replace(STATE, announced=None), 1, None, id="never announced"),
        pytest.param(replace(STATE, grade=Grade.OK), 1, None, id="calm"),
        pytest.param(replace(STATE, mute=mute()), 1, replace(ALARM, is_muted=True), id="muted at its grade"),
        pytest.param(replace(STATE, mute=mute(Grade.WARNING)), 1, ALARM, id="muted at a calmer grade"),
        pytest.param(replace(STATE, mute=mute()), 15, replace(ALARM, since=T0 + 15 * MINUTE), id="the mute has ended"),
        pytest.param(replace(BLIND, grade=Grade.NOTICE), 3, None, id="blind, calm before"),
    ],
)
def test_what_a_state_calls_for(state: AlertState, at: float, expected: Alarm | None) -> None:
    assert alarm_of(state, T0 + at * MINUTE) == expected


@pytest.mark.parametrize(
    ("last", "rings_as"),
    [
        (Grade.WARNING, Grade.CRITICAL),
        (Grade.CRITICAL, Grade.CRITICAL),
        (Grade.EMERGENCY, Grade.EMERGENCY),
    ],
)
def test_blind_and_in_danger_rings_as_critical_at_least(last: Grade, rings_as: Grade) -> None:
    alarm = alarm_of(replace(BLIND, grade=last), T0 + 3 * MINUTE)
    assert alarm is not None
    assert (alarm.grade, alarm.is_blind, alarm.since) == (rings_as, True, T0 + 2 * MINUTE)


@pytest.mark.parametrize(
    ("last", "alarm", "at", "due"),
    [
        pytest.param(None, ALARM, 0, 5, id="first"),
        pytest.param(None, replace(ALARM, grade=Grade.WARNING), 0, None, id="calmer than the channel is for"),
        pytest.param(None, replace(ALARM, is_muted=True), 0, None, id="acknowledged"),
        pytest.param(step(StepStatus.WAITING, closed=None), ALARM, 1, None, id="one is waiting"),
        pytest.param(
            step(StepStatus.RINGING, closed=None), replace(ALARM, grade=Grade.DEFICIT), 1, None, id="one is ringing"
        ),
        pytest.param(step(StepStatus.STOPPED), replace(ALARM, since=T0 + 20 * MINUTE), 20, 25, id="quiet ran out"),
        pytest.param(step(), ALARM, 8, None, id="rung a moment ago"),
        pytest.param(step(StepStatus.FAILED), ALARM, 16, 16, id="nobody reacted, or it failed"),
        pytest.param(step(), replace(ALARM, since=T0 + 14 * MINUTE), 16, 19, id="again, after a reminder"),
        pytest.param(
            step(), replace(ALARM, grade=Grade.EMERGENCY, since=T0 + 7 * MINUTE), 7, 12, id="worse than was rung"
        ),
        pytest.param(step(number=MOST_RINGS), ALARM, 60, None, id="often enough"),
        pytest.param(
            step(number=MOST_RINGS), replace(ALARM, grade=Grade.EMERGENCY), 60, 5, id="often enough, but worse"
        ),
    ],
)
def test_when_the_next_step_is_due(last: Step | None, alarm: Alarm, at: float, due: float | None) -> None:
    assert due_at(CHANNEL, alarm, last, T0 + at * MINUTE) == (None if due is None else T0 + due * MINUTE)


def test_a_channel_that_is_off_plans_nothing() -> None:
    assert due_at(replace(CHANNEL, disabled_at=T0), ALARM, None, T0) is None


@pytest.mark.parametrize(
    ("alarm", "reason"),
    [
        pytest.param(ALARM, None, id="stands"),
        pytest.param(replace(ALARM, grade=Grade.DEFICIT), None, id="worse"),
        pytest.param(replace(ALARM, is_muted=True), StopReason.ACKNOWLEDGED, id="acknowledged"),
        pytest.param(replace(ALARM, grade=Grade.WARNING), StopReason.EASED, id="eased below from_grade"),
        pytest.param(None, StopReason.ENDED, id="recovered"),
        pytest.param(replace(ALARM, episode=4), StopReason.ENDED, id="another episode"),
    ],
)
def test_failure_28_what_stops_a_step(alarm: Alarm | None, reason: StopReason | None) -> None:
    assert stop_reason(step(StepStatus.WAITING), CHANNEL, alarm) is reason


def test_a_channel_that_is_off_stops_its_steps() -> None:
    off = replace(CHANNEL, disabled_at=T0)
    assert stop_reason(step(StepStatus.WAITING), off, ALARM) is StopReason.CHANNEL_OFF


def test_a_tap_elsewhere_quiets_only_what_it_showed() -> None:
    assert acknowledgement(STATE, Grade.CRITICAL, mute()) == mute()
    assert acknowledgement(STATE, Grade.EMERGENCY, mute()) == mute()
    assert acknowledgement(replace(STATE, grade=Grade.EMERGENCY), Grade.CRITICAL, mute()) is None
    assert acknowledgement(replace(STATE, grade=Grade.OK), Grade.CRITICAL, mute()) is None
    longer = mute(minutes=60)
    assert acknowledgement(replace(STATE, mute=longer), Grade.CRITICAL, mute()) == longer


def test_retries_come_ever_later_and_within_reason() -> None:
    waits = [retry_at(None, attempts, T0) - T0 for attempts in range(1, 10)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5)
    assert waits[-1] == timedelta(seconds=60)
    assert retry_at(timedelta(hours=5), 1, T0) - T0 == timedelta(seconds=120)
    assert retry_at(timedelta(0), 1, T0) - T0 == timedelta(seconds=5)
