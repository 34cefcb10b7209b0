"""Marked secrets go through every flow and many faults; then everything that is left behind is searched for them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import urlopen

import pytest

from marginbot.strongbox import USER
from tests.running import MASTER_KEY, RunningBot, free_port, running_bot
from tests.servers.okx import OkxAccount, OkxServer
from tests.servers.threads import on_a_thread
from tests.test_channels_end_to_end import Hook, hook
from tests.test_cli import marginbot
from tests.test_end_to_end import ALICE, World, beats, world
from tests.test_strongbox import BACKEND

__all__ = ["hook", "world"]

KEY, SECRET = "alices-api-key-0001", "canary-secret-5f2c9d7e1b"
WRONG = "canary-wrong-secret-91c4aa07"
OKX = ("okx-key", "okx-secret", "okx-passphrase")
TOKEN = "123456:TEST"
BEAT = "canary-heartbeat-77b0"
FORM_KEY, FORM_SECRET = "canary-form-key-8e20b7", "canary-form-secret-0cd41f93"
# What is personal without being secret: pages for machines hold none of it.
LABEL, NAME = "violet-desk", "Alice"
GUIDED_KEY, GUIDED = "canary-guided-key-27ad11", "canary-guided-secret-6b19e2f4"


def canaries(bot: RunningBot, hook_address: str) -> dict[str, str]:
    """What must be nowhere, by name."""
    return {
        "API key": KEY,
        "API secret": SECRET,
        "wrong secret": WRONG,
        "OKX secret": OKX[1],
        "OKX passphrase": OKX[2],
        "form key": FORM_KEY,
        "form secret": FORM_SECRET,
        "guided key": GUIDED_KEY,
        "guided secret": GUIDED,
        "bot token": TOKEN,
        "master key": bot.environment["MARGINBOT_MASTER_KEY"],
        "heartbeat": BEAT,
        "channel": hook_address.rsplit("/", 1)[-1],
    }


def found(canary: str, content: bytes) -> bool:
    return any(form.encode() in content for form in {canary, quote(canary, safe=""), canary[::-1]})


def leaks(bot: RunningBot, secrets: dict[str, str], places: dict[str, bytes]) -> list[str]:
    return [
        f"{name} in {place}" for place, content in places.items() for name, s in secrets.items() if found(s, content)
    ]


@pytest.fixture
def okx() -> Iterator[OkxServer]:
    server = OkxServer([OkxAccount()])
    with on_a_thread(server):
        yield server


def a_key_by_the_form(world: World) -> str:
    """Somebody enters a key in the web form; the link's token."""
    asked = world.tg.private(ALICE, "/add bybit formed")
    told = world.tg.wait_for_sync(ALICE, "Or use the web form", 20.0, after=asked)
    address = str(told.buttons[0][0].url)
    with urlopen(address, urlencode({"key": FORM_KEY, "secret": FORM_SECRET}).encode(), timeout=5) as answer:
        assert answer.status == 200
    world.tg.wait_for_sync(ALICE, "Nothing was stored", 30.0, after=told.message_id)
    return address.rpartition("/")[2]


def everything_happens(world: World, okx: OkxServer, hook: Hook) -> str:
    """Registrations right and wrong, in one line, guided and by the form; alerts, channels, faults of everyone."""
    tg, exchange = world.tg, world.exchange
    asked = tg.private(ALICE, f"/add binanceusdm bad {KEY} {WRONG}")
    tg.wait_for_sync(ALICE, "Nothing was stored", 20.0, after=asked)
    asked = tg.private(ALICE, f"/add nowhere bad {KEY} {WRONG}")
    tg.wait_for_sync(ALICE, "I do not know that exchange", 20.0, after=asked)
    tg.faults.add("deleteMessage", times=2, kind="500")
    asked = tg.private(ALICE, f"/ad binanceusdm bad {KEY} {WRONG}{WRONG}")
    tg.wait_for_sync(ALICE, "Please delete it yourself", 20.0, after=asked)
    tg.private(ALICE, "/add bybit guided")
    tg.wait_for_sync(ALICE, "Now send the", 20.0)
    tg.private(ALICE, GUIDED_KEY)
    tg.wait_for_sync(ALICE, "Got it", 20.0)
    asked = tg.private(ALICE, GUIDED)
    tg.wait_for_sync(ALICE, "Nothing was stored", 30.0, after=asked)
    token = a_key_by_the_form(world)
    world.add()
    asked = tg.private(ALICE, f"/add okx {LABEL} {' '.join(OKX)}")
    tg.wait_for_sync(ALICE, "Watching", 20.0, after=asked)
    asked = tg.private(ALICE, f"/channels add {hook.address} from WARNING after 0m")
    tg.wait_for_sync(ALICE, "My test line was accepted", 20.0, after=asked)
    world.price(0.83)
    tg.wait_for_sync(ALICE, re.compile("WARNING|CRITICAL|EMERGENCY"), 20.0)
    echo = {"code": -1000, "msg": f"bad request signature={SECRET} X-MBX-APIKEY {KEY} secret {SECRET}"}
    exchange.faults.edit("/fapi", lambda _: echo, times=6)
    for kind in ("html", "garbage", "500", "reset", "banned", "rate_limited"):
        exchange.faults.add(kind, times=3)
        okx.faults.add(kind, times=3)
    tg.faults.add("sendMessage", times=2, kind="500")
    time.sleep(3)
    for command in ("/accounts", "/status", "/history", "/channels", "/channels test 1", "/drill", "/thresholds"):
        asked = tg.private(ALICE, command)
        tg.wait_for_sync(ALICE, lambda message: True, 20.0, after=asked)
    return token


