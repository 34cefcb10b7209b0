"""With the real process: a second way to be reached, over the chat that was blocked and through a kill."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.running import running_bot
from tests.test_end_to_end import ALICE, World, no_secret_anywhere, world

__all__ = ["world"]

CANARY = "canary-hook-0c41d7"


class Hook(ThreadingHTTPServer):
    """Takes what Apprise's `json://` posts."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/{CANARY}"

    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]

    def wait_for(self, wanted: str, timeout: float = 90.0) -> None:
        deadline = time.monotonic() + timeout
        while not any(wanted in title for title in self.titles()):
            assert time.monotonic() < deadline, self.titles()
            time.sleep(0.05)


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def add_channel(world: World, hook: Hook, how: str) -> None:
    asked = world.tg.private(ALICE, f"/channels add {hook.address} {how}")
    world.tg.wait_for_sync(ALICE, "My test line was accepted", 20.0, after=asked)
    assert (ALICE, asked) in world.tg.deleted


def test_failure_27_blocked_or_killed_the_second_way_still_rings(world: World, hook: Hook) -> None:
    with running_bot(world.folder, world.environment) as bot:
        bot.wait_until_healthy()
        world.add()
        add_channel(world, hook, "from WARNING after 60m")
        world.tg.faults.add(
            "sendMessage", ALICE, times=None, kind="403", description="Forbidden: bot was blocked by the user"
        )
        world.price(0.83)
        hook.wait_for("main (binanceusdm)")
        told = len(hook.received)
        bot.kill()
        bot.start()
        bot.wait_until_healthy()
        time.sleep(5)
        assert len(hook.received) <= told + 1
        assert bot.stop() == 0
        for file in (bot.log, *world.folder.glob("bot.db*")):
            assert CANARY.encode() not in file.read_bytes(), file.name
        no_secret_anywhere(world, bot)
