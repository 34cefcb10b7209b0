"""Quiet hours and time zones: boundaries, midnight, and the two days a year on which clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.hours import QuietHours, find_zone, may_wait, parse_quiet
from marginbot.domain.notices import Line

BERLIN, ISTANBUL = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Istanbul")
NIGHT = QuietHours(23 * 60, 7 * 60)
NOON = QuietHours(12 * 60, 13 * 60)
MAY_WAIT = {Reason.FIRST_SIGHT, Reason.WORSENED, Reason.REMINDER_DUE, Reason.EASED, Reason.RECOVERED}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        pytest.param(NIGHT, "2026-11-22T19:59:59", None, id="a second before"),
        pytest.param(NIGHT, "2026-11-22T20:00:00", "2026-11-23T04:00:00", id="the first minute is in it"),
        pytest.param(NIGHT, "2026-11-22T23:30:00", "2026-11-23T04:00:00", id="after midnight it ends the same day"),
        pytest.param(NIGHT, "2026-11-23T03:59:59", "2026-11-23T04:00:00", id="the last second"),
        pytest.param(NIGHT, "2026-11-23T04:00:00", None, id="the end is not in it"),
        pytest.param(NOON, "2026-11-22T09:30:00", "2026-11-22T10:00:00", id="within a day"),
        pytest.param(NOON, "2026-11-22T10:00:00", None, id="within a day, its end"),
    ],
)
def test_quiet_in_istanbul(hours: QuietHours, now: str, until: str | None) -> None:
    assert hours.until(at(now), ISTANBUL) == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        pytest.param(NIGHT, "2026-03-28T22:30:00", "2026-03-29T05:00:00", id="the night that is an hour short"),
        pytest.param(NIGHT, "2026-10-24T21:30:00", "2026-10-25T06:00:00", id="the night that is an hour long"),
        pytest.param(QuietHours(60, 150), "2026-03-29T00:30:00", "2026-03-29T01:30:00", id="an end that is skipped"),
        pytest.param(QuietHours(60, 150), "2026-10-25T00:10:00", "2026-10-25T00:30:00", id="an end that comes twice"),
        pytest.param(QuietHours(60, 150), "2026-10-25T01:10:00", "2026-10-25T01:30:00", id="its second time"),
    ],
)
def test_quiet_when_clocks_jump(hours: QuietHours, now: str, until: str) -> None:
    assert hours.until(at(now), BERLIN) == at(until)


moments = st.integers(0, 365 * 24 * 60).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute))
minutes = st.integers(0, 1439)


@given(moments, minutes, minutes, st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]))
def test_a_quiet_always_ends_soon(now: datetime, start: int, end: int, zone: str) -> None:
    if start == end:
        return
    until = QuietHours(start, end).until(now, ZoneInfo(zone))
    assert until is None or now < until <= now + timedelta(hours=25)


@pytest.mark.parametrize("text", ["23:00-07:00", "23-7", "23:00 - 07:00", "23:00–7:00", "23 to 7"])
def test_ways_to_say_it(text: str) -> None:
    assert parse_quiet(text) == NIGHT
    assert str(NIGHT) == "23:00-07:00"


@pytest.mark.parametrize("text", ["", "night", "24:00-07:00", "23:60-07:00", "07:00-07:00", "23:00"])
def test_what_makes_no_sense_changes_nothing(text: str) -> None:
    with pytest.raises(RequestError) as error:
        parse_quiet(text)
    assert error.value.advice.endswith("Nothing was changed.")


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Istanbul", "Europe/Istanbul"),
        ("istanbul", "Asia/Istanbul"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_a_zone_by_name_or_city(text: str, zone: str) -> None:
    found = find_zone(text)
    moment = at("2026-11-22T12:00:00")
    assert found.utcoffset(moment) == ZoneInfo(zone).utcoffset(moment)


@pytest.mark.parametrize("text", ["", "Atlantis", "../etc/passwd", "a" * 5000, "posixrules"])
def test_an_unknown_zone_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        find_zone(text)


def test_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError) as error:
        find_zone("Istambul")
    assert "Istanbul" in error.value.advice


@pytest.mark.parametrize("reason", [*Reason, None])
@pytest.mark.parametrize("grade", [*Grade, None])
@pytest.mark.parametrize("worst", [*Grade, None])
@pytest.mark.parametrize("blind", [True, False])
def test_what_may_wait(reason: Reason | None, grade: Grade | None, worst: Grade | None, blind: bool) -> None:
    line = Line(
        id=1,
        chat_id=1,
        account_id=1,
        subject="cross",
        reason=reason,
        grade=grade,
        worst=worst,
        cushion=None,
        blind=blind,
        created_at=at("2026-11-22T12:00:00"),
    )
    mild = grade is not None and max(grade, worst or Grade.OK) <= Grade.WARNING
    assert may_wait(line) is (mild and not blind and reason in MAY_WAIT)