def test_failure_34_no_secret_is_left_anywhere(world: World, okx: OkxServer, hook: Hook) -> None:
    with beats() as (address, _):
        urls = {"binanceusdm": world.exchange.url, "okx": okx.url, "bybit": world.exchange.url}
        form = f"127.0.0.1:{free_port()}"
        environment = world.environment | {
            "MARGINBOT_FORM_URL": f"http://{form}",
            "MARGINBOT_FORM_LISTEN": form,
            "MARGINBOT_EXCHANGE_URLS": json.dumps(urls),
            "MARGINBOT_HEARTBEAT_URL": f"{address}{BEAT}",
        }
        with running_bot(world.folder, environment) as bot:
            bot.wait_until_healthy()
            token = everything_happens(world, okx, hook)
            pages = [urlopen(f"http://127.0.0.1:{bot.port}/{page}", timeout=5) for page in ("metrics", "healthz")]
            told = b"".join(page.read() for page in pages)
            assert b"marginbot_reading_age_seconds" in told
            assert [word for word in (LABEL, NAME, str(ALICE), "formed") if word.encode() in told] == []
            assert bot.process is not None
            commands = Path(f"/proc/{bot.process.pid}/cmdline")
            places = {
                "metrics and health": told,
                "process arguments": commands.read_bytes() if commands.exists() else b"",
            }
            settings = {"MASTER_KEY": bot.environment["MARGINBOT_MASTER_KEY"], "DATABASE": str(world.folder / "bot.db")}
            assert marginbot(world.folder, "backup", "copy.db", **settings).returncode == 0
            assert bot.stop() == 0
        world.exchange.faults.clear()
        reading = {"EXCHANGE_URLS": json.dumps(urls), "KEY": KEY, "SECRET": SECRET, "LOG_LEVEL": "debug"}
        captured = marginbot(world.folder, "capture", "binanceusdm", "reading.json", **reading)
        assert captured.returncode == 0, captured.stderr
        failed = marginbot(world.folder, "snapshot", "binanceusdm", **reading | {"SECRET": WRONG})
        places |= {
            "what the commands said": (captured.stdout + captured.stderr + failed.stdout + failed.stderr).encode(),
            "what was said in the chat": "\n".join(world.tg.texts(ALICE)).encode(),
            "what the channel was told": json.dumps(hook.received).encode(),
            **{file.name: file.read_bytes() for file in world.folder.iterdir() if file.is_file()},
        }
        secrets = canaries(bot, hook.address) | {"form link": token}
        assert {"bot.log", "bot.db", "copy.db", "reading.json"} <= set(places)
        assert leaks(bot, secrets, places) == []
        assert [word for word in (LABEL, NAME) if word.encode() in places["bot.log"]] == []
        assert len(places["bot.log"]) > 2000
        # The search itself works: one leak planted by hand is found.
        with (world.folder / "bot.log").open("ab") as log:
            log.write(f"GET /bot{TOKEN}/getMe".encode())
        places["bot.log"] = (world.folder / "bot.log").read_bytes()
        assert leaks(bot, secrets, places) == ["bot token in bot.log"]


