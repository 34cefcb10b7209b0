"""How fast the bot speaks: never faster than Telegram takes it, never slower than it must be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.pacing import (
    CALM_PER_SECOND,
    EVENLY_PER_SECOND,
    MOST_IDLE_CHATS,
    PROBE_EVERY,
    PROBE_YOUNG_EVERY,
    YOUNG,
    LineTrouble,
    Pacing,
)
from tests.builders import T0

SECOND = timedelta(seconds=1)
PRIVATE_CHAT, GROUP_CHAT = 7, -7

pauses = st.lists(st.floats(0, 3).map(lambda s: timedelta(seconds=s)), min_size=1, max_size=150)
crowds = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=200)


def most_within(times: Sequence[datetime], span: timedelta) -> int:
    """The largest number of times in any window of that length, its end not counted."""
    most, start = 0, 0
    for end, at in enumerate(times):
        while times[start] <= at - span:
            start += 1
        most = max(most, end - start + 1)
    return most


def one_chat(chat_id: int, asked: Sequence[timedelta]) -> list[datetime]:
    """When messages leave that are asked for after such pauses, each as soon as it may."""
    pacing, now, left = Pacing(), T0, []
    for pause in asked:
        now = max(now + pause, pacing.chat_ready_at(chat_id, now + pause))
        now = max(now, pacing.lane_ready_at(now, urgent=True))
        assert pacing.chat_ready_at(chat_id, now) == now, "ready when it said so"
        pacing.take(chat_id, now, urgent=True)
        pacing.done(chat_id, now)
        left.append(now)
    return left


@given(pauses)
def test_a_private_chat_gets_one_a_second_in_bursts_of_three_at_most(asked: Sequence[timedelta]) -> None:
    left = one_chat(PRIVATE_CHAT, asked)
    assert most_within(left, 2 * SECOND) <= 3
    assert most_within(left, 5 * SECOND) <= 5


@given(pauses)
def test_a_group_gets_twenty_a_minute_at_most(asked: Sequence[timedelta]) -> None:
    assert most_within(one_chat(GROUP_CHAT, asked), 60 * SECOND) <= 20


@given(pauses)
def test_nobody_waits_without_a_reason(asked: Sequence[timedelta]) -> None:
    """Work conserving: what asks after a pause longer than any rule leaves at once."""
    pacing, now = Pacing(), T0
    for pause in asked:
        now += pause + 5.1 * SECOND
        assert pacing.chat_ready_at(PRIVATE_CHAT, now) == now
        assert pacing.lane_ready_at(now, urgent=False) == now
        pacing.take(PRIVATE_CHAT, now, urgent=False)
        pacing.done(PRIVATE_CHAT, now)


@given(crowds)
def test_never_more_than_thirty_a_second_and_slots_kept_free_of_calm_news(crowd: list[tuple[int, bool]]) -> None:
    pacing, now, left, calm = Pacing(), T0, [], []
    for chat_id, urgent in crowd * 3:
        now = pacing.lane_ready_at(now, urgent=urgent)
        assert pacing.lane_ready_at(now, urgent=urgent) == now
        pacing.take(chat_id, now, urgent=urgent)
        pacing.done(chat_id, now)
        left.append(now)
        calm += [] if urgent else [now]
    assert most_within(left, SECOND) <= 30
    assert most_within(calm, SECOND) <= 26


@given(st.lists(st.floats(0, 0.25), min_size=60, max_size=200), st.randoms())
def test_thirty_a_second_holds_at_the_other_side_however_long_the_ways_are(ways: list[float], chance: Random) -> None:
    """A message is counted there at some time between leaving here and its answer arriving here."""
    pacing, now = Pacing(), T0
    counted: list[datetime] = []
    in_flight: list[tuple[datetime, int]] = []
    for chat_id, way in enumerate(ways, start=1):
        while (ready := pacing.lane_ready_at(now, urgent=True)) > now or len(in_flight) >= 8:
            now = min([at for at, _ in in_flight] + ([ready] if ready > now else []))
            for answered in sorted(item for item in in_flight if item[0] <= now):
                in_flight.remove(answered)
                pacing.done(answered[1], now)
        pacing.take(chat_id, now, urgent=True)
        in_flight.append((now + timedelta(seconds=way), chat_id))
        counted.append(now + timedelta(seconds=way * chance.random()))
    assert most_within(sorted(counted), SECOND) <= 30


def test_the_full_rate_is_used_for_alarms_and_an_alarm_never_waits_for_calm_news() -> None:
    pacing, now = Pacing(), T0
    for chat_id in range(1, 1001):
        now = pacing.lane_ready_at(now, urgent=True)
        pacing.take(chat_id, now, urgent=True)
        pacing.done(chat_id, now)
    assert 999 / (now - T0).total_seconds() > 29
    for chat_id in range(2000, 2300):
        now = pacing.lane_ready_at(now, urgent=False)
        pacing.take(chat_id, now, urgent=False)
        pacing.done(chat_id, now)
        assert pacing.lane_ready_at(now, urgent=True) - now <= SECOND / EVENLY_PER_SECOND
    assert CALM_PER_SECOND < EVENLY_PER_SECOND - 3
    assert CALM_PER_SECOND < 30 - 3


def test_a_run_of_alarms_with_answers_on_their_way_finds_room_that_calm_news_leave() -> None:
    pacing, now, calm, waited = Pacing(), T0, 0, list[timedelta]()
    in_flight: list[tuple[datetime, int]] = []
    alarm_at = now + SECOND
    while len(waited) < 60:
        while in_flight and in_flight[0][0] <= now:
            pacing.done(in_flight[0][1], in_flight.pop(0)[0])
        urgent = alarm_at <= now
        ready_at = pacing.lane_ready_at(now, urgent=urgent)
        if ready_at > now:
            now = min([ready_at, *([] if urgent else [alarm_at]), *(at for at, _ in in_flight[:1])])
            continue
        chat_id = len(waited) + 1 if urgent else 1_000 + calm
        pacing.take(chat_id, now, urgent=urgent)
        in_flight.append((now + 0.2 * SECOND, chat_id))
        if urgent:
            waited.append(now - alarm_at)
            alarm_at = now + 0.17 * SECOND
        calm += not urgent
    assert max(waited) == timedelta(0)
    assert calm > 60 * 2, "and calm news go on meanwhile"


def test_failure_06_a_flood_wait_binds_its_chat_alone() -> None:
    pacing = Pacing()
    pacing.flooded(7, T0 + 300 * SECOND, T0)
    assert pacing.chat_ready_at(7, T0) == T0 + 300 * SECOND
    assert pacing.chat_ready_at(8, T0) == T0
    assert pacing.lane_ready_at(T0, urgent=False) == T0


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    pacing = Pacing()
    for _ in range(3):
        pacing.take(7, T0 + 3600 * SECOND, urgent=False)
        pacing.done(7, T0 + 3600 * SECOND)
    assert pacing.chat_ready_at(7, T0) == T0
    assert pacing.lane_ready_at(T0, urgent=False) == T0
    pacing.take(7, T0, urgent=False)
    pacing.done(7, T0)
    assert pacing.lane_ready_at(T0, urgent=False) <= T0 + SECOND


def test_chats_that_may_speak_freely_are_forgotten() -> None:
    pacing = Pacing()
    pacing.flooded(1, T0 + 9999 * SECOND, T0)
    for chat_id in range(2, MOST_IDLE_CHATS + 3):
        pacing.take(chat_id, T0 + chat_id * SECOND, urgent=True)
        pacing.done(chat_id, T0 + chat_id * SECOND)
    assert len(pacing._chats) < MOST_IDLE_CHATS
    assert pacing.chat_ready_at(1, T0) == T0 + 9999 * SECOND


def test_what_did_not_arrive_uses_no_place_of_its_chat() -> None:
    pacing = Pacing()
    for _ in range(9):
        pacing.take(7, T0, urgent=True)
        pacing.done(7, T0, taken=False)
    assert pacing.chat_ready_at(7, T0) == T0
    for _ in range(3):
        pacing.take(7, T0, urgent=True)
        pacing.done(7, T0)
    assert pacing.chat_ready_at(7, T0) > T0


def test_who_was_tried_last_is_asked_last_whether_the_trouble_is_over() -> None:
    pacing = Pacing()
    for chat_id, taken in ((7, True), (8, False)):
        pacing.take(chat_id, T0, urgent=True)
        pacing.done(chat_id, T0, taken=taken)
    assert pacing.rest(9, T0) == timedelta.max, "never tried"
    assert pacing.rest(8, T0 + SECOND) == SECOND, "it did not arrive there"
    assert pacing.rest(7, T0 + SECOND) is None, "its short burst is left to it"
    assert pacing.rest(7, T0 + 2 * SECOND) == 2 * SECOND


def test_an_old_trouble_is_asked_less_often_whether_it_is_over() -> None:
    trouble, now = LineTrouble(), T0
    trouble.did_not_pass([1], now)
    for _ in range(4):
        assert trouble.probe_at is not None
        assert trouble.probe_at - now == PROBE_YOUNG_EVERY
        now = trouble.probe_at
        trouble.probed(now)
    trouble.probed(T0 + YOUNG)
    assert trouble.probe_at == T0 + YOUNG + PROBE_EVERY
    trouble.passed()
    trouble.did_not_pass([1], T0 + YOUNG)
    assert trouble.probe_at == T0 + YOUNG + PROBE_YOUNG_EVERY, "a new one"


def test_what_an_outage_held_up_is_known_at_its_end_and_single_failures_are_no_outage() -> None:
    trouble = LineTrouble()
    trouble.did_not_pass([1], T0)
    assert trouble.passed() == []
    for n in range(3):
        trouble.did_not_pass([n], T0)
    assert not trouble.is_probe_due(T0)
    assert trouble.is_probe_due(T0 + SECOND)
    assert trouble.passed() == [0, 1, 2]
    assert not trouble.is_probe_due(T0 + 99 * SECOND)


def test_what_may_have_arrived_is_counted_apart() -> None:
    line = LineTrouble()
    line.did_not_pass([1], T0, untaken=True)
    assert (line.own_failures([1]), line.unanswered([1])) == (1, 0)
    line.did_not_pass([1], T0)
    assert (line.own_failures([1]), line.unanswered([1, 2])) == (2, 1)
    line.arrived([1])
    assert line.unanswered([1]) == 0


def test_what_failed_in_a_trouble_does_not_wait_longer_when_it_is_over() -> None:
    line = LineTrouble()
    line.did_not_pass([1], T0)
    line.passed()
    line.did_not_pass([1], T0)
    assert line.own_failures([1, 2]) == 2, "single failures count: others get through"
    for _ in range(9):
        line.did_not_pass([1, 2], T0)
    assert line.passed() == [1, 2]
    assert line.own_failures([1, 2]) == 0, "that was the line, not the message"
    line.did_not_pass([1], T0)
    line.arrived([1])
    assert line.own_failures([1]) == 0
