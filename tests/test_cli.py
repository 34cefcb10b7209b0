"""The command line as people and scripts use it: output, exit codes, and what a wrong call is told."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from marginbot.flow.ports import Credential, Person
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from marginbot.store import open_store, parse_master_key
from tests.exchanges.kit import assert_paged, falling_day
from tests.running import MASTER_KEY
from tests.servers.base import wall_clock_ms
from tests.servers.telegram import threaded
from tests.servers.threads import on_a_thread
from tests.sim.books import wallets

SECRET = "canary-secret-77aa31"


def marginbot(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder with nothing but the given settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MARGINBOT_")}
    return subprocess.run(
        [sys.executable, "-m", "marginbot", *arguments],
        cwd=folder,
        env=environment | {f"MARGINBOT_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=90,
        check=False,
    )


@pytest.fixture
def exchange() -> Iterator[SimulatedExchange]:
    market = Market()
    account = Account(market, wallets(USDT="3000"))
    account.open("BTCUSDT", Decimal("0.5"))
    server = SimulatedExchange(market, wall_clock_ms)
    server.add_key("the-api-key", SECRET, account)
    with on_a_thread(server):
        yield server


def urls(exchange: SimulatedExchange) -> str:
    return json.dumps({"binanceusdm": exchange.url})


def test_help_lists_every_command(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "--help")
    assert result.returncode == 0
    commands = (
        "run",
        "demo",
        "check",
        "audit",
        "snapshot",
        "replay",
        "keygen",
        "rotate-key",
        "migrate",
        "backup",
        "restore",
    )
    for command in commands:
        assert f"\n  {command} " in result.stdout
        assert marginbot(tmp_path, command, "--help").returncode == 0


def test_keygen_prints_a_new_key_each_time(tmp_path: Path) -> None:
    first, second = (marginbot(tmp_path, "keygen").stdout.strip() for _ in range(2))
    assert len(base64.urlsafe_b64decode(first)) == 32
    assert first != second


def test_run_without_token_or_key_says_which_and_exits_2(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "run")
    assert (result.returncode, "MARGINBOT_TELEGRAM_TOKEN" in result.stderr) == (2, True)
    result = marginbot(tmp_path, "run", TELEGRAM_TOKEN="123456:TEST")
    assert (result.returncode, "keygen" in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_run_with_a_token_telegram_does_not_know_exits_2(tmp_path: Path) -> None:
    with threaded() as tg:
        settings = {"TELEGRAM_TOKEN": "999:WRONG", "TELEGRAM_API_URL": tg.url, "HTTP_LISTEN": ""}
        result = marginbot(tmp_path, "run", MASTER_KEY=MASTER_KEY, **settings)
    assert result.returncode == 2
    assert "MARGINBOT_TELEGRAM_TOKEN" in result.stderr.strip().splitlines()[-1]
    assert "WRONG" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("POLL_INTERVAL", "soon", id="not a number"),
        pytest.param("ACCESS", "everyone", id="unknown choice"),
        pytest.param("EXCHANGE_URLS", "{bybit", id="not json"),
        pytest.param("ADMIN_IDS", "12,bob", id="not an id"),
        pytest.param("HTTP_LISTEN", "8080", id="no host"),
    ],
)
def test_a_bad_setting_names_itself_and_a_right_value(tmp_path: Path, name: str, value: str) -> None:
    result = marginbot(tmp_path, "migrate", **{name: value})
    assert result.returncode == 2
    assert f"MARGINBOT_{name}" in result.stderr
    assert "looks like" in result.stderr
    assert "Traceback" not in result.stderr


def test_snapshot_json_follows_the_schema(tmp_path: Path, exchange: SimulatedExchange) -> None:
    result = marginbot(
        tmp_path, "snapshot", "binanceusdm", "--json", EXCHANGE_URLS=urls(exchange), KEY="the-api-key", SECRET=SECRET
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    expected = float(exchange.accounts()[0].margin_ratio("cross:USDT"))
    assert report["margin_ratio"] == pytest.approx(expected, rel=0.005)
    assert (report["exchange"], report["state"]) == ("binanceusdm", "ok")
    pool = report["pools"][0]
    names = "name margin_mode currency state equity maintenance_margin margin_ratio buffer reported_ratio room scenario"
    assert set(names.split()) | {"cushion"} <= set(pool)
    assert pool["buffer"] == pytest.approx(pool["equity"] - pool["maintenance_margin"])
    position = report["positions"][0]
    assert (position["symbol"], position["side"], position["contracts"]) == ("BTC/USDT:USDT", "long", 0.5)
    assert SECRET not in result.stdout + result.stderr


def test_snapshot_with_a_wrong_secret_fails_with_one_clear_line(tmp_path: Path, exchange: SimulatedExchange) -> None:
    result = marginbot(
        tmp_path, "snapshot", "binanceusdm", EXCHANGE_URLS=urls(exchange), KEY="the-api-key", SECRET="wrong-but-long"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "wrong-but-long" not in result.stderr
    assert "Traceback" not in result.stderr


def test_replay_of_one_s_own_account_over_a_past_day(tmp_path: Path) -> None:
    market = Market()
    account = Account(market, wallets(USDT="3000"))
    account.open("BTCUSDT", Decimal("0.5"))
    server = SimulatedExchange(market, wall_clock_ms, candles=falling_day)
    server.add_key("the-api-key", SECRET, account)
    call = ("replay", "--exchange", "binanceusdm", "--period", "2025-10-10", "--json")
    with on_a_thread(server):
        result = marginbot(tmp_path, *call, EXCHANGE_URLS=urls(server), KEY="the-api-key", SECRET=SECRET)
    assert result.returncode == 0, result.stderr
    [outcome] = json.loads(result.stdout)["results"]
    assert outcome["name"] == "cross:USDT"
    assert outcome["breach_at"].startswith("2025-10-10T0")
    leads = [outcome["lead_minutes"][grade] for grade in ("NOTICE", "WARNING", "CRITICAL", "EMERGENCY")]
    assert leads == sorted(leads, reverse=True)
    assert leads[-1] > 0
    assert_paged(server)


@pytest.mark.parametrize(
    "arguments",
    [(), ("spec.json", "--exchange", "okx"), ("--exchange", "okx"), ("--period", "2025-10-10")],
    ids=["neither", "both", "no period", "no exchange"],
)
def test_replay_wants_a_file_or_an_exchange_and_a_period(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = marginbot(tmp_path, "replay", *arguments)
    assert (result.returncode, "--period" in result.stderr) == (2, True)


def test_failure_40_a_secret_as_argument_is_refused(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "snapshot", "binanceusdm", "--key", "the-api-key")
    assert result.returncode == 2
    assert "MARGINBOT_KEY" in result.stderr


def test_unknown_exchange_names_the_nearest(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "snapshot", "binanceusd")
    assert result.returncode == 2
    assert "binanceusdm" in result.stderr


def test_migrate_backup_and_restore(tmp_path: Path) -> None:
    settings = {"MASTER_KEY": MASTER_KEY}
    assert marginbot(tmp_path, "migrate", **settings).returncode == 0
    assert "already current" in marginbot(tmp_path, "migrate", **settings).stdout
    assert (tmp_path / "marginbot.db").stat().st_mode & 0o077 == 0
    assert marginbot(tmp_path, "backup", "copy.db", **settings).returncode == 0
    assert marginbot(tmp_path, "restore", "copy.db", **settings).returncode == 0
    assert marginbot(tmp_path, "restore", "nothing.db", **settings).returncode != 0


def test_rotate_key_needs_a_new_key(tmp_path: Path) -> None:
    assert marginbot(tmp_path, "migrate").returncode == 0
    result = marginbot(tmp_path, "rotate-key", MASTER_KEY=MASTER_KEY)
    assert (result.returncode, "MARGINBOT_NEW_MASTER_KEY" in result.stderr) == (2, True)
    result = marginbot(tmp_path, "rotate-key", MASTER_KEY=MASTER_KEY, NEW_MASTER_KEY="short")
    assert (result.returncode, "MARGINBOT_NEW_MASTER_KEY is not" in result.stderr) == (2, True)


def test_a_bad_replay_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{", encoding="utf-8")
    result = marginbot(tmp_path, "replay", "mine.json")
    assert (result.returncode, result.stderr) == (1, "marginbot: The file mine.json is not JSON: line 1.\n")


def test_check_names_what_is_wrong(tmp_path: Path, exchange: SimulatedExchange) -> None:
    with threaded() as tg:
        good = {
            "TELEGRAM_TOKEN": "123456:TEST",
            "TELEGRAM_API_URL": tg.url,
            "MASTER_KEY": MASTER_KEY,
            "EXCHANGE_URLS": urls(exchange),
        }
        assert marginbot(tmp_path, "check", **good).returncode == 0
        assert list(tmp_path.iterdir()) == []
        store = open_store(tmp_path / "marginbot.db", parse_master_key(MASTER_KEY))
        credential = Credential("the-api-key", SECRET)
        store.add_account(Person(7, "Alice"), 7, "binanceusdm", "main", credential, datetime(2026, 1, 1, tzinfo=UTC))
        store.close()
        result = marginbot(tmp_path, "check", **good)
        assert (result.returncode, "FAIL" in result.stdout) == (0, False), result.stdout + result.stderr
        exchange.keys["the-api-key"].revoked = True
        assert _failed(marginbot(tmp_path, "check", **good)) == ["account 1 (binanceusdm)"]
        other = base64.urlsafe_b64encode(b"k" * 32).decode()
        result = marginbot(tmp_path, "check", **(good | {"MASTER_KEY": other, "TELEGRAM_TOKEN": "1:WRONG"}))
    assert result.returncode == 1
    assert _failed(result) == ["Telegram", "master key"]


def _failed(result: subprocess.CompletedProcess[str]) -> list[str]:
    lines = [line for line in result.stdout.splitlines() if line.startswith("FAIL ")]
    return [line.removeprefix("FAIL ").split(":")[0] for line in lines]


def test_demo_tells_the_whole_story_and_ends(tmp_path: Path) -> None:
    result = marginbot(tmp_path, "demo", "--json", "--speed", "100000")
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    told = [event["grade"] for event in events if event["event"] == "alert"]
    positions = [told.index(grade) for grade in ("NOTICE", "WARNING", "CRITICAL", "EMERGENCY")]
    assert positions == sorted(positions)
    assert [event["event"] for event in events].count("liquidation") == 1
    summary = events[-1]
    leads = summary["lead_minutes"]
    assert leads["NOTICE"] >= leads["WARNING"] >= leads["CRITICAL"] >= leads["EMERGENCY"] > 0
    assert list(tmp_path.iterdir()) == []


def test_replay_answers_in_the_documented_form(tmp_path: Path) -> None:
    start = 1_621_382_400_000  # 2021-05-19T00:00Z
    prices = [
        f"{start + minute * 60_000},{p},{p},{p - 40},{p - 40}" for minute in range(600) for p in [40_000 - 40 * minute]
    ]
    (tmp_path / "btc.csv").write_text("timestamp,open,high,low,close\n" + "\n".join(prices[:300]))
    spec = {
        "prices": {"BTC": "btc.csv"},
        "start": "2021-05-19T00:00:00Z",
        "end": "2021-05-19T05:00:00Z",
        "poll_interval": 30,
        "portfolios": [
            {
                "name": "10x long",
                "margin_mode": "cross",
                "equity": 10_000,
                "maintenance_margin_rate": 0.005,
                "positions": [{"asset": "BTC", "side": "long", "leverage": 10}],
            }
        ],
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    result = marginbot(tmp_path, "replay", "spec.json", "--json")
    assert result.returncode == 0, result.stderr
    (answer,) = json.loads(result.stdout)["results"]
    assert answer["breach_at"].startswith("2021-05-19T01:3")
    assert set(answer["first"]) == set(answer["lead_minutes"]) == set(answer["raises"])
    assert answer["lead_minutes"]["NOTICE"] > 0
    spoiled = marginbot(tmp_path, "replay", "nothing.json")
    assert (spoiled.returncode, "nothing.json" in spoiled.stderr) == (1, True)
