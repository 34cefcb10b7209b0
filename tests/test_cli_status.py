"""`marginbot status` and `check --json` as operators and scripts use them; bars for those who wait."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from marginbot.domain.errors import WrongMasterKey
from marginbot.progress import bar, lines
from marginbot.store import open_store, open_unsealed, parse_master_key
from tests.running import MASTER_KEY
from tests.store.builders import add
from tests.test_cli import marginbot
from tests.test_cli_audit import planted


def test_status_shows_every_account_without_the_master_key(tmp_path: Path) -> None:
    planted(tmp_path, told=True)
    result = marginbot(tmp_path, "status")
    assert result.returncode == 0, result.stderr
    assert "🔴 Not fine: main critical" in result.stdout
    assert "<b>" not in result.stdout


def test_status_for_programs(tmp_path: Path) -> None:
    planted(tmp_path, told=True)
    (account,) = json.loads(marginbot(tmp_path, "status", "--json").stdout)["accounts"]
    assert (account["label"], account["grade"], account["watched"]) == ("main", "CRITICAL", True)
    assert account["report"]["pools"]
    late = marginbot(tmp_path, "status", "--json", STALE_AFTER="0.1")
    assert json.loads(late.stdout)["accounts"][0]["watched"] is False


def test_status_without_a_database_or_accounts(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "status")
    assert (result.returncode, "marginbot migrate" in result.stderr) == (2, True)
    assert marginbot(tmp_path, "migrate").returncode == 0
    result = marginbot(tmp_path, "status")
    assert (result.returncode, result.stdout) == (0, "No accounts are registered yet.\n")


def test_what_was_opened_for_looking_yields_no_secret(tmp_path: Path) -> None:
    store = open_store(tmp_path / "marginbot.db", parse_master_key(MASTER_KEY))
    account = add(store)
    store.close()
    looker = open_unsealed(tmp_path / "marginbot.db")
    try:
        assert looker.accounts_of(account.user_id) == [account]
        with pytest.raises(WrongMasterKey):
            looker.credential(account.id)
    finally:
        looker.close()


def test_check_for_programs_names_the_remedy(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "check", "--json", DATABASE="nowhere/bot.db", HTTP_LISTEN="")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    failed = {row["subject"]: row["remedy"] for row in told["findings"] if not row["ok"]}
    assert told["ok"] is False
    assert "mkdir" in failed["folder"]
    assert "@BotFather" in failed["Telegram"]
    lines = marginbot(tmp_path, "check", DATABASE="nowhere/bot.db", HTTP_LISTEN="").stdout.splitlines()
    assert any(line.startswith("     → take the token from @BotFather") for line in lines)


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    for terminal in (True, False):
        text = io.StringIO()
        with bar("restoring", Console(file=text, force_terminal=terminal)) as progress:
            progress(1, 2)
        assert ("restoring" in text.getvalue()) is terminal


def test_without_a_terminal_a_line_now_and_then_and_none_for_what_is_quick() -> None:
    written: list[str] = []
    seconds = iter([0.0, *(s for at in range(1, 13) for s in ([float(at)] * (2 if at % 5 == 0 else 1)))])
    tick = lines("replaying", written.append, lambda: next(seconds))
    for done in range(1, 13):
        tick(done, 12)
    assert written == ["replaying: 41 %", "replaying: 83 %"]


def test_progress_of_nothing_is_no_line() -> None:
    written: list[str] = []
    lines("restoring", written.append, iter([0.0, 60.0]).__next__)(0, 0)
    assert written == []
