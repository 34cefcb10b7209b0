"""A Bot API in a process of its own that accepts everything, and says at once when an alarm was asked for.

The loopback Bot API of the tests checks each request, which costs more than the bot's own part and on the same loop:
where delays are measured, this one stands in for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

ALARM = "CRITICAL"


class Connection(asyncio.Protocol):
    """Just enough HTTP/1.1."""

    def __init__(self, pipe: Any, delay: float) -> None:
        self.pipe, self.delay = pipe, delay
        self.buffer, self.count = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """A request is there when its body is."""
        at = time.monotonic()
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            lines = self.buffer[:end].decode().lower().split("\r\n")
            size = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            self._answer(lines[0], body.decode(), at)

    def _answer(self, method: str, body: str, at: float) -> None:
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        chat = int(asked.get("chat_id", 0))
        if ALARM in asked.get("text", ""):
            self.pipe.send((chat, at))
        self.count += 1
        message = {"message_id": self.count, "date": int(time.time()), "chat": {"id": chat, "type": "private"}}
        result = {"id": 1, "is_bot": True, "first_name": "b", "username": "b"} if "/getme" in method else message
        told = json.dumps({"ok": True, "result": result}).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(told) + told
        asyncio.get_running_loop().call_later(self.delay, self.transport.write, answer)


def _serve(pipe: Any, delay: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(pipe, delay), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


class Telegram:
    """The server from this side."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._asked: dict[int, float] = {}
        self._bell = asyncio.Event()

    def hear(self, chat: int, at: float) -> None:
        """An alarm was asked for."""
        self._asked.setdefault(chat, at)
        self._bell.set()

    async def asked(self, chat: int) -> float:
        """When this chat's first alarm was asked for: seconds of the monotonic clock, which all processes share."""
        while chat not in self._asked:
            self._bell.clear()
            await self._bell.wait()
        return self._asked[chat]


@contextlib.asynccontextmanager
async def telegram(delay: float = 0.05) -> AsyncIterator[Telegram]:
    """Start one that answers after `delay` seconds, and end it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, delay), daemon=True)
    process.start()
    loop = asyncio.get_running_loop()
    try:
        if not await asyncio.to_thread(ours.poll, 60):
            raise TimeoutError("the Bot API did not start")
        side = Telegram(f"http://127.0.0.1:{ours.recv()}")
        loop.add_reader(ours.fileno(), lambda: side.hear(*ours.recv()))
        yield side
    finally:
        loop.remove_reader(ours.fileno())
        process.terminate()
        process.join(5)
