"""What Prometheus is given, and what `/healthz` says."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from marginbot.domain.holes import Kind, Violation
from marginbot.flow.audit import Verdict
from marginbot.flow.ports import Waiting
from marginbot.health import Vitals, as_json
from marginbot.metrics import Metrics
from tests.builders import T0

HOLE = Violation(kind=Kind.UNREAD, about="account 1 (bybit)", detail="last read 400 s ago")


def vitals(*violations: Violation) -> Vitals:
    return Vitals(
        version="0",
        uptime=timedelta(hours=1),
        telegram_age=timedelta(seconds=1),
        cycle_age=timedelta(seconds=2),
        cycle_limit=timedelta(seconds=90),
        telegram_limit=timedelta(seconds=75),
        budgets_used={"binanceusdm": 0.25},
        oldest_waiting=timedelta(seconds=7),
        accounts=2,
        accounts_refused=0,
        accounts_blind=1,
        notices_pending=3,
        boards=2,
        boards_stale=1,
        reading_ages={"bybit": timedelta(seconds=400), "okx": timedelta(seconds=9)},
        audit=Verdict(T0, violations),
        audit_age=timedelta(seconds=30),
        waiting={"okx": Waiting(7, timedelta(seconds=81))},
    )


def samples(metrics: Metrics, state: Vitals) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.page(state).decode())
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_page_counts_the_work_and_shows_the_state() -> None:
    metrics = Metrics()
    for outcome in ("ok", "ok", "venue_down"):
        metrics.reading("bybit", outcome)
    metrics.send("sent")
    metrics.board("edit", "not_editable")
    metrics.dwell(timedelta(seconds=1.5))
    metrics.cycle(timedelta(seconds=0.3))
    found = samples(metrics, vitals(HOLE))
    expected = {
        "marginbot_readings_total ok bybit": 2,
        "marginbot_readings_total venue_down bybit": 1,
        "marginbot_sends_total sent": 1,
        "marginbot_notice_dwell_seconds_sum": 1.5,
        "marginbot_cycle_seconds_count": 1,
        "marginbot_reading_age_seconds bybit": 400,
        "marginbot_reading_age_seconds okx": 9,
        "marginbot_audit_violations unread": 1,
        "marginbot_audit_violations untold": 0,
        "marginbot_accounts_blind": 1,
        "marginbot_notices_pending": 3,
        "marginbot_notice_oldest_seconds": 7,
        "marginbot_budget_used binanceusdm": 0.25,
        "marginbot_up": 1,
        "marginbot_board_changes_total not_editable edit": 1,
        "marginbot_boards": 2,
        "marginbot_boards_stale": 1,
        "marginbot_late_accounts okx": 7,
        "marginbot_late_seconds okx": 81,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_the_health_page_names_what_the_audit_found() -> None:
    clean, holed = as_json(vitals())["audit"], as_json(vitals(HOLE, HOLE))["audit"]
    assert clean == {"ok": True, "violations": 0, "kinds": {}, "checked_seconds_ago": 30.0}
    assert holed == {"ok": False, "violations": 2, "kinds": {"unread": 2}, "checked_seconds_ago": 30.0}


def test_before_the_first_audit_nothing_is_called_well() -> None:
    assert not Verdict(None, ()).ok
