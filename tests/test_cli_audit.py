"""`marginbot audit` as operators and scripts use it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from marginbot.domain.outcomes import Sent
from marginbot.store import open_store, parse_master_key
from tests.outbox import pending as pending_in
from tests.running import MASTER_KEY
from tests.store.builders import POOL, account_report, add, cycle_record, notice, state
from tests.test_cli import marginbot


def planted(folder: Path, *, told: bool) -> None:
    """A database whose one account went critical a moment ago, with or without a message of it accepted."""
    now = datetime.now(UTC)
    store = open_store(folder / "marginbot.db", parse_master_key(MASTER_KEY))
    account = add(store, now=now)
    critical = replace(state(), seen_at=now, spoke_at=now)
    news = notice(account)
    news = replace(news, facts=replace(news.facts, read_at=now - timedelta(seconds=2)))
    report = account_report(taken_at=now)
    store.record(
        cycle_record(
            account, at=now, report=report, states={"": critical, POOL: critical}, notices=[news] if told else []
        )
    )
    for pending in pending_in(store):
        store.finish_attempts([pending.id], Sent(5), None, now)
    store.close()


def test_audit_shows_what_was_told_and_how_long_it_took(tmp_path: Path) -> None:
    planted(tmp_path, told=True)
    result = marginbot(tmp_path, "audit", "--json", "--since", "1h")
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert (data["ok"], data["violations"], data["messages"], data["accepted"]) == (True, [], 1, 1)
    assert data["reading_to_acceptance_seconds"] == {"p50": 2.0, "p95": 2.0, "p99": 2.0}
    assert [(e["label"], e["worst"], e["ending"]) for e in data["episodes"]] == [("main", "CRITICAL", "open")]
    result = marginbot(tmp_path, "audit")
    assert (result.returncode, "p95 2.0 s" in result.stdout, "nobody is left untold" in result.stdout) == (
        0,
        True,
        True,
    )


def test_audit_exits_1_when_somebody_is_left_untold(tmp_path: Path) -> None:
    planted(tmp_path, told=False)
    result = marginbot(tmp_path, "audit", "--json")
    assert result.returncode == 1
    assert [violation["kind"] for violation in json.loads(result.stdout)["violations"]] == ["untold"]
    result = marginbot(tmp_path, "audit")
    assert (result.returncode, "VIOLATION untold: account 1 (bybit)" in result.stdout) == (1, True)


def test_audit_without_a_database_or_with_a_wrong_span_says_so(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "audit")
    assert (result.returncode, "MARGINBOT_DATABASE" in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
    assert marginbot(tmp_path, "audit", "--since", "long").returncode == 2
