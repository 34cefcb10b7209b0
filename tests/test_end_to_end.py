"""The whole path with the real processes: chat, exchange, crash, acknowledgement, recovery, kill."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.running import RunningBot, running_bot
from tests.servers.base import wall_clock_ms
from tests.servers.telegram import TelegramServer, threaded
from tests.servers.threads import on_a_thread
from tests.sim.books import wallets

ALICE = 7001
KEY, SECRET = "alices-api-key-0001", "canary-secret-5f2c9d7e1b"
GRADES = ("NOTICE", "WARNING", "CRITICAL", "EMERGENCY")
FULL_PRICE = 60_000


class World:
    """Alice, her account at the exchange, and the bot between them."""

    def __init__(self, folder: Path, tg: TelegramServer, exchange: SimulatedExchange, account: Account) -> None:
        self.folder, self.tg, self.exchange, self.account = folder, tg, exchange, account

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MARGINBOT_TELEGRAM_API_URL": self.tg.url,
            "MARGINBOT_EXCHANGE_URLS": json.dumps({"binanceusdm": self.exchange.url}),
            "MARGINBOT_POLL_INTERVAL": "0.25",
            "MARGINBOT_STALE_AFTER": "60",
        }

    def add(self) -> None:
        asked = self.tg.private(ALICE, f"/add binanceusdm main {KEY} {SECRET}")
        self.tg.wait_for_sync(ALICE, "Watching", 20.0, after=asked)
        assert (ALICE, asked) in self.tg.deleted

    def price(self, share: float) -> None:
        self.exchange.set_price("BTCUSDT", Decimal(FULL_PRICE) * Decimal(share))

    def fall(self, start: float, end: float, seconds: float) -> None:
        steps = max(1, int(seconds / 0.1))
        for step in range(steps + 1):
            self.price(start + (end - start) * step / steps)
            time.sleep(0.1)

    def alerts(self) -> list[str]:
        """First lines of the alerts so far, in order."""
        lines = [text.splitlines()[0] for text in self.tg.texts(ALICE)]
        return [line for line in lines if re.search(r"\b(NOTICE|WARNING|CRITICAL|EMERGENCY|RECOVERED|STALE)\b", line)]

    def announced(self) -> list[str]:
        return [grade for line in self.alerts() for grade in (*GRADES, "RECOVERED") if re.search(rf"\b{grade}\b", line)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    market = Market()
    market.set_price("BTCUSDT", Decimal(FULL_PRICE))
    account = Account(market, wallets(USDT="10000"), liquidates=False)
    account.open("BTCUSDT", Decimal("0.8333"))  # 5x long
    exchange = SimulatedExchange(market, wall_clock_ms, weight_limit=1_000_000)
    exchange.add_key(KEY, SECRET, account)
    with threaded() as tg, on_a_thread(exchange):
        yield World(tmp_path, tg, exchange, account)
        assert tg.violations == []
        assert tg.refusals == []


def no_secret_anywhere(world: World, bot: RunningBot) -> None:
    """Neither log, nor database pages, nor what was said holds the secret or the token."""
    secrets = [SECRET.encode(), b"123456:TEST"]
    files = [bot.log, *world.folder.glob("bot.db*")]
    for path in files:
        for secret in secrets:
            assert secret not in path.read_bytes(), path.name
    for text in world.tg.texts(ALICE):
        assert SECRET not in text


GROUP = -7100


def test_a_board_started_in_a_group_is_kept_and_is_the_same_after_a_kill(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        world.tg.set_member(GROUP, ALICE, "member")
        world.tg.say(GROUP, ALICE, "/share main")
        world.tg.wait_for_sync(GROUP, "may now see", 10.0)
        world.tg.say(GROUP, ALICE, "/board")
        board = world.tg.wait_for_sync(GROUP, "Live board", 10.0)
        world.tg.wait_until_sync(lambda: board.pinned, 5.0)
        bot.kill()
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.price(0.82)
        told = world.tg.wait_for_sync(GROUP, re.compile("(WARNING|CRITICAL|EMERGENCY) · main"), 20.0)
        assert told.message_id > board.message_id
        assert not [text for text in world.tg.texts(GROUP) if "Live board" in text and text != board.text]
        assert bot.stop() == 0


def test_registered_by_chat_warned_in_order_acknowledged_and_recovered(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        world.fall(1.0, 0.808, 12.0)
        world.tg.wait_for_sync(ALICE, re.compile("EMERGENCY"), 10.0)
        assert world.announced() == list(GRADES)
        world.tg.press_button(ALICE, "Acknowledge", ALICE)
        world.tg.wait_for_sync(ALICE, re.compile("Acknowledged by"), 10.0)
        world.fall(0.808, 1.0, 2.0)
        world.tg.wait_for_sync(ALICE, "RECOVERED", 10.0)
        assert world.announced().count("RECOVERED") == 1
        assert bot.stop() == 0
        no_secret_anywhere(world, bot)


def test_status_and_snapshot_agree_with_the_exchange(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        for share in (1.0, 0.88):
            world.price(share)
            time.sleep(1.0)
            asked = world.tg.private(ALICE, "/status")
            answer = world.tg.wait_for_sync(ALICE, re.compile(r"\d+\.\d%"), 10.0, after=asked)
            expected = float(world.account.margin_ratio("cross:USDT"))
            shown = [float(figure) / 100 for figure in re.findall(r"(\d+\.\d)%", answer.text)]
            assert any(abs(figure - expected) <= 0.0006 for figure in shown), answer.text
        asked = world.tg.private(ALICE, "/chart 1h light")
        picture = world.tg.wait_for_sync(ALICE, "At worst: ratio", 30.0, after=asked)
        assert (picture.kind, picture.file is not None) == ("photo", True)
        asked = world.tg.private(ALICE, "/report")
        day = world.tg.wait_for_sync(ALICE, "Worst of the day", 10.0, after=asked)
        assert "BTC/USDT:USDT long 100%" in day.text
        assert bot.stop() == 0
    with closing(sqlite3.connect(world.folder / "bot.db")) as database:
        assert database.execute("SELECT count(*) FROM history_readings").fetchone()[0] >= 4


def test_killed_in_the_middle_of_a_crash_nothing_is_lost_and_nothing_old_is_told_as_new(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        world.fall(1.0, 0.845, 4.0)
        world.tg.wait_for_sync(ALICE, re.compile("NOTICE|WARNING"), 10.0)
        bot.kill()
        before = world.announced()
        world.price(0.808)
        bot.start()
        world.tg.wait_for_sync(ALICE, "EMERGENCY", 30.0)
        after = world.announced()
        assert after[: len(before)] == before
        assert len(after) == len(set(after)), after
        assert bot.stop() == 0
    database = sqlite3.connect(world.folder / "bot.db")
    pending = database.execute("select count(*) from notices where status = 'pending'").fetchone()[0]
    database.close()
    assert pending == 0


@contextmanager
def beats() -> Iterator[tuple[str, list[float]]]:
    """An outside dead man's switch: its address, and when it was fetched."""
    heard: list[float] = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(time.monotonic())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Switch) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()


