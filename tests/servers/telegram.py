"""A Telegram Bot API on loopback.

    async with TelegramServer() as tg:  # MARGINBOT_TELEGRAM_API_URL is tg.url
        asked = tg.private(7, "/status")
        answer = await tg.wait_for(7, "no accounts", after=asked)

A synchronous test that runs the bot as a process writes `with threaded() as tg:` and waits with
`tg.wait_for_sync`. Every request is held against the Bot API specification of the test corpus;
what breaks it is answered with 400 and listed in `tg.violations`.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from aiohttp.web_request import FileField

from tests.servers.telegram_faults import BAD_GATEWAY, ApiError, Fault, FaultKind, Faults
from tests.servers.telegram_methods import Methods
from tests.servers.telegram_records import Button, Call, Chat, Json, Message, User
from tests.servers.telegram_spec import Spec, Upload, decode_loosely, default_spec_path
from tests.servers.telegram_world import CallbackAnswer, World
from tests.servers.threads import on_a_thread

__all__ = [
    "TOKEN",
    "Button",
    "Call",
    "CallbackAnswer",
    "Chat",
    "Fault",
    "FaultKind",
    "Faults",
    "Message",
    "TelegramServer",
    "Upload",
    "User",
    "threaded",
]

TOKEN = "123456:TEST"


class TelegramServer(World):
    """One bot's Bot API; `stop` and `start` again keep the port and everything said."""

    def __init__(self, token: str = TOKEN, spec_path: Path | None = None, *, longest_poll: float = 1.0) -> None:
        super().__init__(int(token.split(":")[0]))
        self.token = token
        self.spec = Spec.load(spec_path or default_spec_path())
        self.longest_poll = longest_poll
        self._methods = Methods(self, self.spec)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._poller = 0  # the newest getUpdates; an older one is told of the conflict

    @property
    def validating(self) -> bool:
        """False when the specification is missing, and requests are taken as they come."""
        return self.spec is not None

    @property
    def url(self) -> str:
        """What MARGINBOT_TELEGRAM_API_URL should be."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._poller += 1
        self.bell.ring()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.match_info["method"], {}, time.monotonic())
        with self.lock:
            self.requests.append(call)
        try:
            return await self._respond(request, call)
        except ApiError as error:
            call.outcome = str(error)
            return web.json_response(error.body, status=error.code)
        finally:
            self.bell.ring()

    async def _respond(self, request: web.Request, call: Call) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            raise ApiError(401, "Unauthorized")
        self._decode(call, await _read(request))
        fault = self.faults.hit(call.method, call.params.get("chat_id"))
        if fault and (refusal := _refuse(request, call, fault)):
            return refusal
        result = await self._get_updates(call.params) if call.method == "getUpdates" else self._run(call)
        call.outcome = "ok"
        if fault and fault.kind == "reset_after":
            return _hang_up(request, call, fault)
        if fault:
            self.bell.ring()
            await asyncio.sleep(fault.delay)
        return web.json_response({"ok": True, "result": result})

    def _decode(self, call: Call, raw: Json) -> None:
        if self.spec is None:
            call.params = decode_loosely(raw)
            return
        if not self.spec.knows(call.method):
            self._complain([f"{call.method}: unknown method"])
            raise ApiError(404, "Not Found")
        call.params, problems = self.spec.decode(call.method, raw)
        if problems:
            self._complain(problems)
            raise ApiError(400, f"Bad Request: {problems[0]}")

    def _complain(self, problems: list[str]) -> None:
        with self.lock:
            self.violations += problems

    def _run(self, call: Call) -> Any:
        with self.lock:
            return self._methods.answer(call.method, call.params)

    async def _get_updates(self, params: Json) -> list[Json]:
        self._poller += 1
        me = self._poller
        if "allowed_updates" in params:
            self.allow(params["allowed_updates"])
        if self.webhook:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook"
                " first",
            )
        deadline = time.monotonic() + min(params.get("timeout", 0), self.longest_poll)
        while True:
            seen = self.bell.count
            if me != self._poller:
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
            updates = self.fetch(params.get("offset", 0), params.get("limit", 100))
            left = deadline - time.monotonic()
            if updates or left <= 0:
                return updates
            await self.bell.listen(seen, left)


async def _read(request: web.Request) -> Json:
    """The parameters from wherever the Bot API takes them."""
    raw: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            return raw | dict(await request.json())
        except (ValueError, TypeError) as error:
            raise ApiError(400, "Bad Request: can't parse request JSON object") from error
    for name, value in (await request.post()).items():
        raw[name] = _upload(value) if isinstance(value, FileField) else value
    return raw


def _upload(value: FileField) -> Upload:
    with value.file as file:
        return Upload(value.filename, value.content_type, file.read())


def _refuse(request: web.Request, call: Call, fault: Fault) -> web.StreamResponse | None:
    """The answer of a fault that keeps the call from being carried out."""
    call.arranged = fault.kind not in ("slow", "reset_after")
    if error := fault.error():
        raise error
    if fault.kind == "502":
        call.outcome = "502 Bad Gateway"
        return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")
    return _hang_up(request, call, fault) if fault.kind == "reset" else None


def _hang_up(request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
    """Closes the connection in place of an answer."""
    call.outcome = fault.kind
    if request.transport:
        request.transport.abort()
    return web.Response()


@contextmanager
def threaded(
    token: str = TOKEN, spec_path: Path | None = None, *, longest_poll: float = 1.0
) -> Iterator[TelegramServer]:
    """A server on a thread of its own, for a test without an event loop."""
    with on_a_thread(TelegramServer(token, spec_path, longest_poll=longest_poll)) as server:
        yield server
