"""What is stored comes back exactly: digits, zones, infinities."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.grading import Ladders
from marginbot.domain.margin import Snapshot
from marginbot.domain.notices import Facts
from marginbot.domain.report import AccountReport, PoolReport
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility
from marginbot.flow.ports import LastReading
from marginbot.store.codec import (
    FACTS,
    LADDERS,
    MUTE,
    READING,
    REPORT,
    STATE,
    Codec,
    milliseconds_of,
    text_of,
    time_of,
    time_of_milliseconds,
)
from tests.builders import pool, position, snapshot
from tests.store.builders import NOW, account_report, pool_report

bounded = settings(max_examples=40, deadline=None)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
decimals = st.decimals(allow_nan=False)
floats = st.floats(allow_nan=False)
PLAIN = {Decimal: decimals, datetime: times, float: floats}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type; of a dataclass, field by field, so that numbers and times come from the above."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})
    if get_origin(kind) is UnionType:
        return st.one_of([values(part) for part in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    return st.from_type(kind)


@bounded
@given(decimals)
def test_every_digit_of_a_decimal_is_kept(value: Decimal) -> None:
    report = pool_report(equity=value, margin_ratio=None)
    again = Codec(PoolReport).decode(Codec(PoolReport).encode(report))
    assert str(again.equity) == str(value)


@bounded
@given(values(AlertState))
def test_alert_states_come_back(state: AlertState) -> None:
    assert STATE.decode(STATE.encode(state)) == state


@bounded
@given(values(Mute))
def test_mutes_come_back(mute: Mute) -> None:
    assert MUTE.decode(MUTE.encode(mute)) == mute


@bounded
@given(values(AccountReport))
def test_reports_come_back(report: AccountReport) -> None:
    assert REPORT.decode(REPORT.encode(report)) == report


@bounded
@given(values(Facts))
def test_facts_come_back(facts: Facts) -> None:
    assert FACTS.decode(FACTS.encode(facts)) == facts


@bounded
@given(values(Snapshot))
def test_readings_come_back(snapshot: Snapshot) -> None:
    reading = LastReading(snapshot, {"BTC": Volatility(0.01, 5000), "X": Volatility(0.02, assumed=True)})
    assert READING.decode(READING.encode(reading), READING.encode_tiers(reading)) == reading
    assert READING.decode(Codec(LastReading).encode(reading)) == reading, "as earlier versions wrote them"


def test_tiers_that_differ_are_told_apart() -> None:
    tiers = [(), *((LeverageTier(Decimal(0), None, Decimal(rate)),) for rate in ("0.01", "0.010", "0.02"))]
    pairs = [
        LastReading(snapshot(pool(*(replace(position(), tiers=own) for own in both))), {})
        for both in product(tiers, tiers)
    ]
    assert len({READING.digest_of_tiers(reading) for reading in pairs}) == len(pairs)


@pytest.mark.parametrize("tiers", ["[]", "[[],[],[]]", "{}", "[[1],[]]"])
def test_tiers_of_another_reading_are_none(tiers: str) -> None:
    reading = LastReading(snapshot(pool(position(), position("ETH"))), {})
    with pytest.raises(ValueError, match=r"tiers|validation"):
        READING.decode(READING.encode(reading), tiers)


def test_ladders_come_back() -> None:
    ladders = Ladders(ratio=(0.1, 1 / 3, 0.5, 2 / 3))
    assert LADDERS.decode(LADDERS.encode(ladders)) == ladders


@bounded
@given(times)
def test_times_come_back_and_sort_as_text(at: datetime) -> None:
    text = text_of(at)
    assert time_of(text) == at
    assert time_of(text).tzinfo is UTC
    assert (text < text_of(NOW)) == (at < NOW)


def test_times_are_stored_in_utc() -> None:
    local = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert text_of(local) == "2025-12-31T23:00:00.000000+00:00"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        text_of(datetime(2026, 1, 1))  # noqa: DTZ001


def test_milliseconds_round_down() -> None:
    assert time_of_milliseconds(milliseconds_of(NOW)) == NOW.replace(microsecond=234000)


def test_decoded_times_know_their_zone() -> None:
    assert REPORT.decode(REPORT.encode(account_report())).taken_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"grade": 77}'])
def test_rubbish_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        REPORT.decode(text)
