"""The history: gathered, written together, folded without losing a spike, deleted in small pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from marginbot.domain.grading import Grade
from marginbot.domain.history import TIERS, Point, Tier, span_start
from marginbot.domain.report import PositionReport
from marginbot.flow.history import HistoryKeeper
from marginbot.store import SqliteStore, StoreFailed, migrate, open_store
from marginbot.store.codec import text_of
from marginbot.store.compact import long, short
from marginbot.store.database import open_database
from marginbot.store.schema import load_migrations, migrations_file
from tests.store.builders import KEY, MINUTE, NOW, POOL, account_report, add, cycle_record, pool_report

DAY = timedelta(days=1)
PATIENCE = timedelta(minutes=3)
POSITION = PositionReport(
    pool=POOL,
    symbol="BTC/USDT:USDT",
    side="long",
    contracts=Decimal("0.5"),
    notional=Decimal(48211),
    entry_price=None,
    mark_price=Decimal("96422.4"),
    liquidation_price=Decimal("92380.5"),
    maintenance_margin=None,
)


def points(store: SqliteStore, account_id: int, pool: str = POOL) -> Sequence[Point]:
    found = {s.pool: s.load() for s in store.history(account_id, NOW - 400 * DAY, NOW + 400 * DAY)}
    return found.get(pool, [])


def gathered(store: SqliteStore, minutes: float, *, label: str = "main", **changes: object) -> None:
    """A reading so many minutes after NOW."""
    at = NOW + minutes * MINUTE
    report = replace(account_report((pool_report(**changes),), taken_at=at), positions=(POSITION,))
    store.gather(store.account(1001, label).id, report)


def test_a_reading_is_kept_with_what_a_chart_needs(store: SqliteStore) -> None:
    account = add(store)
    small = replace(POSITION, symbol="ETH/USDT:USDT", notional=Decimal(5), mark_price=Decimal(2))
    store.record(cycle_record(account, report=replace(account_report(), positions=(small, POSITION))))
    [point] = points(store, account.id)
    assert NOW - point.at < timedelta(milliseconds=1)
    assert (point.ratio_high, point.cushion_low, point.grade) == (0.82, 1.9, Grade.CRITICAL)
    assert (point.room, point.equity) == (-0.012, 1000.1)
    assert (point.symbol, point.mark_low, point.liquidation) == ("BTC/USDT:USDT long", 96422, 92380)


def test_unknown_stays_unknown(store: SqliteStore) -> None:
    account = add(store)
    blank = pool_report(margin_ratio=None, cushion=None, grade=None, equity=None, room=None)
    store.record(cycle_record(account, report=account_report((blank,))))
    [point] = points(store, account.id)
    assert {point.ratio_high, point.cushion_low, point.grade, point.equity, point.room, point.symbol} == {None}


@given(st.floats(min_value=1e-20, max_value=1e20), st.sampled_from([1, -1]))
def test_a_short_number_is_good_to_five_digits_in_three_bytes(size: float, sign: int) -> None:
    packed = short(sign * size)
    assert packed is not None
    assert abs(packed) < 2**23
    assert long(packed) == pytest.approx(sign * size, rel=5.1e-5)


@pytest.mark.parametrize(
    ("value", "back"), [(0.0, 0.0), (float("nan"), None), (float("inf"), None), (None, None), (99999.9, 100000.0)]
)
def test_odd_numbers_are_packed_as_what_they_are(value: float | None, back: float | None) -> None:
    assert long(short(value)) == back


def test_readings_wait_in_memory_and_are_written_together(on_disk: SqliteStore) -> None:
    account = add(on_disk)
    for minute in range(10):
        on_disk.record(cycle_record(account, report=account_report(taken_at=NOW + minute * MINUTE), notices=[]))
    assert (on_disk.unwritten, on_disk._db.table("history_readings").count) == (10, 0)
    assert on_disk.write_history(500) == 10
    assert (on_disk.unwritten, on_disk._db.table("history_readings").count) == (0, 10)


def test_a_slice_holds_whole_pools_up_to_its_size(store: SqliteStore) -> None:
    for label in ("a", "b", "c"):
        add(store, label)
        for minute in range(4):
            gathered(store, minute, label=label)
    assert [store.write_history(8) for _ in range(3)] == [8, 4, 0]


def test_closing_writes_what_was_gathered(path: Path) -> None:
    store = open_store(path, KEY)
    account = add(store)
    gathered(store, 0)
    store.close()
    again = open_store(path, KEY)
    assert len(points(again, account.id)) == 1
    again.close()


def test_what_cannot_be_written_is_kept_for_the_next_time_but_not_without_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    store._db.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON main.history_readings BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    gathered(store, 0)
    with pytest.raises(StoreFailed):
        store.write_history(10)
    assert store.unwritten == 1
    monkeypatch.setattr("marginbot.store.history.MOST_UNWRITTEN", 0)
    gathered(store, 1)
    assert store.unwritten == 0
    store._db.execute("DROP TRIGGER full")


def test_a_removed_account_takes_its_history_along(store: SqliteStore) -> None:
    account = add(store)
    gathered(store, 0)
    store.write_history(10)
    gathered(store, 1)
    store.remove_account(1001, "main")
    assert store.write_history(10) == 1
    assert points(store, account.id) == []
    assert [store._db.table(t).count for t in ("history_series", "history_readings", "history_spans")] == [0, 0, 0]


def keeper(store: SqliteStore, days: float, retention: timedelta = 365 * DAY) -> HistoryKeeper:
    return HistoryKeeper(store=store, clock=lambda: NOW + days * DAY, retention=retention, patience=PATIENCE)


def kept(store: SqliteStore, days: float, turns: int = 12, retention: timedelta = 365 * DAY) -> None:
    upkeep = keeper(store, days, retention)
    for _ in range(turns):
        upkeep.turn()


def test_a_spike_of_one_reading_survives_every_folding(store: SqliteStore) -> None:
    account = add(store)
    for minute in range(0, 24 * 60):
        gathered(store, minute, margin_ratio=Decimal("0.2"), cushion=9.0, grade=Grade.OK)
    gathered(store, 700.5, margin_ratio=Decimal("0.97"), cushion=0.4, grade=Grade.EMERGENCY, room=-0.001)
    for days in (0, 3, 3, 3, 16, 100, 100, 100):
        kept(store, days)
    found = points(store, account.id)
    assert 4 <= len(found) <= 5
    [worst] = [p for p in found if p.grade is Grade.EMERGENCY]
    assert (worst.ratio_high, worst.cushion_low, worst.room) == (0.97, 0.4, -0.001)
    assert (worst.ratio_low, worst.cushion_high) == (0.2, 9.0)
    assert (worst.mark_low, worst.liquidation, worst.symbol) == (96422, 92380, "BTC/USDT:USDT long")
    assert worst.unseen == timedelta(0)


def test_the_oldest_are_folded_on_although_new_ones_keep_coming(store: SqliteStore) -> None:
    account = add(store)
    upkeep = HistoryKeeper(store=store, clock=lambda: NOW + day * DAY, retention=365 * DAY, patience=PATIENCE)
    for day in range(110):
        for minute in range(0, 1440, 10):
            gathered(store, day * 1440 + minute)
        for _ in range(4):
            upkeep.turn()
    found = points(store, account.id)
    days = [(NOW + 109 * DAY - point.at) / DAY for point in found]
    assert sum(age > 91 for age in days) <= 4 * 19 + 1  # six hours
    assert sum(15 < age < 90 for age in days) <= 24 * 75 + 1  # an hour
    assert len(found) < 5000
    assert max(b.at - a.until for a, b in pairwise(found)) == 10 * MINUTE


def test_two_days_are_kept_reading_by_reading(store: SqliteStore) -> None:
    account = add(store)
    for minute in range(10):
        gathered(store, minute)
    kept(store, 1.9)
    assert len(points(store, account.id)) == 10
    kept(store, 2.1)
    assert len(points(store, account.id)) == 3  # NOW is 03:02:01: spans of five minutes from 03:00


def test_what_a_folding_reads_it_replaces_also_when_cut(store: SqliteStore) -> None:
    account = add(store)
    for minute in range(40):
        gathered(store, minute)
    store.write_history(1000)
    series = store.series_after(0, 1)[0]
    tiers = [Tier(5 * MINUTE, DAY)]
    for _ in range(9):
        store.fold_series(series, tiers, patience=PATIENCE, now=NOW + 3 * DAY, limit=7)
    found = points(store, account.id)
    assert len(found) == len({span_start(p.at, 5 * MINUTE) for p in found}) == 9
    assert store._db.table("history_readings").count == 0


def test_blindness_within_a_span_is_remembered(store: SqliteStore) -> None:
    account = add(store)
    for minute in (0, 1, 2, 62, 63, 64):
        gathered(store, minute, grade=Grade.OK)
    for days in (3, 20, 100):
        kept(store, days)
    found = points(store, account.id)
    assert 60 * MINUTE in [*(p.unseen for p in found), *(b.at - a.until for a, b in pairwise(found))]


def test_the_old_goes_and_pending_notices_stay(store: SqliteStore) -> None:
    account = add(store)
    for minute in (0, 60 * 24 * 20):
        gathered(store, minute)
    store.record(cycle_record(account, report=None))
    upkeep = keeper(store, 25, retention=10 * DAY)
    for _ in range(12):
        upkeep.turn()
    assert [p.at > NOW for p in points(store, account.id)] == [True]
    assert store._db.table("notices").count == 1
    store._db.execute("UPDATE notices SET status = 'sent', accepted_at = created_at")
    kept(store, 26, retention=10 * DAY)
    assert store._db.table("notices").count == 0


def test_old_drills_and_steps_go_but_the_last_of_each(store: SqliteStore) -> None:
    """Who did a drill is not asked for one again, and a channel that rang for an alarm does not ring anew."""
    _drilled_and_rung(store._db, add(store).id)
    assert store.drop_records(NOW, 500) == 2
    assert [row["id"] for row in store._db.query("SELECT id FROM drills")] == [2]
    assert [row["id"] for row in store._db.query("SELECT id FROM escalation_steps ORDER BY id")] == [2, 3]
    assert store.drop_records(NOW, 500) == 0


def _drilled_and_rung(db: Database, account_id: int) -> None:
    old, older = text_of(NOW - DAY), text_of(NOW - 2 * DAY)
    [owner] = db.query("SELECT user_id FROM accounts WHERE id = ?", (account_id,))
    db.execute(
        "INSERT INTO channels (id, user_id, title, from_grade, delay_seconds, created_at) "
        "VALUES (5, ?, 'phone', 3, 0, ?)",
        (owner["user_id"], old),
    )
    for at in (older, old):
        db.execute("INSERT INTO drills (user_id, started_at) VALUES (?, ?)", (owner["user_id"], at))
    steps: list[tuple[str, int, str, str | None]] = [
        ("cross", 1, "stopped", older),
        ("cross", 2, "stopped", old),
        ("account", 1, "waiting", None),
    ]
    for subject, number, status, closed_at in steps:
        db.execute(
            "INSERT INTO escalation_steps (channel_id, account_id, subject, episode, number, grade, due_at, status, "
            "closed_at, reason) VALUES (5, ?, ?, 1, ?, 3, ?, ?, ?, ?)",
            (account_id, subject, number, older, status, closed_at, closed_at and "settled"),
        )


def test_history_of_before_survives_the_migration() -> None:
    with open_database(":memory:") as db:
        load_migrations(migrations_file()).apply(db, stop_before="m009_history")
        _old_rows(db)
        migrate(db)
        rows = list(
            db.query(
                "SELECT s.pool, r.* FROM history_readings r JOIN history_series s ON s.id = r.series_id "
                "ORDER BY s.pool, at_ms"
            )
        )
    assert [(r["pool"], r["at_ms"], r["margin_ratio_ppm"], r["cushion_hundredths"], r["grade"]) for r in rows] == [
        ("a", 1000, 713_200, 183, 3),
        ("a", 2000, None, None, None),
        ("b", 1000, 1_100_000, 10**11, 0),
    ]


def _old_rows(db: Database) -> None:
    db.execute("INSERT INTO people (user_id, name, private_chat_id) VALUES (1, 'A', 1)")
    db.execute(
        "INSERT INTO accounts (id, user_id, exchange, label, label_key, created_at) VALUES (4, 1, 'x', 'l', 'l', 't')"
    )
    for row in (
        (4, 1000, "a", "0.7132", 1.83, 3),
        (4, 2000, "a", None, None, None),
        (4, 1000, "b", "1.10", float("inf"), 0),
    ):
        db.execute("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?)", row)


def test_the_tiers_are_in_order() -> None:
    assert all(a.size < b.size and a.after < b.after for a, b in pairwise(TIERS))