def audited(bot: RunningBot) -> dict[str, object]:
    """What `/healthz` says of the audit, once there was one."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        _, body = bot.health()
        if body.get("audit", {}).get("checked_seconds_ago") is not None:
            return dict(body["audit"])
        time.sleep(0.1)
    raise AssertionError("there was no audit")


def test_an_alert_that_nobody_was_told_withholds_the_heartbeat_and_shows_in_the_health_page(world: World) -> None:
    with beats() as (address, heard):
        environment = world.environment | {"MARGINBOT_HEARTBEAT_URL": address}
        with running_bot(world.folder, environment) as bot:
            bot.wait_until_healthy()
            world.add()
            world.price(0.81)
            world.tg.wait_for_sync(ALICE, re.compile("CRITICAL|EMERGENCY"), 10.0)
            assert audited(bot)["ok"] is True
            time.sleep(2.5)
            assert heard
            with urlopen(f"http://127.0.0.1:{bot.port}/metrics", timeout=5) as answer:
                page = answer.read().decode()
            assert re.search(r'marginbot_readings_total\{outcome="ok",venue="binanceusdm"\} [1-9]', page)
            assert 'marginbot_sends_total{outcome="sent"} 1.0' in page
            assert "marginbot_notice_dwell_seconds_count 1.0" in page
            assert 'marginbot_audit_violations{kind="untold"} 0.0' in page
            assert bot.stop() == 0
            with closing(sqlite3.connect(world.folder / "bot.db")) as database, database:
                database.execute("DELETE FROM notices")
            before = len(heard)
            bot.start()
            bot.wait_until_healthy()
            verdict = audited(bot)
            assert (verdict["ok"], verdict["violations"], verdict["kinds"]) == (False, 1, {"untold": 1})
            time.sleep(2.5)
            assert len(heard) == before
            assert bot.stop() == 0
