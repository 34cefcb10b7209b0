"""Time that passes only when nothing is left to do, and a Telegram within the process that lives in it.

What takes minutes happens at once, the same way on every machine: nothing in here waits for a clock, a socket or a
thread. The client is the real library down to its transport, which is exchanged by the library's own seam.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from telegram.error import NetworkError, TimedOut
from telegram.ext import ExtBot
from telegram.request import BaseRequest, RequestData

from tests.builders import T0
from tests.servers.telegram import TOKEN
from tests.servers.telegram_faults import ApiError, Throttle
from tests.servers.telegram_methods import Methods
from tests.servers.telegram_records import Call
from tests.servers.telegram_spec import Spec, decode_loosely, default_spec_path
from tests.servers.telegram_world import World

T = TypeVar("T")
ONE_WAY = 0.04  # seconds to the service, and as many back


class _Jump(selectors.SelectSelector):
    """Where the loop would wait for the next timer, its time is there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for something that cannot come"
        self.passed += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps from timer to timer."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._jump.passed

    def now(self) -> datetime:
        """The same as a time of day."""
        return T0 + timedelta(seconds=self._jump.passed)


def simulated(work: Coroutine[Any, Any, T], loop: SimulatedLoop) -> T:
    """Run something to its end in simulated time."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


class SimulatedTelegram(World, BaseRequest):
    """The people's side and the Bot API, reached without a network; `share` of all requests goes wrong."""

    def __init__(self, loop: SimulatedLoop, *, seed: int = 1) -> None:
        World.__init__(self, int(TOKEN.split(":")[0]))
        self.throttle = Throttle(loop.time)
        self.share = 0.0
        self.kinds: tuple[str, ...] = ("500", "502", "reset", "lost")
        self.silence = 0.0  # seconds until an answer that is lost is given up by the library
        self.is_out = False  # nothing gets through, and nothing is answered
        self._loop = loop
        self._random = random.Random(seed)
        self._spec = Spec.load(default_spec_path())
        self._methods = Methods(self, self._spec)

    def client(self) -> ExtBot[None]:
        """The real client on this transport."""
        return ExtBot(TOKEN, request=self, get_updates_request=self)

    def accepted(self, chat_id: int) -> list[Call]:
        """The messages and changes that were taken in a chat, with the time of each."""
        return [c for c in self.calls() if c.outcome == "ok" and c.params.get("chat_id") == chat_id]

    # the library's transport

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    @property
    def read_timeout(self) -> float | None:
        """As the bot has it."""
        return 10.0

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = None,
        write_timeout: Any = None,
        connect_timeout: Any = None,
        pool_timeout: Any = None,
    ) -> tuple[int, bytes]:
        """A request and its answer, or what is left of them."""
        await asyncio.sleep(ONE_WAY)
        name = url.rsplit("/", 1)[-1]
        raw: dict[str, Any] = dict(request_data.json_parameters) if request_data else {}
        params = decode_loosely(raw) if self._spec is None else self._decoded(name, raw)
        call = Call(name, params, self._loop.time())
        self.requests.append(call)
        kind = self._trouble(call)
        if kind == "reset":
            raise NetworkError("connection reset") from ConnectionResetError()
        if kind in ("500", "502"):
            call.outcome = kind
            return int(kind), b'{"ok": false, "error_code": %s, "description": "Bad Gateway"}' % kind.encode()
        status, body = self._answered(call)
        await asyncio.sleep(ONE_WAY)
        if kind == "lost" and call.outcome == "ok":
            await asyncio.sleep(self.silence)
            raise TimedOut
        return status, body

    def _decoded(self, name: str, raw: dict[str, Any]) -> dict[str, Any]:
        assert self._spec is not None
        params, problems = self._spec.decode(name, raw)
        self.violations += problems
        return params

    def _trouble(self, call: Call) -> str | None:
        if self.is_out:
            call.outcome = "out"
            return "reset"
        if self._random.random() >= self.share:
            return None
        kind = self._random.choice(self.kinds)
        call.outcome = kind
        return kind

    def _answered(self, call: Call) -> tuple[int, bytes]:
        fault = self.faults.hit(call.method, call.params.get("chat_id"))
        try:
            if fault is not None and (refusal := fault.error()):
                raise refusal
            result = self._methods.answer(call.method, call.params)
        except ApiError as error:
            call.outcome = str(error)
            return error.code, json.dumps(error.body).encode()
        call.outcome = "ok"
        return 200, json.dumps({"ok": True, "result": result}).encode()
