"""The event loop that the bot runs on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any


def faster_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists: less CPU and memory for each connection. None: the usual one."""
    try:
        import uvloop
    except ImportError:
        return None

    class Loop(uvloop.Loop):
        """uvloop closes a given socket when connecting fails or is cancelled, but lets its owner close it once more.

        By then the number belongs to another connection, which breaks (uvloop issue 738, open in 0.22).
        """

        async def create_connection(self, *args: Any, sock: socket.socket | None = None, **kwargs: Any) -> Any:
            """As of any loop."""
            try:
                return await super().create_connection(*args, sock=sock, **kwargs)
            except BaseException:
                if sock is not None:
                    sock.detach()
                raise

    return Loop
