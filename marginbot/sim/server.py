"""An HTTP server on loopback that answers like an exchange, and fails like one on request.

A venue subclasses `LoopbackServer`, lists its paths in `routes()` and answers each `Call` with a
JSON payload or a `Reply`. Everything a test wants to go wrong is asked of `faults`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from aiohttp import web

FaultKind = Literal["hang", "reset", "500", "503", "garbage", "html", "banned", "rate_limited"]
Edit = Callable[[Any], Any]
Clock = Callable[[], int]  # Unix time in milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it arrived; `query` is kept byte for byte, because signatures cover it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: str
    at_ms: int  # by the server's clock

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with its status and headers; text goes out as it is, anything else as JSON."""

    payload: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.payload if isinstance(self.payload, str) else json.dumps(self.payload)


class Refusal(Exception):
    """Raised by a handler to answer with `reply` at once."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.payload)
        self.reply = reply


Handler = Callable[[Call], Any]  # a payload, or a Reply
Routes = dict[tuple[str, str], Handler]  # (method, path) to handler


@dataclass(slots=True)
class _Planned:
    kind: FaultKind | None
    path: str
    times: int | None
    edit: Edit | None = None


class Faults:
    """What shall go wrong, by path prefix, for the next `times` requests or until cleared."""

    def __init__(self) -> None:
        self.clock_offset_ms = 0  # added to the clock the server shows and checks against
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def add(self, kind: FaultKind, path: str = "", *, times: int | None = None) -> None:
        """Answer requests whose path starts with `path` with this fault instead."""
        with self._lock:
            self._planned.append(_Planned(kind, path, times))

    def edit(self, path: str, change: Edit, *, times: int | None = None) -> None:
        """Pass successful JSON payloads of `path` through `change` before they are sent."""
        with self._lock:
            self._planned.append(_Planned(None, path, times, change))

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()
            self.clock_offset_ms = 0

    def kind_for(self, path: str) -> FaultKind | None:
        """The first fault planned for this path; counts as used."""
        with self._lock:
            for planned in self._planned:
                if planned.kind is not None and self._use(planned, path):
                    return planned.kind
        return None

    def edited(self, path: str, payload: Any) -> Any:
        """The payload after every edit planned for this path."""
        with self._lock:
            edits = [p.edit for p in self._planned if p.edit is not None and self._use(p, path)]
        for edit in edits:
            payload = edit(payload)
        return payload

    @staticmethod
    def _use(planned: _Planned, path: str) -> bool:
        if not path.startswith(planned.path) or planned.times == 0:
            return False
        if planned.times is not None:
            planned.times -= 1
        return True


_HTML = "<html><head><title>{status}</title></head><body>upstream is unavailable</body></html>"
_BROKEN: dict[str, Reply] = {
    "500": Reply(_HTML.format(status=500), 500),
    "503": Reply(_HTML.format(status=503), 503),
    "html": Reply(_HTML.format(status=200)),
    "garbage": Reply("\x00\x01 not json {"),
}


class LoopbackServer:
    """Base of the simulated venues: start and stop, routing, request log, faults.

    `async with server:` serves on the running loop. Handlers are plain functions run one at a time
    under `lock`; whoever changes the state they read from another thread takes `lock` too.
    """

    def __init__(self, clock: Clock, *, port: int = 0) -> None:
        self._clock = clock
        self._port = port
        self.url = ""  # known once started, e.g. http://127.0.0.1:40123
        self.requests: list[Call] = []
        self.faults = Faults()
        self.lock = threading.RLock()
        self._routes: Routes = {}
        self._runner: web.ServerRunner | None = None
        self._closing = asyncio.Event()

    # -- what a venue provides

    def routes(self) -> Routes:
        raise NotImplementedError

    def not_found(self, call: Call) -> Reply:
        return Reply(f"no such path: {call.path}", 404)

    def rate_limited(self, call: Call) -> Reply:
        return Reply("too many requests", 429, {"Retry-After": "1"})

    def banned(self, call: Call) -> Reply:
        return Reply("banned", 418, {"Retry-After": "120"})

    def finish(self, call: Call, reply: Reply) -> Reply:
        """Last look at every reply, for headers such as the used weight."""
        return reply

    # -- for handlers

    def now_ms(self) -> int:
        return self._clock() + self.faults.clock_offset_ms

    def seen(self, path: str) -> list[Call]:
        """The requests to this path so far, oldest first."""
        return [call for call in self.requests if call.path == path]

    # -- life

    async def start(self) -> None:
        self._routes = self.routes()
        self._closing = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # -- serving

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = await self._read(request)
        self.requests.append(call)
        fault = self.faults.kind_for(call.path)
        if fault == "hang":
            await self._closing.wait()
        if fault in ("hang", "reset"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        with self.lock:
            reply = self.finish(call, self._reply(call, fault))
        is_json = not isinstance(reply.payload, str)
        kind = "application/json" if is_json else "text/html"
        return web.Response(text=reply.text, status=reply.status, headers=dict(reply.headers), content_type=kind)

    async def _read(self, request: web.BaseRequest) -> Call:
        path, _, query = request.raw_path.partition("?")
        return Call(
            method=request.method,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.text(),
            at_ms=self.now_ms(),
        )

    def _reply(self, call: Call, fault: FaultKind | None) -> Reply:
        if fault == "banned":
            return self.banned(call)
        if fault == "rate_limited":
            return self.rate_limited(call)
        if fault is not None:
            return _BROKEN[fault]
        try:
            handler = self._routes.get((call.method, call.path), self.not_found)
            answer = handler(call)
        except Refusal as refusal:
            return refusal.reply
        if isinstance(answer, Reply):
            return answer
        return Reply(self.faults.edited(call.path, answer))
