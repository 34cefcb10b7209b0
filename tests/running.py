"""The bot as an operator starts it: a process of its own, talking to loopback servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MASTER_KEY = "kGm1dYJ2s0W9pXvQ4tR7uZ3bN6cF8hLaEjKoMqTyVwI="


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningBot:
    """One `marginbot run`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "bot.log"
        base = {name: value for name, value in os.environ.items() if not name.startswith("MARGINBOT_")}
        self.environment = base | {
            "MARGINBOT_TELEGRAM_TOKEN": "123456:TEST",
            "MARGINBOT_MASTER_KEY": MASTER_KEY,
            "MARGINBOT_DATABASE": str(folder / "bot.db"),
            "MARGINBOT_ACCESS": "open",
            "MARGINBOT_HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "MARGINBOT_LOG_LEVEL": "debug",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its log is appended to."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "marginbot", "run"]
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=log, stdout=log)

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is told."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of `/healthz`; (0, {}) while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def wait_until_healthy(self, timeout: float = 90.0) -> None:
        """Wait for a 200 of `/healthz`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            if self.health()[0] == 200:
                return
            time.sleep(0.1)
        raise AssertionError(f"not healthy after {timeout} s: {self.health()}\n{self.log.read_text()[-4000:]}")


@contextmanager
def running_bot(folder: Path, environment: Mapping[str, str]) -> Iterator[RunningBot]:
    """A started bot, killed at the end if the test has not stopped it."""
    bot = RunningBot(folder, environment)
    bot.start()
    try:
        yield bot
    finally:
        if bot.process is not None and bot.process.poll() is None:
            bot.kill()
