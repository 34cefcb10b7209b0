"""Pushover's messages and receipts on loopback, as far as emergencies go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

USER, TOKEN = "uCanaryUserKey0000000000000000", "aCanaryToken000000000000000000"
ADDRESS = f"pover://{USER}@{TOKEN}"


@dataclass
class PushoverServer:
    """Accepts what is well formed; `answers` holds statuses to give instead, first come first."""

    messages: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    tapped: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/1/messages.json", self._message)
        app.router.add_get("/1/receipts/{receipt}.json", self._receipt)
        app.router.add_post("/1/receipts/{receipt}/cancel.json", self._cancel)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _message(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.messages.append(form)
        if self.answers:
            return _refused(self.answers.pop(0))
        if (form["user"], form["token"], form["priority"]) != (USER, TOKEN, "2"):
            return _refused(400)
        if not (int(form["retry"]) >= 30 and 0 < int(form["expire"]) <= 10800):
            return _refused(400)
        return web.json_response({"status": 1, "request": "x", "receipt": f"r{len(self.messages)}"})

    async def _receipt(self, request: web.Request) -> web.Response:
        if self.answers:
            return _refused(self.answers.pop(0))
        if request.query.get("token") != TOKEN:
            return _refused(400)
        name = request.match_info["receipt"]
        return web.json_response(
            {"status": 1, "acknowledged": int(name in self.tapped), "expired": int(name in self.expired)}
        )

    async def _cancel(self, request: web.Request) -> web.Response:
        if self.answers:
            return _refused(self.answers.pop(0))
        self.cancelled.add(request.match_info["receipt"])
        return web.json_response({"status": 1})


def _refused(status: int) -> web.Response:
    body: dict[str, Any] = {"status": 0, "errors": ["no"]}
    return web.json_response(body, status=status)


@dataclass
class JsonServer:
    """What Apprise's `json://` posts to; answers with `status`."""

    received: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    address: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"json://127.0.0.1:{self._runner.addresses[0][1]}/canary-hook-7f3a"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        self.received.append(await request.json())
        return web.Response(status=self.status)