def test_failure_35_a_stolen_database_yields_no_secret_and_swapped_seals_open_nothing(world: World) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        asked = world.tg.private(ALICE, f"/add binanceusdm other {KEY} {SECRET}")
        world.tg.wait_for_sync(ALICE, "Watching", 20.0, after=asked)
        assert bot.stop() == 0
        with closing(sqlite3.connect(world.folder / "bot.db")) as database, database:
            first, second = (row[0] for row in database.execute("SELECT id FROM accounts ORDER BY id"))
            database.execute("PRAGMA foreign_keys = OFF")
            for old, new in ((first, -1), (second, first), (-1, second)):
                database.execute("UPDATE secrets SET account_id = ? WHERE account_id = ?", (new, old))
        bot.start()
        for label in ("main", "other"):
            told = world.tg.wait_for_sync(ALICE, lambda m, name=label: "STALE" in m.text and name in m.text, 30.0)  # type: ignore[misc]
            assert "/add" in told.text
        assert bot.stop() == 0
        stolen = subprocess.run(["strings", "-n", "8", "bot.db"], cwd=world.folder, capture_output=True, check=False)
        assert SECRET.encode() not in stolen.stdout + (world.folder / "bot.db").read_bytes()


WATCHED = """
import sys

def watch(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        print("connect", args[1][0], args[1][1], file=log, flush=True)
    elif event == "socket.bind" and isinstance(args[1], tuple):
        print("listen", args[1][0], args[1][1], file=log, flush=True)
    elif event == "socket.getaddrinfo":
        print("lookup", args[0], args[1], file=log, flush=True)

log = open(LOG, "a")
sys.addaudithook(watch)
"""


def key_from_the_keyring(folder: Path) -> dict[str, str]:
    """Settings by which the master key comes from a keyring, where its library is installed."""
    if importlib.util.find_spec("keyring") is None:
        return {}
    (folder / "filering.py").write_text(BACKEND, encoding="utf-8")
    (folder / "ring.json").write_text(json.dumps({f"bots/{USER}": MASTER_KEY}), encoding="utf-8")
    return {
        "PYTHON_KEYRING_BACKEND": "filering.FileRing",
        "TEST_RING": str(folder / "ring.json"),
        "MARGINBOT_MASTER_KEY": "",
        "MARGINBOT_MASTER_KEY_KEYRING": "bots",
    }


def test_it_speaks_to_nobody_but_exchanges_telegram_the_heartbeat_and_channels(world: World, hook: Hook) -> None:
    watching = world.folder / "watching"
    watching.mkdir()
    log, form = watching / "connections.txt", f"127.0.0.1:{free_port()}"
    (watching / "sitecustomize.py").write_text(WATCHED.replace("LOG", repr(str(log))), encoding="utf-8")
    (watching / "uvloop.py").write_text("raise ImportError", encoding="utf-8")  # it connects behind Python's back
    with beats() as (address, _):
        path = os.pathsep.join(filter(None, [str(watching), os.environ.get("PYTHONPATH")]))
        environment = world.environment | {
            "MARGINBOT_HEARTBEAT_URL": address,
            "MARGINBOT_FORM_URL": f"http://{form}",
            "MARGINBOT_FORM_LISTEN": form,
            "MARGINBOT_EXCHANGE_URLS": json.dumps({"binanceusdm": world.exchange.url, "bybit": world.exchange.url}),
            "PYTHONPATH": path,
        }
        with running_bot(world.folder, environment | key_from_the_keyring(watching)) as bot:
            bot.wait_until_healthy()
            world.add()
            a_key_by_the_form(world)
            asked = world.tg.private(ALICE, f"/channels add {hook.address} from WARNING after 0m")
            world.tg.wait_for_sync(ALICE, "My test line was accepted", 20.0, after=asked)
            world.price(0.83)
            world.tg.wait_for_sync(ALICE, re.compile("WARNING|CRITICAL|EMERGENCY"), 20.0)
            hook.wait_for("main (binanceusdm)")
            time.sleep(2)
            assert bot.stop() == 0
    servers = {world.tg.url, world.exchange.url, hook.address.replace("json:", "http:"), address}
    spoken_to = {str(urlsplit(url).port) for url in servers}
    seen = {tuple(line.split()) for line in log.read_text(encoding="utf-8").splitlines()}
    assert {(host, port) for what, host, port in seen if what != "listen"} == {
        ("127.0.0.1", port) for port in spoken_to
    }
    # urllib3 asks once whether there is IPv6, by binding no port in particular; nobody listens there.
    bound = {(host, port) for what, host, port in seen if what == "listen" and port != "0"}
    assert bound == {("127.0.0.1", port) for port in (str(bot.port), form.rpartition(":")[2])}


def test_failure_35_the_repository_ignores_what_holds_keys() -> None:
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    names = [
        ".env",
        "prod.env",
        "marginbot.db",
        "marginbot.db-wal",
        "backup.db.replaced-1",
        "master.key",
        "copy.sqlite3",
    ]
    command = ["git", "check-ignore", *names]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    assert told.stdout.split() == names
